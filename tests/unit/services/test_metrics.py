"""Metrics out of files: every figure where it belongs, nothing where nothing is known, one page on 127.0.0.1."""

import asyncio
import json
import re
import sqlite3
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.params import load_params
from core.model.messages import Channel
from ports.bus import BusState, GroupLag
from services.metrics import METRICS, PREFIX, exposition, read
from services.metrics_server import serve_metrics
from tests.unit.core.builders import NOON
from tests.unit.services.conftest import StillClock

ROOT = Path(__file__).resolve().parents[3]
BUS = BusState(
    life="1",
    used_bytes=5_000_000,
    most_bytes=256_000_000,
    lags=(GroupLag(channel=Channel.SIGNAL, group="trader", pending=2, behind_s=1.5),),
)


def beat(state_dir: Path, name: str, **fields: object) -> None:
    path = state_dir / "beats" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({k: str(v) for k, v in fields.items()}))


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """A state directory in which everything runs."""
    mono = time.monotonic()
    loop = {"mono": mono, "pss_mb": "60.5", "loop_longest_ms": "120.0"}
    beat(
        tmp_path,
        "collector",
        **loop,
        feed="connected",
        delayed=False,
        delay_s="2.4",
        lag_s="0.1",
        gaps=1,
        bars=1000,
        bars_at=NOON.isoformat(),
        found=7,
        published=9,
        lost=2,
        lookups=0,
        refused='{"price": 900, "volume": 93}',
    )
    beat(tmp_path, "analyzer", **loop, signals=5, unsaved=0)
    beat(
        tmp_path,
        "trader",
        **loop,
        outbox=3,
        outbox_waits_for="database",
        positions=2,
        plans=1,
        market_open=True,
        broker_ok=True,
        broker_failures=0,
        skew_s="0.4",
        rate_per_s="15.0",
        stops=json.dumps({"NVDA": mono - 2.5, "AMD": mono - 1}),
        state="reducing",
        blocks="broker_sick,stop_streak",
    )
    beat(tmp_path, "bot", **loop)
    guard = {"in_charge": True, "keeps": False, "protected": 2, "trader_age_s": "1.2"}
    beat(tmp_path, "guardian", mono=mono - 60, pss_mb="22.1", **guard)
    journal = sqlite3.connect(tmp_path / "journal.db")
    journal.executescript(
        "CREATE TABLE intent (state TEXT); INSERT INTO intent VALUES ('FILLED'), ('FILLED'), ('UNKNOWN');"
        "CREATE TABLE decision (verdict TEXT); INSERT INTO decision VALUES ('accepted'), ('data_old');"
    )
    journal.close()
    (tmp_path / "tokens").mkdir()
    sent = [mono - 50, *(mono - 3 - n / 10 for n in range(12)), mono - 900]
    (tmp_path / "tokens" / "kis-rate-00ff.json").write_text(json.dumps(sent).ljust(2048))
    return tmp_path


def shown(state_dir: Path, bus: BusState | None = BUS, *, database: bool = True) -> dict[str, dict[str, float]]:
    """Metric → its labels as text → value."""
    page = exposition(read(state_dir, StillClock(), bus, database=database)).decode()
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sample.labels.items())
            found.setdefault(sample.name.removeprefix(PREFIX), {})[labels] = sample.value
    return found


def test_every_metric_is_shown_while_everything_runs(busy: Path) -> None:
    assert set(shown(busy)) == set(METRICS)


def test_the_figures_are_those_of_heartbeats_journal_redis_and_the_rate_file(busy: Path) -> None:
    found = shown(busy)
    assert found["up"] == {
        f"process={p}": float(p != "guardian") for p in ("collector", "analyzer", "trader", "bot", "guardian")
    }
    assert found["memory_bytes"]["process=collector"] == 60.5e6
    assert found["loop_longest_seconds"]["process=bot"] == pytest.approx(0.12)
    assert found["refused_total"] == {"rule=price": 900, "rule=volume": 93}
    assert (found["bars_total"], found["found_total"], found["publish_lost_total"]) == ({"": 1000}, {"": 7}, {"": 2})
    assert (found["feed_up"], found["feed_delayed"], found["bars_age_seconds"]) == ({"": 1}, {"": 0}, {"": 0})
    assert found["stage_behind_seconds"] == {"channel=channel:signal,group=trader": 1.5}
    assert found["orders"] == {"state=FILLED": 2, "state=UNKNOWN": 1}
    assert found["decisions_total"] == {"verdict=accepted": 1, "verdict=data_old": 1}
    assert found["trading_state"] == {"state=active": 0, "state=reducing": 1, "state=halted": 0}
    reasons = ("broker_sick", "guardian_in_charge", "outbox_waits_for_database", "stop_streak")
    assert found["alarm"] == {f"reason={reason}": 1 for reason in reasons}
    assert found["outbox_items"] == {"": 3}
    assert 2.5 <= found["stop_look_age_seconds"][""] < 60
    assert found["kis_peak_requests_per_second"] == {"key=00ff": 10}
    assert (found["redis_up"], found["database_up"]) == ({"": 1}, {"": 1})


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    found = shown(tmp_path, bus=None, database=False)
    assert set(found) == {"up", "redis_up", "database_up"}
    assert set(found["up"].values()) | set(found["redis_up"].values()) | set(found["database_up"].values()) == {0.0}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"\xff", b"[" * 70_000, b'{"mono": "nan", "bars": "1e999"}'],
    ids=["empty", "torn", "list", "bytes", "deep", "numbers"],
)
def test_whatever_lies_in_the_files_the_page_is_served(busy: Path, content: bytes) -> None:
    for name in ("collector", "trader", "guardian"):
        (busy / "beats" / name).write_bytes(content)
    (busy / "tokens" / "kis-rate-00ff.json").write_bytes(content)
    (busy / "journal.db").write_bytes(content)
    found = shown(busy)
    assert "bars_total" not in found
    assert found["up"]["process=bot"] == 1


def test_the_dashboard_names_only_metrics_that_exist_and_shows_them_all() -> None:
    board = json.loads((ROOT / "deploy" / "grafana" / "seohak.json").read_text(encoding="utf-8"))
    named = {
        name
        for panel in board["panels"]
        for target in panel.get("targets", ())
        for name in re.findall(rf"{PREFIX}(\w+)", target["expr"])
    }
    assert named == set(METRICS)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_alerts_name_only_metrics_that_exist() -> None:
    rules = (ROOT / "deploy" / "grafana" / "alerts.yaml").read_text(encoding="utf-8")
    named = set(re.findall(rf"{PREFIX}([a-z_]+)", rules))
    assert named
    assert named <= set(METRICS)


def test_the_documented_metrics_are_those_that_exist() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(rf"`{PREFIX}([a-z_]+)[`{{]", text)) == set(METRICS)


def test_metrics_are_off_unless_a_port_is_given() -> None:
    assert load_params(ROOT / "config.yaml").monitoring.metrics_port == 0


async def ask(port: int, request: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n", "200 OK"),
        ("GET /metrics?x=1 HTTP/1.1\r\nhost: localhost:9464\r\n\r\n", "200 OK"),
        ("GET /metrics HTTP/1.1\r\nHost: evil.example:9464\r\n\r\n", "403 Forbidden"),
        ("GET /metrics HTTP/1.1\r\n\r\n", "403 Forbidden"),
        ("GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n", "404 Not Found"),
        ("POST /metrics HTTP/1.1\r\nHost: localhost:1\r\n\r\n", "405 Method Not Allowed"),
        ("x" * 70_000 + "\r\n\r\n", ""),
    ],
    ids=["page", "query", "other_host", "no_host", "root", "post", "flood"],
)
async def test_only_this_machine_reads_the_page(request_: str, status: str, unused_tcp_port: int) -> None:
    async def page() -> bytes:
        return b"seohak_up 1\n"

    server = await serve_metrics(unused_tcp_port, page)
    assert server is not None
    try:
        assert [socket.getsockname()[0] for socket in server.sockets] == ["127.0.0.1"]
        answer = await ask(unused_tcp_port, request_)
        assert answer.split("\r\n")[0] == (f"HTTP/1.1 {status}" if status else "")
        assert ("seohak_up 1" in answer) is (status == "200 OK")
    finally:
        server.close()


async def test_a_port_that_is_taken_ends_nothing(unused_tcp_port: int, caplog: pytest.LogCaptureFixture) -> None:
    async def page() -> bytes:
        raise ValueError

    server = await serve_metrics(unused_tcp_port, page)
    assert server is not None
    assert await serve_metrics(unused_tcp_port, page) is None
    assert "monitoring.metrics_port" in caplog.text
    server.close()

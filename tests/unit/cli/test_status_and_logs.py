"""`./seohak status`, `logs`, `down` and `restart` where nothing runs, and what their tables look like."""

import json
import os
import shutil
from pathlib import Path

import pytest

from cli import health
from cli.__main__ import main
from cli.health import Health, gather, says
from cli.keeper import LOG_BACKUPS, Kept, rotate
from cli.logs import Tail
from cli.programs import Run, log_path
from cli.running import Process, memory_mb, running, uptime_s
from cli.status import duration, table
from services.fence import process_started


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("SEOHAK_ENV_FILE", str(tmp_path / "none.env"))
    (tmp_path / "logs").mkdir()
    return tmp_path


def test_where_nothing_runs_every_command_says_so(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (state / "supervisord.pid").write_text("1\n")
    assert main(["status"]) == 1
    assert main(["restart", "bot"]) == 1
    assert main(["logs"]) == 1
    assert "./seohak up" in capsys.readouterr().err
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"healthy": False, "running": False, "programs": []}
    assert main(["down"]) == 0
    assert not (state / "supervisord.pid").exists(), "a stale pid file is no obstacle"


def test_up_without_keys_says_what_is_missing(state: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for name in ("TELEGRAM_OWNER_IDS", "TELEGRAM_BOT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert main(["up"]) == 2
    assert "TELEGRAM_OWNER_IDS is missing" in capsys.readouterr().err
    assert not (state / "run.json").exists()


def test_a_program_that_refused_its_configuration_is_told_with_its_words(state: Path, monkeypatch) -> None:
    monkeypatch.setattr(health, "running", lambda _: [])
    states = {"bot": "BACKOFF", "trader": "BACKOFF", "analyzer": "STARTING"}
    monkeypatch.setattr(health.Supervisor, "states", lambda _: states)
    log_path(state, "analyzer").write_text("seohak analyzer: what the last one said\n")
    log_path(state, "bot").write_text("started\nseohak bot: TELEGRAM_OWNER_IDS is empty\n")
    log_path(state, "trader").write_text("2026-11-29 12:00:00 INFO stopped\n")
    rows = {row.name: row for row in gather(state, Run(programs=("analyzer", "trader", "bot"), socket=""))}
    assert rows["analyzer"].state == "starting"
    assert rows["bot"].state == "refused"
    assert rows["bot"].says.endswith("TELEGRAM_OWNER_IDS is empty")
    assert rows["trader"].state == "down"
    assert "redis" not in rows, "an own Redis is not ours to judge"


@pytest.mark.parametrize(
    ("age_s", "uptime", "expected"), [(1.0, 500.0, "healthy"), (30.0, 500.0, "hung"), (None, 5.0, "starting")]
)
def test_health_is_a_fresh_heartbeat_of_the_same_process(state, monkeypatch, age_s, uptime, expected) -> None:
    me = Process("trader", os.getpid(), process_started(os.getpid()))
    monkeypatch.setattr(health, "running", lambda _: [me])
    monkeypatch.setattr(health, "uptime_s", lambda _: uptime)
    monkeypatch.setattr(health.time, "monotonic", lambda: 1000.0)
    if age_s is not None:
        (state / "beats").mkdir()
        beat = {"pid": str(me.pid), "mono": str(1000.0 - age_s), "positions": "2"}
        (state / "beats" / "trader").write_text(json.dumps(beat))
    (row, *_) = gather(state, Run(programs=("trader",), socket=str(state / "s.sock")))
    assert (row.name, row.state) == ("trader", expected)


def test_the_table_of_the_status() -> None:
    rows = [
        Health(
            name="trader",
            state="healthy",
            pid=4711,
            uptime_s=3723.0,
            restarts=1,
            heartbeat_age_s=0.4,
            memory_mb=54.2,
            says="positions=2",
        ),
        Health(name="bot", state="down", restarts=3, says="BACKOFF"),
    ]
    assert table(rows).splitlines() == [
        "  program      state         pid   uptime restarts    beat   memory  says",
        "✓ trader       healthy      4711    1h 2m        1   0.4 s    54 MB  positions=2",
        "✗ bot          down                              3                   BACKOFF",
        "bot 꺼짐 / down   (54 MB)",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (9.9, "9s"), (60, "1m 0s"), (3600, "1h 0m"), (200_000, "2d 7h")]
)
def test_durations_as_people_read_them(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_of_a_heartbeat_people_see_what_tells_them_something() -> None:
    assert says({"pid": "1", "positions": "2", "standby": "no", "feed": "", "mono": "5"}) == "standby=no positions=2"


def test_the_last_lines_of_one_log_or_of_all(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_path(state, "bot").write_text("".join(f"line {n}\n" for n in range(100)))
    log_path(state, "trader").write_text("only\n")
    assert main(["logs", "bot", "-n", "2"]) == 0
    assert capsys.readouterr().out == "line 98\nline 99\n"
    assert main(["logs", "-n", "1"]) == 0
    assert capsys.readouterr().out == "trader      only\nbot         line 99\n"
    assert main(["logs", "collector"]) == 1


def test_a_followed_log_goes_on_over_rotation_and_truncation(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("one\n")
    tail = Tail(path, 10)
    assert tail.last() == ["one"]
    with path.open("a") as file:
        file.write("two\nhal")
    assert tail.grown() == ["two"]
    with path.open("a") as file:
        file.write("f\n")
    assert tail.grown() == ["half"]
    path.rename(tmp_path / "x.log.1")
    assert tail.grown() == []
    path.write_text("new\n")
    assert tail.grown() == ["new"]
    path.write_text("")
    assert tail.grown() == []
    path.write_text("cut\n")
    assert tail.grown() == ["cut"]


def test_a_grown_log_begins_anew_and_keeps_its_last_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.keeper.MOST_LOG_BYTES", 5)
    path = tmp_path / "guardian.log"
    with path.open("a") as writer:
        for number in range(LOG_BACKUPS + 3):
            writer.write(f"number {number}\n")
            writer.flush()
            rotate(path)
        writer.write("x")
        writer.flush()
        assert path.read_text() == "x", "who writes appends, and need not be told"
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert kept == ["guardian.log", *(f"guardian.log.{n}" for n in range(1, LOG_BACKUPS + 1))]
    assert (tmp_path / "guardian.log.1").read_text() == f"number {LOG_BACKUPS + 2}\n"


def test_the_pause_before_a_restart_grows_with_quick_deaths_and_is_bounded() -> None:
    kept = Kept("guardian", None)
    pauses = []
    for _ in range(10):
        kept.gone(100.0, 1.0)
        pauses.append(kept.not_before - 100.0)
    assert pauses[:3] == [0.0, 1.0, 2.0]
    assert max(pauses) <= 30.0
    kept.gone(100.0, 60.0)
    assert kept.not_before == 100.0, "who lived long is started at once"


def test_a_process_is_known_by_the_kernels_word(tmp_path: Path) -> None:
    me = Process("x", os.getpid(), process_started(os.getpid()))
    assert me.alive
    assert not me._replace(started="1").alive, "its number belongs to another process now"
    assert running(tmp_path) == []
    assert memory_mb(me.pid, children=False) > 1
    assert uptime_s(me) > 0


def test_open_positions_are_seen_before_everything_stops(state, monkeypatch, capsys) -> None:
    if shutil.which("true") is None:
        pytest.skip("no program to stand for a guardian")
    me = Process("guardian", os.getpid(), process_started(os.getpid()))
    monkeypatch.setattr("cli.down.running", lambda _: [me])
    monkeypatch.setattr("cli.down.protected_positions", lambda _: ["HELI 7"])
    monkeypatch.setattr("cli.down.stop", lambda _: pytest.fail("not without a yes"))
    assert main(["down"]) == 1
    said = capsys.readouterr().err
    assert "HELI 7" in said
    assert "NOBODY" in said
    stopped = []
    monkeypatch.setattr("cli.down.stop", stopped.append)
    assert main(["down", "--yes"]) == 0
    assert stopped == [state]

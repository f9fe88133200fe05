"""Wrong input ends the start with exit code 2 and one line that says what to do, never with a traceback."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from cli.programs import ROOT

SECRETS = {
    "POLYGON_API_KEY": "not-a-real-key",
    "KIS_HTS_ID": "nobody",
    "KIS_ACCOUNT": "50012345-01",
    "KIS_APPKEY": "k" * 36,
    "KIS_APPSECRET": "s" * 180,
    "TELEGRAM_BOT_TOKEN": "123456:" + "t" * 35,
    "TELEGRAM_OWNER_IDS": "7001",
}
# a program may log that it begins, or what it does not find yet, before it refuses
LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ (INFO|WARNING) ")
OURS = ("KIS_", "POLYGON_", "MASSIVE_", "TELEGRAM_", "SEOHAK_", "DATABASE_URL", "REDIS_URL")


def start(folder: Path, module: str, *arguments: str, config: str | None = None, **env: str) -> tuple[int, str]:
    """Run `python -m module` in an environment of its own; exit code and standard error."""
    path = folder / "config.yaml"
    path.write_text((ROOT / "config.yaml").read_text() if config is None else config)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    own = {
        "SEOHAK_CONFIG": str(path),
        "SEOHAK_STATE_DIR": str(folder / "state"),
        "SEOHAK_ENV_FILE": str(folder / "none.env"),
    }
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=kept | own | env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.returncode, done.stderr


def refusal(result: tuple[int, str]) -> str:
    """The one line of a refused start, the last one."""
    code, text = result
    assert code == 2, text[-2000:]
    assert "Traceback" not in text
    said = [line for line in text.splitlines() if not LOGGED.match(line)]
    assert len(said) == 1, text
    assert text.rstrip().endswith(said[0])
    return said[0]


def changed(section: str, **values: object) -> str:
    document = yaml.safe_load((ROOT / "config.yaml").read_text())
    document[section] |= values
    return yaml.safe_dump(document, allow_unicode=True)


WRONG: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "wrong type": (changed("trading", split_count="many"), ("trading.split_count", "many", "1 … ")),
    "out of bounds above": (changed("trading", stop_loss_pct=15.0), ("trading.stop_loss_pct", "15", "…")),
    "out of bounds below": (changed("scanner", min_price=-1.0), ("scanner.min_price", "-1", "…")),
    "unknown choice": (changed("trading", mode="yolo"), ("trading.mode", "yolo", "auto | approve | watch")),
    "unknown key": (changed("analyzer", ema_slowest=99), ("analyzer.ema_slowest", "unknown key", "ema_slow")),
    "unknown section": ("tradign: {}\n", ("tradign", "unknown section", "trading")),
    "malformed time": (changed("notification", report_time="half past six"), ("notification.report_time", "half past")),
    "not YAML": ("trading: [unclosed\n", ("config.yaml", "not valid YAML")),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_service_refuses_a_wrong_config_naming_key_value_and_bounds(case: str, tmp_path: Path) -> None:
    """Before it opens a connection."""
    config, words = WRONG[case]
    line = refusal(start(tmp_path, "services.analyzer", config=config))
    for word in words:
        assert word in line


@pytest.mark.parametrize("module", ["services.collector", "services.trader", "cli.bot"])
def test_every_service_checks_the_config_first(module: str, tmp_path: Path) -> None:
    """The same line from each process."""
    line = refusal(start(tmp_path, module, config=changed("trading", split_count=0), **SECRETS))
    assert "trading.split_count" in line


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    """The path stands in the line."""
    line = refusal(start(tmp_path, "services.analyzer", SEOHAK_CONFIG=str(tmp_path / "absent.yaml")))
    assert "absent.yaml" in line


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("services.collector", "POLYGON_API_KEY"),
        ("services.trader", "KIS_APPSECRET"),
        ("cli.bot", "TELEGRAM_BOT_TOKEN"),
        ("cli.bot", "TELEGRAM_OWNER_IDS"),
    ],
)
def test_a_missing_secret_is_named(module: str, missing: str, tmp_path: Path) -> None:
    """The variable's name and where to put it."""
    config = changed("trading", venue="kis_real")
    env = {k: v for k, v in SECRETS.items() if k != missing}
    line = refusal(start(tmp_path, module, config=config, **env))
    assert missing in line
    assert ".env" in line


def test_the_real_broker_is_closed_outside_the_sandbox(tmp_path: Path) -> None:
    """venue kis_real with KIS's own address starts nothing."""
    line = refusal(start(tmp_path, "services.trader", config=changed("trading", venue="kis_real"), **SECRETS))
    assert "trading.venue" in line


def test_an_owner_that_is_no_number_is_refused(tmp_path: Path) -> None:
    """The list of owners is the lock on the door."""
    line = refusal(start(tmp_path, "cli.bot", **(SECRETS | {"TELEGRAM_OWNER_IDS": "@me"})))
    assert "TELEGRAM_OWNER_IDS" in line


def test_secrets_never_stand_in_the_line(tmp_path: Path) -> None:
    """A refused start tells names, not values."""
    env = {k: v for k, v in SECRETS.items() if k != "KIS_ACCOUNT"}
    _, text = start(tmp_path, "services.trader", config=changed("trading", venue="kis_real"), **env)
    assert SECRETS["KIS_APPSECRET"] not in text
    assert SECRETS["KIS_APPKEY"] not in text


def test_a_busy_port_is_one_line(tmp_path: Path) -> None:
    """The demo's chat page on a port where somebody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = str(listening.getsockname()[1])
        line = demo_refusal(start(tmp_path, "cli", "demo", "--headless", "--json", "--port", port))
    assert port in line


def demo_refusal(result: tuple[int, str]) -> str:
    """The demo says in both languages what it does before it fails."""
    code, text = result
    lines = [line for line in text.splitlines() if line.strip() and " / " not in line]
    return refusal((code, "\n".join(lines)))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--replay", "/nonexistent/bars.parquet", "--day", "2025-01-03"), "/nonexistent/bars.parquet"),
        (("--replay", "{garbage}"), "--day"),
        (("--replay", "{garbage}", "--day", "2025-01-03"), "garbage.parquet"),
        (("--replay", "{garbage}", "--day", "yesterday"), "yesterday"),
        (("--replay", "{bars}", "--day", "2025-01-04"), "2025-01-04"),
        (("--replay", "{columns}", "--day", "2025-01-03"), "volume"),
        (("--speed", "0"), "--speed"),
        (("--seconds", "1"), "--seconds"),
        (("--day", "2025-01-03"), "--replay"),
    ],
    ids=["no file", "no day", "garbage", "no date", "absent day", "no volume", "speed", "seconds", "day alone"],
)
def test_the_demo_refuses_what_it_cannot_play(arguments: tuple[str, ...], word: str, tmp_path: Path) -> None:
    """Unreadable recordings, absent days, impossible numbers: one line each."""
    files = {"garbage": tmp_path / "garbage.parquet", "bars": tmp_path / "bars.csv", "columns": tmp_path / "cols.csv"}
    files["garbage"].write_bytes(b"PAR1 this is no parquet file PAR1")
    files["bars"].write_text("ticker,ts,open,high,low,close,volume\nALUR,1735932840000,10,11,9,10,1000\n")
    files["columns"].write_text("ticker,ts,open,high,low,close\nALUR,1735932840000,10,11,9,10\n")
    filled = [argument.format(**files) for argument in arguments]
    line = demo_refusal(start(tmp_path, "cli", "demo", "--headless", "--json", "--state-dir", str(tmp_path), *filled))
    assert word in line

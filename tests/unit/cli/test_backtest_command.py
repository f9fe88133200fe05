"""`./seohak backtest run`: what it is told, and what it says to wrong input."""

import asyncio
import datetime as dt
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "backtest"))

from run_days import ON, day, hero

from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine
from backtest.data.store import Store
from cli import backtest
from cli.__main__ import main
from cli.programs import ROOT
from config.calibration import FILE, read_calibration
from config.environment import base, environment
from ports.store import Override

GENTLE = [10.8, 10.9]
CONFIG = str(ROOT / "config.yaml")


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """A store with one day in which one stock breaks out."""
    root = tmp_path / "bars"
    Store(root).write_day(day(ON, {"HERO": hero(GENTLE)}))
    return root


def run(*arguments: str) -> int:
    return main(["backtest", "run", "--config", CONFIG, *arguments])


def test_a_run_prints_one_object(bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--store", str(bars), "--json", "--set", "trading.mode=auto", "--set", "trading.split_count=4") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["proposed"][0]["ticker"] == "HERO"
    assert told["proposed"][0]["tranches"] == 4
    assert told["bars"] == 390


def test_a_run_is_told_in_tables_and_written_as_a_report(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "report"
    assert run("--store", str(bars), "--report", str(folder)) == 0
    told = capsys.readouterr().out
    assert "Assumptions" in told
    assert str(folder / "report.html") in told.replace("\n", "")
    assert {path.name for path in folder.iterdir()} >= {"report.html", "report.json", "picture.ko.png"}


def test_a_report_that_can_not_be_written_says_so(bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--store", str(bars), "--report", str(bars / "manifest.json")) == 2
    assert "--report" in capsys.readouterr().err


def test_securities_of_a_file_are_screened_by_cap_and_type(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "known.csv"
    known.write_text("ticker,name,type,shares\nHERO,Hero Inc,CS,1000\n")
    assert run("--store", str(bars), "--json", "--instruments", str(known)) == 0
    assert json.loads(capsys.readouterr().out)["found"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "trading.take_profit_pct"], "KEY=VALUE"),
        (["--set", "trading.nonsense=1"], "nonsense"),
        (["--set", "trading.take_profit_pct=0"], "take_profit_pct"),
        (["--set", "execution.half_spread_pct=9"], "half_spread_pct"),
        (["--set", "execution.nonsense=9"], "nonsense"),
        (["--set", "execution.volume_share_pct=many"], "volume_share_pct"),
        (["--first", "2030-01-01"], "no bars of these days"),
        (["--instruments", "nowhere.csv"], "nowhere.csv"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_input_is_one_line_that_says_what_to_do(
    bars: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run("--store", str(bars), *arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_store_that_is_not_there_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--store", str(tmp_path / "none")) == 2
    assert "./seohak data import" in capsys.readouterr().err


def test_a_file_of_securities_is_told_by_its_line(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for body, line in (
        ("ticker,name,type,shares\nHERO,x,CS,many\n", ":2:"),
        ("name\nx\n", ":2:"),
        ("ticker,exchange\nA,X\n", ":2:"),
    ):
        path = tmp_path / "known.csv"
        path.write_text(body)
        assert run("--store", str(bars), "--instruments", str(path)) == 2
        assert f"known.csv{line}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["2026-11-21"], "no bars"),
        (["2026-11-18", "--speed", "0"], "--speed"),
        (["2026-11-18", "--from", "late"], "no time of day"),
        (["2026-11-18", "--from", "12:00", "--to", "11:00"], "--from"),
    ],
)
def test_parity_refuses_what_it_can_not_play(
    bars: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["backtest", "parity", *arguments, "--store", str(bars)]) == 2
    assert said in capsys.readouterr().err


def test_settings_come_from_a_file_below_those_of_the_command_line(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = tmp_path / "chosen.json"
    chosen.write_text('{"trading.mode": "auto", "trading.split_count": 4, "scanner.security_types": "CS, ADRC"}')
    words = ("--store", str(bars), "--json", "--overrides", str(chosen))
    assert run(*words) == 0
    assert json.loads(capsys.readouterr().out)["proposed"][0]["tranches"] == 4
    assert run(*words, "--set", "trading.split_count=3") == 0
    assert json.loads(capsys.readouterr().out)["proposed"][0]["tranches"] == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", "expected one JSON object"),
        ("\xff", "expected one JSON object"),
        ('{"trading.nonsense": 1}', "trading.nonsense: unknown key"),
        ('{"trading.take_profit_pct": 5000}', "trading.take_profit_pct: 5000"),
        (None, "No such file"),
    ],
)
def test_overrides_that_are_none_are_refused(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, said: str
) -> None:
    chosen = tmp_path / "chosen.json"
    if content is not None:
        chosen.write_bytes(content.encode("latin-1"))
    assert run("--store", str(bars), "--overrides", str(chosen)) == 2
    assert said in capsys.readouterr().err


def test_what_was_changed_in_the_chat_is_read_from_its_database(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("SEOHAK_ENV_FILE", str(tmp_path / "no.env"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    words = ("--store", str(bars), "--json", "--overrides", "chat", "--set", "trading.mode=auto")
    assert run(*words) == 2
    assert "the database can't be read" in capsys.readouterr().err
    assert main(["db", "upgrade"]) == 0
    at = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)

    async def change() -> None:
        engine = open_engine(base(environment()).database_url)
        chat = SqlChatStore(engine)
        await chat.put_override(Override(key="trading.split_count", old=10, new=4, by="1", at=at))
        await chat.put_override(Override(key="trading.take_profit_pct", old=30.0, new=None, by="1", at=at))
        await engine.dispose()

    asyncio.run(change())
    capsys.readouterr()
    assert run(*words) == 0
    assert json.loads(capsys.readouterr().out)["proposed"][0]["tranches"] == 4


def test_past_results_of_too_few_cases_are_not_installed(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    assert run("--store", str(bars), "--json", "--install-calibration") == 2
    assert "no range of confidence has 30 cases" in capsys.readouterr().err
    assert not (tmp_path / FILE).exists()
    words = ("--install-calibration", "--strategy", "ema-cross", "--watch", "HERO")
    assert run("--store", str(bars), *words) == 2
    assert "plain rules have no confidence" in capsys.readouterr().err


def test_past_results_that_hold_are_installed_and_told(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(backtest, "unfit", lambda table, known: None)
    assert run("--store", str(bars), "--set", "trading.mode=auto", "--install-calibration") == 0
    told = capsys.readouterr().out.replace("\n", "")
    assert f"installed: {tmp_path / FILE}" in told
    assert read_calibration(tmp_path) is not None

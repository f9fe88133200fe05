"""`./seohak backtest run`: what it is told, and what it says to wrong input."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "backtest"))

from run_days import ON, day, hero

from backtest.data.store import Store
from cli.__main__ import main
from cli.programs import ROOT

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

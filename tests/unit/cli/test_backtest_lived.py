"""A day lived by the running system and recorded, replayed by the public command."""

import contextlib
import datetime as dt
import gzip
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from adapters.journal import SqliteJournal
from backtest import runner
from backtest.data.recorded import entries_of
from backtest.data.store import Store
from cli.__main__ import main
from core.model.batch import batch_of
from core.model.instrument import Exchange
from core.model.journal import AddTrip, PutExit, PutPlan
from core.model.messages import HeldPosition, SettingsChanged
from core.model.order import Purpose
from core.model.params import AnalyzerParams
from core.model.position import ExitRun, Plan, PlanState, RoundTrip
from core.model.recording import Arrived, Entry, Found, decode, encode
from tests.made_days import MONDAY
from tests.unit.cli.lived_world import START, World, day_of_bars, watch_list

PARITY = ["backtest", "parity", str(MONDAY), "--lived", "--json"]
Run = Callable[..., tuple[int, dict]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "SEOHAK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEOHAK_ENV_FILE", str(tmp_path / "none.env"))
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def parity(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, dict]:
        capsys.readouterr()
        code = main([*PARITY, *arguments])
        told = capsys.readouterr()
        assert code < 2, told.err
        return code, msgspec.json.decode(told.out)

    return run


def test_a_lived_day_is_decided_the_same_again(folder: Path, parity: Run) -> None:
    World(folder, day_of_bars()).live()
    code, found = parity()
    assert (code, found["differences"], found["world"], found["gaps"]) == (0, [], [], [])
    mine, live = found["counts"]["discoveries"]
    assert mine == live >= 3
    mine, live = found["counts"]["signals"]
    assert mine == live > found["counts"]["discoveries"][1], "watched tickers are judged as well"
    assert found["outside"]["not bought: mode_watch"] >= 2


def rewritten(folder: Path, change: Callable[[Entry], Entry]) -> None:
    """The recording with entries changed afterwards."""
    for path in (folder / "recordings" / str(MONDAY)).glob("*.gz"):
        entries = [decode(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        path.write_bytes(gzip.compress(b"".join(encode(change(entry)) + b"\n" for entry in entries)))


def test_an_analyzer_with_other_settings_is_found_out(folder: Path, parity: Run) -> None:
    World(folder, day_of_bars(), analyzer=AnalyzerParams(ema_fast=9)).live()
    code, found = parity()
    assert code == 1
    assert found["differences"][0].startswith("signals: ")
    assert {line.split(":")[0] for line in found["differences"]} <= {"signals"}
    assert found["world"] == []


CHANGED = SettingsChanged(
    id="s",
    overrides={
        "schedule.rest_when_closed": False,
        "analyzer.min_signals_for_buy": 1,
        "analyzer.ema_fast": 9,
        "scanner.price_change_pct": 2.0,
    },
    at=START,
)


@pytest.mark.parametrize("deaf", [False, True])
def test_a_setting_changed_during_the_day_is_replayed_from_that_minute_on(
    folder: Path, parity: Run, deaf: bool
) -> None:
    """An analyzer that did not hear of the change is found out."""
    World(folder, day_of_bars(), control={150: CHANGED}, deaf=deaf).live()
    code, found = parity()
    assert (code, bool(found["differences"]), found["world"]) == (int(deaf), deaf, [])
    changed_at = day_of_bars()[150][1][0].end_at.isoformat()
    assert all(line.split(": ")[2][:25] >= changed_at for line in found["differences"])


def test_a_ticker_watched_during_the_day_is_judged_from_then_on(folder: Path, parity: Run) -> None:
    """Live the analyzer has no earlier bars of it; the backtest has, and what it decides otherwise is explained."""
    more = watch_list("T00", "T03", "T05", "T07")
    World(folder, day_of_bars(), control={150: more}).live()
    code, found = parity()
    assert (code, found["differences"]) == (0, [])
    assert all(" T05 " in line or " T07 " in line for line in found["world"])
    assert all("it is watched since" in line for line in found["world"])


def test_a_bar_that_is_missing_is_found_out_and_the_first_decision_named(
    folder: Path, parity: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    World(folder, day_of_bars()).live()
    first = min((entry.discovery.bar_end_at, entry.ticker) for entry in recorded(folder) if isinstance(entry, Found))

    def without(entry: Entry) -> Entry:
        if not isinstance(entry, Arrived):
            return entry
        bars = [bar for bar in entry.bars.bars() if (bar.end_at, bar.ticker) != first]
        return msgspec.structs.replace(entry, bars=batch_of(bars))

    rewritten(folder, without)
    code, found = parity()
    assert code == 1
    assert found["differences"][0].startswith(f"discoveries: live only: {first[0].isoformat()} {first[1]} ")
    assert main(PARITY[:-1]) == 1
    assert f"seohak backtest: {found['differences'][0]}" in capsys.readouterr().err


def test_a_bar_that_came_late_or_was_revised_is_the_worlds_doing(folder: Path, parity: Run) -> None:
    """A find's bar is first sent with a tenth of its volume; the backtest sees what the day's bars became."""
    World(folder / "first", day_of_bars()).live()
    find = next(e for e in recorded(folder / "first") if isinstance(e, Found) and e.discovery.announce)
    batches = []
    for at, bars in day_of_bars():
        kept = [b for b in bars if (b.end_at, b.ticker) != (find.discovery.bar_end_at, find.ticker)]
        batches.append((at, tuple(kept)))
        if len(kept) < len(bars):
            (late,) = set(bars) - set(kept)
            small = msgspec.structs.replace(late, volume=late.volume / 100)
            batches[-1] = (at, (*kept, small))
            batches.append((at + dt.timedelta(minutes=3), (late,)))
    batches.sort(key=lambda batch: batch[0])
    World(folder, batches).live()
    code, found = parity()
    assert (code, found["differences"]) == (0, [])
    assert found["world"]
    assert all("was revised" in line or "came late" in line for line in found["world"])


def test_a_backtest_that_leaves_out_what_can_pass_the_screen_is_found_out(
    folder: Path, parity: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That everything was looked up in time explains nothing."""
    World(folder, day_of_bars()).live()
    monkeypatch.setattr(runner, "candidates", lambda *_: ())
    code, found = parity()
    assert (code, found["world"]) == (1, [])
    assert found["differences"][0].startswith("discoveries: live only: ")


def test_a_collector_that_is_started_again_leaves_a_gap_that_is_told(folder: Path, parity: Run) -> None:
    batches = day_of_bars()
    World(folder, batches).live(until=lambda batch: batch is batches[200])
    code, found = parity()
    assert (code, found["differences"]) == (0, [])
    assert len(found["gaps"]) == 1


def test_a_signal_that_the_trader_never_heard_of_is_a_difference(folder: Path, parity: Run) -> None:
    World(folder, day_of_bars()).live()
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as journal, journal:
        journal.execute("DELETE FROM decision WHERE rowid = 1")
    code, found = parity()
    assert code == 1
    assert [line.split(": ")[:2] for line in found["differences"]] == [["proposals", "the trader never decided"]]


def a_trip(reason: str, ticker: str = "T00", minute: int = 60) -> AddTrip:
    opened = dt.datetime(2025, 1, 6, 14, 40, tzinfo=dt.UTC)
    money = Decimal(1)
    trip = RoundTrip(
        ticker=ticker,
        name=ticker,
        name_ko="",
        buy_qty=1,
        sell_qty=1,
        avg_price=Decimal(1000),
        sell_price=money,
        pnl_usd=money,
        pnl_krw=money,
        pnl_pct=money,
        tranches=1,
        reason=reason,
        opened_at=opened,
        closed_at=opened + dt.timedelta(minutes=minute),
    )
    return AddTrip(f"{ticker}-{reason}", trip)


def test_a_sale_that_no_bar_asked_for_is_a_difference_and_what_people_sell_is_counted(
    folder: Path, parity: Run
) -> None:
    World(folder, day_of_bars()).live()
    journal = SqliteJournal(folder / "journal.db")
    reasons = ("SIGNAL_SELL", "COMMAND", "GUARD", "STOP", "TREND_BROKEN")
    journal.commit([a_trip(reason) for reason in reasons])
    journal.close()
    code, found = parity()
    assert code == 1
    assert [line.split(" 2025")[0] for line in found["differences"]] == ["exits: no bar says sell:"]
    assert found["outside"] == {
        "not bought: mode_watch": found["outside"]["not bought: mode_watch"],
        "sold: COMMAND": 1,
        "sold: GUARD": 1,
        "sold at a price that no bar has: STOP": 1,
        "sold at a price that no bar has: TREND_BROKEN": 1,
    }
    assert found["counts"]["exits"] == [0, 3]


@pytest.mark.parametrize("waiting", [False, True])
def test_what_is_held_to_the_end_against_a_stop_is_a_difference_unless_its_sale_is_under_way(
    folder: Path, parity: Run, waiting: bool
) -> None:
    held = HeldPosition(ticker="T00", qty=1, stop_price=Decimal(10**6))
    World(folder, day_of_bars(), held=(held,)).live()
    if waiting:
        journal = SqliteJournal(folder / "journal.db")
        run = ExitRun(
            ticker="T00", purpose=Purpose.STOP, target_qty=1, started_at=dt.datetime(2025, 1, 6, tzinfo=dt.UTC)
        )
        journal.commit([PutExit(run)])
        journal.close()
    code, found = parity()
    told = [line.split(": 2025")[0] for line in found["differences"]]
    assert (code, told) == ((0, []) if waiting else (1, ["exits: still held after STOP"]))


@pytest.mark.parametrize("tranches", [10, 3])
def test_a_plan_is_as_the_settings_of_its_minute_say(folder: Path, parity: Run, tranches: int) -> None:
    World(folder, day_of_bars()).live()
    journal = SqliteJournal(folder / "journal.db")
    with contextlib.closing(sqlite3.connect(folder / "seohak.db")) as database:
        rows = database.execute(
            "SELECT message_id, ticker, created_at FROM signals WHERE signal_type = 'BUY' ORDER BY created_at DESC"
        )
        signal_id, ticker, made_at = next(iter(rows))
    made = dt.datetime.fromisoformat(made_at).replace(tzinfo=dt.UTC)
    plan = Plan(
        id="p",
        nonce="n",
        signal_id=signal_id,
        ticker=ticker,
        exchange=Exchange.NYSE,
        name=ticker,
        name_ko="",
        state=PlanState.IGNORED,
        budget_krw=Decimal(900_000),
        budget_usd=Decimal(600),
        krw_per_usd=Decimal(1500),
        reference_price=Decimal(5),
        tranches=tranches,
        interval_s=60,
        created_at=made,
        expires_at=made,
    )
    journal.commit([PutPlan(plan), PutPlan(msgspec.structs.replace(plan, id="by hand", signal_id=""))])
    journal.close()
    code, found = parity()
    assert found["outside"]["bought by hand"] == 1
    told = [line.split(": 2025")[0] for line in found["differences"]]
    assert (code, told) == ((0, []) if tranches == 10 else (1, ["proposals"]))
    assert tranches == 10 or "900000 won in 3 tranches, the settings say 1000000 won in 10" in found["differences"][0]


def test_without_a_recording_it_says_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PARITY) == 2
    assert "scanner.record_days" in capsys.readouterr().err
    assert main([*PARITY, "--from", "10:00"]) == 2
    assert "--from" in capsys.readouterr().err


def test_a_lived_day_becomes_a_day_of_the_store_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    World(folder, day_of_bars()).live()
    assert main(["data", "keep"]) == 0
    assert "1 imported" in capsys.readouterr().out
    day = Store(folder / "bars").read(MONDAY)
    assert {(day.tickers[i], int(at)) for i, at in zip(day.ticker, day.start_ms, strict=True)} == {
        (bar.ticker, bar.start_ms) for _, bars in day_of_bars() for bar in bars
    }
    assert not list((folder / "bars" / "downloads").iterdir())
    assert main(["data", "keep"]) == 0
    assert "nothing" in capsys.readouterr().out
    assert main(["data", "keep", str(MONDAY)]) == 0
    assert "1 skipped" in capsys.readouterr().out


def recorded(folder: Path) -> list[Entry]:
    return list(entries_of(folder / "recordings" / str(MONDAY)))

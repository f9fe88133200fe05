"""Whole runs over invented days: what is found, bought, held and sold, and at which prices."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from run_days import FREE, ON, OPEN, day, hero, params, run

from backtest.result import Result
from core.model.instrument import Instrument

CLIMB = list(np.linspace(10.8, 17.0, 60))
ROLLS_OVER = [*CLIMB, *np.linspace(17.0, 15.5, 20)]
COLLAPSES = [10.8] * 15 + [8.0]
GENTLE = [10.8, 10.9]


def at(minute: int) -> dt.datetime:
    """The end of the minute-th bar."""
    return OPEN + dt.timedelta(minutes=minute + 1)


def trip(result: Result):
    (only,) = result.trips
    return only


def test_a_breakout_is_found_bought_in_ten_tranches_and_sold_when_the_trend_breaks(tmp_path: Path) -> None:
    result = run(tmp_path, [day(ON, {"HERO": hero(ROLLS_OVER)})])
    assert [f.at for f in result.found][:1] == [at(90)]
    assert [(p.ticker, p.at) for p in result.proposed] == [("HERO", at(90))]
    buys = [f for f in result.filled if f.side == "BUY"]
    assert [round((f.at - at(90)).total_seconds()) for f in buys] == [60 * n + 1 for n in range(10)]
    assert trip(result).trip.reason == "TREND_BROKEN"
    assert trip(result).trip.tranches == 10
    assert float(trip(result).trip.pnl_pct) > 20


def test_what_is_decided_on_a_closed_bar_trades_at_the_open_of_the_next(tmp_path: Path) -> None:
    """The first tranche pays the next bar's open, which here is the close before it."""
    result = run(tmp_path, [day(ON, {"HERO": hero(GENTLE)})])
    first = result.filled[0]
    assert first.at == at(90) + dt.timedelta(seconds=1)
    assert first.usd / first.qty == Decimal("10.8")


def test_a_collapse_is_sold_at_the_stop_and_not_at_the_low(tmp_path: Path) -> None:
    result = run(tmp_path, [day(ON, {"HERO": hero(COLLAPSES)})])
    sold = trip(result).trip
    assert sold.reason == "STOP"
    assert -16 < float(sold.pnl_pct) <= -15


def test_a_gap_over_the_stop_fills_at_the_open(tmp_path: Path) -> None:
    """Overnight nobody can sell: the loss is what the next morning says."""
    quiet = (np.full(390, 7.0), np.full(390, 50_000.0))
    result = run(tmp_path, [day(ON, {"HERO": hero(GENTLE)}), day(ON + dt.timedelta(days=1), {"HERO": quiet})])
    assert trip(result).trip.reason == "STOP"
    assert trip(result).trip.sell_price == Decimal("7.0000")
    assert trip(result).mae_pct < -35


def test_thin_volume_fills_a_part_and_makes_up_for_it_later(tmp_path: Path) -> None:
    closes, volumes = hero(GENTLE)
    volumes[91:93] = 3.0
    result = run(tmp_path, [day(ON, {"HERO": (closes, volumes)})])
    assert result.filled[0].qty == 3
    assert sum(f.usd for f in result.filled) <= Decimal(1_000_000) / 1400


def test_two_runs_over_the_same_bars_are_the_same(tmp_path: Path) -> None:
    days = [day(ON, {"HERO": hero(ROLLS_OVER), "OTHER": hero(COLLAPSES, 120)})]
    one, other = (msgspec.structs.replace(run(tmp_path / name, days), seconds=0.0) for name in ("a", "b"))
    assert one == other
    assert one.config_hash == other.config_hash
    changed = run(tmp_path / "c", days, params=params(take_profit_pct=10.0))
    assert changed.config_hash != one.config_hash
    assert changed.data_hash == one.data_hash


def test_an_order_is_not_filled_by_what_it_could_not_have_known(tmp_path: Path) -> None:
    """Cutting the future off changes nothing before the cut."""
    bars = day(ON, {"HERO": hero(ROLLS_OVER)})
    whole = run(tmp_path / "whole", [bars])
    cut = at(110)
    part = run(tmp_path / "part", [bars], end_at=cut)
    assert [f for f in whole.filled if f.at < cut] == list(part.filled)
    assert len(part.filled) == 10


def test_at_most_so_many_positions(tmp_path: Path) -> None:
    stocks = {f"T{n}": hero(GENTLE, 90 + n) for n in range(4)}
    result = run(tmp_path, [day(ON, stocks)], params=params(max_positions=2))
    assert [p.ticker for p in result.proposed] == ["T0", "T1"]
    assert result.refused["max_positions"] >= 2
    assert {p.ticker for p in result.held} == {"T0", "T1"}


def test_a_person_may_take_time_or_never_approve(tmp_path: Path) -> None:
    days = [day(ON, {"HERO": hero(GENTLE)})]
    asked = msgspec.structs.replace(params().trading, mode="approve")
    approve = msgspec.structs.replace(params(), trading=asked)
    slow = msgspec.structs.replace(FREE, approve_after_s=180)
    late = run(tmp_path / "late", days, params=approve, execution=slow)
    assert late.filled[0].at == at(93) + dt.timedelta(seconds=1)
    never = run(tmp_path / "never", days, params=approve, execution=msgspec.structs.replace(FREE, approve_after_s=-1))
    assert len(never.proposed) == 1
    assert never.filled == ()
    assert never.events["plan_expired"] == 1


def test_nothing_is_bought_before_the_window_opens(tmp_path: Path) -> None:
    result = run(tmp_path, [day(ON, {"HERO": hero(GENTLE, breakout=25)})])
    assert result.proposed == ()
    assert result.refused["outside_window"] >= 1


def test_known_securities_are_screened_by_their_market_cap_and_unknown_ones_are_noted(tmp_path: Path) -> None:
    days = [day(ON, {"HERO": hero(GENTLE)})]
    small = {"HERO": Instrument(ticker="HERO", name="Hero", security_type="CS", shares_outstanding=1_000)}
    assert run(tmp_path / "small", days, instruments=small).found == ()
    large = {"HERO": Instrument(ticker="HERO", name="Hero", security_type="CS", shares_outstanding=10_000_000)}
    assert run(tmp_path / "large", days, instruments=large).found
    assert any("--instruments" in note for note in run(tmp_path / "none", days).notes)


def test_a_watched_stock_is_bought_without_a_screen_and_once_a_day(tmp_path: Path) -> None:
    closes = np.concatenate((np.full(60, 10.0), np.linspace(10.0, 11.0, 330)))
    volumes = np.full(390, 5_000.0)
    volumes[70::3] = 40_000.0
    days = [day(ON, {"CALM": (closes, volumes)})]
    assert run(tmp_path / "unwatched", days).judged == ()
    result = run(tmp_path / "watched", days, watched=("CALM",))
    assert [s.signal for s in result.judged].count("BUY") == 1
    everything = run(tmp_path / "everything", days, watched=None, screen=False)
    assert everything.judged == result.judged


def test_a_weekend_is_left_out_and_said(tmp_path: Path) -> None:
    saturday = ON + dt.timedelta(days=3)
    result = run(tmp_path, [day(ON, {"HERO": hero(GENTLE)}), day(saturday, {"HERO": hero(GENTLE)})])
    assert [d.on for d in result.days] == [ON]
    assert any("no trading days" in note for note in result.notes)


def test_the_equity_of_each_day_is_marked_to_its_last_prices(tmp_path: Path) -> None:
    result = run(tmp_path, [day(ON, {"HERO": hero(GENTLE)})])
    (today,) = result.days
    (position,) = result.held
    paid = sum(f.usd + f.fee_usd for f in result.filled)
    assert float(today.equity_usd) == pytest.approx(
        float(Decimal(10_000_000) / 1400) - float(paid) + position.qty * 10.9, abs=0.02
    )
    assert today.positions == 1

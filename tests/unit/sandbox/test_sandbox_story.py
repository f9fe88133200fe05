"""The demo's story holds on its own bars, whoever computes the indicators."""

from datetime import date

import numpy as np
import pytest

from sandbox import scenarios
from sandbox.calendar import REGULAR_MINUTE
from sandbox.market import Market
from sandbox.scenarios import story
from tests.unit.sandbox.witness import screen_minutes, signals

DAY = date(2026, 11, 18)
END_OF_DEMO = 135


@pytest.fixture(scope="module")
def market() -> Market:
    return scenarios.build("story", DAY)


def row(minute: int) -> int:
    return story.START + minute - REGULAR_MINUTE


def close(market: Market, symbol: str, minute: int) -> float:
    return float(market.series[symbol].prices[row(minute)][3])


def average(market: Market, symbol: str, minutes: range) -> float:
    return float(np.mean([close(market, symbol, minute) for minute in minutes]))


@pytest.mark.parametrize("seed", [1, 2, 99])
def test_only_the_cast_passes_the_screen_and_each_once(seed):
    """Eight hours of bars hold six passes; by market cap, type and test list three remain."""
    built = scenarios.build("story", DAY, seed)
    passes = {symbol: screen_minutes(series) for symbol, series in built.series.items()}
    found = {symbol: [m - story.START for m in minutes] for symbol, minutes in passes.items() if minutes}
    assert found == {"HELI": [7], "QBIT": [16], "ZVZZT": [20], "WAVE": [25], "TINY": [31], "LEVU": [34]}


@pytest.mark.parametrize(("symbol", "minute", "millions"), [("HELI", 7, 50), ("QBIT", 16, 50), ("WAVE", 25, 50)])
def test_the_screened_three_are_worth_more_than_fifty_million(market, symbol, minute, millions):
    shares = market.instruments[symbol].shares_outstanding
    assert shares * close(market, symbol, minute) > millions * 1_000_000


def test_tiny_fails_only_by_market_cap(market):
    shares = market.instruments["TINY"].shares_outstanding
    assert 15e6 < shares * close(market, "TINY", 31) < 25e6


@pytest.mark.parametrize(("symbol", "minute"), [("HELI", 7), ("QBIT", 16)])
def test_heroes_signal_buy_on_the_bar_that_passes(market, symbol, minute):
    found = signals(market.series[symbol])
    assert found.buy[row(minute)]
    assert found.buy_conditions[row(minute)] >= 3
    assert not found.buy[row(minute - 3) : row(minute)].any()
    series = market.series[symbol]
    assert series.volumes[row(minute)] >= 40_000
    change = close(market, symbol, minute) / close(market, symbol, minute - 5) - 1
    assert 0.06 <= change <= 0.09


@pytest.mark.parametrize(("symbol", "first", "last"), [("HELI", 7, 58), ("QBIT", 16, 44)])
def test_trend_is_never_broken_while_the_position_is_held(market, symbol, first, last):
    """No bar between purchase and the turn has two SELL conditions."""
    held = slice(row(first), row(last) + 1)
    found = signals(market.series[symbol])
    assert (found.sell_conditions[held] < 2).all()
    assert found.uptrend[held].all()


def test_helios_keeps_its_histogram_positive_to_the_top(market):
    found = signals(market.series["HELI"])
    assert (found.histogram[row(7) : row(58) + 1] > 0).all()


def test_helios_passes_thirty_percent_about_minute_38_and_tops_at_55(market):
    paid = average(market, "HELI", range(9, 19))
    gains = {minute: close(market, "HELI", minute) / paid - 1 for minute in range(9, 80)}
    reached = min(minute for minute, gain in gains.items() if gain >= 0.30)
    assert 37 <= reached <= 40
    assert 0.52 <= gains[58] <= 0.60
    assert max(gains.values()) == gains[58]


def test_helios_trend_is_broken_by_68_well_above_thirty_percent(market):
    paid = average(market, "HELI", range(9, 19))
    found = signals(market.series["HELI"])
    assert (found.sell_conditions[row(59) : row(68)] >= 2).any()
    assert not found.uptrend[row(66) : row(75)].any()
    assert (found.histogram[row(64) : row(75)] < 0).all()
    lows = market.series["HELI"].prices[row(59) : row(69), 2]
    assert lows.min() >= paid * 1.36


def test_qubit_falls_through_the_stop_inside_one_minute(market):
    paid = average(market, "QBIT", range(18, 29))
    drop = market.series["QBIT"].prices[row(45)]
    assert drop[0] > paid
    assert drop[2] < paid * 0.80
    assert close(market, "QBIT", 45) / close(market, "QBIT", 44) - 1 == pytest.approx(-0.25, abs=0.02)
    assert market.series["QBIT"].prices[row(46) : row(END_OF_DEMO), 1].max() < paid * 0.85


def test_wave_is_screened_but_never_in_an_uptrend(market):
    found = signals(market.series["WAVE"])
    assert not found.uptrend[row(25) : row(END_OF_DEMO)].any()


@pytest.mark.parametrize(("symbol", "since"), [("HELI", 64), ("QBIT", 45)])
def test_sold_heroes_are_not_bought_again(market, symbol, since):
    assert not signals(market.series[symbol]).buy[row(since) : row(END_OF_DEMO)].any()


@pytest.mark.parametrize("seed", range(5))
def test_random_walks_never_pass_the_screen(seed):
    quiet = scenarios.build("calm", DAY, seed, 150)
    assert [symbol for symbol, series in quiet.series.items() if screen_minutes(series)] == []


def test_same_seed_same_market_and_another_seed_another():
    first, second, third = (scenarios.build("story", DAY, seed, 60) for seed in (7, 7, 8))
    assert first.symbols == second.symbols
    assert all((first.series[s].prices == second.series[s].prices).all() for s in first.symbols)
    assert any((first.series[s].prices[:9] != third.series[s].prices[:9]).any() for s in ("AAPL", "NVDA"))

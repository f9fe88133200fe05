"""Each BUY and SELL condition by itself, on crafted bars."""

import math

import numpy as np
import pytest

from core.model.bar import BarColumns
from core.model.params import AnalyzerParams
from core.model.signal import Condition, Indicators, SignalType, TrendState
from core.rules.indicators import IndicatorSeries, relative_volume
from core.rules.trend import (
    BUY_POINTS,
    SELL_POINTS,
    buy_conditions,
    judge_entry,
    judge_exit,
    sell_conditions,
    trend_state,
)

PARAMS = AnalyzerParams()
N = 60


def columns_of(closes: np.ndarray, volumes: np.ndarray | None = None) -> BarColumns:
    close = np.asarray(closes, dtype=np.float64)
    volume = np.full(len(close), 1000.0) if volumes is None else volumes
    return BarColumns(np.arange(len(close), dtype=np.int64), close, close, close, close, volume)


class Crafted(IndicatorSeries):
    """Indicator columns set by hand: everything is neutral unless a test says otherwise."""

    def __init__(self, **columns: list[float]) -> None:
        flat = {
            "close": 100.0,
            "ema_fast": 99.0,
            "ema_slow": 100.0,
            "macd": -1.0,
            "macd_signal": 0.0,
            "macd_histogram": -1.0,
            "rsi": 40.0,
            "band_upper": 110.0,
            "band_middle": 100.0,
            "band_lower": 90.0,
        }
        for name, value in flat.items():
            tail = columns.get(name, [])
            setattr(self, name, np.array([value] * (N - len(tail)) + tail))
        self.relative_volume = (
            relative if math.isfinite(relative := columns.get("relative_volume", [1.0])[-1]) else None
        )


def bought(**columns: list[float]) -> set[Condition]:
    series = Crafted(**columns)
    return set(buy_conditions(series, series.latest(), PARAMS))


def sold(**columns: list[float]) -> set[Condition]:
    series = Crafted(**columns)
    return set(sell_conditions(series, series.latest(), PARAMS))


@pytest.mark.parametrize(
    ("columns", "met"),
    [
        ({}, set()),
        ({"ema_fast": [101.0]}, {Condition.UPTREND}),
        ({"ema_fast": [100.0]}, set()),
        ({"macd": [1.0]}, {Condition.MACD_CROSS_UP}),
        ({"macd": [1.0] * 5}, {Condition.MACD_CROSS_UP}),
        ({"macd": [1.0] * 6}, set()),
        ({"rsi": [29.0, 31.0]}, {Condition.RSI_HEALTHY}),
        ({"rsi": [29.0, 31.0, 30.0]}, set()),
        ({"rsi": [50.0]}, {Condition.RSI_HEALTHY}),
        ({"rsi": [70.0]}, {Condition.RSI_HEALTHY}),
        ({"rsi": [70.01]}, set()),
        ({"rsi": [49.99]}, set()),
        ({"close": [111.0], "relative_volume": [2.0]}, {Condition.BAND_BREAKOUT}),
        ({"close": [111.0], "relative_volume": [1.99]}, set()),
        ({"close": [110.0], "relative_volume": [2.0]}, set()),
        ({"relative_volume": [3.0]}, {Condition.VOLUME_SURGE}),
        ({"relative_volume": [2.99]}, set()),
        ({"relative_volume": [float("nan")]}, set()),
    ],
)
def test_buy_conditions_in_isolation(columns: dict[str, list[float]], met: set[Condition]) -> None:
    assert bought(**columns) == met


RISEN = {"ema_fast": 101.0, "macd_histogram": 1.0}


@pytest.mark.parametrize(
    ("columns", "met"),
    [
        ({}, set()),
        ({"ema_fast": [101.0, 99.0]}, {Condition.EMA_CROSS_DOWN}),
        ({"ema_fast": [101.0, *[99.0] * 5]}, {Condition.EMA_CROSS_DOWN}),
        ({"ema_fast": [101.0, *[99.0] * 6]}, set()),
        ({"macd_histogram": [1.0, -0.1]}, {Condition.MACD_TURNED_NEGATIVE}),
        ({"macd_histogram": [0.0, -0.1]}, {Condition.MACD_TURNED_NEGATIVE}),
        ({"macd_histogram": [1.0, 0.0]}, set()),
        ({"rsi": [70.0, 69.9]}, {Condition.RSI_FELL}),
        ({"rsi": [69.9, 60.0]}, set()),
        ({"rsi": [75.0, 71.0]}, set()),
    ],
)
def test_sell_conditions_in_isolation(columns: dict[str, list[float]], met: set[Condition]) -> None:
    assert sold(**columns) == met


def rising(n: int = 80) -> np.ndarray:
    """A drift down, then a steep rise: EMA up, MACD crossing."""
    return np.concatenate([np.linspace(110, 100, n - 4), [101.0, 103.0, 105.0, 108.0]])


def test_an_uptrend_with_two_others_is_a_buy() -> None:
    volumes = np.full(80, 1000.0)
    volumes[-1] = 9000.0
    found = judge_entry(columns_of(rising(), volumes), PARAMS)
    assert found.signal is SignalType.BUY
    assert Condition.UPTREND in found.met
    assert set(found.met) | set(found.unmet) == set(BUY_POINTS)
    assert found.indicators.relative_volume == pytest.approx(9.0)


def test_conditions_without_an_uptrend_are_not_a_buy() -> None:
    closes = np.concatenate([np.linspace(200, 100, 78), [100.0, 104.0]])
    volumes = np.full(80, 1000.0)
    volumes[-1] = 9000.0
    found = judge_entry(columns_of(closes, volumes), PARAMS)
    assert Condition.UPTREND in found.unmet
    assert found.signal is SignalType.WATCH


@pytest.mark.parametrize("n", [1, 2, 4, 5, 19, 20, 21, 33])
def test_a_short_history_is_watched_and_says_so(n: int) -> None:
    found = judge_entry(columns_of(np.linspace(100, 130, n)), PARAMS)
    assert found.signal is SignalType.WATCH
    assert Condition.SHORT_HISTORY in found.unmet
    assert found.indicators.bars == n
    assert judge_exit(columns_of(np.linspace(130, 100, n)), PARAMS) is None


def test_34_bars_are_enough_for_macd() -> None:
    found = judge_entry(columns_of(np.linspace(100, 130, 34)), PARAMS)
    assert Condition.SHORT_HISTORY not in found.unmet


def test_a_fall_after_a_rise_is_a_sell() -> None:
    closes = np.concatenate([np.linspace(100, 130, 70), [128.0, 124.0, 119.0, 113.0]])
    found = judge_exit(columns_of(closes), PARAMS)
    assert found is not None
    assert found.signal is SignalType.SELL
    assert len(found.met) >= 2
    assert set(found.met) | set(found.unmet) == set(SELL_POINTS)
    assert trend_state(columns_of(closes), PARAMS) is TrendState.BROKEN


def test_trend_states() -> None:
    assert trend_state(columns_of(np.linspace(100, 130, 80)), PARAMS) is TrendState.INTACT
    assert trend_state(columns_of(np.linspace(130, 100, 80)), PARAMS) is TrendState.BROKEN
    assert trend_state(columns_of(np.linspace(100, 130, 19)), PARAMS) is TrendState.UNKNOWN


def test_confidence_grows_with_strength_and_stays_between_0_and_100() -> None:
    seen = []
    for factor in (3.0, 4.0, 6.0, 9.0, 50.0):
        volumes = np.full(80, 1000.0)
        volumes[-1] = 1000.0 * factor
        seen.append(judge_entry(columns_of(rising(), volumes), PARAMS).confidence)
    assert seen == sorted(seen)
    assert seen[0] < seen[-2]
    assert all(0 <= c <= 100 for c in seen)


def test_every_further_condition_raises_the_confidence() -> None:
    steps = [{}, {"ema_fast": [101.0]}, {"macd": [1.0]}, {"rsi": [60.0]}, {"relative_volume": [3.0]}]
    columns: dict[str, list[float]] = {}
    seen = []
    for step in steps:
        columns |= step
        series = Crafted(**columns)
        met = buy_conditions(series, series.latest(), PARAMS)
        seen.append(sum(BUY_POINTS[c] * (0.7 + 0.3 * s) for c, s in met.items()))
    assert seen == sorted(set(seen))
    assert sum(BUY_POINTS.values()) == sum(SELL_POINTS.values()) == 100


def test_relative_volume_compares_with_the_bars_before() -> None:
    volumes = np.array([1.0, 1.0, 2.0, 6.0])
    assert [relative_volume(volumes[:bars], 2) for bars in range(1, 5)] == [None, None, 2.0, 4.0]
    assert relative_volume(np.zeros(5), 2) is None
    assert relative_volume(np.array([1e-308, 1e-308, 1e300]), 2) is None


def test_latest_has_none_where_the_history_is_short() -> None:
    found = IndicatorSeries(columns_of(np.array([5.0])), PARAMS).latest()
    assert found == Indicators(close=5.0, bars=1)

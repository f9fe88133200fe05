"""Where a BUY is possible at all, over a ticker's whole day at once; the analyzer's own machine judges those bars.

The analyzer looks at the newest 120 bars. An indicator over the whole day differs from one over that window by what the
window's beginning still weighs in it. Averages lie between the lowest and the highest price so far, so that their
difference is at most that range when the window's one begins, and shrinks from there; every comparison is made wider by
what is left of it.
"""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from backtest.screening import Indices
from core.model.bar import BarColumns, FloatArray
from core.model.params import AnalyzerParams
from core.rules.ta import BBANDS, EMA, MACD, RSI
from core.stages.analyze import WINDOW_BARS

Flags = npt.NDArray[np.bool_]
# what sums and divisions lose in their last digits
ROUNDING = 1e-9
EPSILON = float(np.finfo(np.float64).eps)
LAST = WINDOW_BARS - 1
# rows at a time, so that what is computed on the way stays in the processor's cache
TOGETHER = 64


def possible_buys(days: Sequence[BarColumns], settings: Sequence[AnalyzerParams]) -> list[Indices]:
    """For each day of a ticker's bars: the places of all on which the analyzer could say BUY with any of the settings,
    and of few others.

    Days of one length are looked at together, which takes a third of the time.
    """
    found: list[Indices] = [np.zeros(0, np.int64)] * len(days)
    by_size: dict[int, list[int]] = {}
    for place, day in enumerate(days):
        by_size.setdefault(len(day.close), []).append(place)
    by_size.pop(0, None)
    for places in by_size.values():
        for start in range(0, len(places), TOGETHER):
            part = places[start : start + TOGETHER]
            flags = functools.reduce(np.logical_or, [_possible([days[i] for i in part], each) for each in settings])
            bars, begins = np.flatnonzero(flags), np.arange(0, flags.size + 1, flags.shape[1])
            bounds = bars.searchsorted(begins).tolist()
            for row, place in enumerate(part):
                found[place] = bars[bounds[row] : bounds[row + 1]] - begins[row]
    return found


def _possible(days: Sequence[BarColumns], params: AnalyzerParams) -> Flags:
    """Days of one length as rows."""
    close, volume = (
        np.concatenate(columns).reshape(len(days), -1)
        for columns in ([day.close for day in days], [day.volume for day in days])
    )
    size = close.shape[1]
    ahead, lines, rsi, upper = each = np.empty((4, *close.shape))
    deviations = params.bollinger_deviations
    for closes, gap, line, strength, band in zip(close, *each, strict=True):
        np.subtract(EMA(closes, params.ema_fast), EMA(closes, params.ema_slow), gap)
        macd, signal, _ = MACD(closes, params.macd_fast, params.macd_slow, params.macd_signal)
        np.subtract(macd, signal, line)
        strength[:] = RSI(closes, params.rsi_period)
        band[:] = BBANDS(closes, params.bollinger_period, deviations, deviations)[0]
    # the day's own extremes bound those so far, and one number for a day is quicker than one for each bar
    highest = close.max(axis=1, keepdims=True)
    spread = highest - close.min(axis=1, keepdims=True)
    rounding = ROUNDING * highest
    ahead += rounding
    trend = sum(_left(period, LAST - (period - 1)) for period in (params.ema_fast, params.ema_slow))
    ahead[:, LAST + 1 :] += trend * spread
    slack = np.broadcast_to(rounding, close.shape).copy()
    slack[:, _exact(params) :] += _lines_error(params) * spread
    crossed = _crossings(lines, slack, params)
    grown, usual = _volumes(volume, params.volume_lookback)
    # sums of squares of prices that hardly move keep only half of their digits
    blurred = params.bollinger_deviations * np.sqrt(2 * size * EPSILON) * highest
    broke = (close > upper - (blurred + rounding)) & (grown >= params.breakout_relative_volume * usual)
    surged = grown >= params.surge_relative_volume * usual
    others = crossed.astype(np.int8) + _healthy(rsi, close, params) + broke + surged
    found: Flags = (ahead > 0) & (others >= params.min_signals_for_buy)
    return found


def _exact(params: AnalyzerParams) -> int:
    """So many bars the analyzer sees as we do: up to the last of them every window that it looks at is the whole day."""
    return LAST - params.signal_window_bars


def _left(period: int, steps: int) -> float:
    """What is left after so many steps of a difference between two exponential averages of the same values."""
    return float((1 - 2 / (period + 1)) ** max(0, steps))


@functools.cache
def _lines_error(params: AnalyzerParams) -> float:
    """How far MACD less signal line may be off on the bars that are looked at for a crossing, in parts of the range."""
    began = params.macd_slow - 1
    seeded = began + params.macd_signal - 1
    share, worst = 2 / (params.macd_signal + 1), 0.0
    signal = 2.0
    for place in range(seeded, WINDOW_BARS):
        line = _left(params.macd_fast, place - began) + _left(params.macd_slow, place - began)
        if place > seeded:
            signal += share * (line - signal)
        if place >= LAST - params.signal_window_bars:
            worst = max(worst, line + signal)
    return worst


def _crossings(difference: FloatArray, slack: FloatArray, params: AnalyzerParams) -> Flags:
    """Whether the difference may have risen through zero on one of the bars that are looked at; NaN never does."""
    rose = (difference <= slack)[:, :-1] & (difference > -slack)[:, 1:]
    found = np.zeros(difference.shape, np.bool_)
    for before in range(min(params.signal_window_bars, rose.shape[1])):
        found[:, 1 + before :] |= rose[:, : rose.shape[1] - before]
    return found


def _sums(values: FloatArray, bars: int) -> FloatArray:
    """In each row, the sums of so many values one after the other, from the first on.

    Put together from sums of 1, 2, 4, ... values: quicker than a running sum, and it loses no digits on the way.
    """
    doubled, width, total, taken = values, 1, np.zeros(values.shape), 0
    while True:
        if bars & width:
            total = total[:, : values.shape[1] + 1 - taken - width] + doubled[:, taken:]
            taken += width
        if taken == bars:
            return total
        doubled = doubled[:, :-width] + doubled[:, width:]
        width *= 2


def _healthy(rsi: FloatArray, close: FloatArray, params: AnalyzerParams) -> Flags:
    """Whether RSI may lie in the middle, or may have risen out of the oversold zone."""
    period = params.rsi_period
    changes = np.abs(np.diff(close, prepend=close[:, :1]))
    # Wilder's averages of gains and losses are together at least this share of the last changes' sum
    share = (1 - 1 / period) ** (period - 1) / period
    largest = changes.max(axis=1, keepdims=True)
    first = max(_exact(params), period - 1)
    unit = np.zeros(close.shape)
    if close.shape[1] > first:
        together = share * _sums(changes, period)[:, first - period + 1 :]
        moves = together > ROUNDING * share * close[:, first:]
        np.divide(100 * largest, together, out=unit[:, first:], where=moves)
        unit[:, first:][~moves] = np.inf

    def error(steps: int) -> FloatArray:
        off: FloatArray = unit * (1 - 1 / period) ** max(0, steps)
        return off + ROUNDING * 100

    rose = _crossings(rsi - params.rsi_oversold, error(LAST - params.signal_window_bars - period), params)
    now = error(LAST - period)
    middle: Flags = (rsi >= 50 - now) & (rsi <= params.rsi_overbought + now)
    return middle | rose


def _volumes(volume: FloatArray, lookback: int) -> tuple[FloatArray, FloatArray]:
    """The most that a bar's volume may be, and the least that the mean before it is; NaN where there are too few bars."""
    grown: FloatArray = volume * (1 + ROUNDING)
    usual = np.full(volume.shape, np.nan)
    if volume.shape[1] > lookback:
        usual[:, lookback:] = _sums(volume, lookback)[:, :-1] * ((1 - ROUNDING) / lookback)
    return grown, usual

"""Where a BUY is possible at all, over a ticker's whole day at once; the analyzer's own machine judges those bars.

The analyzer looks at the newest 120 bars. An indicator over the whole day differs from one over that window by what the
window's first value still weighs in it, which is bounded by the day's range: every comparison is made wider by that.
"""

import numpy as np
import numpy.typing as npt

from core.model.bar import BarColumns, FloatArray
from core.model.params import AnalyzerParams
from core.rules.indicators import IndicatorSeries
from core.stages.analyze import WINDOW_BARS

Flags = npt.NDArray[np.bool_]
# what sums and divisions lose in their last digits
ROUNDING = 1e-9


def _decay(period: int, steps: int) -> float:
    """What is left of the seed of an exponential average after so many steps."""
    return float((1 - 2 / (period + 1)) ** max(0, steps))


def _recent(flags: Flags, window: int) -> Flags:
    """Whether a flag is up on one of the last `window` bars."""
    sums: npt.NDArray[np.int64] = np.cumsum(np.concatenate((np.zeros(window, np.int64), flags)), dtype=np.int64)
    counted: Flags = sums[window:] > sums[:-window]
    return counted


def _crossings(difference: FloatArray, slack: FloatArray, window: int) -> Flags:
    """Whether the difference may have risen through zero within the window."""
    crossed = np.zeros(len(difference), np.bool_)
    crossed[1:] = (difference[:-1] <= slack[:-1]) & (difference[1:] > -slack[1:])
    return _recent(crossed, window)


def may_buy(bars: BarColumns, params: AnalyzerParams) -> Flags:
    """True on every bar on which the analyzer could say BUY, and on few others."""
    series = IndicatorSeries(bars, params)
    size, recent = len(bars.close), params.signal_window_bars
    if not size:
        return np.zeros(0, np.bool_)
    close = bars.close
    spread = float(close.max() - close.min())
    # inside the first window both start at the same bar and are the same
    cut = np.arange(size) >= WINDOW_BARS
    steps = WINDOW_BARS - recent - 1

    def slack(period: int, factor: float = 1.0) -> FloatArray:
        return np.where(cut, factor * spread * _decay(period, steps - period), 0.0) + ROUNDING * close

    uptrend = series.ema_fast - series.ema_slow > -slack(params.ema_slow) - slack(params.ema_fast)
    # the signal line is an average of lines that were further off when they began
    lines = slack(params.macd_slow, 4.0) + slack(params.macd_fast, 4.0) + slack(params.macd_signal, 4.0)
    crossed = _crossings(series.macd - series.macd_signal, lines, recent) & np.isfinite(series.macd_histogram)
    healthy = _healthy(series.rsi, close, cut, steps, params)
    relative = series.relative_volume * (1 + ROUNDING)
    broke = (close > series.band_upper - ROUNDING * close) & (relative >= params.breakout_relative_volume)
    surged = relative >= params.surge_relative_volume
    others = crossed.astype(np.int8) + healthy + broke + surged
    found: Flags = uptrend & (others >= params.min_signals_for_buy)
    return found


def _healthy(rsi: FloatArray, close: FloatArray, cut: Flags, steps: int, params: AnalyzerParams) -> Flags:
    period = params.rsi_period
    changes = np.abs(np.diff(close, prepend=close[:1]))
    sums = np.cumsum(np.concatenate((np.zeros(period), changes)))
    lately = sums[period:] - sums[:-period]
    # Wilder's averages of gains and losses are together at least this share of the last changes' sum
    together = lately * (1 - 1 / period) ** (period - 1) / period
    seed = float(changes.max()) * (1 - 1 / period) ** max(0, steps - period)
    with np.errstate(divide="ignore", invalid="ignore"):
        wider = np.where(cut, 200 * seed / together, 0.0) + ROUNDING * 100
    wider = np.where(np.isfinite(wider), wider, 100.0)
    rose = _crossings(rsi - params.rsi_oversold, wider, params.signal_window_bars)
    middle: Flags = (rsi >= 50 - wider) & (rsi <= params.rsi_overbought + wider)
    return middle | rose

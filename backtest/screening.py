"""Which tickers of a day can pass the screen at all, over all bars at once; the collector's own machine decides.

Every condition here is at least as wide as the rule of `core.rules.screen` that it stands for, so that leaving a ticker
out changes no decision (tests compare the two).
"""

import numpy as np
import numpy.typing as npt

from backtest.data.day import DayBars
from core.model.bar import MINUTE_MS
from core.model.params import ScannerParams

# sums of volumes in another order differ in their last digits
WIDER = 1 - 1e-9
EPSILON = float(np.finfo(np.float64).eps)
Indices = npt.NDArray[np.int64]


class ByTicker:
    """A day's bars by ticker and then by time; `order` maps rows of this layout to rows of the day."""

    def __init__(self, bars: DayBars) -> None:
        self.order: Indices = np.argsort(
            bars.ticker.astype(np.uint16 if len(bars.tickers) < 65_536 else np.int32), kind="stable"
        )
        self.ticker = bars.ticker[self.order].astype(np.int64)
        self.start_ms = bars.start_ms[self.order]
        self.first: Indices = self.ticker.searchsorted(np.arange(len(bars.tickers) + 1))
        self._bounds: list[int] = self.first.tolist()
        self.close, self.volume = bars.close[self.order], bars.volume[self.order]

    def rows(self, ticker: int) -> Indices:
        """The day's rows of one ticker, oldest first."""
        return self.order[self.place(ticker)]

    def place(self, ticker: int) -> slice:
        """Where one ticker's bars lie in this layout."""
        return slice(self._bounds[ticker], self._bounds[ticker + 1])

    def each_bar(self, of_ticker: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """What is said of each ticker, said of its bars."""
        return np.repeat(of_ticker, np.diff(self.first))


def candidates(layout: ByTicker, params: ScannerParams) -> Indices:
    """Indices of the tickers with a bar that may pass price, volume, change and volume growth."""
    close, volume = layout.close, layout.volume
    fits = (close >= params.min_price) & (volume >= params.min_volume)
    chosen: Indices = np.flatnonzero(fits & layout.each_bar(_moves(layout, params)))
    if not len(chosen):
        return chosen
    minute = (layout.start_ms - layout.start_ms.min()) // MINUTE_MS
    # one number per ticker and minute, growing along the layout
    span = int(minute.max()) + 1 + max(params.timeframe_min, params.volume_lookback)
    key = layout.ticker * span + minute
    wanted, ticker = key[chosen], layout.ticker[chosen]
    # the last bar at least `timeframe` minutes before, of the same ticker
    reference = key.searchsorted(wanted - params.timeframe_min, side="right") - 1
    known = (reference >= 0) & (layout.ticker[reference] == ticker)
    rises = known & (close[chosen] * (1 + 1e-12) >= (1 + params.price_change_pct / 100) * close[reference] * WIDER)
    chosen, wanted = chosen[rises], wanted[rises]
    if not len(chosen):
        return chosen
    sums = np.concatenate(([0.0], np.cumsum(volume)))
    start = key.searchsorted(wanted - params.volume_lookback)
    start = np.maximum(start, layout.first[layout.ticker[chosen]])
    mean = (sums[chosen] - sums[start]) / params.volume_lookback
    # what the running sum of a whole market may lose in its last digits
    lost = 2 * len(volume) * EPSILON * sums[-1]
    grows = volume[chosen] >= (1 + params.volume_spike_pct / 100) * (mean - lost / params.volume_lookback) * WIDER
    found: Indices = np.unique(layout.ticker[chosen[grows]])
    return found


def _moves(layout: ByTicker, params: ScannerParams) -> npt.NDArray[np.bool_]:
    """Whether a ticker's dearest close of the day is so far above its cheapest that it can have risen enough in between."""
    moves = np.zeros(len(layout.first) - 1, np.bool_)
    some = np.flatnonzero(np.diff(layout.first))
    if len(some):
        starts = layout.first[some]
        dearest, cheapest = np.maximum.reduceat(layout.close, starts), np.minimum.reduceat(layout.close, starts)
        moves[some] = dearest * (1 + 1e-12) >= (1 + params.price_change_pct / 100) * cheapest * WIDER
    return moves

"""Bars of many tickers that arrived together, as columns: the whole market's minute is looked at in one go."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from core.model.bar import LAST_MS, LEAST, MOST, Bar, FloatArray

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class BarBatch(msgspec.Struct, frozen=True, array_like=True):
    """One row per bar in order of arrival; `start_ms` in epoch milliseconds, prices in USD, volume in shares."""

    tickers: list[str]
    start_ms: npt.NDArray[np.int64]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.tickers)

    def bar(self, row: int) -> Bar:
        """The bar of a row."""
        values = (self.open, self.high, self.low, self.close, self.volume)
        return Bar(self.tickers[row], int(self.start_ms[row]), *(float(column[row]) for column in values))

    def bars(self) -> list[Bar]:
        """All of them."""
        columns = (self.start_ms, self.open, self.high, self.low, self.close, self.volume)
        return [Bar(*row) for row in zip(self.tickers, *(column.tolist() for column in columns), strict=True)]

    def pick(self, rows: Rows) -> "BarBatch":
        """These rows only."""
        return BarBatch(
            [self.tickers[row] for row in rows.tolist()],
            self.start_ms[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
        )


def batch_of(bars: Sequence[Bar]) -> BarBatch:
    """Bars as a batch."""
    table = np.array([(b.open, b.high, b.low, b.close, b.volume) for b in bars], np.float64).reshape(-1, 5)
    starts = np.fromiter((b.start_ms for b in bars), np.int64, len(bars))
    return BarBatch([b.ticker for b in bars], starts, *(np.ascontiguousarray(table[:, i]) for i in range(5)))


def possible(
    start_ms: npt.NDArray[np.float64 | np.int64],
    opening: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
) -> Flags:
    """Which rows could be bars: what `Bar` demands at birth, except for its ticker. NaN never is."""
    prices = (low >= LEAST) & (low <= opening) & (opening <= high) & (low <= close) & (close <= high) & (high <= MOST)
    volumes = (volume == 0) | ((volume >= LEAST) & (volume <= MOST))
    found: Flags = prices & volumes & (start_ms >= 1) & (start_ms < LAST_MS)
    return found

"""Minute bars: impossible ones are refused at birth."""

import datetime as dt
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

SECOND_MS, MINUTE_MS = 1_000, 60_000
# the year 10000: datetime knows no instant after it
LAST_MS = 253_402_214_400_000
MOST_TICKER = 32
# What no market has ever seen, and whose quotients would leave the numbers that a computer has.
LEAST, MOST = 1e-12, 1e48
FloatArray = npt.NDArray[np.float64]


def is_ticker(text: str) -> bool:
    """Whether a text could be a symbol: short, printable ASCII without spaces."""
    return 0 < len(text) <= MOST_TICKER and text.isascii() and text.isprintable() and " " not in text


class Bar(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One ticker's aggregate over `[start_ms, start_ms + 60 s)`.

    Prices in USD as traded (unadjusted), volume in shares, `start_ms` in epoch milliseconds UTC.
    On the wire it is a JSON array in field order.
    """

    ticker: str
    start_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def __post_init__(self) -> None:
        if not is_ticker(self.ticker):
            raise ValueError(f"not a ticker: {self.ticker[:MOST_TICKER]!r}")
        if not (LEAST <= self.low <= self.open <= self.high and self.low <= self.close <= self.high <= MOST):
            raise ValueError(f"{self.ticker}: impossible prices {self.open}/{self.high}/{self.low}/{self.close}")
        if self.volume != 0 and not LEAST <= self.volume <= MOST:
            raise ValueError(f"{self.ticker}: impossible volume {self.volume}")
        if not 0 < self.start_ms < LAST_MS:
            raise ValueError(f"{self.ticker}: impossible start {self.start_ms}")

    @property
    def end_ms(self) -> int:
        """The exclusive end of the bar in epoch milliseconds."""
        return self.start_ms + MINUTE_MS

    @property
    def start_at(self) -> dt.datetime:
        """The start as an aware UTC instant."""
        return dt.datetime.fromtimestamp(self.start_ms / 1000, dt.UTC)

    @property
    def end_at(self) -> dt.datetime:
        """The exclusive end as an aware UTC instant."""
        return dt.datetime.fromtimestamp(self.end_ms / 1000, dt.UTC)


class BarColumns(msgspec.Struct, frozen=True):
    """Bars of one ticker as columns of equal length, oldest first."""

    start_ms: npt.NDArray[np.int64]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def cut(self, part: slice) -> "BarColumns":
        """Some of the bars, without copying."""
        return BarColumns(
            self.start_ms[part],
            self.open[part],
            self.high[part],
            self.low[part],
            self.close[part],
            self.volume[part],
        )

    def bar(self, ticker: str, place: int) -> Bar:
        """The bar at a place."""
        return Bar(
            ticker,
            self.start_ms.item(place),
            self.open.item(place),
            self.high.item(place),
            self.low.item(place),
            self.close.item(place),
            self.volume.item(place),
        )


def columns(bars: Sequence[Bar]) -> BarColumns:
    """Turn bars (oldest first) into columns."""
    table = np.array([(b.open, b.high, b.low, b.close, b.volume) for b in bars], dtype=np.float64).reshape(-1, 5)
    starts = np.fromiter((b.start_ms for b in bars), dtype=np.int64, count=len(bars))
    return BarColumns(starts, *(np.ascontiguousarray(table[:, i]) for i in range(5)))

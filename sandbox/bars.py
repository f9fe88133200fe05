"""Minute bars: one bar with the price path inside it, and a ticker's day of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sandbox import calendar

MINUTE_MS = 60_000
MINUTE_S = 60
# seconds into a minute at which the path touches its four prices
PATH_AT = (0, 15, 45, 59)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def tick_decimals(price: float) -> int:
    return 2 if price >= 1 else 4


@dataclass(frozen=True)
class Bar:
    """One minute; `start_ms` is its first millisecond in Unix time."""

    start_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + MINUTE_MS

    @property
    def vwap(self) -> float:
        return round((self.open + self.high + self.low + self.close) / 4, 4)

    def path(self) -> tuple[float, float, float, float]:
        """Open, the two extremes in the order that suits the close, close."""
        if self.close >= self.open:
            return self.open, self.low, self.high, self.close
        return self.open, self.high, self.low, self.close

    def price_after(self, seconds: float) -> float:
        """Price that many seconds into the minute, on straight lines between the path's four prices."""
        return round(float(np.interp(seconds, PATH_AT, self.path())), 4)

    def volume_until(self, second: int) -> int:
        """Shares printed in the minute's first `second` seconds."""
        return self.volume * second // MINUTE_S


class Series:
    """The day's bars of one ticker, by minute since 04:00 ET."""

    def __init__(self, minutes: Ints, prices: Floats, volumes: Ints) -> None:
        """`minutes` ascending and unique (n,), `prices` (n, 4) as open, high, low, close, `volumes` (n,)."""
        if len(minutes) != len(prices) or len(minutes) != len(volumes):
            raise ValueError("columns differ in length")
        if len(minutes) and (np.diff(minutes).min(initial=1) < 1 or minutes[0] < 0):
            raise ValueError("minutes must ascend")
        if len(minutes):
            highest, lowest = prices[:, 1], prices[:, 2]
            body_high = np.maximum(prices[:, 0], prices[:, 3])
            body_low = np.minimum(prices[:, 0], prices[:, 3])
            if (highest < body_high).any() or (lowest > body_low).any() or not (lowest > 0).all():
                raise ValueError("impossible bar")
        self.minutes, self.prices, self.volumes = minutes, prices, volumes
        for column in (minutes, prices, volumes):
            column.setflags(write=False)
        self._row = np.full(calendar.DAY_MINUTES, -1, dtype=np.int16)
        self._row[minutes] = np.arange(len(minutes))
        self._rows_before = np.searchsorted(minutes, np.arange(calendar.DAY_MINUTES + 1)).astype(np.int16)
        self._cumulative_volume = np.cumsum(volumes)
        self._cumulative_value = np.cumsum(np.round(prices.mean(axis=1), 4) * volumes)

    def row(self, minute: int) -> int | None:
        """Index of the bar of that minute, None where nothing traded."""
        if not 0 <= minute < calendar.DAY_MINUTES:
            return None
        index = int(self._row[minute])
        return None if index < 0 else index

    def rows_before(self, minute: int) -> int:
        return int(self._rows_before[min(max(minute, 0), calendar.DAY_MINUTES)])

    def accumulated(self, rows: int) -> tuple[int, float]:
        """(volume, value) of the first `rows` bars."""
        if rows <= 0:
            return 0, 0.0
        return int(self._cumulative_volume[rows - 1]), float(self._cumulative_value[rows - 1])

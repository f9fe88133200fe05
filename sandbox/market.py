"""One day of an immutable, deterministic market: instruments, minute bars and the price path inside a minute."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from sandbox import calendar

MINUTE_MS = 60_000
MINUTE_S = 60
# seconds into a minute at which the path touches its four prices
PATH_AT = (0, 15, 45, 59)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

KIS_EXCHANGES = MappingProxyType({"XNAS": ("NASD", "NAS"), "XNYS": ("NYSE", "NYS"), "XASE": ("AMEX", "AMS")})


@dataclass(frozen=True)
class Instrument:
    """A listed security with its names at both vendors."""

    symbol: str
    name: str
    korean_name: str
    primary_exchange: str
    shares_outstanding: int | None
    prev_close: float
    prev_volume: int = 1_000_000
    type: str = "CS"
    active: bool = True

    def __post_init__(self) -> None:
        if self.primary_exchange not in KIS_EXCHANGES:
            raise ValueError(f"{self.symbol}: exchange {self.primary_exchange} has no KIS code")
        if not self.prev_close > 0:
            raise ValueError(f"{self.symbol}: previous close must be above zero")

    @property
    def kis_exchange(self) -> str:
        """NASD, NYSE or AMEX, as in orders."""
        return KIS_EXCHANGES[self.primary_exchange][0]

    @property
    def quote_code(self) -> str:
        """NAS, NYS or AMS, as in quotes."""
        return KIS_EXCHANGES[self.primary_exchange][1]

    @property
    def kis_symbol(self) -> str:
        return self.symbol.replace(".", "/")


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


@dataclass(frozen=True)
class Quote:
    bid: float
    ask: float
    last: float


def tick_decimals(price: float) -> int:
    return 2 if price >= 1 else 4


def spread_around(price: float) -> Quote:
    """One cent or 0.05 % either side, whichever is larger; below a dollar the tick is a hundredth of a cent."""
    decimals = tick_decimals(price)
    tick = 10.0**-decimals
    half = max(tick, price * 0.0005)
    return Quote(max(tick, round(price - half, decimals)), round(price + half, decimals), price)


class Market:
    """Instruments and their bars on one ET day. Nothing here knows what time it is: callers pass instants."""

    def __init__(self, day: date, listed: Iterable[tuple[Instrument, Series]]) -> None:
        self.day = day
        self.opened_at = calendar.at(day, calendar.OPEN_AT)
        self.opened_ms = int(self.opened_at.timestamp()) * 1000
        pairs = sorted(listed, key=lambda pair: pair[0].symbol)
        self.instruments: Mapping[str, Instrument] = MappingProxyType({i.symbol: i for i, _ in pairs})
        self.series: Mapping[str, Series] = MappingProxyType({i.symbol: s for i, s in pairs})
        if len(self.instruments) != len(pairs):
            raise ValueError("a symbol is listed twice")
        self.symbols = tuple(self.instruments)
        self.last_minute = max((int(s.minutes[-1]) for s in self.series.values() if len(s.minutes)), default=-1)

    def minute_of(self, instant: datetime) -> int:
        """Minutes since 04:00 ET, floored; negative before, above 959 after."""
        return math.floor((instant - self.opened_at).total_seconds() / MINUTE_S)

    def minute_at(self, minute: int) -> datetime:
        return self.opened_at + timedelta(minutes=minute)

    def bar(self, symbol: str, row: int) -> Bar:
        series = self.series[symbol]
        o, h, low, c = (float(price) for price in series.prices[row])
        start = self.opened_ms + int(series.minutes[row]) * MINUTE_MS
        return Bar(start, o, h, low, c, int(series.volumes[row]))

    def bar_of_minute(self, symbol: str, minute: int) -> Bar | None:
        row = self.series[symbol].row(minute)
        return None if row is None else self.bar(symbol, row)

    def bars_between(self, symbol: str, start_ms: int, end_ms: int) -> list[Bar]:
        """Bars whose start lies in [start_ms, end_ms)."""
        series = self.series[symbol]
        first = series.rows_before(math.ceil((start_ms - self.opened_ms) / MINUTE_MS))
        last = series.rows_before(math.ceil((end_ms - self.opened_ms) / MINUTE_MS))
        return [self.bar(symbol, row) for row in range(first, last)]

    def closed_bars(self, symbol: str, instant: datetime) -> list[Bar]:
        """The day's bars that had ended at the instant."""
        return [self.bar(symbol, row) for row in range(self.series[symbol].rows_before(self.minute_of(instant)))]

    def price_at(self, symbol: str, instant: datetime) -> float:
        """Last price: on the minute's path while its bar runs, else the last close, else yesterday's."""
        minute = self.minute_of(instant)
        running = self.bar_of_minute(symbol, minute)
        if running is not None:
            return running.price_after((instant - self.minute_at(minute)).total_seconds())
        rows = self.series[symbol].rows_before(minute)
        return float(self.series[symbol].prices[rows - 1][3]) if rows else self.instruments[symbol].prev_close

    def quote_at(self, symbol: str, instant: datetime) -> Quote:
        return spread_around(self.price_at(symbol, instant))

    def volume_at(self, symbol: str, instant: datetime) -> int:
        """Shares of the day so far, the running minute's included."""
        minute = self.minute_of(instant)
        series = self.series[symbol]
        done, _ = series.accumulated(series.rows_before(minute))
        running = self.bar_of_minute(symbol, minute)
        if running is None:
            return done
        return done + running.volume_until(int((instant - self.minute_at(minute)).total_seconds()))

    def day_range(self, symbol: str, instant: datetime, *, regular_only: bool = True) -> Bar | None:
        """The day's bar so far, from closed minutes; None before the first one."""
        series = self.series[symbol]
        minute = self.minute_of(instant)
        first = series.rows_before(calendar.REGULAR_MINUTE) if regular_only else 0
        last = series.rows_before(min(minute, calendar.CLOSE_MINUTE) if regular_only else minute)
        if last <= first:
            return None
        prices, volumes = series.prices[first:last], series.volumes[first:last]
        return Bar(
            self.opened_ms + int(series.minutes[first]) * MINUTE_MS,
            float(prices[0][0]),
            float(prices[:, 1].max()),
            float(prices[:, 2].min()),
            float(prices[-1][3]),
            int(volumes.sum()),
        )

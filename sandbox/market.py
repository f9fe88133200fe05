"""A readable, deterministic market: instruments, minute bars and the price path inside a minute."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType

from sandbox import calendar
from sandbox.bars import MINUTE_MS, MINUTE_S, Bar, Series, tick_decimals
from sandbox.tape import Tape

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
class Split:
    """`new` shares for `old`."""

    symbol: str
    on: date
    new: int
    old: int


@dataclass(frozen=True)
class Quote:
    bid: float
    ask: float
    last: float


def spread_around(price: float) -> Quote:
    """One cent or 0.05 % either side, whichever is larger; below a dollar the tick is a hundredth of a cent."""
    decimals = tick_decimals(price)
    tick = 10.0**-decimals
    half = max(tick, price * 0.0005)
    return Quote(max(tick, round(price - half, decimals)), round(price + half, decimals), price)


class Market:
    """Instruments and their bars on one ET day. Nothing here knows what time it is: callers pass instants.

    What is done to a symbol (move, halt, resume, split) rewrites its bars from that instant on; a split, all of them.
    """

    def __init__(self, day: date, listed: Iterable[tuple[Instrument, Series]]) -> None:
        self.day = day
        self.opened_at = calendar.at(day, calendar.OPEN_AT)
        self.opened_ms = int(self.opened_at.timestamp()) * 1000
        pairs = sorted(listed, key=lambda pair: pair[0].symbol)
        self._instruments = {i.symbol: i for i, _ in pairs}
        self._series = {i.symbol: s for i, s in pairs}
        self.instruments: Mapping[str, Instrument] = MappingProxyType(self._instruments)
        self.series: Mapping[str, Series] = MappingProxyType(self._series)
        self._tapes: dict[str, Tape] = {}
        self.splits: list[Split] = []
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
        tape = self._tapes.get(symbol)
        if tape is not None:
            return tape.price(self._second(instant))
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
        return done + self.printed(symbol, minute, int((instant - self.minute_at(minute)).total_seconds()))

    def printed(self, symbol: str, minute: int, second: int) -> int:
        """Shares printed in the minute's first `second` seconds."""
        tape = self._tapes.get(symbol)
        if tape is not None:
            return tape.printed(minute, second)
        bar = self.bar_of_minute(symbol, minute)
        return bar.volume_until(second) if bar else 0

    def price_before(self, symbol: str, minute: int, second: int) -> float:
        """The price with which that many seconds of a minute with prints end."""
        tape = self._tapes.get(symbol)
        if tape is not None:
            return tape.price_before(minute * MINUTE_S + second)
        bar = self.bar_of_minute(symbol, minute)
        return bar.price_after(second) if bar else self.price_at(symbol, self.minute_at(minute))

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

    # -- what is done to a symbol ------------------------------------------------------------------

    def move(self, symbol: str, instant: datetime, factor: float) -> None:
        """From the instant on every price is multiplied."""
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError("a price can only move to one above zero")
        self._touch(symbol, lambda tape: tape.move(self._second(instant), factor))

    def halt(self, symbol: str, instant: datetime) -> None:
        """No prints until it resumes; raises ValueError when it is halted already."""
        self._touch(symbol, lambda tape: tape.halt(self._second(instant)))

    def resume(self, symbol: str, instant: datetime) -> None:
        """Raises ValueError when it is not halted."""
        self._touch(symbol, lambda tape: tape.resume(self._second(instant)))

    def split(self, symbol: str, new: int, old: int) -> None:
        """`new` shares for `old`: the whole day's prices and volumes, yesterday's too, as a vendor adjusts them."""
        self._touch(symbol, lambda tape: tape.split(new, old))
        was = self.instruments[symbol]
        shares = None if was.shares_outstanding is None else was.shares_outstanding * new // old
        self._instruments[symbol] = replace(
            was,
            prev_close=self._tapes[symbol].prev_close,
            prev_volume=was.prev_volume * new // old,
            shares_outstanding=shares,
        )
        self.splits.append(Split(symbol, self.day, new, old))

    def halted(self, symbol: str, instant: datetime) -> bool:
        tape = self._tapes.get(symbol)
        return tape is not None and tape.halted_since(self._second(instant)) is not None

    def touched(self, symbol: str) -> bool:
        """Whether anything was done to it today."""
        return symbol in self._tapes

    def _second(self, instant: datetime) -> float:
        return (instant - self.opened_at).total_seconds()

    def _touch(self, symbol: str, act: Callable[[Tape], None]) -> None:
        tape = self._tapes.get(symbol) or Tape(self.series[symbol], self.instruments[symbol].prev_close)
        act(tape)
        self._tapes[symbol], self._series[symbol] = tape, tape.seen

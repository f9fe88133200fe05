"""Plain rules that can be traded instead of the product's own, by name: what is ordered at the close of which bar."""

import datetime as dt
from typing import Annotated, NamedTuple, Protocol

import msgspec
import numpy as np
from msgspec import Meta

from core.model.bar import BarColumns
from core.rules.ta import EMA

Period = Annotated[int, Meta(ge=2, le=400)]
Shares = Annotated[int, Meta(ge=1, le=1_000_000)]
Bars = Annotated[int, Meta(ge=0, le=100_000)]


class Order(NamedTuple):
    """Decided at the close of the bar at `place`; `shares` below 0 are sold."""

    place: int
    shares: int


class Strategy(Protocol):
    """Rules over one stock's bars, one day after the other. An order may only depend on bars up to its own.

    How many bars there are is the one thing known in advance: an end sells what is held.
    """

    @property
    def all_hours(self) -> bool:
        """Whether bars before and after the regular session count."""
        ...

    def orders(self, bars: BarColumns) -> list[Order]:
        """In order of place, at most one each, none at the last bar: nothing could fill it."""
        ...


class EmaCross(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Buy when the fast EMA rises above the slow one, sell when it falls below, and at the last bar but one.

    TA-Lib's EMA, seeded with the mean of its first closes. Nothing is bought on the first `warm_bars` and the last
    `last_bars`.
    """

    fast: Period = 5
    slow: Period = 20
    shares: Shares = 100
    warm_bars: Bars = 0
    last_bars: Annotated[int, Meta(ge=1, le=100_000)] = 1
    all_hours: bool = False

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ValueError("fast: must be smaller than slow")

    def orders(self, bars: BarColumns) -> list[Order]:
        size = len(bars.close)
        if size <= self.slow:
            return []
        difference = EMA(bars.close, self.fast) - EMA(bars.close, self.slow)
        before, now = difference[:-1], difference[1:]
        crossed = np.flatnonzero(((before <= 0) & (now > 0)) | ((before >= 0) & (now < 0))) + 1
        found: list[Order] = []
        held = False
        for place in crossed[crossed < size - 1].tolist():
            if held and difference[place] < 0:
                found.append(Order(place, -self.shares))
                held = False
            elif not held and difference[place] > 0 and self.warm_bars <= place < size - self.last_bars:
                found.append(Order(place, self.shares))
                held = True
        if held and found[-1].place < size - 2:
            found.append(Order(size - 2, -self.shares))
        return found


class Tranches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From the bar that starts at `signal` on, buy whole shares for `usd` at each of `tranches` closes; `hold_bars` bars
    after the signal sell all of them.
    """

    signal: dt.datetime
    tranches: Annotated[int, Meta(ge=1, le=100)] = 10
    usd: Annotated[float, Meta(gt=0.0, le=1e9)] = 1000.0
    hold_bars: Annotated[int, Meta(ge=1, le=100_000)] = 30
    all_hours: bool = True

    def __post_init__(self) -> None:
        if self.signal.tzinfo is None:
            raise ValueError("signal: an instant with its offset, like 2025-05-02T16:13:00Z")
        if self.hold_bars < self.tranches:
            raise ValueError("hold_bars: must not be smaller than tranches")

    def orders(self, bars: BarColumns) -> list[Order]:
        start_ms = round(self.signal.timestamp() * 1000)
        first = int(np.searchsorted(bars.start_ms, start_ms))
        last = len(bars.start_ms) - 1
        if first >= last or bars.start_ms[first] != start_ms:
            return []
        sale = min(first + self.hold_bars, last - 1)
        places = range(first, min(first + self.tranches, sale))
        bought = [Order(place, int(self.usd // float(bars.close[place]))) for place in places]
        orders = [*bought, Order(sale, -sum(order.shares for order in bought))]
        return [order for order in orders if order.shares]


STRATEGIES: dict[str, type[EmaCross] | type[Tranches]] = {"ema-cross": EmaCross, "tranches": Tranches}

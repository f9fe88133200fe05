"""Bars of a day, oldest first, each start once: of one ticker, and of all that are judged."""

import bisect
from collections.abc import Sequence
from typing import Protocol

from core.model.bar import Bar, BarColumns, columns

# what is judged, and corrections that come up to a quarter of an hour late
KEPT = 136


def put(bars: list[Bar], bar: Bar) -> None:
    """Insert in order, or replace the bar with the same start."""
    if not bars or bar.start_ms > bars[-1].start_ms:
        bars.append(bar)
        return
    at = bisect.bisect_left(bars, bar.start_ms, key=lambda b: b.start_ms)
    if bars[at].start_ms == bar.start_ms:
        bars[at] = bar
    else:
        bars.insert(at, bar)


def newest(bars: Sequence[Bar], upto_ms: int, count: int) -> Sequence[Bar]:
    """At most `count` bars, the last of which starts at or before `upto_ms`."""
    end = bisect.bisect_right(bars, upto_ms, key=lambda b: b.start_ms)
    return bars[max(0, end - count) : end]


class Histories(Protocol):
    """The bars of the present day, of every ticker that is judged."""

    def clear(self) -> None:
        """A new day begins."""
        ...

    def put(self, bar: Bar) -> bool:
        """Take a closed bar; whether it is the newest of its ticker."""
        ...

    def window(self, ticker: str, upto_ms: int | None, count: int) -> BarColumns:
        """At most `count` bars up to a start (None: the newest), oldest first; empty for a ticker without bars."""
        ...


class BarLists:
    """Histories out of the bars that arrived: of each ticker at least the newest `KEPT`."""

    def __init__(self) -> None:
        self._bars: dict[str, list[Bar]] = {}

    def clear(self) -> None:
        """Forget the day."""
        self._bars.clear()

    def put(self, bar: Bar) -> bool:
        """Keep a bar; one that is known already counts as the newest too."""
        known = self._bars.setdefault(bar.ticker, [])
        fresh = not known or bar.start_ms >= known[-1].start_ms
        put(known, bar)
        if len(known) == 2 * KEPT:
            del known[:KEPT]
        return fresh

    def window(self, ticker: str, upto_ms: int | None, count: int) -> BarColumns:
        """The newest bars as columns."""
        known = self._bars.get(ticker, [])
        return columns(known[-count:] if upto_ms is None else newest(known, upto_ms, count))

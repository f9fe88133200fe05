"""Bars of a day, oldest first, each start once: of one ticker, and of all that are judged."""

import bisect
from array import array
from typing import Protocol

import numpy as np

from core.model.bar import Bar, BarColumns

# The screen and the analyzer look back two hours at most, people see as much, and corrections come up to a quarter of an
# hour late; so many more before the oldest go.
KEPT, SLACK = 136, 16
WIDTH = 6


class BarRows:
    """One ticker's bars as plain numbers, 48 bytes each instead of 300; of those that were put the newest `keep` are there."""

    def __init__(self, ticker: str, keep: int) -> None:
        self._ticker, self._keep = ticker, keep
        self._numbers = array("d")

    def __len__(self) -> int:
        return len(self._numbers) // WIDTH

    def put(self, bar: Bar) -> bool:
        """Add a bar, or replace the one with the same start; whether it is the newest."""
        numbers = self._numbers
        row = array("d", (bar.start_ms, bar.open, bar.high, bar.low, bar.close, bar.volume))
        newest = numbers[-WIDTH] if numbers else 0
        if bar.start_ms <= newest:
            starts = numbers[::WIDTH]
            place = bisect.bisect_left(starts, bar.start_ms)
            end = place + 1 if starts[place] == bar.start_ms else place
            numbers[place * WIDTH : end * WIDTH] = row
        else:
            numbers.extend(row)
        if len(self) > self._keep + SLACK:
            del numbers[: -self._keep * WIDTH]
        return bar.start_ms >= newest

    def columns(self, upto_ms: int | None, count: int) -> BarColumns:
        """At most `count` bars, the last of which starts at or before `upto_ms` (None: the newest)."""
        end = len(self) if upto_ms is None else bisect.bisect_right(self._numbers[::WIDTH], upto_ms)
        part = self._numbers[max(0, end - count) * WIDTH : end * WIDTH]
        table = np.ascontiguousarray(np.array(part).reshape(-1, WIDTH).T)
        return BarColumns(table[0].astype(np.int64), *table[1:])

    def bars(self) -> list[Bar]:
        """The newest `keep` bars."""
        numbers = self._numbers[-self._keep * WIDTH :].tolist()
        return [Bar(self._ticker, int(numbers[i]), *numbers[i + 1 : i + WIDTH]) for i in range(0, len(numbers), WIDTH)]


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
    """Histories out of the bars that arrived."""

    def __init__(self) -> None:
        self._rows: dict[str, BarRows] = {}

    def clear(self) -> None:
        """Forget the day."""
        self._rows.clear()

    def put(self, bar: Bar) -> bool:
        """Keep a bar; one that is known already counts as the newest too."""
        if bar.ticker not in self._rows:
            self._rows[bar.ticker] = BarRows(bar.ticker, KEPT)
        return self._rows[bar.ticker].put(bar)

    def window(self, ticker: str, upto_ms: int | None, count: int) -> BarColumns:
        """The newest bars as columns."""
        return self._rows.get(ticker, BarRows(ticker, KEPT)).columns(upto_ms, count)

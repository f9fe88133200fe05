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
    """One ticker's bars as plain numbers, 48 bytes each instead of 300; of those that were put the newest `keep` are there.

    Their memory is taken at once: a hundred arrays that grow leave as much in holes between them.
    """

    def __init__(self, ticker: str, keep: int) -> None:
        self._ticker, self._keep = ticker, keep
        self._numbers = array("d", bytes(8 * WIDTH * (keep + SLACK + 1)))
        self._end = 0

    def __len__(self) -> int:
        return self._end // WIDTH

    def put(self, bar: Bar) -> bool:
        """Add a bar, or replace the one with the same start; whether it is the newest."""
        numbers, end = self._numbers, self._end
        newest = numbers[end - WIDTH] if end else 0
        if bar.start_ms > newest:
            place = end
            self._end += WIDTH
        else:
            starts = numbers[:end:WIDTH]
            number = bisect.bisect_left(starts, bar.start_ms)
            place = number * WIDTH
            if starts[number] != bar.start_ms:
                numbers[place + WIDTH : end + WIDTH] = numbers[place:end]
                self._end += WIDTH
        numbers[place : place + WIDTH] = array("d", (bar.start_ms, bar.open, bar.high, bar.low, bar.close, bar.volume))
        if len(self) > self._keep + SLACK:
            kept = self._keep * WIDTH
            numbers[:kept] = numbers[self._end - kept : self._end]
            self._end = kept
        return bar.start_ms >= newest

    def columns(self, upto_ms: int | None, count: int) -> BarColumns:
        """At most `count` bars, the last of which starts at or before `upto_ms` (None: the newest)."""
        end = len(self)
        if upto_ms is not None:
            end = bisect.bisect_right(self._numbers[: self._end : WIDTH], upto_ms)
        return _columns(self._numbers[max(0, end - count) * WIDTH : end * WIDTH])

    def bars(self) -> list[Bar]:
        """The newest `keep` bars."""
        numbers = self._numbers[max(0, self._end - self._keep * WIDTH) : self._end].tolist()
        return [Bar(self._ticker, int(numbers[i]), *numbers[i + 1 : i + WIDTH]) for i in range(0, len(numbers), WIDTH)]


def _columns(numbers: "array[float]") -> BarColumns:
    table = np.ascontiguousarray(np.array(numbers).reshape(-1, WIDTH).T)
    return BarColumns(table[0].astype(np.int64), *table[1:])


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
        rows = self._rows.get(ticker)
        return rows.columns(upto_ms, count) if rows is not None else _columns(array("d"))

"""The newest bars of every ticker of the market, in one block of memory (facts: performance.md, "keep a ring").

A day of 11,000 tickers is 2.5 million bars; as objects they take half a gigabyte, as a block of the newest
ones a tenth of it, and a whole minute of the market is written and compared in a few operations.
"""

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.model.bar import LAST_MS, MINUTE_MS, Bar
from core.model.batch import BarBatch, Flags, Rows, batch_of
from core.rules.history import KEPT, SLACK

START, OPEN, HIGH, LOW, CLOSE, VOLUME = range(6)
# all that prints on a busy day: a block that grows is copied as a whole
MARKET = 11_264
FEW = 256
Block = npt.NDArray[np.float64]


class MarketBars:
    """One US day: at least the newest 136 bars of each ticker, oldest first, each start once.

    There is room for so many `tickers` at first, and it is taken at once: a machine that lacks it says so at the start and
    not in the middle of a session.
    """

    def __init__(self, tickers: int = FEW) -> None:
        self._numbers: dict[str, int] = {}
        self._block: Block = np.full((tickers, KEPT + SLACK, 6), np.nan)
        self._count: Rows = np.zeros(tickers, np.int64)
        self._newest: Rows = np.zeros(tickers, np.int64)
        self._first: Rows = np.zeros(tickers, np.int64)

    def clear(self) -> None:
        """Another day; the tickers keep their numbers."""
        for column in (self._count, self._newest, self._first):
            column[:] = 0

    def numbers(self, batch: BarBatch) -> Rows:
        """Each row's ticker as a number; new tickers get one."""
        known = self._numbers
        try:
            return np.frombuffer(array("q", [known[ticker] for ticker in batch.tickers]), np.int64)
        except KeyError:
            self._reserve(len(known.keys() | set(batch.tickers)))
            for ticker in batch.tickers:
                known.setdefault(ticker, len(known))
            return self.numbers(batch)

    def number(self, ticker: str) -> int:
        """A ticker's number, growing from 0."""
        found = self._numbers.setdefault(ticker, len(self._numbers))
        self._reserve(found + 1)
        return found

    def _reserve(self, tickers: int) -> None:
        """Grow for so many, by an eighth at least: memory is dearer here than a copy."""
        lacking = tickers - len(self._count)
        if lacking <= 0:
            return
        more = np.zeros(max(lacking, FEW, len(self._count) // 8), np.int64)
        self._count, self._newest, self._first = (
            np.concatenate((column, more)) for column in (self._count, self._newest, self._first)
        )
        block = np.full((len(self._count), *self._block.shape[1:]), np.nan)
        block[: len(self._block)] = self._block
        self._block = block

    # -- what arrives -------------------------------------------------------------------------------------------

    def put(self, batch: BarBatch, numbers: Rows) -> None:
        """Take bars: newer ones are added, known starts replaced, older ones put in their place."""
        rows = np.arange(len(batch))
        if len(rows) and np.bincount(numbers).max() == 1:
            self._put_each(batch, rows, numbers)
            return
        while len(rows):
            # a ticker with several bars in the batch takes one at a time, in order of arrival
            _, firsts = np.unique(numbers[rows], return_index=True)
            now = rows[np.sort(firsts)]
            self._put_each(batch, now, numbers[now])
            rows = np.setdiff1d(rows, now, assume_unique=True)

    def _put_each(self, batch: BarBatch, rows: Rows, numbers: Rows) -> None:
        """Bars of different tickers."""
        columns = (batch.start_ms, batch.open, batch.high, batch.low, batch.close, batch.volume)
        values: Block = np.stack(columns if len(rows) == len(batch) else [column[rows] for column in columns], axis=1)
        starts, newest = values[:, START], self._newest[numbers]
        self._first[numbers[newest == 0]] = starts[newest == 0]
        added = starts > newest
        if added.all():
            self._add(numbers, values)
            return
        self._add(numbers[added], values[added])
        again = starts == newest
        at = numbers[again]
        self._block[at, self._count[at] - 1] = values[again]
        for row in np.flatnonzero(starts < newest).tolist():
            self._insert(int(numbers[row]), values[row])

    def _add(self, numbers: Rows, values: Block) -> None:
        """Bars that are newer than all of their tickers."""
        self._make_room(numbers)
        self._block[numbers, self._count[numbers]] = values
        self._count[numbers] += 1
        self._newest[numbers] = values[:, START]

    def _make_room(self, numbers: Rows) -> None:
        full = numbers[self._count[numbers] == KEPT + SLACK]
        if len(full):
            self._block[full, :KEPT] = self._block[full, SLACK:]
            self._count[full] = KEPT

    def _insert(self, number: int, values: Block) -> None:
        """A bar that is older than the newest; one from before all that is kept is not needed any more."""
        bars = self._block[number, : self._count[number]]
        place = int(np.searchsorted(bars[:, START], values[START]))
        self._first[number] = min(int(self._first[number]), int(values[START]))
        if place < len(bars) and bars[place, START] == values[START]:
            bars[place] = values
            return
        if len(bars) == KEPT + SLACK:
            if place == 0:
                return
            bars[: place - 1] = bars[1:place].copy()
            bars[place - 1] = values
            return
        self._block[number, place + 1 : len(bars) + 1] = bars[place:].copy()
        self._block[number, place] = values
        self._count[number] += 1

    def fill(self, ticker: str, bars: Sequence[Bar], *, outranked_from_ms: int) -> list[Bar]:
        """Put a ticker's history (oldest first) beside what has arrived; returns the bars that were new.

        A bar that is known stays from `outranked_from_ms` on; before that the history has the better one.
        """
        number = self.number(ticker)
        mine = self.bars(ticker, LAST_MS, KEPT + SLACK)
        known = {bar.start_ms: bar for bar in mine}
        needed_ms = mine[0].start_ms if len(mine) >= KEPT else 0
        changed = []
        for bar in bars:
            have = known.get(bar.start_ms)
            outranked = have is not None and bar.start_ms >= outranked_from_ms
            if bar.start_ms >= needed_ms and have != bar and not outranked:
                known[bar.start_ms] = bar
                changed.append(bar)
        if bars:
            first = min(bars[0].start_ms, self.first_ms(ticker) or LAST_MS)
            kept = batch_of([known[start] for start in sorted(known)[-KEPT:]])
            columns = (kept.start_ms, kept.open, kept.high, kept.low, kept.close, kept.volume)
            self._block[number, : len(kept)] = np.stack(columns, axis=1)
            self._count[number], self._newest[number], self._first[number] = len(kept), kept.start_ms[-1], first
        return changed

    # -- what is asked ------------------------------------------------------------------------------------------

    def first_ms(self, ticker: str) -> int:
        """The start of the ticker's first bar of the day, 0 where there is none."""
        return int(self._first[self._numbers[ticker]]) if ticker in self._numbers else 0

    def bars(self, ticker: str, upto_ms: int, count: int) -> list[Bar]:
        """At most `count` bars, oldest first, the last of which starts at or before `upto_ms`."""
        number = self._numbers.get(ticker)
        if number is None:
            return []
        mine = self._block[number, : self._count[number]]
        end = int(np.searchsorted(mine[:, START], upto_ms, side="right"))
        return [Bar(ticker, int(start), *values) for start, *values in mine[max(0, end - count) : end].tolist()]

    def at(self, ticker: str, start_ms: int) -> Bar | None:
        """The bar with this start."""
        found = self.bars(ticker, start_ms, 1)
        return found[0] if found and found[0].start_ms == start_ms else None

    def late(self, batch: BarBatch, numbers: Rows) -> Flags:
        """Which bars are older than the newest of their ticker."""
        found: Flags = batch.start_ms < self._newest[numbers]
        return found

    def references(self, numbers: Rows, start_ms: Rows, minutes: int) -> tuple[Rows, Block]:
        """For newest bars the last ones that start at least so many minutes before: their starts and their closes.

        0 and NaN where the ticker has none; -1 and NaN where the bars do not lie a minute apart and it takes a closer look.
        """
        # within so many minutes lies one bar for each, and the one that asks
        back = self._count[numbers][:, None] - 1 - np.arange(minutes + 2)
        starts = np.where(back >= 0, self._block[numbers[:, None], np.maximum(back, 0), START], np.inf)
        early: Flags = starts <= (start_ms - minutes * MINUTE_MS)[:, None]
        found, rows = early.any(axis=1), np.arange(len(numbers))
        which = early.argmax(axis=1)
        closes = np.where(found, self._block[numbers, np.maximum(back[rows, which], 0), CLOSE], np.nan)
        missing = np.where(back[:, -1] >= 0, -1, 0)
        return np.where(found, starts[rows, which], missing).astype(np.int64), closes

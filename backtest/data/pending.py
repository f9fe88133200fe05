"""Checked rows that wait for their day, in memory up to a bound and on disk beyond it."""

import datetime as dt
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from backtest.data.checks import date_of, days_of
from backtest.data.day import VALUES, BoolArray, DayBars, IntArray
from backtest.data.rows import Rows

MOST_ROWS = 3_000_000
COLUMNS = ("code", "start_ms", "line", "source", *VALUES)
Columns = dict[str, npt.NDArray[np.generic]]


class Waiting(msgspec.Struct, frozen=True, eq=False):
    """Every row of a day, in the order of the files: `source` numbers the file, `line` the row in it."""

    bars: DayBars
    line: IntArray
    source: IntArray

    def take(self, keep: BoolArray) -> "Waiting":
        """Some of the rows."""
        bars = self.bars
        day = DayBars(
            bars.on, bars.tickers, bars.ticker[keep], bars.start_ms[keep], *(column[keep] for column in bars.values())
        )
        return Waiting(day, self.line[keep], self.source[keep])


class Pending:
    """Rows by day; a spilled part is one file in `folder`."""

    def __init__(self, folder: Path, most_rows: int = MOST_ROWS) -> None:
        self._folder, self._most = folder, most_rows
        self._names: dict[str, int] = {}
        self._parts: dict[int, list[Columns]] = {}
        self._spilled: dict[int, list[Path]] = {}
        self._in_memory = 0
        self.rows = 0
        self.counts: dict[dt.date, int] = {}

    def add(self, rows: Rows, source: int) -> None:
        """Keep a chunk of a file."""
        if not len(rows):
            return
        own = np.fromiter((self._names.setdefault(n, len(self._names)) for n in rows.names), np.int32, len(rows.names))
        columns: Columns = dict(zip(VALUES, rows.values(), strict=True))
        columns |= {"code": own[rows.code], "start_ms": rows.start_ms, "line": rows.line}
        columns["source"] = np.full(len(rows), source, np.int64)
        day = days_of(rows.start_ms)
        order = np.argsort(day, kind="stable")
        numbers, first = np.unique(day[order], return_index=True)
        for number, positions in zip(numbers.tolist(), np.split(order, first[1:]), strict=True):
            whole = len(positions) == len(rows)
            part = columns if whole else {name: column[positions] for name, column in columns.items()}
            self._parts.setdefault(number, []).append(part)
            on = date_of(number)
            self.counts[on] = self.counts.get(on, 0) + len(positions)
        self.rows += len(rows)
        self._in_memory += len(rows)
        if self._in_memory > self._most:
            self._spill()

    def days(self) -> list[dt.date]:
        """The dates that wait."""
        return sorted(self.counts)

    def take(self, on: dt.date, without: Iterable[int] = ()) -> Waiting:
        """A day's rows, except those of some sources."""
        number = next(n for n in {*self._parts, *self._spilled} if date_of(n) == on)
        parts = [dict(np.load(path)) for path in self._spilled.pop(number, [])] + self._parts.pop(number, [])
        whole = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
        names = tuple(self._names)
        used = np.unique(whole["code"])
        position = np.zeros(len(names), np.int32)
        position[used] = np.arange(len(used), dtype=np.int32)
        tickers = tuple(names[i] for i in used)
        bars = DayBars(on, tickers, position[whole["code"]], *(whole[name] for name in ("start_ms", *VALUES)))
        waiting = Waiting(bars, whole["line"], whole["source"])
        refused = list(without)
        return waiting.take(~np.isin(waiting.source, refused)) if refused else waiting

    def clear(self) -> None:
        """Forget everything."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.__init__(self._folder, self._most)  # type: ignore[misc]

    def _spill(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for number, parts in self._parts.items():
            path = self._folder / f"{number}.{len(self._spilled.get(number, []))}.npz"
            whole: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
            np.savez(path, **whole)
            self._spilled.setdefault(number, []).append(path)
        self._parts, self._in_memory = {}, 0

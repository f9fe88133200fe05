"""A day as the collector recorded it: entry by entry, and as bars."""

import datetime as dt
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from backtest.data.day import VALUES, DayBars, day_bounds_ms, empty_day, merge
from backtest.data.manifest import DataProblem
from core.model.batch import BarBatch, batch_of
from core.model.recording import Arrived, Entry, HistoryCame, decode

PART = "[0-9]" * 4 + ".ndjson.gz"
CHUNK = 1 << 20
GZIP = zlib.MAX_WBITS | 16
# bars that are laid over the day at once
TOGETHER = 200_000


def parts_of(folder: Path) -> list[Path]:
    """The files of a recorded day in order. Raises DataProblem where there are none."""
    parts = sorted(folder.glob(PART))
    if not parts:
        raise DataProblem(f"{folder} has no recording: the collector records days while scanner.record_days is above 0")
    return parts


def entries_of(folder: Path) -> Iterator[Entry]:
    """Everything that was recorded, in order; the torn end of a file is left out."""
    for path in parts_of(folder):
        for line in _lines(path):
            try:
                yield decode(line)
            except msgspec.MsgspecError as error:
                raise DataProblem(f"{path} is damaged, or of another version ({error})") from None


def _lines(path: Path) -> Iterator[bytes]:
    """Whole lines of a row of gzip members, as far as it is whole."""
    rest, member = b"", zlib.decompressobj(GZIP)
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            while data:
                try:
                    rest += member.decompress(data)
                except zlib.error:
                    return
                data = member.unused_data
                if member.eof:
                    member = zlib.decompressobj(GZIP)
            *lines, rest = rest.split(b"\n")
            yield from lines


class Laid:
    """Bars of one date, the latest revision of each; bars of look-ups only where none arrived."""

    def __init__(self, on: dt.date) -> None:
        self._on = on
        self._bounds = day_bounds_ms(on)
        self._arrived: list[BarBatch] = []
        self._looked_up: list[BarBatch] = []
        self._waiting = 0
        self._day = empty_day(on)

    def take(self, entry: Entry) -> None:
        """The bars of an entry."""
        match entry:
            case Arrived(bars=bars):
                self._arrived.append(bars)
                self._waiting += len(bars)
                if self._waiting >= TOGETHER:
                    self._day, self._arrived = self._over(self._day, self._arrived, replace=True), []
                    self._waiting = 0
            case HistoryCame(bars=tuple() as bars):
                self._looked_up.append(batch_of(bars))
            case _:
                pass

    def day(self) -> DayBars:
        """All of them."""
        day = self._over(self._day, self._arrived, replace=True)
        return self._over(day, self._looked_up, replace=False)

    def _over(self, day: DayBars, batches: Sequence[BarBatch], *, replace: bool) -> DayBars:
        start, end = self._bounds
        inside = [b.pick(np.flatnonzero((b.start_ms >= start) & (b.start_ms < end))) for b in batches]
        return merge(day, columns_of(self._on, inside), replace=replace).day if any(map(len, inside)) else day


def columns_of(on: dt.date, batches: Sequence[BarBatch]) -> DayBars:
    """Bars in any order as rows of a day that is yet to be put in order by `merge`."""
    tickers = [ticker for batch in batches for ticker in batch.tickers]
    names = tuple(sorted(set(tickers)))
    index = {name: i for i, name in enumerate(names)}
    return DayBars(
        on,
        names,
        np.fromiter(map(index.__getitem__, tickers), np.int32, len(tickers)),
        np.concatenate([batch.start_ms for batch in batches]),
        *(np.concatenate([getattr(batch, name) for batch in batches]) for name in VALUES),
    )


def recorded_bars(folder: Path, on: dt.date) -> DayBars:
    """The bars of a recorded day as they were in the end."""
    laid = Laid(on)
    for entry in entries_of(folder):
        laid.take(entry)
    return laid.day()

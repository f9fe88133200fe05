"""Days as a run reads them, and a part of them, with the future hidden."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from backtest.data.day import DayBars
from core.model.bar import MINUTE_MS
from core.rules.days import us_date


class DaySource(Protocol):
    """Where a run reads its days; the store is one."""

    def days(self, first: dt.date | None = None, last: dt.date | None = None) -> list[dt.date]:
        """The dates that have bars, in order, both ends included."""
        ...

    def read(self, on: dt.date) -> DayBars:
        """One day."""
        ...

    def data_hash(self, days: Sequence[dt.date]) -> str:
        """Of the bars of these days."""
        ...


def between(days: Iterable[dt.date], first: dt.date | None, last: dt.date | None) -> list[dt.date]:
    """The days from the first to the last, where there are such ends."""
    return [on for on in days if (first is None or on >= first) and (last is None or on <= last)]


class PartOfDays:
    """The days of a source from `first` on, with the bars that had closed by `until` and no others."""

    def __init__(self, whole: DaySource, *, first: dt.date | None = None, until: dt.datetime | None = None) -> None:
        self._whole = whole
        self._first = first
        self._until = until

    def days(self, first: dt.date | None = None, last: dt.date | None = None) -> list[dt.date]:
        """The dates that have bars left."""
        found = between(self._whole.days(first, last), self._first, None)
        if self._until is None:
            return found
        cut_on = us_date(self._until)
        return [on for on in found if on < cut_on or (on == cut_on and len(self.read(on)))]

    def read(self, on: dt.date) -> DayBars:
        """What is left of the day."""
        bars = self._whole.read(on)
        return bars if self._until is None else closed_by(bars, self._until)

    def data_hash(self, days: Sequence[dt.date]) -> str:
        """Of the bars that are left."""
        return hash_of(self, days)


class RememberedDays:
    """A source whose newest days stay in memory, at most `most_bars` bars of them."""

    def __init__(self, whole: DaySource, most_bars: int = 8_000_000) -> None:
        self._whole = whole
        self._most_bars = most_bars
        self._kept: dict[dt.date, DayBars] = {}

    def days(self, first: dt.date | None = None, last: dt.date | None = None) -> list[dt.date]:
        """The source's dates."""
        return self._whole.days(first, last)

    def read(self, on: dt.date) -> DayBars:
        """The day, from memory where it is there."""
        if on not in self._kept:
            bars = self._whole.read(on)
            if sum(map(len, self._kept.values())) + len(bars) > self._most_bars:
                return bars
            self._kept[on] = bars
        return self._kept[on]

    def data_hash(self, days: Sequence[dt.date]) -> str:
        """The source's own."""
        return self._whole.data_hash(days)


def closed_by(bars: DayBars, at: dt.datetime) -> DayBars:
    """The bars of a day that had closed by an instant; tickers without one are not among the result's."""
    count = int(np.searchsorted(bars.start_ms, int(at.timestamp() * 1000) - MINUTE_MS, side="right"))
    used = np.unique(bars.ticker[:count])
    position = np.zeros(len(bars.tickers), np.int32)
    position[used] = np.arange(len(used), dtype=np.int32)
    return DayBars(
        bars.on,
        tuple(bars.tickers[i] for i in used),
        position[bars.ticker[:count]],
        bars.start_ms[:count],
        *(column[:count] for column in bars.values()),
    )


def hash_of(source: DaySource, days: Sequence[dt.date]) -> str:
    """As the store reckons it, of whatever the source gives."""
    digest = hashlib.sha256()
    for on in sorted(days):
        digest.update(f"{on} {source.read(on).content_hash()}\n".encode())
    return digest.hexdigest()

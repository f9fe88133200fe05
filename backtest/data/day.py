"""One US day of minute bars as columns, and how two readings of a day become one."""

import datetime as dt
import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from core.model.bar import FloatArray
from core.rules.days import EASTERN

IntArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
VALUES = ("open", "high", "low", "close", "volume")
# more names than the market will ever have; a ticker's index fits below it in a sort key
MOST_TICKERS = 1 << 20


class DayBars(msgspec.Struct, frozen=True, eq=False):
    """The minute bars of one New York date, by start and then by ticker.

    `ticker[i]` is an index into `tickers`, which is sorted; `start_ms` is the bar's start in epoch milliseconds UTC.
    All columns have one length.
    """

    on: dt.date
    tickers: tuple[str, ...]
    ticker: CodeArray
    start_ms: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.start_ms)

    def values(self) -> tuple[FloatArray, ...]:
        """open, high, low, close, volume."""
        return (self.open, self.high, self.low, self.close, self.volume)

    def only(self, tickers: Sequence[str]) -> "DayBars":
        """The bars of these tickers; the ones without a bar are not among the result's `tickers`."""
        wanted = set(tickers)
        chosen = np.fromiter((name in wanted for name in self.tickers), np.bool_, len(self.tickers))
        keep = chosen[self.ticker] if len(self.tickers) else np.zeros(0, np.bool_)
        position = (np.cumsum(chosen) - 1).astype(np.int32)
        return DayBars(
            self.on,
            tuple(name for name in self.tickers if name in wanted),
            position[self.ticker[keep]],
            self.start_ms[keep],
            *(column[keep] for column in self.values()),
        )

    def content_hash(self) -> str:
        """Of what the day holds, whatever the file around it looks like."""
        digest = hashlib.sha256(f"{self.on}\n{chr(10).join(self.tickers)}\n".encode())
        columns: list[tuple[npt.NDArray[np.generic], str]] = [(self.ticker, "<i4"), (self.start_ms, "<i8")]
        for column, kind in [*columns, *((c, "<f8") for c in self.values())]:
            digest.update(np.ascontiguousarray(column, kind).data)
        return digest.hexdigest()


def empty_day(on: dt.date) -> DayBars:
    """A day without bars."""
    return DayBars(on, (), np.zeros(0, np.int32), np.zeros(0, np.int64), *(np.zeros(0) for _ in VALUES))


def day_bounds_ms(on: dt.date) -> tuple[int, int]:
    """Start and end (exclusive) of a New York date in epoch milliseconds."""
    start, end = (dt.datetime.combine(day, dt.time(), EASTERN) for day in (on, on + dt.timedelta(days=1)))
    return int(start.timestamp() * 1000), int(end.timestamp() * 1000)


class Merged(msgspec.Struct, frozen=True):
    """What came of laying new rows over a day. The masks have the length of the new rows, in their order.

    `stored`: the row is now the day's bar. `duplicate`: the day had the same bar. `conflict`: the day had another bar of
    that ticker and minute (or, where later rows replace earlier ones, a later row did). `replaced`: old bars that are gone.
    """

    day: DayBars
    stored: BoolArray
    duplicate: BoolArray
    conflict: BoolArray
    replaced: int


def merge(old: DayBars, new: DayBars, *, replace: bool = False) -> Merged:
    """Lay `new` over `old`; the rows of `new` may be in any order and may repeat. Without `replace` the first bar stays."""
    names, code, sources = _named(old, new)
    base, end = day_bounds_ms(old.on)
    start = np.concatenate([old.start_ms, new.start_ms])
    if len(start) and not base <= int(start.min()) <= int(start.max()) < end:
        raise ValueError(f"a bar outside {old.on} in New York")
    columns = [np.concatenate(pair) + 0.0 for pair in zip(old.values(), new.values(), strict=True)]
    key = (start - base) * MOST_TICKERS + code
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    # the run of rows of one ticker and minute, and which of them becomes the bar
    run = np.cumsum(first) - 1
    winner = order[np.append(np.flatnonzero(first)[1:], len(order)) - 1] if replace else order[first]
    mine = winner[run]
    same = np.ones(len(order), np.bool_)
    for column in columns:
        same &= column[order] == column[mine]
    wins = order == mine
    was_old = sources[order]
    if replace and len(order):
        # a run that begins with the same old bar leaves the day as it was
        head = order[first]
        kept = (sources[head] & same[first])[run]
        wins = np.where(kept, first, wins)
    masks = np.zeros((3, len(order)), np.bool_)
    masks[0, order], masks[1, order], masks[2, order] = wins, same & ~wins, ~same
    fresh = masks[:, len(old) :]
    day = _compacted(old.on, names, code[winner], start[winner], [column[winner] for column in columns])
    replaced = int(np.count_nonzero(was_old & ~same)) if replace else 0
    return Merged(day, fresh[0], fresh[1], fresh[2], replaced)


def _named(old: DayBars, new: DayBars) -> tuple[tuple[str, ...], IntArray, BoolArray]:
    """All names in order, the rows' indexes into them, and which rows are the old ones."""
    names = tuple(sorted({*old.tickers, *new.tickers}))
    if len(names) >= MOST_TICKERS:
        raise ValueError(f"more than {MOST_TICKERS} tickers on {old.on}")
    index = {name: position for position, name in enumerate(names)}
    parts = []
    for day in (old, new):
        map_ = np.fromiter((index[name] for name in day.tickers), np.int64, len(day.tickers))
        parts.append(map_[day.ticker] if len(day) else np.zeros(0, np.int64))
    is_old = np.zeros(len(old) + len(new), np.bool_)
    is_old[: len(old)] = True
    return names, np.concatenate(parts), is_old


def _compacted(
    on: dt.date, names: Sequence[str], code: IntArray, start: IntArray, columns: Sequence[FloatArray]
) -> DayBars:
    """A day whose `tickers` are exactly those that have a bar."""
    used = np.unique(code)
    position = np.zeros(len(names) + 1, np.int32)
    position[used] = np.arange(len(used), dtype=np.int32)
    return DayBars(on, tuple(names[i] for i in used), position[code], start, *columns)

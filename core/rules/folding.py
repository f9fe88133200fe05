"""Second bars into closed minute bars, for the whole market at once (docs/feed.md, "Second aggregates")."""

import numpy as np
import numpy.typing as npt

from core.model.bar import MINUTE_MS, MOST, SECOND_MS
from core.model.batch import BarBatch, Rows

# A second is published about two seconds after its end, a few come later: of a minute all have come when one has that
# ends so long after it.
SETTLE_MS = 3_000
# By the clock alone, when nothing at all has come for so long: a line that stands still for a moment is no quiet market.
QUIET_MS = 10_000
# what is sent again comes up to a quarter of an hour late
KEPT_MINUTES = 16
# of the minutes that were passed on, 50 MB; a market busier than 1,000 a second is kept for a shorter time
MOST_SECONDS = 1_000_000
# one row each; a key is the ticker's number times 60 and the second of the minute
KEY, OPEN, HIGH, LOW, CLOSE, VOLUME = range(6)
Block = npt.NDArray[np.float64]
NOTHING: Block = np.empty((6, 0))


class _Minute:
    """The seconds of one minute: `heard` until it is passed on, then `known`, and apart what came `late`, by key."""

    __slots__ = ("heard", "known", "late")

    def __init__(self) -> None:
        self.heard: list[Block] = []
        self.known = self.late = NOTHING

    def __len__(self) -> int:
        return self.known.shape[1] + self.late.shape[1]

    def close(self) -> Block:
        """All of it; nothing but late ones come from here on."""
        block = np.concatenate(self.heard, axis=1)
        self.heard = []
        self.known = _newest_of_each(block)
        return self.known

    def add_late(self, block: Block) -> Block:
        """Take seconds; returns all of their tickers' ones."""
        numbers = np.unique(block[KEY] // 60)
        mine = [_of(numbers, self.known), _of(numbers, self.late), block]
        self.late = _newest_of_each(np.concatenate((self.late, block), axis=1))
        return _newest_of_each(np.concatenate(mine, axis=1))


class Folding:
    """The minutes of one connection after the other; times in epoch milliseconds, `at_ms` is our clock's.

    A minute is passed on once, when all of its seconds should have come, for all tickers together. A second that comes
    later sends its ticker's bar again, one that comes again replaces itself. Of the minutes that were running before the
    connection listened, nothing is passed on. `late` counts seconds that came too late even for a correction.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._begun_ms: int | None = None
        self.late = 0
        self._forget()

    def _forget(self) -> None:
        self._minutes: dict[int, _Minute] = {}
        self._delay_ms: int | None = None
        self._whole_ms: int | None = None
        # minutes before these have been passed on, can't be corrected any more
        self._passed_ms = self._forgotten_ms = 0
        self._newest_ms = self._newest_at_ms = self._heard_at_ms = 0

    def begin(self, at_ms: int) -> None:
        """The connection is there, or is not any more: what has not been passed on can't become whole."""
        self._forget()
        self._begun_ms = at_ms

    def take(self, seconds: BarBatch, at_ms: int) -> list[BarBatch]:
        """Second bars that arrived together; returns corrections, then the minutes that are closed by them."""
        if self._begun_ms is None or not len(seconds):
            return []
        newest_ms = int(seconds.start_ms.max()) + SECOND_MS
        self._heard_at_ms = at_ms
        if newest_ms > self._newest_ms:
            self._newest_ms, self._newest_at_ms = newest_ms, at_ms
        self._delay_ms = min(at_ms - newest_ms, at_ms - newest_ms if self._delay_ms is None else self._delay_ms)
        return [*self._add(seconds), *self._pass(self._newest_ms)]

    def tick(self, at_ms: int) -> list[BarBatch]:
        """Time passes and nothing comes: the market may be quiet, or closed."""
        if not self._newest_ms or at_ms - self._heard_at_ms < QUIET_MS:
            return []
        return self._pass(self._newest_ms + at_ms - self._newest_at_ms)

    # -- taking -------------------------------------------------------------------------------------------------

    def _add(self, seconds: BarBatch) -> list[BarBatch]:
        starts = seconds.start_ms - seconds.start_ms % MINUTE_MS
        keys = self._numbers_of(seconds.tickers) * 60 + (seconds.start_ms - starts) // SECOND_MS
        block: Block = np.stack((keys, seconds.open, seconds.high, seconds.low, seconds.close, seconds.volume))
        corrected = []
        running = np.unique(starts).tolist()
        for start_ms in running:
            rows = block if len(running) == 1 else block[:, starts == start_ms]
            if start_ms >= self._passed_ms:
                self._minutes.setdefault(start_ms, _Minute()).heard.append(rows)
            elif self._begins_ms() <= start_ms >= self._forgotten_ms:
                mine = self._minutes.setdefault(start_ms, _Minute()).add_late(rows)
                corrected.append(self._bars(mine, start_ms))
            else:
                self.late += rows.shape[1]
        return corrected

    def _numbers_of(self, tickers: list[str]) -> Rows:
        known = self._numbers
        try:
            return np.array([known[ticker] for ticker in tickers], np.int64)
        except KeyError:
            for ticker in tickers:
                if ticker not in known:
                    known[ticker] = len(self._names)
                    self._names.append(ticker)
            return self._numbers_of(tickers)

    # -- passing on ---------------------------------------------------------------------------------------------

    def _begins_ms(self) -> int:
        """The first minute that is heard whole: it begins after we began to listen, by the feed's own time.

        That is behind our clock by the least that any second has needed to come.
        """
        if self._whole_ms is not None:
            return self._whole_ms
        listening_ms = (self._begun_ms or 0) - (self._delay_ms or 0) + SETTLE_MS
        return -(-listening_ms // MINUTE_MS) * MINUTE_MS

    def _pass(self, feed_ms: int) -> list[BarBatch]:
        """Pass on every minute that ended and settled before that time of the feed."""
        settled_ms = (feed_ms - SETTLE_MS) // MINUTE_MS * MINUTE_MS
        if settled_ms <= self._passed_ms:
            return []
        due = sorted(start for start in self._minutes if self._passed_ms <= start < settled_ms)
        self._passed_ms = settled_ms
        closed = []
        for start_ms in due:
            if start_ms < self._begins_ms():
                del self._minutes[start_ms]
                continue
            # what is known of the connection now is enough: a clock that is set later changes nothing
            self._whole_ms = self._begins_ms()
            closed.append(self._bars(self._minutes[start_ms].close(), start_ms))
        self._let_go()
        return closed

    def _let_go(self) -> None:
        """Keep the seconds of minutes that may still be corrected, within bounds."""
        passed = sorted(start for start in self._minutes if start < self._passed_ms)
        kept = sum(len(self._minutes[start]) for start in passed)
        self._forgotten_ms = max(self._forgotten_ms, self._passed_ms - KEPT_MINUTES * MINUTE_MS)
        for start_ms in passed:
            if start_ms >= self._forgotten_ms and (kept <= MOST_SECONDS or start_ms == passed[-1]):
                return
            kept -= len(self._minutes.pop(start_ms))
            self._forgotten_ms = max(self._forgotten_ms, start_ms + MINUTE_MS)

    def _bars(self, block: Block, start_ms: int) -> BarBatch:
        """One bar for each ticker of seconds that are in order and each there once."""
        numbers = block[KEY].astype(np.int64) // 60
        firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
        lasts = np.append(firsts[1:], len(numbers)) - 1
        return BarBatch(
            [self._names[number] for number in numbers[firsts].tolist()],
            np.full(len(firsts), start_ms, np.int64),
            block[OPEN, firsts],
            np.maximum.reduceat(block[HIGH], firsts),
            np.minimum.reduceat(block[LOW], firsts),
            block[CLOSE, lasts],
            np.minimum(np.add.reduceat(block[VOLUME], firsts), MOST),
        )


def _newest_of_each(block: Block) -> Block:
    """In order of their keys; of those with one key, what came last."""
    order = np.argsort(block[KEY], kind="stable")
    keys = block[KEY, order]
    return block[:, order[np.append(keys[1:] != keys[:-1], True)[: len(keys)]]]


def _of(numbers: npt.NDArray[np.float64], block: Block) -> Block:
    """The seconds of these tickers, of seconds in order of their keys."""
    begins, ends = (np.searchsorted(block[KEY], numbers * 60 + edge) for edge in (0, 60))
    return np.concatenate(
        [block[:, begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)], axis=1
    )

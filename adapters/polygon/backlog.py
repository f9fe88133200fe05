"""What has come in and is not read yet: bounded, and never a reason to stop reading the socket (polygon.md 1.4)."""

import asyncio
from collections import deque
from collections.abc import Callable

from adapters.polygon.wire import Aggregate
from ports.market_data import FeedStatus, HaltChange

MOST_BARS = 100_000
OVERRUN = "overrun"
# a minute of the whole market
MOST_TOGETHER = 16_384
Item = list[Aggregate] | FeedStatus | HaltChange


class Backlog:
    """One writer, one reader, who gets the bars together that wait together. A reader that falls `most_bars` behind
    loses what waits, and is told of the gap.

    Old bars are the least worth: nobody may buy by them, and the vendor's REST side has them for the history. Status
    changes are never lost. `lag_s` is how long the newest item that was read had waited, in real seconds.
    """

    def __init__(self, most_bars: int = MOST_BARS, *, real: Callable[[], float]) -> None:
        self._most_bars, self._real = most_bars, real
        self._items: deque[tuple[Item, float]] = deque()
        self._bars = 0
        self._filled = asyncio.Event()
        self._closed = False
        self.lost = 0
        self._last_lag_s = 0.0

    @property
    def lag_s(self) -> float:
        """How far the reader is behind: what it read last had waited so long, or what waits now is older."""
        waiting_s = self._real() - self._items[0][1] if self._items else 0.0
        return max(self._last_lag_s, waiting_s)

    def put(self, item: Item) -> None:
        """Add without waiting."""
        size = _size(item)
        if size and self._bars + size > self._most_bars:
            self._overrun()
        self._bars += size
        self._items.append((item, self._real()))
        self._filled.set()

    def wake(self) -> None:
        """Let a reader that waits have nothing, an empty list."""
        if not self._items:
            self.put([])

    async def get(self) -> Item | None:
        """The oldest item, with the bars that came right behind it; None when it was closed and is empty."""
        while not self._items:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        item, came = self._items.popleft()
        if isinstance(item, list):
            while self._items and isinstance(more := self._items[0][0], list) and len(item) < MOST_TOGETHER:
                item += more
                self._items.popleft()
        self._bars -= _size(item)
        self._last_lag_s = self._real() - came
        return item

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._filled.set()

    def _overrun(self) -> None:
        now = self._real()
        self.lost += self._bars
        # one gap, however often it grew
        self._items = deque(pair for pair in self._items if not _size(pair[0]) and not _overran(pair[0]))
        self._bars = 0
        for up in (False, True):
            self._items.append((FeedStatus(up=up, key=OVERRUN, detail="" if up else "read too slowly"), now))


def _size(item: Item) -> int:
    return len(item) if isinstance(item, list) else 0


def _overran(item: Item) -> bool:
    return isinstance(item, FeedStatus) and item.key == OVERRUN

"""Who goes next where KIS limits the rate: priorities, deadlines and one window for all processes."""

import enum
import itertools
import threading
import time
from collections.abc import Callable

import msgspec
from pykis.utils.rate_limit import RateLimiter  # type: ignore[import-untyped]

from adapters.kis.ratefile import SharedWindow
from adapters.kis.transport import NotSent
from ports.broker import Urgency

# After this many prices for exits in a row one other call may go, or the paper account's one request a second would
# be used up by the prices of two positions, and no fill would ever be seen.
YIELD_AFTER = 3
LONGEST_S = 60.0


class Rank(enum.IntEnum):
    """The order in which calls leave; sales and cancels go before everything, always."""

    EXIT_ORDER = 0
    EXIT = 1
    RECONCILE = 2
    ENTRY = 3
    FEED = 4

    @property
    def patient(self) -> bool:
        """Whether the call can wait for something that helps later ones."""
        return self > Rank.EXIT


class Turn(msgspec.Struct, frozen=True):
    """A call's rank, and the monotonic instant after which it must not leave any more."""

    rank: Rank
    until: float

    @property
    def left_s(self) -> float:
        """Seconds until then; never negative."""
        return max(0.0, self.until - time.monotonic())


def rank_of(urgency: Urgency, *, order: bool = False) -> Rank:
    """The rank of an order or a query."""
    match urgency:
        case Urgency.EXIT:
            return Rank.EXIT_ORDER if order else Rank.EXIT
        case Urgency.RECONCILE:
            return Rank.RECONCILE
        case Urgency.ENTRY:
            return Rank.ENTRY
        case Urgency.FEED:
            return Rank.FEED


def spare_of(rate: int) -> int:
    """How many slots of a window only exits may use, so that a burst of other calls never makes them wait."""
    return max(1, rate // 6) if rate >= 3 else 0


def kept_from_feed(rate: int) -> int:
    """How many slots of a window market data leaves to the account: it fills a window at most to the half.

    What others took counts as well, so a busy account slows the feed down and never the other way round.
    """
    return rate - rate // 2


class _Waiter(msgspec.Struct, eq=False):
    rank: Rank
    number: int


class PriorityLimiter(RateLimiter):  # type: ignore[misc] # python-kis ships no types
    """python-kis's limiter with a shared sliding window and a queue in order of rank. Thread-safe.

    Few threads wait here (`adapters.kis.lanes`), so each change wakes them all and the first one goes.
    """

    def __init__(self, window: SharedWindow) -> None:
        super().__init__(window.rate, window.period_s)
        self.window = window
        self.spare = spare_of(window.rate)
        self._changed = threading.Condition()
        self._wait: Callable[[float], object] = self._changed.wait
        self._numbers = itertools.count()
        self._waiting: list[_Waiter] = []
        self._streak = 0

    def admit(self, turn: Turn) -> bool:
        """Wait for this call's slot; False when it would have to leave after its deadline."""
        with self._changed:
            me = _Waiter(turn.rank, next(self._numbers))
            self._waiting.append(me)
            self._changed.notify_all()
            try:
                return self._served(me, turn)
            finally:
                self._waiting.remove(me)
                self._changed.notify_all()

    def _served(self, me: _Waiter, turn: Turn) -> bool:
        while (left := turn.left_s) > 0:
            wait = LONGEST_S
            if self._next() is me:
                wait = self.window.take(self._left_by(me.rank))
                if not wait:
                    self._passed(me)
                    return True
            self._wait(min(wait, left))
        return False

    def _left_by(self, rank: Rank) -> int:
        """How many slots a call of this rank leaves to others."""
        if rank is Rank.FEED:
            return max(self.spare, kept_from_feed(self.window.rate))
        return 0 if rank <= Rank.EXIT or self._streak >= YIELD_AFTER else self.spare

    def _next(self) -> _Waiter:
        first = min(self._waiting, key=lambda w: (w.rank, w.number))
        if first.rank is Rank.EXIT and self._streak >= YIELD_AFTER:
            others = [w for w in self._waiting if Rank.EXIT < w.rank < Rank.FEED]
            return min(others, key=lambda w: w.number, default=first)
        return first

    def _passed(self, served: _Waiter) -> None:
        if Rank.EXIT < served.rank < Rank.FEED:
            self._streak = 0
        elif served.rank is Rank.EXIT and any(Rank.EXIT < w.rank < Rank.FEED for w in self._waiting):
            self._streak += 1

    def acquire(self, blocking: bool = True, blocking_callback: Callable[[], None] | None = None) -> bool:
        """python-kis's own way in, last in the queue. Raises NotSent where there is no slot within a minute."""
        if not blocking:
            return self.window.take(self.spare) == 0
        if blocking_callback is not None:
            blocking_callback()
        if not self.admit(Turn(Rank.ENTRY, time.monotonic() + LONGEST_S)):
            raise NotSent("KIS's rate limit leaves no room")
        return True

"""The health of the market data feed: how late it is, how long it is away, whether the broker agrees with it."""

import datetime as dt
import statistics
from collections import deque
from decimal import Decimal

import msgspec

from core.model.bar import Bar
from core.model.messages import EventKind, Value

DELAY_WINDOW_MS = 10 * 60_000
DELAY_MINUTES = 5
LEAST_MINUTES = 3
# Entries open again well under the limit, so that a feed at the limit is not told of every minute.
TIMELY_SHARE = 0.8
# Vendors cut connections every night and many are back within seconds: nobody needs to be woken for that.
OUTAGE_TOLD = dt.timedelta(seconds=60)
# What does not go away by itself is told at once.
FOR_A_PERSON = frozenset({"auth_failed", "not_authorized", "max_connections", "kis_refused"})
APART_FOR = dt.timedelta(minutes=3)
APART_BARS = 3
# An older bar says nothing about the present price.
FRESH_BAR = dt.timedelta(seconds=150)


class DelayMeter:
    """How long after its end a minute's first bar arrives, over the last minutes.

    Only a minute newer than all before counts, with its first bar: quiet tickers have none to measure and late
    revisions are of old minutes.
    """

    def __init__(self) -> None:
        self._newest_ms = 0
        self._firsts: deque[tuple[int, int]] = deque(maxlen=DELAY_MINUTES)

    def see(self, start_ms: int, at_ms: int) -> None:
        """Take the newest start of a batch that arrived at `at_ms`."""
        if start_ms > self._newest_ms:
            self._newest_ms = start_ms
            self._firsts.append((at_ms, at_ms - start_ms - 60_000))

    def delay_s(self, at_ms: int) -> float | None:
        """The median, which one late minute does not move; None while too little has been seen lately."""
        recent = [lag_ms for came_ms, lag_ms in self._firsts if came_ms > at_ms - DELAY_WINDOW_MS]
        return statistics.median(recent) / 1000 if len(recent) >= LEAST_MINUTES else None


class FeedNews(msgspec.Struct, frozen=True):
    """What people must hear."""

    kind: EventKind
    values: dict[str, Value]


class FeedWatch:
    """From connection changes and arrivals to what people hear: each outage and each delay once, and its end."""

    def __init__(self) -> None:
        self._meter = DelayMeter()
        self._down_at: dt.datetime | None = None
        self._why = ("", "")
        self._told = ""
        self.delayed = False

    def status(self, *, up: bool, key: str, detail: str, at: dt.datetime) -> list[FeedNews]:
        """The connection changed."""
        if up:
            began, told = self._down_at, self._told
            self._down_at, self._told = None, ""
            minutes = round((at - began).total_seconds() / 60) if began else 0
            return [FeedNews(EventKind.FEED_UP, {"key": key, "detail": "", "minutes": minutes})] if told else []
        self._down_at = self._down_at or at
        self._why = (key, detail)
        return self._outage(at)

    def bars(self, start_ms: int, at: dt.datetime) -> None:
        """A batch arrived whose newest bar has this start."""
        self._meter.see(start_ms, _ms(at))

    def delay_s(self, at: dt.datetime, skew_s: float = 0.0) -> float | None:
        """How late the feed is; `skew_s` is how far true time is ahead of our clock."""
        measured = self._meter.delay_s(_ms(at))
        return None if measured is None else measured + skew_s

    def look(self, at: dt.datetime, limit_s: float, skew_s: float = 0.0) -> list[FeedNews]:
        """Time passes: an outage grows long, or the feed becomes late (over `limit_s`) or timely again."""
        news = self._outage(at)
        delay_s = self.delay_s(at, skew_s)
        if delay_s is None:
            return news
        if not self.delayed and delay_s > limit_s:
            self.delayed = True
            news.append(FeedNews(EventKind.FEED_DELAYED, {"delay_s": round(delay_s), "limit_s": round(limit_s)}))
        elif self.delayed and delay_s <= limit_s * TIMELY_SHARE:
            self.delayed = False
            news.append(FeedNews(EventKind.FEED_TIMELY, {"delay_s": round(delay_s)}))
        return news

    def _outage(self, at: dt.datetime) -> list[FeedNews]:
        key, detail = self._why
        if self._down_at is None or self._told == key:
            return []
        urgent = key in FOR_A_PERSON
        if not urgent and (self._told or at - self._down_at < OUTAGE_TOLD):
            return []
        self._told = key
        return [FeedNews(EventKind.FEED_DOWN, {"key": key, "detail": detail})]


class _Apart(msgspec.Struct):
    since: dt.datetime
    bars: set[int]
    told: bool = False


class Agreement:
    """Whether the feed's fresh bars and the broker's prices tell the same; a difference that lasts is told once."""

    def __init__(self) -> None:
        self._apart: dict[str, _Apart] = {}

    def see(self, bar: Bar, price: Decimal, at: dt.datetime, max_pct: float) -> float | None:
        """Compare; the difference in percent the moment it has lasted over several bars, else None.

        A bar stands for a whole minute: a price inside of its range agrees with it.
        """
        if at - bar.end_at > FRESH_BAR:
            return None
        value = float(price)
        apart_pct = max(value / bar.high - 1, 1 - value / bar.low, 0.0) * 100
        if apart_pct <= max_pct:
            self._apart.pop(bar.ticker, None)
            return None
        state = self._apart.setdefault(bar.ticker, _Apart(at, set()))
        state.bars.add(bar.start_ms)
        if state.told or len(state.bars) < APART_BARS or at - state.since < APART_FOR:
            return None
        state.told = True
        return apart_pct


def _ms(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)

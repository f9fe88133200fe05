"""The simulation's clock: a Tuesday in regular hours, told by the virtual loop."""

import asyncio
import datetime as dt
from collections.abc import Callable

from adapters.clock import SystemClock
from core.model.session import MarketSession
from simulation.loop import VirtualLoop

# 2026-11-17 10:30 in New York; entries are open since 10:00 and the close is hours away.
ORIGIN = dt.datetime(2026, 11, 17, 15, 30, tzinfo=dt.UTC)
ORD_DT = "20261117"
SESSION = MarketSession(
    on=dt.date(2026, 11, 17),
    pre_open_at=dt.datetime(2026, 11, 17, 9, tzinfo=dt.UTC),
    open_at=dt.datetime(2026, 11, 17, 14, 30, tzinfo=dt.UTC),
    close_at=dt.datetime(2026, 11, 17, 21, tzinfo=dt.UTC),
    post_close_at=dt.datetime(2026, 11, 18, 1, tzinfo=dt.UTC),
)


class VirtualClock(SystemClock):
    """Implements ports.clock.Clock for the trader, and tells the world its seconds."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> dt.datetime:
        """The present virtual instant."""
        return ORIGIN + dt.timedelta(seconds=self._loop.time())

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(seconds)

    def seconds(self) -> float:
        """Virtual seconds since the story began."""
        return self._loop.time()

    def wall(self) -> float:
        """Epoch seconds, for the guardian."""
        return ORIGIN.timestamp() + self._loop.time()

    def at(self, seconds: float) -> dt.datetime:
        """The instant of a second of the story."""
        return ORIGIN + dt.timedelta(seconds=seconds)

    def later(self, seconds: float, function: Callable[..., object], *values: object) -> None:
        """Schedule something of the world's."""
        self._loop.later(seconds, function, *values)


class OneSession:
    """Implements ports.clock.Calendar: today, for ever."""

    def session_on(self, on: dt.date) -> MarketSession | None:
        """Today's session."""
        return SESSION if on == SESSION.on else None

    def current_or_next(self, at: dt.datetime) -> MarketSession:
        """Today's session."""
        assert at < SESSION.post_close_at
        return SESSION

    def previous(self, at: dt.datetime) -> MarketSession:
        """There was none."""
        raise LookupError(at)

"""Time as a dependency."""

import datetime as dt
from typing import Protocol

from core.model.session import MarketSession


class Clock(Protocol):
    """Market time. Time-outs of network calls use the event loop's monotonic clock instead."""

    def now(self) -> dt.datetime:
        """The present instant, aware UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of this clock's time."""
        ...


class CalendarRange(Exception):
    """A date outside the sessions that the calendar knows was asked for."""


class Calendar(Protocol):
    """The XNYS calendar."""

    def session_on(self, on: dt.date) -> MarketSession | None:
        """The session of a US date, or None on weekends and holidays; may raise CalendarRange."""
        ...

    def current_or_next(self, at: dt.datetime) -> MarketSession:
        """The session whose post-market has not ended at `at`, else the next one."""
        ...

    def previous(self, at: dt.datetime) -> MarketSession:
        """The last session whose regular close is at or before `at`."""
        ...

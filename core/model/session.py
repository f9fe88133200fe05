"""One trading day of the US market as plain instants."""

import datetime as dt
import enum

import msgspec


class Phase(enum.StrEnum):
    """Where an instant lies relative to a session."""

    CLOSED = "closed"
    PRE = "pre"
    REGULAR = "regular"
    POST = "post"


class MarketSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session of the XNYS calendar; every instant is aware UTC, `on` is the US date."""

    on: dt.date
    pre_open_at: dt.datetime
    open_at: dt.datetime
    close_at: dt.datetime
    post_close_at: dt.datetime
    half_day: bool = False

    def __post_init__(self) -> None:
        if not self.pre_open_at <= self.open_at < self.close_at <= self.post_close_at:
            raise ValueError(f"session {self.on}: instants out of order")

    def phase(self, at: dt.datetime) -> Phase:
        """The phase of the session that `at` falls into; each phase includes its start and excludes its end."""
        if self.pre_open_at <= at < self.open_at:
            return Phase.PRE
        if self.open_at <= at < self.close_at:
            return Phase.REGULAR
        if self.close_at <= at < self.post_close_at:
            return Phase.POST
        return Phase.CLOSED

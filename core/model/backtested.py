"""A backtest in a few figures, and what makes them weak: what the chat tells of a run, and what a shadow compares."""

import datetime as dt
import enum

import msgspec

FEW_TRIPS = 30
FEW_SESSIONS = 63


class Caution(enum.StrEnum):
    """What makes figures weaker than they look; each comes with a number."""

    NO_SESSION = "no_session"
    IDLE = "idle"
    FEW_SESSIONS = "few_sessions"
    FEW_TRIPS = "few_trips"
    ONE_TRIP = "one_trip"
    STILL_OPEN = "still_open"
    NO_BARS = "no_bars"
    UNCHECKED = "unchecked"


class Warned(msgspec.Struct, frozen=True):
    """A caution and its number: days, round trips, percent or positions."""

    what: Caution
    number: float = 0.0


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run over stored days; returns are after all costs, in percent of the money at the start. None is undefined.

    `market_pct` is SPY's return over the same sessions. `mode` is trading.mode of the run.
    """

    first: dt.date
    last: dt.date
    sessions: int
    trips: int
    wins: int
    return_krw_pct: float | None
    result_krw: int
    max_drawdown_pct: float | None
    win_rate_pct: float | None
    market_pct: float | None = None
    mode: str = "approve"
    data_hash: str = ""
    config_hash: str = ""
    cautions: tuple[Warned, ...] = ()

"""A find that was not bought, and what became of it."""

import datetime as dt
import enum
from decimal import Decimal

import msgspec


class Cause(enum.StrEnum):
    """Why nothing was bought."""

    IGNORED = "ignored"
    EXPIRED = "expired"
    REFUSED = "refused"
    WATCHED = "watched"


class Ended(enum.StrEnum):
    """What would have ended the position first; the stop where one bar reaches both."""

    TARGET = "target"
    STOP = "stop"
    CLOSE = "close"


class Foregone(msgspec.Struct, frozen=True, kw_only=True):
    """One find that was not bought. `reason` is the refusal's; prices in USD, percentages of `price`."""

    key: str
    ticker: str
    name: str
    name_ko: str
    cause: Cause
    at: dt.datetime
    price: Decimal
    reason: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What followed until the close, in percent of the price at the decision."""

    high_pct: Decimal
    low_pct: Decimal
    last_pct: Decimal
    ended: Ended
    result_pct: Decimal
    bars: int

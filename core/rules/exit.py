"""When a position is sold, and why."""

import datetime as dt
import enum
from decimal import Decimal

from core.model.position import Position
from core.model.signal import TrendState


class ExitDecision(enum.StrEnum):
    """What to do with a held position at the present price."""

    HOLD = "hold"
    SUSPECT_STOP = "suspect_stop"
    STOP = "stop"
    ASK_TREND = "ask_trend"
    TREND_BROKEN = "trend_broken"


# One bad print must not sell: the price must have been at or under the stop in two observations so far apart.
STOP_CONFIRM = dt.timedelta(seconds=1)


def decide_exit(
    position: Position, price: Decimal, *, below_for: dt.timedelta | None, trend: TrendState | None
) -> ExitDecision:
    """Decide from one fresh price.

    `below_for` is the time since the first of the uninterrupted prices at or under the stop, None when this is the
    first; `trend` is the analyzer's answer for
    this bar, UNKNOWN when it did not answer in time, None when it has not been asked yet.
    """
    if price <= position.stop_price:
        confirmed = below_for is not None and below_for >= STOP_CONFIRM
        return ExitDecision.STOP if confirmed else ExitDecision.SUSPECT_STOP
    if price >= position.target_price:
        match trend:
            case None:
                return ExitDecision.ASK_TREND
            case TrendState.INTACT:
                return ExitDecision.HOLD
            case TrendState.BROKEN | TrendState.UNKNOWN:
                return ExitDecision.TREND_BROKEN
    return ExitDecision.HOLD

"""When a position is sold, and why."""

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


# One bad print must not sell: the stop needs this many consecutive observations at or under it.
STOP_OBSERVATIONS = 2


def decide_exit(
    position: Position, price: Decimal, *, observations_below: int, trend: TrendState | None
) -> ExitDecision:
    """Decide from one fresh price.

    `observations_below` counts earlier consecutive prices at or under the stop; `trend` is the analyzer's answer for
    this bar, UNKNOWN when it did not answer in time, None when it has not been asked yet.
    """
    if price <= position.stop_price:
        return ExitDecision.STOP if observations_below + 1 >= STOP_OBSERVATIONS else ExitDecision.SUSPECT_STOP
    if price >= position.target_price:
        match trend:
            case None:
                return ExitDecision.ASK_TREND
            case TrendState.INTACT:
                return ExitDecision.HOLD
            case TrendState.BROKEN | TrendState.UNKNOWN:
                return ExitDecision.TREND_BROKEN
    return ExitDecision.HOLD

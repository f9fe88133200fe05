"""The prices that a bar is taken to have passed: pessimistic, for nobody knows in which order it did."""

from collections.abc import Iterator

import msgspec

from core.model.bar import Bar
from core.model.position import Position

OPEN_S, STOP_S, LOW_S, TARGET_S, HIGH_S, CLOSE_S = 1, 15, 20, 35, 40, 58


class Moment(msgspec.Struct, frozen=True):
    """A price `after_s` seconds into the bar; `passing`: the market came to it through the limits of resting orders."""

    after_s: int
    price: float
    passing: bool = True


def moments(bar: Bar, held: Position | None) -> Iterator[Moment]:
    """Open, low, high, close; where a stop or a target of a held position lies between them, that price as well.

    The low comes before the high, so that a bar that holds both stop and target stops. A gap over a level is seen at
    the open, which is where it fills.
    """
    stop, target = (float(held.stop_price), float(held.target_price)) if held is not None and held.qty else (0.0, 0.0)
    yield Moment(OPEN_S, bar.open, passing=False)
    if bar.low <= stop < bar.open:
        yield Moment(STOP_S, stop)
    yield Moment(LOW_S, bar.low)
    if bar.open < target <= bar.high:
        yield Moment(TARGET_S, target)
    yield Moment(HIGH_S, bar.high)
    yield Moment(CLOSE_S, bar.close)

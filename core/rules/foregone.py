"""What became of a find that was not bought: the same target and stop, followed on the bars after the decision."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from core.model.bar import Bar
from core.model.foregone import Ended, Foregone, Outcome

HUNDRED = Decimal(100)


def follow(
    found: Foregone, bars: Sequence[Bar], until: dt.datetime, *, target_pct: float, stop_pct: float
) -> Outcome | None:
    """The outcome on the minute bars that begin after the decision and end by `until`; None without any.

    A gap over the level ends at that bar's open, as a marketable order would. No costs, no tranches: bought at once.
    """
    mine = [b for b in bars if b.start_at >= found.at and b.end_at <= until]
    if not mine or found.price <= 0:
        return None

    def pct(price: float) -> Decimal:
        return ((Decimal(str(price)) / found.price - 1) * HUNDRED).quantize(Decimal("0.01"))

    target = found.price * (1 + Decimal(str(target_pct)) / HUNDRED)
    stop = found.price * (1 + Decimal(str(stop_pct)) / HUNDRED)
    ended, result = Ended.CLOSE, pct(mine[-1].close)
    for bar in mine:
        if Decimal(str(bar.low)) <= stop:
            ended, result = Ended.STOP, pct(min(float(stop), bar.open))
            break
        if Decimal(str(bar.high)) >= target:
            ended, result = Ended.TARGET, pct(max(float(target), bar.open))
            break
    return Outcome(
        high_pct=pct(max(b.high for b in mine)),
        low_pct=pct(min(b.low for b in mine)),
        last_pct=pct(mine[-1].close),
        ended=ended,
        result_pct=result,
        bars=len(mine),
    )


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Several outcomes in numbers; the mean is of `result_pct`."""

    count: int
    rose: int
    targets: int
    stops: int
    mean_pct: Decimal


def tally(outcomes: Sequence[Outcome]) -> Tally | None:
    """None without outcomes."""
    if not outcomes:
        return None
    mean = sum((o.result_pct for o in outcomes), Decimal(0)) / len(outcomes)
    return Tally(
        count=len(outcomes),
        rose=sum(o.result_pct > 0 for o in outcomes),
        targets=sum(o.ended is Ended.TARGET for o in outcomes),
        stops=sum(o.ended is Ended.STOP for o in outcomes),
        mean_pct=mean.quantize(Decimal("0.01")),
    )

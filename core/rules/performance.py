"""Results over a set of round trips."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from core.model.position import RoundTrip


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Results of a period; money in KRW, rates in percent."""

    trips: int
    wins: int
    win_rate: Decimal
    pnl_krw: Decimal
    pnl_usd: Decimal
    best: RoundTrip | None
    worst: RoundTrip | None
    by_reason: dict[str, Decimal]


def summarise(trips: Sequence[RoundTrip]) -> Summary:
    """Summarise round trips; an empty period has a win rate of 0 and no best or worst."""
    wins = sum(1 for t in trips if t.pnl_krw > 0)
    by_reason: dict[str, Decimal] = {}
    for trip in trips:
        by_reason[trip.reason] = by_reason.get(trip.reason, Decimal(0)) + trip.pnl_krw
    ordered = sorted(trips, key=lambda t: t.pnl_krw)
    return Summary(
        trips=len(trips),
        wins=wins,
        win_rate=(Decimal(wins) / len(trips) * 100).quantize(Decimal("0.01")) if trips else Decimal(0),
        pnl_krw=sum((t.pnl_krw for t in trips), Decimal(0)),
        pnl_usd=sum((t.pnl_usd for t in trips), Decimal(0)),
        best=ordered[-1] if ordered else None,
        worst=ordered[0] if ordered else None,
        by_reason=by_reason,
    )

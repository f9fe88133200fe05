"""Results in parts that add up: share price, exchange rate and fees; and what a period of round trips amounts to.

The won result of a sale is (sold - fees) x rate now - cost in won. The exchange rate's part is what it did to the
dollars that were invested: cost x (rate now - rate of the purchase). Fees are valued at the rate of the sale. The rest
is the share price's part, so that the three always add up to the booked won.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from core.model.money import ZERO, krw
from core.model.position import Position, ResultParts, RoundTrip

HUNDREDTH = Decimal("0.01")


def add_sale(
    held: Position,
    *,
    sold_usd: Decimal,
    cost_usd: Decimal,
    cost_krw: Decimal,
    fees_usd: Decimal,
    krw_per_usd: Decimal,
) -> ResultParts | None:
    """The position's parts with one more sale; None stays None where an earlier sale's parts are not known."""
    before = held.parts
    if before is None:
        if held.sold_qty:
            return None
        before = ResultParts()
    return ResultParts(
        cost_usd=before.cost_usd + cost_usd,
        cost_krw=before.cost_krw + cost_krw,
        sold_krw=before.sold_krw + sold_usd * krw_per_usd,
        fees_usd=before.fees_usd + fees_usd,
        fx_krw=before.fx_krw + krw(cost_usd * krw_per_usd - cost_krw),
        fee_krw=before.fee_krw - krw(fees_usd * krw_per_usd),
    )


class TickerResult(msgspec.Struct, frozen=True):
    """What one ticker brought in a period."""

    ticker: str
    pnl_krw: Decimal
    trips: int


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A period; won unless the name says otherwise. stock + fx + fee + unsplit is the whole result, to the won.

    `unsplit` counts the round trips whose parts are not known, `unsplit_krw` is their result. `profit_factor` is None
    without a loss, averages are None without anything to average.
    """

    trips: int
    wins: int
    losses: int
    win_rate: Decimal
    pnl_krw: Decimal
    pnl_usd: Decimal
    stock_krw: Decimal
    fx_krw: Decimal
    fee_krw: Decimal
    fees_usd: Decimal
    unsplit: int
    unsplit_krw: Decimal
    profit_factor: Decimal | None
    average_win_krw: Decimal | None
    average_loss_krw: Decimal | None
    average_holding: dt.timedelta | None
    by_ticker: tuple[TickerResult, ...]


def results(trips: Sequence[RoundTrip]) -> Results:
    """Sum up; tickers come best first."""
    known = [(trip.pnl_krw - p.fx_krw - p.fee_krw, p) for trip in trips if (p := trip.parts) is not None]
    unsplit = [trip.pnl_krw for trip in trips if trip.parts is None]
    won = [trip.pnl_krw for trip in trips if trip.pnl_krw > 0]
    lost = [trip.pnl_krw for trip in trips if trip.pnl_krw < 0]
    held = sum((trip.closed_at - trip.opened_at for trip in trips), dt.timedelta())
    return Results(
        trips=len(trips),
        wins=len(won),
        losses=len(lost),
        win_rate=(Decimal(len(won)) / len(trips) * 100).quantize(HUNDREDTH) if trips else ZERO,
        pnl_krw=sum((trip.pnl_krw for trip in trips), ZERO),
        pnl_usd=sum((trip.pnl_usd for trip in trips), ZERO),
        stock_krw=sum((stock for stock, _ in known), ZERO),
        fx_krw=sum((p.fx_krw for _, p in known), ZERO),
        fee_krw=sum((p.fee_krw for _, p in known), ZERO),
        fees_usd=sum((p.fees_usd for _, p in known), ZERO),
        unsplit=len(unsplit),
        unsplit_krw=sum(unsplit, ZERO),
        profit_factor=(sum(won, ZERO) / -sum(lost, ZERO)).quantize(HUNDREDTH) if lost else None,
        average_win_krw=krw(sum(won, ZERO) / len(won)) if won else None,
        average_loss_krw=krw(sum(lost, ZERO) / len(lost)) if lost else None,
        average_holding=held / len(trips) if trips else None,
        by_ticker=_by_ticker(trips),
    )


def _by_ticker(trips: Sequence[RoundTrip]) -> tuple[TickerResult, ...]:
    sums: dict[str, TickerResult] = {}
    for trip in trips:
        before = sums.get(trip.ticker, TickerResult(trip.ticker, ZERO, 0))
        sums[trip.ticker] = TickerResult(trip.ticker, before.pnl_krw + trip.pnl_krw, before.trips + 1)
    return tuple(sorted(sums.values(), key=lambda each: (-each.pnl_krw, each.ticker)))

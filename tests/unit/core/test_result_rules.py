"""Results in parts: by hand, and for any sequence of sales; sums of a period."""

import datetime as dt
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.model.position import Position, ResultParts, RoundTrip
from core.rules.costs import realized
from core.rules.results import add_sale, results
from tests.unit.core.builders import NOON, position

D = Decimal
EMPTY = msgspec.structs.replace(position(), parts=None, sold_qty=0)


def sell(held: Position, cost: Decimal, bought_at: Decimal, sold: Decimal, fees: Decimal, rate: Decimal) -> Position:
    """One more sale as the trader books it."""
    cost_krw = cost * bought_at
    _, pnl_krw, _ = realized(qty=1, sold_usd=sold, cost_usd=cost, fees_usd=fees, cost_krw=cost_krw, krw_per_usd=rate)
    parts = add_sale(held, sold_usd=sold, cost_usd=cost, cost_krw=cost_krw, fees_usd=fees, krw_per_usd=rate)
    return msgspec.structs.replace(
        held, parts=parts, sold_qty=held.sold_qty + 1, realized_krw=held.realized_krw + pnl_krw
    )


def trip_of(held: Position, ticker: str = "NVDA", hours: int = 1, **changes: object) -> RoundTrip:
    values: dict[str, object] = {
        "ticker": ticker,
        "name": "",
        "name_ko": "",
        "buy_qty": 1,
        "sell_qty": 1,
        "avg_price": D(1),
        "sell_price": D(1),
        "pnl_usd": D(0),
        "pnl_krw": held.realized_krw,
        "pnl_pct": D(0),
        "tranches": 1,
        "reason": "STOP",
        "opened_at": NOON - dt.timedelta(hours=hours),
        "closed_at": NOON,
        "parts": held.parts,
    }
    return RoundTrip(**(values | changes))  # type: ignore[arg-type]


def test_shares_exchange_rate_and_fees_by_hand() -> None:
    """$1,000 bought at 1,300 and sold for $1,100 at 1,400 with $5 fees.

    Won: 1,095 x 1,400 - 1,300,000 = 233,000. The dollars invested gained 1,000 x 100 = 100,000 won, the fees were
    5 x 1,400 = 7,000, and the share's 100 dollars are worth 140,000.
    """
    trip = trip_of(sell(EMPTY, D(1000), D(1300), D(1100), D(5), D(1400)))
    assert trip.pnl_krw == 233_000
    assert trip.parts == ResultParts(
        cost_usd=D(1000),
        cost_krw=D(1_300_000),
        sold_krw=D(1_540_000),
        fees_usd=D(5),
        fx_krw=D(100_000),
        fee_krw=D(-7_000),
    )
    assert trip.stock_krw == 140_000


amounts = st.decimals("0.01", "99999.99", places=2)
rates = st.decimals("800", "2000", places=2)


@given(st.lists(st.tuples(amounts, rates, amounts, st.decimals("0", "99", places=2), rates), min_size=1, max_size=8))
def test_the_parts_always_add_up_to_the_booked_won(made: list[tuple[Decimal, ...]]) -> None:
    held = EMPTY
    for sale in made:
        held = sell(held, *sale)
    trip = trip_of(held)
    assert trip.parts is not None
    assert trip.stock_krw is not None
    assert trip.stock_krw + trip.parts.fx_krw + trip.parts.fee_krw == trip.pnl_krw
    exact = sum(((sold - cost) * rate for cost, _, sold, _, rate in made), D(0))
    assert abs(trip.stock_krw - exact) <= D("1.5") * len(made), "rounding to whole won, and nothing else"


@given(amounts, amounts, rates)
def test_an_unmoved_rate_has_no_part_in_the_result(cost: Decimal, sold: Decimal, rate: Decimal) -> None:
    held = sell(EMPTY, cost, rate, sold, D(0), rate)
    assert held.parts is not None
    assert held.parts.fx_krw == 0


def test_parts_stay_unknown_where_an_older_sale_has_none() -> None:
    before = msgspec.structs.replace(EMPTY, sold_qty=3, realized_krw=D(5000))
    held = sell(before, D(1000), D(1300), D(1100), D(5), D(1400))
    assert held.parts is None
    assert trip_of(held).stock_krw is None


def test_a_period_sums_up_and_says_what_it_cannot_split() -> None:
    known = sell(EMPTY, D(1000), D(1300), D(1100), D(5), D(1400))
    lost = sell(EMPTY, D(1000), D(1300), D(900), D(5), D(1300))
    old = trip_of(msgspec.structs.replace(EMPTY, realized_krw=D(10_000)), "OLD", hours=6)
    got = results([trip_of(known), trip_of(lost, "AMD", hours=2), old])
    assert (got.trips, got.wins, got.losses) == (3, 2, 1)
    assert got.pnl_krw == 233_000 - 136_500 + 10_000
    assert got.stock_krw + got.fx_krw + got.fee_krw + got.unsplit_krw == got.pnl_krw
    assert (got.unsplit, got.unsplit_krw) == (1, 10_000)
    assert got.profit_factor == D("1.78"), "243,000 / 136,500"
    assert (got.average_win_krw, got.average_loss_krw) == (121_500, -136_500)
    assert got.average_holding == dt.timedelta(hours=3)
    assert [each.ticker for each in got.by_ticker] == ["NVDA", "OLD", "AMD"]


def test_an_empty_period_divides_by_nothing() -> None:
    got = results([])
    assert (got.win_rate, got.profit_factor, got.average_holding, got.by_ticker) == (0, None, None, ())

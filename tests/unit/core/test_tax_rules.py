"""The tax estimate against sums made by hand."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.order import Side
from core.rules.tax import Method, TaxEstimate, TaxFill, estimate, sales, settlement_rates

D = Decimal
START = dt.datetime(2026, 3, 2, 15, tzinfo=dt.UTC)


def fill(day: int, side: Side, qty: int, usd: str, rate: str | None, fee: str | None, **changes: object) -> TaxFill:
    at = START + dt.timedelta(days=day)
    values: dict[str, object] = {
        "ticker": "NVDA",
        "side": side,
        "qty": qty,
        "usd": D(usd),
        "fee_usd": None if fee is None else D(fee),
        "at": at,
        "settles_on": at.date() + dt.timedelta(days=1),
        "fill_rate": None if rate is None else D(rate),
        "settled_rate": None if rate is None else D(rate),
    }
    return TaxFill(**(values | changes))  # type: ignore[arg-type]


BOUGHT = [fill(0, Side.BUY, 10, "1000", "1300", "2.50"), fill(1, Side.BUY, 10, "1200", "1400", "3.00")]
SOLD = fill(2, Side.SELL, 10, "1500", "1350", "3.79")


def yearly(fills: list[TaxFill], method: Method = "moving_average", year: int = 2026) -> TaxEstimate:
    return estimate(sales(fills, method), year, deduction_krw=D(2_500_000), rate_pct=D(22))


def test_moving_average_by_hand() -> None:
    """Cost (1,300,000 + 1,680,000) / 2; buying fees (3,250 + 4,200) / 2, selling fee 5,116.5."""
    (sale,) = sales([*BOUGHT, SOLD], "moving_average")
    assert (sale.proceeds_krw, sale.cost_krw, sale.fees_krw) == (2_025_000, 1_490_000, 8_842)
    assert sale.gain_krw == 526_158


def test_first_in_first_out_by_hand() -> None:
    """Cost 1,000 x 1,300; fees 3,250 + 5,116.5."""
    (sale,) = sales([*BOUGHT, SOLD], "fifo")
    assert (sale.proceeds_krw, sale.cost_krw, sale.fees_krw) == (2_025_000, 1_300_000, 8_367)
    assert sale.gain_krw == 716_633


def test_a_sale_across_lots_takes_the_oldest_first() -> None:
    """15 shares: all of the first lot and half of the second: 1,300,000 + 840,000."""
    (sale,) = sales([*BOUGHT, fill(2, Side.SELL, 15, "2250", "1350", "0")], "fifo")
    assert (sale.cost_krw, sale.fees_krw) == (2_140_000, 3_250 + 2_100)


def test_only_what_exceeds_the_deduction_is_taxed() -> None:
    """Proceeds 5,400,000 - cost 1,490,000 - fees 3,725 = 3,906,275; over the deduction 1,406,275; 22 % is 309,380.5."""
    got = yearly([*BOUGHT, fill(2, Side.SELL, 10, "4000", "1350", "0")])
    assert (got.gain_krw, got.taxable_krw, got.tax_krw) == (3_906_275, 1_406_275, 309_380)
    below = yearly([*BOUGHT, SOLD])
    assert (below.gain_krw, below.deduction_krw, below.taxable_krw, below.tax_krw) == (526_158, 526_158, 0, 0)


def test_losses_of_the_year_are_set_off_and_a_losing_year_costs_nothing() -> None:
    loss = [
        fill(3, Side.BUY, 1, "1000", "1300", "0", ticker="AMD"),
        fill(4, Side.SELL, 1, "100", "1300", "0", ticker="AMD"),
    ]
    got = yearly([*BOUGHT, SOLD, *loss])
    assert got.gain_krw == 526_158 - 1_170_000
    assert (got.taxable_krw, got.tax_krw, got.deduction_krw) == (0, 0, 0)


def test_a_sale_belongs_to_the_year_it_settles_in() -> None:
    late = fill(303, Side.SELL, 10, "1500", "1350", "0", settles_on=dt.date(2027, 1, 4))
    assert yearly([*BOUGHT, late]).sales == ()
    assert len(yearly([*BOUGHT, late], year=2027).sales) == 1


@pytest.mark.parametrize("method", ["moving_average", "fifo"])
@pytest.mark.parametrize(
    "fills",
    [
        [fill(0, Side.BUY, 10, "1000", None, "1"), SOLD],
        [fill(0, Side.BUY, 10, "1000", "1300", None), SOLD],
        [fill(0, Side.BUY, 9, "1000", "1300", "1"), SOLD],
        [*BOUGHT, fill(2, Side.SELL, 10, "1500", None, "1")],
        [SOLD],
    ],
    ids=["rate of the purchase", "fee", "one share from elsewhere", "rate of the sale", "never bought"],
)
def test_what_is_not_known_is_counted_and_never_guessed(method: Method, fills: list[TaxFill]) -> None:
    got = yearly(fills, method)
    assert (got.unknown, got.gain_krw, got.tax_krw) == (1, 0, 0)


def test_an_unknown_purchase_stays_with_its_shares() -> None:
    fills = [fill(0, Side.BUY, 5, "1", None, "0"), fill(1, Side.SELL, 5, "2", "1300", "0"), *BOUGHT]
    later = fill(5, Side.SELL, 20, "3000", "1300", "0")
    assert [s.gain_krw is None for s in sales([*fills, later], "moving_average")] == [True, True]
    ordered = [fill(-2, Side.BUY, 5, "1", None, "0"), fill(-1, Side.SELL, 5, "2", "1300", "0"), *BOUGHT, later]
    assert [s.gain_krw is None for s in sales(ordered, "moving_average")] == [True, False]


def test_the_fill_days_rate_is_called_an_estimate() -> None:
    own = fill(2, Side.SELL, 10, "1500", "1350", "3.79", settled_rate=None)
    got = yearly([*BOUGHT, own])
    assert got.estimated
    assert got.gain_krw == 526_158
    assert not yearly([*BOUGHT, SOLD]).estimated


def test_a_date_has_the_last_rate_that_is_known() -> None:
    on = dt.date(2026, 3, 3)
    assert settlement_rates([(on, D(1300)), (on, None), (on, D(1310))]) == {on: D(1310)}


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 900_000), st.integers(900, 1900)), min_size=1, max_size=6),
    st.lists(st.integers(1, 50), max_size=5),
)
def test_both_methods_agree_once_everything_is_sold(bought: list[tuple[int, int, int]], cuts: list[int]) -> None:
    fills = [fill(i, Side.BUY, qty, str(usd), str(rate), "1") for i, (qty, usd, rate) in enumerate(bought)]
    left, day = sum(qty for qty, _, _ in bought), len(bought)
    for cut in [*cuts, left]:
        qty = min(cut, left) if cut != left else left
        if qty:
            fills.append(fill(day, Side.SELL, qty, str(qty * 10), "1400", "0"))
            left, day = left - qty, day + 1
    if left:
        fills.append(fill(day, Side.SELL, left, str(left * 10), "1400", "0"))
    one, other = yearly(fills), yearly(fills, "fifo")
    assert one.unknown == other.unknown == 0
    assert abs(one.cost_krw - other.cost_krw) <= len(one.sales)

"""What a difference between the broker's shares and ours can mean."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.shares import (
    PERSISTS,
    QUIET,
    READINGS,
    SPLITS,
    Difference,
    Pending,
    Suspicion,
    believed,
    by_hand,
    classify,
    split_of,
    uncounted,
)
from tests.unit.core.builders import NOON, seconds

D = Decimal


@pytest.mark.parametrize("ratio", SPLITS)
def test_a_forward_split_multiplies_shares_and_divides_the_price(ratio: int) -> None:
    assert split_of(7, 7 * ratio, D(100), D(100) / ratio) == Fraction(ratio)
    assert split_of(7, 7 * ratio, D(100), D(100)) is None, "without the price it is no split"


@pytest.mark.parametrize("ratio", SPLITS)
def test_a_reverse_split_divides_shares_and_multiplies_the_price(ratio: int) -> None:
    held = 205 // ratio
    assert split_of(205, held, D(1), D(ratio)) == Fraction(1, ratio)
    assert split_of(205, held, D(1), D(1)) is None


@pytest.mark.parametrize(
    ("expected", "held", "before", "now"),
    [(0, 10, 100, 10), (10, 0, 100, 10), (10, 10, 100, 10), (10, 20, 0, 10), (10, 20, 10, 0), (10, 23, 100, 50)],
)
def test_what_is_no_split(expected: int, held: int, before: int, now: int) -> None:
    assert split_of(expected, held, D(before), D(now)) is None


@pytest.mark.parametrize(("now", "is_split"), [("5.00", True), ("50", True), ("70.00", True), ("70.01", False)])
def test_the_price_may_have_fallen_less_by_the_slack_or_more_at_will(now: str, is_split: bool) -> None:
    assert (split_of(10, 20, D(100), D(now)) is not None) is is_split


def test_differences_have_names() -> None:
    assert classify(10, 10, D(1), D(1)) is Difference.NONE
    assert classify(10, 9, D(1), D(1)) is Difference.MISSING
    assert classify(10, 11, D(1), D(1)) is Difference.SURPLUS
    assert classify(10, 20, D(2), D(1)) is Difference.SPLIT


def test_a_difference_is_believed_only_when_it_lasts_in_a_quiet_time() -> None:
    lasting = Suspicion(held=5, since=NOON, readings=READINGS)
    assert believed(lasting, NOON + PERSISTS, None)
    assert not believed(lasting, NOON + PERSISTS - seconds(1), None)
    assert not believed(Suspicion(held=5, since=NOON, readings=READINGS - 1), NOON + PERSISTS, None)
    assert Suspicion(held=5, since=NOON, readings=READINGS - 1).again() == lasting
    assert believed(lasting, NOON + PERSISTS, NOON - QUIET)
    assert not believed(lasting, NOON + PERSISTS, NOON - QUIET + seconds(1))
    assert believed(lasting, NOON + PERSISTS + seconds(1), NOON - QUIET + seconds(1))


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 300))
def test_the_owners_own_shares_go_first_and_nobody_sells_more_than_there_is(own: int, ours: int, sold: int) -> None:
    from_own, from_ours = by_hand(own, ours, sold)
    assert 0 <= from_own <= own
    assert 0 <= from_ours <= ours
    assert from_own + from_ours == min(sold, own + ours)
    assert from_ours == 0 or from_own == own


def test_one_old_share_can_be_split_and_one_new_share_can_be_left() -> None:
    assert split_of(1, 2, D(100), D(50)) == Fraction(2)
    assert split_of(2, 1, D(50), D(100)) == Fraction(1, 2)
    assert split_of(2, 1, D(1), D(2)) == Fraction(1, 2)


def test_a_split_of_a_stock_under_a_dollar_is_seen_too() -> None:
    assert split_of(10, 20, D("0.80"), D("0.40")) == Fraction(2)


def test_a_reverse_split_needs_the_price_to_rise_too() -> None:
    assert split_of(20, 10, D(10), D("14.29")) == Fraction(1, 2)
    assert split_of(20, 10, D(10), D("14.28")) is None


@pytest.mark.parametrize("ratio", [2, 5, 10, 100])
def test_shares_of_any_ratio_need_a_price_that_moved_by_three_tenths_and_not_more(ratio: int) -> None:
    assert split_of(7, 7 * ratio, D(100), D("69.9")) == Fraction(ratio)
    assert split_of(7, 7 * ratio, D(100), D("70.1")) is None
    assert split_of(7 * ratio, 7, D("69.9"), D(100)) == Fraction(1, ratio)
    assert split_of(7 * ratio, 7, D("70.1"), D(100)) is None


@pytest.mark.parametrize(
    ("entries", "apart", "age_s", "found"),
    [
        ((2, 10), 12, 0, 12),
        ((2, 10), 10, 0, 10),
        ((2, 10), 2, 0, None),
        ((2, 10), 2, 90, 2),
        ((2, 10), 20, 90, 12),
        ((2, 10), -3, 90, 0),
        ((5,), 3, 89, None),
        ((-4,), -4, 0, -4),
        ((), 3, 0, 0),
    ],
)
def test_the_newest_manual_orders_are_the_ones_that_the_holdings_do_not_count_yet(
    entries: tuple[int, ...], apart: int, age_s: int, found: int | None
) -> None:
    pending = [Pending(qty=qty, since=NOON) for qty in entries]
    assert uncounted(pending, apart, NOON + seconds(age_s)) == found

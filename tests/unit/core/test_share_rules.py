"""What a difference between the broker's shares and ours can mean."""

from decimal import Decimal
from fractions import Fraction

import pytest

from core.rules.shares import (
    PERSISTS,
    QUIET,
    READINGS,
    SPLITS,
    TAKEN_BACK,
    WHOLE_SECOND,
    WITNESS_READINGS,
    Difference,
    Suspicion,
    believed,
    classify,
    quiet,
    split_by_count,
    split_of,
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


def test_the_measures_are_those_that_people_are_told() -> None:
    assert (3, seconds(60), seconds(45)) == (READINGS, PERSISTS, QUIET)
    assert (2, seconds(2), seconds(10)) == (WITNESS_READINGS, WHOLE_SECOND, TAKEN_BACK)


def test_nothing_of_ours_moved_for_three_quarters_of_a_minute() -> None:
    assert quiet(NOON, None)
    assert quiet(NOON + QUIET, NOON)
    assert not quiet(NOON + QUIET - seconds(0.1), NOON)
    assert not quiet(NOON, NOON)


@pytest.mark.parametrize(
    ("expected", "held", "found"),
    [
        (7, 14, Difference.SPLIT),
        (7, 700, Difference.SPLIT),
        (7, 15, Difference.SURPLUS),
        (7, 63, Difference.SURPLUS),
        (1, 2, Difference.SPLIT),
        (0, 2, Difference.SURPLUS),
        (-1, 2, Difference.SURPLUS),
        (14, 7, Difference.MISSING),
        (7, 0, Difference.MISSING),
        (7, 7, Difference.NONE),
    ],
)
def test_after_a_long_pause_a_multiple_is_a_split_whatever_the_price_did(
    expected: int, held: int, found: Difference
) -> None:
    assert classify(expected, held, D(100), D(100), rested=True) is found
    assert classify(expected, held, D(100), D(100)) is not Difference.SPLIT


@pytest.mark.parametrize(
    ("expected", "held", "is_split"),
    [
        (7, 14, True),
        (7, 700, True),
        (7, 3, True),
        (7, 1, True),
        (205, 2, True),
        (7, 7, False),
        (7, 0, False),
        (0, 7, False),
        (-7, 7, False),
        (7, 15, False),
        (7, 6, False),
    ],
)
def test_counts_alone_can_be_those_of_a_split(expected: int, held: int, is_split: bool) -> None:
    assert split_by_count(expected, held) is is_split

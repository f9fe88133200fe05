"""The owner's own shares of a ticker: what each order of the owner's, and what only the holdings show, makes of them."""

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.shares import TAKEN_BACK, WHOLE_SECOND, Own, Shortage
from tests.unit.core.builders import NOON, seconds

LATER = NOON + seconds(5)


def test_the_owner_begins_with_nothing() -> None:
    assert (Own().qty, Own().unexplained, Own().seen_at, Own().short_since) == (0, 0, None, None)


def test_orders_add_up() -> None:
    assert Own(qty=3).changed(4, NOON) == Own(qty=7)
    assert Own(qty=3).changed(-2, NOON) == Own(qty=1)
    assert Own(qty=3).changed(-3, NOON) == Own(), "all sold is no shortage"


def test_more_sold_by_hand_than_was_the_owners_is_short_since_the_first_such_sale() -> None:
    short = Own(qty=3).changed(-4, NOON)
    assert short == Own(qty=-1, short_since=NOON)
    assert short.changed(-2, LATER) == Own(qty=-3, short_since=NOON)
    assert short.changed(-2, LATER).changed(1, LATER) == Own(qty=-2, short_since=NOON)


def test_a_shortage_is_over_when_a_purchase_makes_up_for_it_and_a_new_one_begins_anew() -> None:
    short = Own(qty=3).changed(-4, NOON)
    assert short.changed(1, LATER) == Own()
    assert short.changed(1, LATER).changed(-1, LATER) == Own(qty=-1, short_since=LATER)


def test_what_an_order_changes_leaves_what_only_the_holdings_showed() -> None:
    own = Own(qty=5, unexplained=2, seen_at=NOON)
    assert own.changed(3, LATER) == Own(qty=8, unexplained=2, seen_at=NOON)


def test_what_only_the_holdings_show_is_remembered_with_the_first_sight_of_it() -> None:
    assert Own(qty=3).shown(5, NOON, LATER) == Own(qty=5, unexplained=2, seen_at=NOON)
    twice = Own(qty=3).shown(5, NOON, NOON).shown(9, LATER, LATER)
    assert twice == Own(qty=9, unexplained=6, seen_at=LATER)


def test_shares_that_vanish_take_what_was_unexplained_first() -> None:
    own = Own(qty=5, unexplained=2, seen_at=NOON)
    assert own.shown(4, LATER, LATER) == Own(qty=4, unexplained=1, seen_at=LATER)
    assert own.shown(3, LATER, LATER) == Own(qty=3, unexplained=0, seen_at=LATER)
    assert own.shown(1, LATER, LATER) == Own(qty=1, unexplained=0, seen_at=LATER)


def test_the_holdings_end_a_shortage_too() -> None:
    assert Own(qty=-3, short_since=NOON).shown(0, LATER, LATER) == Own(unexplained=3, seen_at=LATER)
    assert Own(qty=-3, short_since=NOON).shown(-1, LATER, LATER).short_since == NOON


@pytest.mark.parametrize(
    ("qty", "left", "unexplained"), [(1, 6, 3), (4, 3, 0), (5, 3, 0), (0, 7, 4)], ids=["some", "all", "more", "none"]
)
def test_an_order_that_is_listed_late_takes_back_what_the_holdings_showed_and_no_more(
    qty: int, left: int, unexplained: int
) -> None:
    own = Own(qty=7, unexplained=4, seen_at=NOON)
    assert own.explained(qty, NOON, LATER) == Own(qty=left, unexplained=unexplained, seen_at=NOON)


@pytest.mark.parametrize(("after_s", "explains"), [(-3600, True), (0, True), (1.9, True), (2.0, True), (2.1, False)])
def test_an_order_explains_only_shares_that_were_seen_after_it_by_the_brokers_whole_seconds(
    after_s: float, explains: bool
) -> None:
    own = Own(qty=7, unexplained=4, seen_at=NOON)
    assert (own.explained(4, NOON + seconds(after_s), LATER).unexplained == 0) is explains
    assert dt.timedelta(seconds=2) == WHOLE_SECOND


def test_an_order_without_a_time_explains_nothing_and_neither_is_there_anything_to_explain() -> None:
    own = Own(qty=7, unexplained=4, seen_at=NOON)
    assert own.explained(4, None, LATER) is own
    assert Own(qty=7).explained(4, NOON, LATER) == Own(qty=7)


def test_shares_that_were_sold_meanwhile_leave_a_shortage_when_they_are_explained() -> None:
    """Four appeared, the owner sold five of seven; then the list shows that three of the four were ours."""
    own = Own(qty=7, unexplained=4, seen_at=NOON).changed(-5, NOON)
    assert own.explained(3, NOON, LATER) == Own(qty=-1, unexplained=1, seen_at=NOON, short_since=LATER)


@given(st.lists(st.integers(-20, 20), max_size=12), st.integers(0, 30))
def test_the_sum_is_that_of_the_orders_and_it_is_short_exactly_below_zero(orders: list[int], first: int) -> None:
    own = Own(qty=first)
    for n, by in enumerate(orders):
        own = own.changed(by, NOON + seconds(n))
    assert own.qty == first + sum(orders)
    assert (own.short_since is not None) is (own.qty < 0)


@given(st.integers(0, 30), st.integers(1, 30), st.integers(1, 60))
def test_an_order_listed_after_the_holdings_showed_its_shares_is_counted_once(first: int, qty: int, late: int) -> None:
    """The holdings showed a purchase before the list did: the sum is as if the list had come first."""
    seen_at = NOON + seconds(late)
    own = Own(qty=first).shown(first + qty, seen_at, seen_at + seconds(60))
    after = own.explained(qty, NOON, LATER).changed(qty, LATER)
    assert (after.qty, after.unexplained) == (first + qty, 0)


def test_it_survives_the_journal() -> None:
    own = Own(qty=-2, unexplained=3, seen_at=NOON, short_since=LATER)
    assert msgspec.json.decode(msgspec.json.encode({"NVDA": own}), type=dict[str, Own]) == {"NVDA": own}


@pytest.mark.parametrize(("after_s", "is_believed"), [(0, False), (9.9, False), (10, True), (60, True)])
def test_a_fill_counts_as_taken_back_after_ten_seconds_of_lists(after_s: float, is_believed: bool) -> None:
    assert Shortage(3, NOON).believed(NOON + seconds(after_s)) is is_believed
    assert seconds(10) == TAKEN_BACK

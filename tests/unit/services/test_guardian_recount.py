"""The guardian's count by the list of orders, at its boundaries: what is ours, what is the owner's, when to ask."""

from decimal import Decimal

import pytest

from core.rules import shares
from services import guardian_rules as rules
from services.guardian_rules import Listed, Protected, Recount, Watch

BUY, SELL = "buy", "sell"


def row(qty: int = 10, own: int | None = 0, *, selling: int = 0, **orders: int) -> Protected:
    """Ten of ours; `orders` are known by their number with the shares that were counted."""
    return Protected("NVDA", "NASD", qty, Decimal(90), own, orders=orders, selling=selling)


def api(key: str, side: str, filled: int, ticker: str = "NVDA") -> Listed:
    return Listed(key, ticker, side, filled, by_hand=False)


def hand(key: str, side: str, filled: int) -> Listed:
    return Listed(key, "NVDA", side, filled, by_hand=True)


def test_the_measure_is_the_one_that_people_are_told() -> None:
    assert rules.LIST_PATIENCE_S == 10
    assert (rules.LOST_PATIENCE_S, rules.LAG_S) == (3, 60)


def test_a_watch_begins_with_nothing_known() -> None:
    watch = Watch(left=3)
    assert (watch.left_before, watch.listed, watch.own, watch.inherited, watch.floor) == (0, None, 0, False, 0)
    assert (watch.list_since, watch.listed_at, watch.moved_at, watch.not_before) == (None, *[float("-inf")] * 3)
    assert (watch.held, watch.low, watch.sent, watch.live, watch.bound_before, watch.step) == (0, None, 0, 0, 0, 0)


# -- what the list says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protected", "listed", "found"),
    [
        (row(), [], Recount(own=0, sold=0, gone=0, all=10)),
        (row(own=4), [], Recount(own=4, sold=0, gone=0, all=14)),
        (row(own=None), [], Recount(own=0, sold=0, gone=0, all=10)),
        (row(a=10), [api("a", BUY, 10)], Recount(own=0, sold=0, gone=0, all=10)),
        (row(a=10), [api("a", BUY, 7)], Recount(own=0, sold=0, gone=3, all=7)),
        (row(a=10), [api("a", BUY, 12)], Recount(own=0, sold=0, gone=0, all=12)),
        (row(), [api("a", BUY, 5)], Recount(own=0, sold=0, gone=0, all=15)),
        (row(a=2), [api("a", SELL, 6)], Recount(own=0, sold=4, gone=0, all=6)),
        (row(a=6), [api("a", SELL, 2)], Recount(own=0, sold=0, gone=0, all=10)),
        (row(), [api("a", SELL, 4)], Recount(own=0, sold=4, gone=0, all=6)),
        (row(own=4), [hand("a", BUY, 3)], Recount(own=7, sold=0, gone=0, all=17)),
        (row(own=4, a=4), [hand("a", BUY, 1)], Recount(own=1, sold=0, gone=0, all=11)),
        (row(own=4), [hand("a", SELL, 3)], Recount(own=1, sold=0, gone=0, all=11)),
        (row(own=4), [hand("a", SELL, 4)], Recount(own=0, sold=0, gone=0, all=10)),
        (row(own=4), [hand("a", SELL, 6)], Recount(own=0, sold=0, gone=2, all=8)),
        (row(own=4, a=3), [hand("a", SELL, 6)], Recount(own=1, sold=0, gone=0, all=11)),
        (row(own=4), [hand("a", SELL, 6), hand("b", BUY, 2)], Recount(own=0, sold=0, gone=0, all=10)),
        (row(), [api("a", SELL, 4, ticker="AMD")], Recount(own=0, sold=0, gone=0, all=10)),
    ],
    ids=[
        "nothing-new", "own", "own-not-told", "known", "taken-back", "filled-further", "unknown-purchase", "sale-fills",
        "sale-taken-back", "unknown-sale", "bought-by-hand", "hand-taken-back", "sold-by-hand", "all-the-owners",
        "beyond-the-owners", "hand-sale-fills-further", "late-purchase", "other-ticker",
    ],
)  # fmt: skip
def test_what_the_list_shows_more_than_was_counted(protected: Protected, listed: list[Listed], found: Recount) -> None:
    assert protected.recount(listed) == found


def test_everything_at_once() -> None:
    listed = [api("a", BUY, 8), api("b", SELL, 3), hand("c", BUY, 2), hand("d", SELL, 7), api("e", BUY, 1)]
    # two of ours taken back, one more sold, three beyond the owner's four sold by hand, one bought that nobody booked
    assert row(10, 4, a=10, b=2, c=2).recount(listed) == Recount(own=0, sold=1, gone=5, all=5)


def test_a_list_without_an_order_that_it_has_shown_says_nothing() -> None:
    assert row(a=10).recount([]) is None
    assert row(a=10, b=1).recount([api("a", BUY, 10)]) is None
    assert row(a=10).recount([api("a", BUY, 10, ticker="AMD")]) is None


def test_an_old_file_counts_every_order_as_new() -> None:
    old = Protected("NVDA", "NASD", 10, Decimal(90), 0)
    assert (old.orders, old.selling) == (None, 0)
    assert old.recount([api("a", SELL, 4)]) == Recount(own=0, sold=4, gone=0, all=6)


# -- what is certainly ours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "before", "listed", "ours"),
    [
        (10, 10, None, 10),
        (6, 10, None, 6),
        (10, 10, Recount(0, 0, 0, 10), 10),
        (10, 10, Recount(0, 4, 0, 6), 6),
        (6, 10, Recount(0, 4, 0, 6), 6),
        (6, 10, Recount(0, 0, 0, 10), 6),
        (6, 10, Recount(0, 7, 0, 3), 3),
        (10, 10, Recount(0, 0, 3, 7), 7),
        (6, 10, Recount(0, 4, 3, 3), 3),
        (2, 10, Recount(0, 8, 3, 0), 0),
        (3, 10, Recount(0, 8, 1, 0), 1),
        (10, 10, Recount(0, 12, 0, 0), 0),
    ],
)
def test_of_holdings_and_list_the_one_that_shows_more_sold_counts(
    left: int, before: int, listed: Recount | None, ours: int
) -> None:
    assert Watch(left=left, left_before=before, listed=listed).ours == ours


def test_what_the_list_says_is_taken() -> None:
    watch = Watch(left=10, left_before=10, own=7, list_since=5.0)
    found = Recount(own=2, sold=1, gone=3, all=8)
    watch.counted(found)
    assert (watch.listed, watch.own, watch.list_since, watch.ours, watch.left) == (found, 2, None, 6, 10)


def test_what_is_not_ours_stays() -> None:
    watch = Watch(left=10, left_before=10)
    watch.counted(Recount(own=2, sold=0, gone=4, all=8))
    assert watch.stays(8) == 2
    assert watch.stays(20) == 14, "whatever came on top of ours"
    assert Watch(left=10, floor=9, own=2).stays(12) == 9
    assert (watch.wanted(8, 8), watch.wanted(20, 20), watch.wanted(8, 3)) == (6, 6, 1)
    watch.live = 5
    assert watch.wanted(8, 8) == 1


# -- when to ask -----------------------------------------------------------------------------------------------------


def test_the_list_is_asked_for_before_each_sale() -> None:
    watch = Watch(left=10, left_before=10)
    assert watch.recounts(10, 10, 100.0)
    assert watch.recounts(10, 10, 100.1), "again, where it is about to sell again"
    assert watch.listed_at == 100.1
    watch.live = 9
    assert watch.recounts(10, 10, 100.2), "for the last share too"


def test_where_the_owners_shares_seem_to_bar_a_sale_it_is_asked_for_now_and_then() -> None:
    watch = Watch(left=10, left_before=10, own=12)
    assert watch.recounts(10, 10, 100.0)
    assert not watch.recounts(10, 10, 109.9)
    assert watch.listed_at == 100.0
    assert watch.recounts(10, 10, 110.0)


@pytest.mark.parametrize(
    ("fields", "free", "asks"),
    [
        ({}, 10, True),
        ({}, 1, True),
        ({}, 0, False),
        ({"live": 9}, 10, True),
        ({"live": 10}, 10, False),
        ({"not_before": 100.0}, 10, True),
        ({"not_before": 100.1}, 10, False),
        ({"listed": Recount(0, 10, 0, 0)}, 10, False),
    ],
    ids=["all", "some-free", "none-free", "one-unsold", "all-being-sold", "pause-over", "pause", "sold-by-the-list"],
)
def test_it_is_not_asked_for_where_nothing_could_be_sold(fields: dict[str, object], free: int, asks: bool) -> None:
    assert Watch(left=10, left_before=10, **fields).recounts(10, free, 100.0) is asks


def test_a_list_that_cannot_be_had_is_waited_for_ten_seconds() -> None:
    watch = Watch(left=10)
    assert watch.list_missing(100.0)
    assert watch.list_since == 100.0
    assert watch.list_missing(109.9)
    assert not watch.list_missing(110.0)
    watch.counted(Recount(0, 0, 0, 10))
    assert watch.list_missing(111.0), "and again from the next time on"


# -- the trader's sales ----------------------------------------------------------------------------------------------


def test_a_sale_of_the_traders_that_may_be_filled_is_like_ours_whose_answer_was_lost() -> None:
    watch = Watch(left=10, left_before=10)
    watch.inherit(row(own=0, selling=4), 100.0)
    assert (watch.inherited, watch.own, watch.held, watch.sent, watch.live) == (True, 0, 10, 4, 4)
    assert (watch.moved_at, watch.presumed_until, watch.reflected) == (100.0, 103.0, False)


def test_beside_the_owners_shares_it_is_believed_for_a_minute() -> None:
    watch = Watch(left=10, left_before=10)
    watch.inherit(row(own=5, selling=4), 100.0)
    assert (watch.own, watch.held, watch.presumed_until) == (5, 15, 160.0)


def test_it_is_taken_over_once_and_no_more_than_is_left() -> None:
    watch = Watch(left=3, left_before=10)
    watch.inherit(row(own=5, selling=8), 100.0)
    assert (watch.sent, watch.live, watch.held) == (3, 3, 8)
    watch.own = 2
    watch.inherit(row(own=5, selling=8), 200.0)
    assert (watch.sent, watch.live, watch.own, watch.moved_at) == (3, 3, 2, 100.0)


def test_without_one_only_the_owners_shares_are_taken_over() -> None:
    watch = Watch(left=10, left_before=10)
    watch.inherit(row(own=5), 100.0)
    assert (watch.inherited, watch.own, watch.sent, watch.live, watch.held) == (True, 5, 0, 0, 0)
    assert (watch.moved_at, watch.presumed_until) == (rules.NEVER, rules.NEVER)
    watch = Watch(left=10)
    watch.inherit(row(own=None), 100.0)
    assert watch.own == 0


# -- splits ----------------------------------------------------------------------------------------------------------


def test_the_ratios_of_a_split_are_the_traders() -> None:
    assert rules.SPLITS == shares.SPLITS


@pytest.mark.parametrize(
    ("listed", "held", "last", "split"),
    [
        (10, 20, "50", True),
        (10, 20, "20", True),
        (10, 20, "500", True),
        (10, 25, "20", False),
        (10, 90, "20", False),
        (10, 1000, "20", True),
        (10, 1010, "20", False),
        (20, 20, "20", False),
        (7, 20, "20", False),
        (5, 20, "500", True),
        (0, 20, "20", False),
        (-2, 20, "20", False),
        (10, 10, "20", False),
        (None, 20, "50", True),
        (None, 20, "45", True),
        (None, 20, "44.99", False),
        (None, 20, "72", True),
        (None, 20, "72.01", False),
    ],
)
def test_the_list_says_of_how_many_shares_what_is_held_is_a_multiple(
    listed: int | None, held: int, last: str, split: bool
) -> None:
    assert rules.looks_split(row(), held, Decimal(last), listed) is split

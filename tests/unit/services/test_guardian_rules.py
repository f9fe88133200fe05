"""The guardian's decisions at their boundaries."""

import math
from decimal import Decimal

import pytest

from services import guardian_rules as rules
from services.guardian_rules import Heartbeat, Protection, Watch, keeps_watch, patience_s, sell_limit

STOP = Decimal(90)


@pytest.mark.parametrize(("age_s", "fresh"), [(0, True), (15.0, True), (15.01, False), (math.inf, False)])
def test_a_trader_is_silent_after_fifteen_seconds(age_s: float, fresh: bool) -> None:
    assert Heartbeat(age_s).fresh is fresh


def beat(**fields: object) -> Heartbeat:
    return Heartbeat(**{"age_s": 1.0, "stops": {"NVDA": 100.0}, **fields})


def test_how_long_a_stop_was_not_looked_at() -> None:
    assert beat().unseen_s("NVDA", since=0.0, now=100.0) == 0.0
    assert beat().unseen_s("NVDA", since=0.0, now=110.5) == 10.5


def test_a_ticker_the_trader_never_named_counts_from_when_we_saw_it_protected() -> None:
    assert beat().unseen_s("AMD", since=101.0, now=111.0) == 10.0


def test_a_look_from_the_future_is_none() -> None:
    assert beat(stops={"NVDA": 200.0}).unseen_s("NVDA", since=100.0, now=111.0) == 11.0


@pytest.mark.parametrize("fields", [{"stops": None}, {"standby": True}, {"market_open": False}])
def test_nobody_is_neglectful_who_need_not_look(fields: dict[str, object]) -> None:
    assert beat(**fields).unseen_s("NVDA", since=0.0, now=999.0) == 0.0


@pytest.mark.parametrize(
    ("own", "held", "last", "split"),
    [
        (0, 40, "25", True),
        (0, 40, "22.50", True),
        (0, 40, "22.49", False),
        (0, 40, "36", True),
        (0, 40, "36.01", False),
        (0, 20, "72", True),
        (0, 20, "72.01", False),
        (0, 20, "85", False),
        (0, 41, "25", False),
        (0, 10, "90", False),
        (0, 0, "25", False),
        (None, 40, "25", True),
        (10, 40, "50", True),
        (10, 40, "25", False),
        (5, 40, "25", False),
    ],
)
def test_a_split_is_a_multiple_of_the_shares_at_a_fraction_of_the_price(
    own: int | None, held: int, last: str, split: bool
) -> None:
    row = rules.Protected("NVDA", "NASD", 10, STOP, own)
    assert rules.looks_split(row, held, Decimal(last), None) is split


def protection(seq: int, at: str) -> Protection:
    return Protection(seq, at, "kis_real", ())


@pytest.mark.parametrize(
    ("seq", "at", "older"),
    [(4, "b", True), (4, "a", True), (5, "b", False), (6, "a", False), (4, "c", False)],
)
def test_a_copy_put_back_is_older_and_a_file_begun_anew_is_not(seq: int, at: str, older: bool) -> None:
    assert protection(seq, at).older_than(protection(5, "b")) is older


def test_one_price_under_the_stop_is_not_enough_nor_are_two_within_a_second() -> None:
    watch = Watch(left=10)
    assert not watch.observe(Decimal(80), STOP, 100.0)
    assert not watch.observe(Decimal(80), STOP, 100.99)
    assert watch.observe(Decimal(80), STOP, 101.0)


def test_a_price_at_the_stop_counts_and_one_above_begins_again() -> None:
    watch = Watch(left=10)
    assert not watch.observe(STOP, STOP, 0.0)
    assert not watch.observe(STOP + Decimal("0.01"), STOP, 1.0)
    assert not watch.observe(STOP, STOP, 2.0)
    assert watch.observe(STOP, STOP, 3.0)


def test_a_broken_stop_stays_broken() -> None:
    watch = Watch(left=10, breached=True)
    assert watch.observe(Decimal(100), STOP, 0.0)


@pytest.mark.parametrize(
    ("left", "own", "held", "free", "wanted"),
    [
        (10, 0, 10, 10, 10),
        (10, None, 10, 10, 10),
        (10, 5, 15, 15, 10),
        (10, None, 1010, 1010, 10),
        (10, 5, 5, 5, 0),
        (10, 0, 10, 4, 4),
        (10, 0, 7, 7, 7),
        (0, 0, 10, 10, 0),
        (10, 20, 25, 25, 5),
        (10, 5, 12, 2, 0),
    ],
)
def test_never_beyond_what_is_protected_sellable_and_not_the_owners(
    left: int, own: int | None, held: int, free: int, wanted: int
) -> None:
    assert Watch(left=left, own=own or 0).wanted(held, free) == wanted


def test_what_a_guardian_before_found_to_be_the_owners_stays() -> None:
    assert Watch(left=10, floor=1000).wanted(1000, 1000) == 0
    assert Watch(left=10, floor=3, own=5).stays(8) == 5
    assert Watch(left=10, floor=6, own=5).stays(8) == 6


def sold(held: int = 10, free: int = 10, qty: int = 10, now: float = 0.0, patience: float = 10.0) -> Watch:
    watch = Watch(left=10)
    watch.account(held, 0, now)
    watch.sold(qty, held, free, now, patience)
    return watch


def test_nothing_is_sold_twice_while_the_first_sale_lives() -> None:
    watch = sold(held=1010, free=1010)
    watch.settle(1010, 1010, 1.0)
    watch.own = 1000
    assert watch.wanted(1010, 1010) == 0


def test_two_low_readings_a_second_apart_prove_a_sale() -> None:
    watch = sold()
    assert watch.account(4, 0, 1.0) == 0
    assert watch.wanted(4, 4) == 0, "not before the second reading"
    assert watch.account(4, 0, 1.9) == 0
    assert watch.account(4, 0, 2.0) == 6
    assert (watch.left, watch.sent, watch.live, watch.held) == (4, 4, 4, 4)


def test_a_list_that_was_cut_once_proves_nothing() -> None:
    watch = sold()
    assert watch.account(0, 0, 1.0) == 0
    assert watch.account(10, 0, 3.0) == 0
    assert watch.account(0, 0, 5.0) == 0
    assert watch.left == 10


def test_the_higher_of_two_low_readings_counts() -> None:
    watch = sold()
    watch.account(0, 0, 1.0)
    assert watch.account(6, 0, 2.0) == 4


def test_what_an_open_sale_binds_is_still_held() -> None:
    watch = sold()
    watch.account(0, 10, 1.0)
    assert watch.low is None
    watch.account(0, 6, 2.0)
    assert watch.account(0, 6, 3.0) == 4


def test_more_cannot_go_than_was_sent() -> None:
    watch = sold(qty=3)
    watch.account(2, 0, 1.0)
    assert watch.account(2, 0, 2.0) == 3
    assert watch.left == 7


def test_without_a_sale_of_ours_fewer_shares_change_nothing() -> None:
    watch = Watch(left=10)
    watch.account(10, 0, 0.0)
    assert watch.account(4, 0, 5.0) == 0
    assert not watch.missing(4)
    assert (watch.left, watch.held) == (10, 4)


def test_shares_that_the_broker_has_released_may_be_sold_again() -> None:
    watch = sold()
    watch.settle(10, 0, 1.0)
    assert watch.reflected
    assert watch.wanted(10, 0) == 0
    watch.settle(10, 10, 2.0)
    assert watch.wanted(10, 10) == 10


def test_a_partial_release_frees_that_much() -> None:
    watch = sold()
    watch.settle(10, 0, 1.0)
    watch.settle(10, 4, 2.0)
    assert watch.live == 6
    assert watch.wanted(10, 4) == 4


def test_shares_bound_before_the_sale_are_not_the_sale() -> None:
    watch = sold(held=30, free=15)
    watch.settle(30, 15, 1.0)
    assert not watch.reflected
    watch.settle(30, 5, 2.0)
    assert watch.reflected


@pytest.mark.parametrize(("now", "live"), [(9.9, 10), (10.0, 0)])
def test_a_sale_without_a_trace_is_given_up_after_its_patience(now: float, live: int) -> None:
    watch = sold()
    watch.settle(10, 10, now)
    assert watch.live == live


def test_a_second_sale_beside_the_first_must_show_too() -> None:
    watch = sold(held=10, free=4, qty=4)
    watch.settle(10, 0, 1.0)
    assert watch.reflected
    watch.sold(3, 10, 3, 2.0, 10.0)
    assert watch.live == 7
    assert watch.bound_before == 3
    assert not watch.reflected


@pytest.mark.parametrize(
    ("lost", "others", "seconds"), [(True, 0, 3.0), (False, 0, 10.0), (True, 1, 60.0), (False, 1, 60.0)]
)
def test_patience_is_short_where_the_broker_itself_refuses_a_second_sale(
    lost: bool, others: int, seconds: float
) -> None:
    assert patience_s(lost=lost, others=others) == seconds


def test_refusals_are_retried_at_growing_intervals_up_to_half_a_minute() -> None:
    watch, pauses = Watch(left=10), []
    for _ in range(7):
        watch.refused(100.0, soon=False)
        pauses.append(watch.not_before - 100.0)
    assert pauses == [4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]
    watch.refused(100.0, soon=True)
    assert watch.not_before == 102.0
    for _ in range(2000):
        watch.refused(100.0, soon=False)
    assert watch.not_before == 130.0


def test_a_sale_that_was_taken_ends_the_growing_of_the_intervals() -> None:
    watch = Watch(left=10, refusals=5)
    watch.sold(10, 10, 10, 0.0, 10.0)
    watch.refused(0.0, soon=False)
    assert watch.not_before == 4.0


@pytest.mark.parametrize(("now", "stuck"), [(10.0, False), (10.1, True)])
def test_a_sale_is_stuck_after_ten_seconds(now: float, stuck: bool) -> None:
    assert sold().stuck(now) is stuck
    assert Watch(left=1).stuck(0.0)


@pytest.mark.parametrize(
    ("last", "step", "limit"),
    [
        ("80", 0, "79.60"),
        ("80", 1, "79.20"),
        ("80", 2, "78.40"),
        ("80", 3, "76.80"),
        ("80", 4, "74.40"),
        ("80", 5, "72.00"),
        ("80", 99, "72.00"),
        ("1.00", 0, "0.9950"),
        ("1.01", 0, "1.00"),
        ("0.00012", 5, "0.0001"),
        ("0.00001", 0, "0.0001"),
        ("123.4567", 0, "122.83"),
    ],
)
def test_limits_are_on_kis_grid_and_never_zero(last: str, step: int, limit: str) -> None:
    assert sell_limit(Decimal(last), step) == limit


@pytest.mark.parametrize(
    ("before", "keeps"),
    [([], False), ([400.01], True), ([400.0], False), ([100.0, 200.0], False), ([1599.9], True), ([1600.0], False)],
)
def test_the_second_takeover_within_ten_minutes_keeps_the_watch(before: list[float], keeps: bool) -> None:
    assert keeps_watch(before, 1000.0) is keeps


def test_the_thresholds_are_those_that_people_are_told() -> None:
    assert (rules.HUNG_AFTER_S, rules.UNWATCHED_AFTER_S, rules.ANSWERED_S, rules.APART_S) == (15, 10, 8, 1)
    assert (rules.LOCK_PATIENCE_S, rules.STEP_PATIENCE_S, rules.BUYS_EVERY_S) == (5, 10, 10)

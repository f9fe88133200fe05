"""The intents table and the matching of lost orders."""

from decimal import Decimal

import msgspec
import pytest

from core.model.order import LIVE_STATES, BrokerRef, IntentState, Side
from core.rules.intents import TRANSITIONS, IntentEvent, next_state
from core.rules.reconcile import CLOCK_SKEW, event_of, fill_delta, find, fingerprint, made_unique, matches, superset
from tests.unit.core.builders import NOON, intent, request, row, seconds

D = Decimal
S, E = IntentState, IntentEvent
PAIRS = [(s, e) for s in IntentState for e in IntentEvent]


def test_every_state_has_a_row_and_can_be_reached_from_prepared() -> None:
    assert set(TRANSITIONS) == set(IntentState)
    reached, waiting = {S.PREPARED}, [S.PREPARED]
    while waiting:
        fresh = set(TRANSITIONS[waiting.pop()].values()) - reached
        reached |= fresh
        waiting += fresh
    assert reached == set(IntentState)


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_a_transition_is_in_the_table_or_a_bug(state: IntentState, event: IntentEvent) -> None:
    if event in TRANSITIONS[state]:
        assert next_state(state, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(AssertionError, match=state.value):
            next_state(state, event)


def test_a_final_state_never_lives_again() -> None:
    """NOT_PLACED is a conclusion from silence, so only it may be revived by the broker's list."""
    for state in set(IntentState) - LIVE_STATES - {S.NOT_PLACED}:
        assert not set(TRANSITIONS[state].values()) & LIVE_STATES, state


def test_only_a_prepared_intent_is_sent_and_only_once() -> None:
    assert [s for s in IntentState if E.SEND in TRANSITIONS[s]] == [S.PREPARED]
    assert S.PREPARED not in {t for row_ in TRANSITIONS.values() for t in row_.values()}


def test_an_unknown_order_is_never_called_refused() -> None:
    assert E.REFUSE not in TRANSITIONS[S.UNKNOWN]


@pytest.mark.parametrize(
    ("filled", "more", "event"),
    [
        (0, {}, E.SEE_WORKING),
        (3, {}, E.FILL_PART),
        (10, {}, E.FILL_ALL),
        (0, {"open_qty": 0, "cancelled": True}, E.CANCEL),
        (3, {"open_qty": 0, "cancelled": True}, E.CANCEL),
        (0, {"open_qty": 0, "rejected": True}, E.BROKER_REJECT),
        (0, {"open_qty": 0, "expired": True}, E.EXPIRE),
        (10, {"cancelled": True}, E.FILL_ALL),
    ],
)
def test_what_a_row_means(filled: int, more: dict[str, object], event: IntentEvent) -> None:
    assert event_of(intent(), row(filled=filled, **more)) is event


def test_only_newly_filled_shares_are_booked() -> None:
    booked = intent(filled_qty=3, filled_usd=D(300))
    assert fill_delta(booked, row(filled=5)) == (2, D(200))
    assert fill_delta(booked, row(filled=3)) == (0, D(0))
    assert fill_delta(booked, row(filled=2)) == (0, D(0))


@pytest.mark.parametrize(
    "changes",
    [
        {"is_cancel_row": True},
        {"from_api": False},
        {"ticker": "AMD"},
        {"side": Side.SELL},
        {"qty": 9},
        {"limit": D("100.01")},
        {"limit": D("99.99")},
        {"ordered_at": NOON - CLOCK_SKEW - seconds(1)},
        {"ref": BrokerRef("20261117", "B", "7")},
        {"ref": BrokerRef("20261117", "B", "8")},
    ],
    ids=lambda c: next(iter(c)),
)
def test_a_row_that_differs_is_not_the_lost_order(changes: dict[str, object]) -> None:
    lost = intent(S.UNKNOWN, baseline=("7",), sent_at=NOON)
    linked = {BrokerRef("20261117", "B", "8")}
    assert matches(lost, row(), linked)
    assert not matches(lost, msgspec.structs.replace(row(), **changes), linked)


def test_a_row_may_be_a_little_older_than_the_sending_because_clocks_differ() -> None:
    lost = intent(S.UNKNOWN, sent_at=NOON)
    assert matches(lost, row(ordered_at=NOON - CLOCK_SKEW), set())
    assert matches(lost, row(ordered_at=None), set())


def test_all_candidates_are_found() -> None:
    lost = intent(S.UNKNOWN, sent_at=NOON)
    rows = [row("1"), row("2"), row("3", order=request(qty=1))]
    assert [r.ref.odno for r in find(lost, rows, set())] == ["1", "2"]


def test_a_list_that_misses_an_order_seen_before_is_not_trusted() -> None:
    assert superset([row("1"), row("2")], {row("1").ref})
    assert not superset([row("2")], {row("1").ref})
    assert superset([], set())


@pytest.mark.parametrize(
    ("limit", "same"), [("100.004", True), ("99.996", True), ("100.005", False), ("99.995", False)]
)
def test_a_limit_belongs_to_the_order_within_half_a_step(limit: str, same: bool) -> None:
    lost = intent(S.UNKNOWN, sent_at=NOON)
    assert matches(lost, msgspec.structs.replace(row(), limit=D(limit)), set()) is same


def test_an_order_whose_sending_was_never_dated_matches_by_its_look_alone() -> None:
    assert matches(intent(S.UNKNOWN), row(ordered_at=NOON - CLOCK_SKEW * 9), set())


def test_shares_that_came_without_money_are_priced_at_the_limit_until_the_list_says_better() -> None:
    booked = intent(filled_qty=3, filled_usd=D(300))
    assert fill_delta(booked, row(filled=5, filled_usd=D(300))) == (2, D(200))
    assert fill_delta(booked, row(filled=5, filled_usd=D(299))) == (2, D(200))
    assert fill_delta(booked, row(filled=5, filled_usd=D("300.01"))) == (2, D("0.01"))


def test_an_order_that_looks_like_no_other_goes_as_it_is() -> None:
    assert made_unique(request(), set()) == request()
    assert made_unique(request(), {fingerprint(request(qty=9))}) == request()


LOWER_FIRST = [(10, "100.00"), (10, "99.99"), (10, "99.98"), (10, "99.97"), (9, "100.00"), (9, "99.99")]
FEWER_FIRST = [(10, "100.00"), (9, "100.00"), (8, "100.00"), (7, "100.00"), (10, "99.99"), (9, "99.99")]


@pytest.mark.parametrize(("side", "expected"), [(Side.BUY, FEWER_FIRST), (Side.SELL, LOWER_FIRST)])
def test_a_second_order_of_the_same_look_is_smaller_where_it_buys_and_lower_where_it_sells(
    side: Side, expected: list[tuple[int, str]]
) -> None:
    """A later tranche buys what is missing; a limit under the ask would rest. A sale wants all shares gone."""
    taken = set()
    looks = []
    for _ in range(6):
        made = made_unique(request(side), taken)
        taken.add(fingerprint(made))
        looks.append((made.qty, str(made.limit)))
    assert looks == expected


def test_an_order_of_one_share_stays_one_share() -> None:
    taken = {fingerprint(request(qty=1, limit=limit)) for limit in ("100.00", "99.99", "99.98", "99.97")}
    assert made_unique(request(qty=1), taken) == request(qty=1), "no other look is left"


def test_an_order_made_unique_stays_on_its_grid_and_above_zero() -> None:
    one = request(limit="1.00")
    assert made_unique(one, {fingerprint(one)}) == request(qty=9, limit="1.00"), "0.99 would be on the finer grid"
    low = request(qty=1, limit="0.0001")
    assert made_unique(low, {fingerprint(low)}) == low
    cheap = request(Side.SELL, limit="0.5000")
    assert made_unique(cheap, {fingerprint(cheap)}) == request(Side.SELL, limit="0.4999")


def test_an_order_of_another_side_or_ticker_looks_different() -> None:
    others = {fingerprint(request(Side.SELL)), fingerprint(request(ticker="AMD"))}
    assert made_unique(request(), others) == request()
    assert fingerprint(row()) == fingerprint(request())

"""What the guardian is left: the orders that a position counts, sales that may still be filled, and when it is told."""

import datetime as dt

import msgspec
import pytest

from core.model.commands import Sell
from core.model.instrument import Exchange
from core.model.order import LIVE_STATES, BrokerRef, Intent, IntentState, ManualOrder, OrderRequest, Side
from core.rules.intents import IntentEvent
from core.stages.trade.inputs import OrderAcked, OrderNotSent, OrderSending, OrdersRead, OrderWasRefused
from core.stages.trade.orders import move
from core.stages.trade.outcome import Protect
from tests.unit.core.builders import NOON, TICKER, intent, request, row
from tests.unit.core.harness import World

SELL = request(Side.SELL, 9)


def known(world: World, key: str, ref: BrokerRef | None, filled: int, *, order: OrderRequest = SELL) -> None:
    """An order of ours with that many shares filled."""
    made = intent(IntentState.CANCELLED, key=key, order=order, ref=ref, filled_qty=filled)
    world.book.intents[made.id] = made


def ref(odno: str, day: str = "20261117") -> BrokerRef:
    return BrokerRef(day, "B", odno)


def by_hand(odno: str, filled: int, *, ticker: str = TICKER, day: str = "20261117") -> ManualOrder:
    return ManualOrder(
        ref=ref(odno, day),
        ticker=ticker,
        exchange=Exchange.NASD,
        side=Side.BUY,
        filled_qty=filled,
        filled_usd=request().limit,
        seen_at=NOON,
    )


def test_every_order_that_the_count_comes_from_is_named_with_its_shares(holding: World) -> None:
    holding.book.intents.clear()
    known(holding, "a", ref("1"), 9, order=request(qty=9))
    known(holding, "b", ref("2"), 4)
    for order in (by_hand("3", 5), by_hand("4", 7, ticker="TSLA")):
        holding.book.manual[order.ref] = order
    assert holding.book.counted_orders() == {TICKER: {"20261117-1": 9, "20261117-2": 4, "20261117-3": 5}}


@pytest.mark.parametrize(
    ("found", "filled", "named"),
    [
        (ref("1"), 1, True),
        (ref("1"), 0, False),
        (None, 3, False),
        (ref("?abc"), 3, False),
        (ref("1", "20261116"), 3, True),
        (ref("1", "20261115"), 3, False),
    ],
    ids=["today", "unfilled", "unlisted", "seen-in-the-holdings", "yesterday", "before"],
)
def test_only_what_the_list_of_two_days_can_show_is_named(
    holding: World, found: BrokerRef | None, filled: int, named: bool
) -> None:
    holding.book.intents.clear()
    known(holding, "a", found, filled)
    assert bool(holding.book.counted_orders()[TICKER]) is named


def test_a_ticker_that_is_not_held_needs_no_orders(world: World) -> None:
    known(world, "a", ref("1"), 9)
    assert world.book.counted_orders() == {}


def test_the_days_are_those_of_new_york(holding: World) -> None:
    assert holding.book.yesterday() == "20261116"
    holding.book.at = dt.datetime(2026, 11, 18, 4, 59, tzinfo=dt.UTC)
    assert holding.book.yesterday() == "20261116"
    holding.book.at = dt.datetime(2026, 11, 18, 5, 0, tzinfo=dt.UTC)
    assert holding.book.yesterday() == "20261117"


@pytest.mark.parametrize("state", sorted(IntentState))
def test_shares_in_sales_that_may_be_filled_are_told_but_not_of_what_was_never_sent(
    holding: World, state: IntentState
) -> None:
    holding.book.intents.clear()
    sale = intent(state, order=SELL, filled_qty=2)
    holding.book.intents[sale.id] = sale
    counts = state in LIVE_STATES and state is not IntentState.PREPARED
    assert holding.book.selling() == ({TICKER: 7} if counts else {})


def test_sales_of_a_ticker_add_up_and_purchases_are_none(holding: World) -> None:
    holding.book.intents.clear()
    for key, order in (
        ("a", request(Side.SELL, 3)),
        ("b", request(Side.SELL, 4)),
        ("c", request(Side.SELL, 5, ticker="TSLA")),
        ("d", request(Side.BUY, 6)),
    ):
        made = intent(IntentState.WORKING, key=key, order=order)
        holding.book.intents[made.id] = made
    assert holding.book.selling() == {TICKER: 7, "TSLA": 5}


def sale(world: World, *, sent: bool) -> Intent:
    """A sale that is prepared, or being sent."""
    world.prices()
    world.hold_actions = True
    world.command(Sell(by="owner", ticker=TICKER))
    world.todo.clear()
    (made,) = world.book.live_intents(side=Side.SELL)
    if sent:
        world.stage.handle(OrderSending(at=world.at, intent_id=made.id, baseline=()))
    return world.book.intents[made.id]


def test_a_sale_that_ends_unfilled_is_told_to_the_guardian(holding: World) -> None:
    made = sale(holding, sent=True)
    outcome = holding.stage.handle(
        OrderWasRefused(at=holding.at, intent_id=made.id, code="X", message="no", passing=True)
    )
    assert Protect() in outcome.actions
    assert holding.book.selling() == {}


def test_a_sale_that_was_never_sent_and_one_that_goes_on_are_no_news(holding: World) -> None:
    made = sale(holding, sent=False)
    outcome = holding.stage.handle(OrderNotSent(at=holding.at, intent_id=made.id, reason="why"))
    assert Protect() not in outcome.actions
    made = msgspec.structs.replace(made, state=IntentState.SENDING, sent_at=holding.at)
    holding.book.intents[made.id] = made
    outcome = holding.stage.handle(OrderAcked(at=holding.at, intent_id=made.id, ref=ref("20")))
    assert Protect() not in outcome.actions


@pytest.mark.parametrize("event", [IntentEvent.CANCEL, IntentEvent.EXPIRE, IntentEvent.BROKER_REJECT])
def test_each_end_of_a_sale_is_told_and_that_of_a_purchase_is_not(holding: World, event: IntentEvent) -> None:
    for side, is_told in ((Side.SELL, True), (Side.BUY, False)):
        made = intent(IntentState.WORKING, order=request(side), sent_at=holding.at)
        holding.book.begin(holding.at)
        move(holding.book, made, event)
        assert (Protect() in holding.book.outcome().actions) is is_told


def test_a_fill_of_a_sale_is_told_with_the_smaller_position(holding: World) -> None:
    made = sale(holding, sent=True)
    holding.stage.handle(OrderAcked(at=holding.at, intent_id=made.id, ref=ref("20")))
    rows = (*holding.broker.rows(), row("20", order=made.request, filled=4))
    outcome = holding.stage.handle(OrdersRead(at=holding.at, orders=rows, complete=True))
    assert Protect() in outcome.actions
    assert (holding.book.selling(), holding.held()) == ({TICKER: 5}, 5)
    assert holding.book.counted_orders()[TICKER]["20261117-20"] == 4

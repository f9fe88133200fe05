"""An order on its way: stamped before the first byte, tried again only where it never arrived, cancelled when unwanted."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Panic, Pause, Reply, ReplyKey, Sell
from core.model.journal import LedgerKind
from core.model.messages import EventKind
from core.model.order import BrokerRef, Intent, IntentState, Side
from core.model.position import PlanState
from core.model.safety import TradingState
from core.rules.reconcile import Resolution
from core.stages.trade import CancelOrder, Protect
from core.stages.trade.inputs import (
    CancelAnswered,
    OrderAcked,
    OrderLost,
    OrderNotSent,
    OrderSending,
    OrdersRead,
    OrderWasRefused,
)
from tests.unit.core.builders import TICKER, row, seconds
from tests.unit.core.harness import World

D = Decimal


def prepared(world: World) -> Intent:
    """A buy of nine at $10.05 that the service has not taken up yet."""
    world.move("10.00")
    world.hold_actions = True
    world.buy_signal()
    world.tick()
    world.prices()
    world.tick()
    world.todo.clear()
    world.hold_actions = False
    (intent,) = world.book.live_intents()
    return intent


def prepared_sale(world: World) -> Intent:
    """A sale of everything that the service has not taken up yet."""
    world.prices()
    world.hold_actions = True
    world.command(Sell(by="owner", ticker=TICKER))
    world.todo.clear()
    world.hold_actions = False
    (intent,) = world.book.live_intents(TICKER, Side.SELL)
    return intent


def sending(world: World, intent: Intent, *baseline: str) -> Reply | None:
    return world.tell(OrderSending(at=world.at, intent_id=intent.id, baseline=baseline))


def now(world: World, intent: Intent) -> Intent:
    return world.book.intents[intent.id]


def ref(number: str) -> BrokerRef:
    return BrokerRef("20261117", "B", number)


# -- sending --------------------------------------------------------------------------------------------------------


def test_what_the_list_has_shown_and_what_the_service_saw_is_the_baseline(auto: World) -> None:
    intent = prepared(auto)
    rows = row("7", from_api=False), row("3", from_api=False), row("5", ticker="AMD", from_api=False)
    auto.tell(OrdersRead(at=auto.at, orders=rows, complete=True))
    auto.at += seconds(1)
    assert sending(auto, intent, "9", "7") is None
    stamped = now(auto, intent)
    assert stamped.baseline == ("3", "7", "9")
    assert (stamped.state, stamped.sent_at, stamped.updated_at) == (IntentState.SENDING, auto.at, auto.at)
    assert auto.journal.intents[intent.id] == stamped, "written before the first byte"


def test_the_owners_shares_are_noted_with_an_order_only_when_they_are_known(auto: World) -> None:
    auto.broker.by_hand(Side.BUY, 4, auto.at)
    auto.run(2)
    intent = prepared(auto)
    sending(auto, intent)
    assert now(auto, intent).own_qty == 4


def test_before_the_holdings_are_read_nobody_knows_the_owners_shares(auto: World) -> None:
    intent = prepared(auto)
    auto.book.holdings_reconciled = False
    sending(auto, intent)
    assert now(auto, intent).own_qty is None


def test_a_sending_counts_for_the_minute_and_the_day_and_a_buy_is_told_to_the_guardian(auto: World) -> None:
    intent = prepared(auto)
    outcome = auto.stage.handle(OrderSending(at=auto.at, intent_id=intent.id, baseline=()))
    assert outcome.actions == (Protect(),)
    assert list(auto.book.sent_at) == [auto.at]
    assert auto.book.day.orders == 1


def test_a_sale_that_is_sent_counts_for_the_day_and_is_told_to_the_guardian(holding: World) -> None:
    intent = prepared_sale(holding)
    before = holding.book.day.orders
    outcome = holding.stage.handle(OrderSending(at=holding.at, intent_id=intent.id, baseline=()))
    assert outcome.actions == (Protect(),), "it must not sell the same shares again"
    assert holding.book.selling() == {TICKER: intent.request.qty}
    assert holding.book.day.orders == before + 1


@pytest.mark.parametrize("command", [Pause(by="o"), Panic(by="o")])
def test_a_buy_that_was_stopped_meanwhile_is_void_and_the_service_is_told_not_to_send(
    auto: World, command: Pause | Panic
) -> None:
    intent = prepared(auto)
    auto.command(command)
    assert sending(auto, intent) == Reply(ok=False, key=ReplyKey.REFUSED)
    void = now(auto, intent)
    assert (void.state, void.reason, void.reserved_usd, void.sent_at) == (IntentState.VOIDED, "stopped", 0, None)
    assert auto.journal.booked(LedgerKind.VOID) == auto.journal.booked(LedgerKind.RESERVE) == intent.reserved_usd
    assert auto.book.day.orders == 0


def test_a_sale_is_sent_whatever_stops_the_buying(holding: World) -> None:
    intent = prepared_sale(holding)
    holding.command(Panic(by="o"))
    assert sending(holding, intent) is None
    assert now(holding, intent).state is IntentState.SENDING


def test_a_buy_whose_plan_is_gone_is_not_sent(auto: World) -> None:
    intent = prepared(auto)
    auto.book.plans.clear()
    assert sending(auto, intent) == Reply(ok=False, key=ReplyKey.REFUSED)


# -- what never arrived ----------------------------------------------------------------------------------------------


def test_a_tranche_that_was_not_sent_is_due_again_in_two_seconds(auto: World) -> None:
    intent = prepared(auto)
    assert auto.plan.next_tranche == 2
    auto.tell(OrderNotSent(at=auto.at, intent_id=intent.id, reason="no baseline"))
    assert (now(auto, intent).state, now(auto, intent).reason) == (IntentState.VOIDED, "no baseline")
    assert (auto.plan.next_tranche, auto.plan.next_at) == (1, auto.at + seconds(2))
    assert auto.plan.state is PlanState.RUNNING


def test_a_plan_that_has_ended_does_not_come_to_life_for_an_order_that_was_not_sent(auto: World) -> None:
    intent = prepared(auto)
    auto.command(Pause(by="o"))
    auto.tell(OrderNotSent(at=auto.at, intent_id=intent.id, reason="no baseline"))
    assert (auto.plan.state, auto.plan.next_at) == (PlanState.STOPPED, None)


def test_an_order_without_a_plan_is_void_all_the_same(auto: World) -> None:
    intent = prepared(auto)
    auto.book.plans.clear()
    auto.tell(OrderNotSent(at=auto.at, intent_id=intent.id, reason="no baseline"))
    assert now(auto, intent).state is IntentState.VOIDED


def test_a_buy_that_is_refused_for_a_passing_reason_is_tried_again_without_an_alarm(auto: World) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    auto.tell(
        OrderWasRefused(at=auto.at, intent_id=intent.id, code="EGW00201", message="too many requests", passing=True)
    )
    refused = now(auto, intent)
    assert (refused.state, refused.reason) == (IntentState.REJECTED, "EGW00201 too many requests")
    assert (auto.plan.state, auto.plan.next_tranche) == (PlanState.RUNNING, 1)
    assert not auto.events(EventKind.ORDER_REJECTED)
    auto.run(6)
    assert auto.held() == 9


def test_a_sale_that_is_refused_for_a_passing_reason_is_tried_again_without_an_alarm(holding: World) -> None:
    intent = prepared_sale(holding)
    sending(holding, intent)
    holding.tell(OrderWasRefused(at=holding.at, intent_id=intent.id, code="EGW00123", message="", passing=True))
    assert now(holding, intent).reason == "EGW00123"
    assert holding.book.exits[TICKER].retry_at == holding.at + seconds(5)
    assert not holding.events(EventKind.ORDER_REJECTED)
    holding.run(8)
    assert holding.held() == 0


def test_a_refusal_for_good_ends_the_plan_but_not_the_sale(holding: World) -> None:
    intent = prepared_sale(holding)
    sending(holding, intent)
    holding.tell(OrderWasRefused(at=holding.at, intent_id=intent.id, code="APBK", message="no"))
    assert holding.book.exits[TICKER].retry_at == holding.at + seconds(5)
    assert holding.plan.state is PlanState.DONE


def test_a_refused_buy_whose_plan_is_gone_is_still_told(auto: World) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    auto.book.plans.clear()
    auto.tell(OrderWasRefused(at=auto.at, intent_id=intent.id, code="APBK", message="no"))
    assert len(auto.events(EventKind.ORDER_REJECTED)) == 1


# -- acknowledged, and not wanted any more ---------------------------------------------------------------------------


def test_an_acknowledged_order_has_the_brokers_name(auto: World) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    outcome = auto.stage.handle(OrderAcked(at=auto.at, intent_id=intent.id, ref=ref("1")))
    assert (now(auto, intent).state, now(auto, intent).ref) == (IntentState.ACKED, ref("1"))
    assert outcome.actions == ()


def test_a_buy_that_nobody_wants_any_more_is_cancelled_as_soon_as_it_is_acknowledged(auto: World) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    auto.command(Pause(by="o"))
    outcome = auto.stage.handle(OrderAcked(at=auto.at, intent_id=intent.id, ref=ref("1")))
    assert outcome.actions == (CancelOrder(intent.id),)


def test_a_sale_is_never_unwanted(holding: World) -> None:
    intent = prepared_sale(holding)
    sending(holding, intent)
    holding.command(Panic(by="o"))
    outcome = holding.stage.handle(OrderAcked(at=holding.at, intent_id=intent.id, ref=ref("20")))
    assert outcome.actions == ()


def test_only_an_order_that_the_broker_has_is_cancelled_and_the_asking_is_dated(auto: World) -> None:
    intent = prepared(auto)
    assert auto.stage.begin_cancel(intent.id, auto.at) is None
    sending(auto, intent)
    assert auto.stage.begin_cancel(intent.id, auto.at) is None, "its number is not known yet"
    auto.tell(OrderAcked(at=auto.at, intent_id=intent.id, ref=ref("1")))
    auto.at += seconds(1)
    assert auto.stage.begin_cancel(intent.id, auto.at) is not None
    asked = now(auto, intent)
    assert (asked.state, asked.cancel_requested_at) == (IntentState.CANCEL_REQ, auto.at)


def test_a_finished_order_is_not_cancelled(auto: World) -> None:
    auto.buy_signal()
    auto.run(62)
    (intent,) = auto.book.intents.values()
    assert intent.state is IntentState.FILLED
    assert auto.stage.begin_cancel(intent.id, auto.at) is None


@pytest.mark.parametrize(("known", "state"), [(True, IntentState.CANCEL_REQ), (False, IntentState.CANCEL_UNKNOWN)])
def test_the_answer_to_a_cancel_is_never_final(auto: World, known: bool, state: IntentState) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    auto.tell(OrderAcked(at=auto.at, intent_id=intent.id, ref=ref("1")))
    auto.stage.begin_cancel(intent.id, auto.at)
    auto.tell(CancelAnswered(at=auto.at, intent_id=intent.id, known=known))
    assert now(auto, intent).state is state


def test_a_lost_answer_to_a_cancel_of_what_has_filled_meanwhile_changes_nothing(auto: World) -> None:
    auto.buy_signal()
    auto.run(62)
    (intent,) = auto.book.intents.values()
    auto.tell(CancelAnswered(at=auto.at, intent_id=intent.id, known=False))
    assert now(auto, intent).state is IntentState.FILLED


# -- nobody knows ----------------------------------------------------------------------------------------------------


def test_a_lost_buy_is_dated_and_closes_its_ticker_for_sixteen_hours(auto: World) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    auto.tell(OrderLost(at=auto.at, intent_id=intent.id, reason="timeout"))
    lost = now(auto, intent)
    assert (lost.state, lost.lost_at, lost.reason) == (IntentState.UNKNOWN, auto.at, "timeout")
    assert lost.reserved_usd == intent.reserved_usd, "it may have been bought"
    lock = auto.book.locks[TICKER]
    assert (lock.reason, lock.until) == ("order_unknown", auto.at + dt.timedelta(hours=16))
    assert (auto.plan.state, auto.plan.reason) == (PlanState.STOPPED, "order_unknown")


def test_a_lost_sale_closes_nothing(holding: World) -> None:
    intent = prepared_sale(holding)
    sending(holding, intent)
    holding.tell(OrderLost(at=holding.at, intent_id=intent.id, reason="timeout"))
    assert TICKER not in holding.book.locks
    assert holding.plan.state is PlanState.DONE


def test_where_one_shot_is_off_the_plan_waits_for_the_lost_order(auto: World) -> None:
    auto.book.resolution = Resolution(one_shot=False)
    intent = prepared(auto)
    sending(auto, intent)
    auto.tell(OrderLost(at=auto.at, intent_id=intent.id, reason="timeout"))
    assert auto.plan.state is PlanState.RUNNING
    assert TICKER not in auto.book.locks
    auto.run(240)
    assert now(auto, intent).state is IntentState.NOT_PLACED
    assert (auto.plan.state, auto.plan.reason) == (PlanState.STOPPED, "order_unknown")
    assert TICKER not in auto.book.locks


def test_a_lost_buy_whose_plan_is_gone_still_closes_the_ticker(auto: World) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    auto.book.plans.clear()
    auto.tell(OrderLost(at=auto.at, intent_id=intent.id, reason="timeout"))
    assert auto.book.locks[TICKER].reason == "order_unknown"


def test_an_order_that_our_own_restart_interrupted_ends_nothing(auto: World) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    auto.tell(OrderLost(at=auto.at, intent_id=intent.id, reason="restart"))
    assert auto.plan.state is PlanState.RUNNING
    assert TICKER not in auto.book.locks
    assert len(auto.events(EventKind.ORDER_UNKNOWN)) == 1


def lose_one(world: World, ticker: str, reason: str = "timeout") -> None:
    """A buy of a ticker is lost now."""
    world.move("10.00")
    world.hold_actions = True
    world.buy_signal(ticker=ticker)
    world.tick()
    world.prices()
    world.tick()
    world.todo.clear()
    world.hold_actions = False
    (intent,) = world.book.live_intents(ticker)
    sending(world, intent)
    world.tell(OrderLost(at=world.at, intent_id=intent.id, reason=reason))


@pytest.mark.parametrize(("apart_s", "closed"), [(600, True), (601, False)])
def test_two_lost_orders_close_the_entries_only_within_ten_minutes(auto: World, apart_s: int, closed: bool) -> None:
    lose_one(auto, "TSLA")
    auto.at += seconds(apart_s)
    lose_one(auto, "AAPL")
    assert (auto.book.trading_state is TradingState.REDUCING) is closed
    if closed:
        (block,) = auto.book.standing()
        assert (block.reason, block.detail, block.until) == ("broker_sick", "2", None)


def test_what_our_own_restart_interrupted_does_not_make_the_broker_sick(auto: World) -> None:
    lose_one(auto, "TSLA", "restart")
    lose_one(auto, "AAPL")
    assert auto.book.trading_state is TradingState.ACTIVE
    lose_one(auto, "AMD")
    assert auto.book.trading_state is TradingState.REDUCING


def test_orders_that_were_never_lost_do_not_make_the_broker_sick(auto: World) -> None:
    auto.move("10.00")
    auto.buy_signal(ticker="MSFT")
    auto.run(10)
    lose_one(auto, "AAPL")
    assert auto.book.trading_state is TradingState.ACTIVE


def test_a_final_state_gives_back_what_was_reserved_and_keeps_the_earlier_reason(auto: World) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    auto.tell(OrderLost(at=auto.at, intent_id=intent.id, reason="timeout"))
    found = row("1", order=intent.request, open_qty=0, cancelled=True)
    for _ in range(2):
        auto.at += seconds(2)
        auto.tell(OrdersRead(at=auto.at, orders=(found,), complete=True))
    over = now(auto, intent)
    assert (over.state, over.reason, over.reserved_usd) == (IntentState.CANCELLED, "timeout", 0)
    void = [b for b in auto.journal.ledger if b.kind is LedgerKind.VOID]
    assert [(b.intent_id, b.usd, b.at) for b in void] == [(intent.id, intent.reserved_usd, auto.at)]


def test_an_order_that_is_only_acknowledged_keeps_its_reservation(auto: World) -> None:
    intent = prepared(auto)
    sending(auto, intent)
    auto.tell(OrderAcked(at=auto.at, intent_id=intent.id, ref=ref("1")))
    assert now(auto, intent).reserved_usd == intent.reserved_usd == D("90.68")
    assert msgspec.structs.asdict(now(auto, intent))["reason"] == ""

"""Buying end to end: from a signal to ten tranches."""

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import pytest

from core.model.commands import Approve, Buy, CancelOrders, Ignore, Panic, Pause, ReplyKey, Resume, SetMode, Unlock
from core.model.journal import LedgerKind
from core.model.messages import EventKind
from core.model.order import IntentState, Side
from core.model.params import TradingParams
from core.model.position import PlanState
from core.model.signal import SignalType
from core.stages.trade import PlaceOrder
from core.stages.trade.inputs import BrokerHealth, OrderAcked, OrderNotSent, OrderSending, OrdersRead, ParamsChanged
from tests.unit.core.builders import TICKER, seconds
from tests.unit.core.harness import World


def approve(world: World, nonce: str | None = None) -> ReplyKey:
    command = Approve(by="owner", plan_id=world.plan.id, nonce=world.plan.nonce if nonce is None else nonce)
    return world.command(command).key


def test_a_signal_becomes_a_proposal_that_waits_for_the_tap(world: World) -> None:
    world.buy_signal()
    world.run(60)
    assert world.plan.state is PlanState.PROPOSED
    assert not world.broker.orders
    assert len(world.events(EventKind.PROPOSED)) == 1


def test_an_approved_plan_buys_ten_tranches_one_minute_apart_and_completes(world: World) -> None:
    world.buy_signal()
    assert approve(world) is ReplyKey.APPROVED
    world.run(660, every=2)
    assert world.plan.state is PlanState.DONE
    sent = [o.sent_at for o in world.broker.sent(Side.BUY)]
    gaps = {(b - a).total_seconds() for a, b in pairwise(sent)}
    assert gaps <= {58, 60, 62, 120}, "each tranche is due a minute after the one before; a carried-over one, two"
    assert world.held() == world.broker.bought() == 9
    complete = world.events(EventKind.BUY_COMPLETE)
    assert [c["qty"] for c in complete] == [9]
    # ₩1,000,000 at 1000 KRW/USD: nine shares at $100.50 and commission; a tenth would exceed the budget
    assert Decimal(complete[0]["total_krw"]) == 900_000


def test_a_dear_stock_gets_the_whole_shares_its_budget_allows(auto: World) -> None:
    auto.move("143.00")
    auto.bought_position()
    assert auto.held() == 6
    assert len(auto.broker.orders) == 6


def test_auto_mode_buys_without_asking(auto: World) -> None:
    auto.buy_signal()
    auto.run(10)
    assert auto.plan.decided_by == "auto"
    assert not auto.events(EventKind.PROPOSED)
    assert len(auto.events(EventKind.PLAN_STARTED)) == 1


def test_watch_mode_never_buys(world: World) -> None:
    world.command(SetMode(by="owner", mode="watch"))
    world.buy_signal()
    world.run(120)
    assert not world.journal.plans
    assert world.events(EventKind.PLAN_REFUSED)[0]["reason"] == "mode_watch"


def test_a_watch_signal_is_only_written_down(world: World) -> None:
    told = world.buy_signal(SignalType.WATCH)
    world.deliver(told)
    assert world.journal.decisions == {told.id: "WATCH"}
    assert not world.journal.events


def test_a_redelivered_signal_is_decided_once(auto: World) -> None:
    told = auto.buy_signal()
    auto.deliver(told)
    auto.restart()
    auto.deliver(told)
    assert len(auto.events(EventKind.PLAN_STARTED)) == 1
    assert not auto.events(EventKind.PLAN_REFUSED)


def test_ignoring_a_proposal_ends_it(world: World) -> None:
    world.buy_signal()
    plan = world.plan
    assert world.command(Ignore(by="owner", plan_id=plan.id, nonce=plan.nonce)).key is ReplyKey.IGNORED
    assert world.plan.state is PlanState.IGNORED
    assert approve(world) is ReplyKey.ALREADY_DECIDED


def test_ignoring_a_running_plan_stops_the_rest_and_keeps_the_shares(auto: World) -> None:
    auto.buy_signal()
    auto.run(190)
    plan, before = auto.plan, auto.held()
    assert before > 0
    reply = auto.command(Ignore(by="owner", plan_id=plan.id, nonce=plan.nonce))
    assert (reply.key, reply.values["tranches_done"]) == (ReplyKey.IGNORED, plan.next_tranche - 1)
    auto.run(600, every=10)
    assert auto.held() == before


def test_a_proposal_expires(world: World) -> None:
    world.buy_signal()
    world.run(602, every=7)
    assert world.plan.state is PlanState.EXPIRED
    assert approve(world) is ReplyKey.EXPIRED
    assert len(world.events(EventKind.PLAN_EXPIRED)) == 1


def test_a_tap_after_the_expiry_is_late_even_when_no_tick_came(world: World) -> None:
    world.buy_signal()
    world.at = world.plan.expires_at
    assert approve(world) is ReplyKey.EXPIRED


def test_a_moved_price_asks_again_with_a_new_nonce(world: World) -> None:
    world.buy_signal()
    first = world.plan.nonce
    world.at += seconds(30)
    beyond = 100 + Decimal(str(world.params.approval_drift_pct)) + Decimal("0.01")
    world.move(str(beyond))
    reply = world.command(Approve(by="owner", plan_id=world.plan.id, nonce=first))
    assert reply.key is ReplyKey.CHANGED
    assert reply.values["price_before"] == "100"
    assert reply.values["price_after"] == str(beyond)
    assert world.plan.state is PlanState.PROPOSED
    assert world.plan.nonce != first
    assert approve(world, first) is ReplyKey.WRONG_NONCE
    assert approve(world) is ReplyKey.APPROVED


def test_a_price_within_the_tolerated_drift_does_not_ask_again(world: World) -> None:
    world.buy_signal()
    world.at += seconds(30)
    edge = 100 + Decimal(str(world.params.approval_drift_pct))
    world.move(str(edge))
    assert approve(world) is ReplyKey.APPROVED
    assert world.plan.reference_price == edge


def test_a_smaller_budget_asks_again(world: World) -> None:
    world.buy_signal()
    world.at += seconds(5)
    world.broker.cash = Decimal(500)
    assert approve(world) is ReplyKey.CHANGED
    assert world.plan.budget_krw == 500_000


def test_a_wrong_nonce_approves_nothing(world: World) -> None:
    world.buy_signal()
    assert approve(world, "forged") is ReplyKey.WRONG_NONCE
    assert world.plan.state is PlanState.PROPOSED


def test_a_replayed_approval_changes_nothing(world: World) -> None:
    world.buy_signal()
    nonce = world.plan.nonce
    assert approve(world) is ReplyKey.APPROVED
    assert approve(world, nonce) is ReplyKey.ALREADY_DECIDED
    assert len(world.events(EventKind.PLAN_STARTED)) == 1


def test_an_unknown_plan_is_named(world: World) -> None:
    assert world.command(Approve(by="o", plan_id="x")).key is ReplyKey.UNKNOWN_PLAN
    assert world.command(Ignore(by="o", plan_id="x")).key is ReplyKey.UNKNOWN_PLAN


def test_an_approval_is_checked_again(world: World) -> None:
    world.buy_signal()
    world.command(Pause(by="owner"))
    assert world.plan.state is PlanState.STOPPED
    assert approve(world) is ReplyKey.ALREADY_DECIDED


@pytest.mark.parametrize(("command", "event"), [(Pause(by="o"), EventKind.PAUSED), (Panic(by="o"), EventKind.PANICKED)])
def test_pause_and_panic_stop_buying_cancel_open_buys_and_survive_a_restart(
    auto: World, command: Pause | Panic, event: EventKind
) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(4)
    assert auto.command(command).key is ReplyKey.DONE
    assert auto.broker.cancels == 1
    assert auto.command(command).key is ReplyKey.NOTHING_TO_DO
    auto.restart()
    auto.at += seconds(60)
    auto.tick()
    auto.buy_signal()
    auto.run(60)
    assert len(auto.broker.orders) == 1
    assert len(auto.events(event)) == 1
    assert auto.command(Resume(by="o")).key is ReplyKey.DONE
    assert auto.command(Resume(by="o")).key is ReplyKey.NOTHING_TO_DO
    auto.buy_signal()
    auto.run(20)
    assert len(auto.broker.orders) == 2


def test_cancel_stops_the_plan_and_its_open_order(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(4)
    assert auto.command(CancelOrders(by="o", ticker="ELSE")).key is ReplyKey.NOTHING_TO_DO
    assert auto.command(CancelOrders(by="o", ticker=TICKER)).values["stopped"] == 2
    auto.run(4)
    assert auto.plan.state is PlanState.STOPPED
    assert not auto.book.live_intents()


def test_a_tranche_that_stays_unfilled_is_cancelled_and_its_money_goes_to_the_next(auto: World) -> None:
    auto.broker.accidents.extend(["ok", "rest"])
    auto.move("20.00")
    auto.buy_signal()
    auto.run(60 + 180 - 20)
    rested = auto.broker.orders[1]
    assert not rested.cancelled
    assert len(auto.broker.orders) == 2, "one live buy at a time"
    auto.run(60)
    assert rested.cancelled
    assert auto.broker.orders[2].request.qty > rested.request.qty
    auto.run(600, every=5)
    assert auto.plan.state is PlanState.DONE
    assert auto.held() == auto.broker.bought() == 49


def test_a_lost_cancel_is_asked_again(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(4)
    auto.broker.cancel_lost = True
    auto.command(CancelOrders(by="o"))
    live = auto.book.live_intents()[0]
    assert live.state is IntentState.CANCEL_UNKNOWN
    auto.broker.cancel_lost = False
    auto.run(40)
    assert auto.broker.cancels == 1
    assert not auto.book.live_intents()


def test_partial_fills_are_booked_cumulatively_whatever_their_order(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(4)
    order = auto.broker.orders[0]
    assert order.request.qty == 9
    shots = []
    for _ in range(3):
        auto.broker.match(order, 2)
        shots.append(auto.broker.rows())
    for rows in (shots[0], shots[2], shots[1], shots[2]):
        auto.at += seconds(1)
        auto.tell(OrdersRead(at=auto.at, orders=rows, complete=True))
    assert auto.held() == 6
    assert [f.qty for f in auto.journal.fills.values()] == [2, 4]
    assert auto.book.live_intents()[0].state is IntentState.PARTIAL


def test_a_fill_after_the_cancel_is_booked(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(4)
    auto.command(CancelOrders(by="o"))
    auto.run(4)
    order = auto.broker.orders[0]
    assert auto.book.intents
    assert not auto.book.live_intents()
    order.cancelled = False
    auto.broker.match(order, 3)
    order.cancelled = True
    auto.run(4)
    assert auto.held() == 3


def test_a_lost_buy_closes_its_ticker_for_the_session_and_is_booked_when_it_is_found(auto: World) -> None:
    auto.broker.accidents.append("hide")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(120)
    assert len(auto.events(EventKind.ORDER_UNKNOWN)) == 1
    assert (auto.plan.state, auto.plan.reason) == (PlanState.STOPPED, "order_unknown")
    auto.broker.orders[0].hidden = False
    auto.run(4)
    assert auto.held() == auto.broker.bought() > 0
    auto.buy_signal()
    auto.run(600, every=5)
    assert len(auto.broker.orders) == 1, "never a second order of that ticker in that session"


def test_a_buy_that_was_on_its_way_when_the_trader_restarted_goes_on_once_it_is_found(auto: World) -> None:
    auto.broker.accidents.append("hide")
    auto.move("10.00")
    auto.hold_actions = True
    auto.buy_signal()
    auto.run(2)
    (placing,) = [a for a in auto.todo if isinstance(a, PlaceOrder)]
    auto.tell(OrderSending(at=auto.at, intent_id=placing.intent_id, baseline=()))
    auto.broker.place(auto.book.intents[placing.intent_id].request, auto.at)
    auto.hold_actions = False
    auto.restart()
    auto.run(60)
    assert len(auto.broker.orders) == 1, "no next tranche beside an order nobody knows of"
    auto.broker.orders[0].hidden = False
    auto.run(4)
    assert len(auto.broker.orders) == 2, "the plan goes on"
    assert auto.held() == auto.broker.bought()
    assert TICKER not in auto.book.locks


def test_a_buy_that_never_arrived_is_given_up_after_the_quarantine_and_never_sent_again(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("vanish")
    auto.buy_signal()
    auto.run(170)
    assert auto.book.live_intents()[0].state is IntentState.UNKNOWN
    auto.run(60)
    assert [i.state for i in auto.book.intents.values()] == [IntentState.NOT_PLACED]
    assert (auto.plan.state, auto.plan.reason) == (PlanState.STOPPED, "order_unknown")
    auto.buy_signal()
    assert auto.events(EventKind.PLAN_REFUSED)[-1]["reason"] == "locked"
    auto.run(600, every=5)
    assert not auto.broker.orders
    assert auto.journal.booked(LedgerKind.RESERVE) == auto.journal.booked(LedgerKind.VOID) > 0


def test_an_incomplete_list_never_proves_that_an_order_is_missing(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("vanish")
    auto.buy_signal()
    auto.step()
    auto.complete = False
    auto.run(600, every=5)
    assert auto.book.live_intents()[0].state is IntentState.UNKNOWN


def test_a_buy_that_appears_after_the_quarantine_is_booked_and_watched(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("hide")
    auto.buy_signal()
    auto.run(240)
    auto.broker.orders[0].hidden = False
    auto.run(10)
    assert auto.held() == auto.broker.bought() > 0


def test_a_refused_buy_stops_the_plan_and_gives_its_money_back(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("refuse")
    auto.buy_signal()
    auto.run(120)
    assert auto.plan.reason == "order_rejected"
    assert auto.events(EventKind.ORDER_REJECTED)[0]["code"] == "APBK"
    assert auto.journal.booked(LedgerKind.RESERVE) == auto.journal.booked(LedgerKind.VOID)


def test_a_buy_rejected_later_by_the_exchange_is_released(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("rest")
    auto.buy_signal()
    auto.run(2)
    auto.broker.orders[0].rejected = True
    auto.run(4)
    assert [i.state for i in auto.book.intents.values()] == [IntentState.BROKER_REJECTED]
    assert auto.plan.state is PlanState.STOPPED


def test_a_buy_without_baseline_is_not_sent_and_its_tranche_is_due_again(auto: World) -> None:
    auto.hold_actions = True
    auto.move("10.00")
    auto.buy_signal()
    auto.tick()
    auto.prices()
    auto.tick()
    first = auto.book.live_intents()[0]
    auto.todo.clear()
    auto.tell(OrderNotSent(at=auto.at, intent_id=first.id, reason="no baseline"))
    assert auto.plan.next_tranche == 1
    auto.hold_actions = False
    auto.run(6)
    assert auto.held() == 9


def test_the_daily_cap_limits_the_budget_and_then_refuses(auto: World) -> None:
    auto.tell(ParamsChanged(at=auto.at, params=TradingParams(mode="auto", daily_buy_limit=1_500_000)))
    auto.bought_position()
    auto.at += seconds(60)
    spent = auto.book.day.bought_krw
    auto.buy_signal(ticker="AMD")
    assert auto.plan.budget_krw == 1_500_000 - spent
    auto.run(60)
    auto.buy_signal(ticker="TSLA")
    assert auto.events(EventKind.PLAN_REFUSED)[-1]["reason"] == "daily_limit"


def test_no_more_than_max_positions(auto: World) -> None:
    auto.tell(ParamsChanged(at=auto.at, params=TradingParams(mode="auto", max_positions=2)))
    for ticker in ("AAA", "BBB", "CCC"):
        auto.buy_signal(ticker=ticker)
    assert len(auto.journal.plans) == 2
    assert auto.events(EventKind.PLAN_REFUSED)[-1]["reason"] == "max_positions"


def test_a_held_or_planned_ticker_is_not_bought_again(holding: World) -> None:
    holding.buy_signal()
    assert holding.events(EventKind.PLAN_REFUSED)[-1]["reason"] == "held"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"delay_ms": 900_000}, "delayed_feed"),
        ({"delay_ms": 91_000}, "delayed_feed"),
    ],
)
def test_delayed_data_never_buys(auto: World, more: dict[str, int], reason: str) -> None:
    auto.buy_signal(**more)
    assert auto.events(EventKind.PLAN_REFUSED)[-1]["reason"] == reason


@pytest.mark.parametrize(("change", "reason"), [("in_window", "outside_window"), ("halted", "halt_file")])
def test_leaving_the_window_or_the_halt_file_ends_the_remaining_tranches(auto: World, change: str, reason: str) -> None:
    auto.buy_signal()
    auto.run(70)
    setattr(auto, change, change == "halted")
    auto.run(4)
    assert (auto.plan.state, auto.plan.reason) == (PlanState.STOPPED, reason)


def test_a_silent_broker_delays_the_tranches_and_refuses_new_plans(auto: World) -> None:
    auto.buy_signal()
    auto.run(10)
    auto.tell(BrokerHealth(at=auto.at, ok=False, detail="timeout"))
    placed = len(auto.broker.orders)
    auto.run(120)
    assert len(auto.broker.orders) == placed
    assert auto.plan.state is PlanState.RUNNING
    auto.buy_signal(ticker="AMD")
    assert auto.events(EventKind.PLAN_REFUSED)[-1]["reason"] == "broker_down"
    auto.tell(BrokerHealth(at=auto.at, ok=True))
    auto.run(10)
    assert len(auto.broker.orders) == placed + 1
    assert len(auto.events(EventKind.BROKER_DOWN)) == len(auto.events(EventKind.BROKER_UP)) == 1


def test_nothing_is_bought_before_the_first_complete_reading() -> None:
    fresh = World(TradingParams(mode="auto"), reconciled=False)
    fresh.tick()
    fresh.buy_signal()
    assert fresh.events(EventKind.PLAN_REFUSED)[0]["reason"] == "not_reconciled"


def test_no_tranche_without_a_fresh_price(auto: World) -> None:
    auto.buy_signal()
    for _ in range(30):
        auto.at += seconds(1)
        auto.tick()
    assert not auto.broker.orders


def test_a_new_day_resets_the_counters(holding: World) -> None:
    assert holding.book.day.bought_krw > 0
    holding.at += dt.timedelta(days=1)
    holding.tick()
    assert holding.book.day.bought_krw == 0


def test_an_unlocked_ticker_may_be_bought_again(auto: World) -> None:
    auto.broker.accidents.append("refuse")
    assert auto.command(Unlock(by="o", ticker=TICKER)).key is ReplyKey.NOTHING_TO_DO
    auto.book.lock(TICKER, "test", auto.at + seconds(600))
    assert auto.command(Unlock(by="o", ticker=TICKER)).key is ReplyKey.DONE


def test_a_hand_made_buy_is_proposed_and_its_repetition_recognised(world: World) -> None:
    command = Buy(by="o", nonce="n1", ticker=TICKER, amount_krw=300_000)
    assert world.command(command).key is ReplyKey.DONE
    assert world.plan.budget_krw == 300_000
    assert world.command(command).ok is False
    assert len(world.journal.plans) == 1


def test_a_hand_made_buy_in_watch_mode_can_be_approved(world: World) -> None:
    world.move("10.00")
    world.command(SetMode(by="o", mode="watch"))
    assert world.command(Buy(by="o", nonce="n1", ticker=TICKER)).key is ReplyKey.DONE
    assert approve(world) is ReplyKey.APPROVED
    world.run(20)
    assert world.broker.orders


def test_an_order_that_was_not_sent_yet_is_not_sent_after_a_panic(auto: World) -> None:
    auto.move("10.00")
    auto.hold_actions = True
    auto.buy_signal()
    auto.hold_actions = False
    waiting, auto.todo = list(auto.todo), auto.todo.__class__()
    assert waiting
    auto.command(Panic(by="o"))
    auto.todo.extend(waiting)
    auto.work()
    assert not auto.broker.orders


def test_an_order_that_was_on_its_way_during_a_panic_is_cancelled_once_acknowledged(auto: World) -> None:
    auto.move("10.00")
    auto.hold_actions = True
    auto.buy_signal()
    intent = auto.book.live_intents()[0]
    auto.todo.clear()
    auto.hold_actions = False
    auto.tell(OrderSending(at=auto.at, intent_id=intent.id, baseline=()))
    auto.broker.accidents.append("rest")
    ref = auto.broker.place(intent.request, auto.at)
    auto.command(Panic(by="o"))
    auto.tell(OrderAcked(at=auto.at, intent_id=intent.id, ref=ref))
    auto.run(30)
    assert auto.broker.orders[0].cancelled


def test_the_first_tranche_goes_out_with_the_decision_and_by_its_price(auto: World) -> None:
    auto.move("10.00")
    auto.hold_actions = True
    auto.buy_signal()
    (intent,) = auto.book.live_intents()
    assert intent.tranche == 1
    assert intent.created_at == auto.at
    assert intent.request.limit >= Decimal("10.00")

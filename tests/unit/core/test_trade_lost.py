"""Orders whose fate is not told: found in the list, seen in the holdings, given up, or left to a person."""

from decimal import Decimal

import msgspec

from core.model.commands import OwnOrder, ReplyKey
from core.model.journal import LedgerKind
from core.model.messages import EventKind
from core.model.order import BrokerRef, IntentState, Side
from core.model.params import TradingParams
from core.model.position import PlanState
from core.model.safety import TradingState
from core.stages.trade import TradeStage
from core.stages.trade.inputs import GuardianSold, OrderSending, OrdersRead
from tests.unit.core.builders import NOON, TICKER, row, seconds
from tests.unit.core.harness import FakeOrder, World


def lost(world: World, accident: str = "hide") -> None:
    """A buy whose answer is lost."""
    world.move("10.00")
    world.broker.accidents.append(accident)
    world.buy_signal()
    world.run(2)


def test_shares_that_only_the_holdings_show_are_booked_guarded_and_corrected_later(auto: World) -> None:
    lost(auto)
    (order,) = auto.broker.orders
    assert order.filled == 9
    auto.run(56)
    assert auto.held() == 0, "one witness is not enough"
    auto.run(10)
    assert auto.held() == 9
    position = auto.book.positions[TICKER]
    assert position.avg_price == order.request.limit, "dearer than it was, until the list tells"
    assert position.own_qty == 0
    order.hidden = False
    auto.run(4)
    position = auto.book.positions[TICKER]
    assert (position.qty, position.avg_price) == (9, Decimal("10.0000"))
    assert position.stop_price == Decimal("8.50")
    (intent,) = auto.book.intents.values()
    assert (intent.state, intent.ref, intent.estimated) == (IntentState.FILLED, order.ref, False)
    assert not auto.events(EventKind.MANUAL_BOUGHT)


def test_where_the_owner_trades_by_hand_too_the_holdings_alone_prove_nothing(auto: World) -> None:
    lost(auto)
    auto.broker.by_hand(Side.BUY, 3, auto.at)
    auto.run(120)
    assert auto.held() == 0
    auto.broker.orders[0].hidden = False
    auto.run(4)
    assert auto.held() == 9


def test_the_stop_works_on_shares_that_only_the_holdings_show(auto: World) -> None:
    lost(auto)
    auto.run(70)
    auto.move("5.00")
    auto.run(20)
    assert auto.broker.shares[TICKER] == 0


def test_more_shares_than_a_lost_order_explains_are_the_owners_own(auto: World) -> None:
    """Nothing stays unknown for ever because of them, and none of them is ever sold."""
    lost(auto, "vanish")
    auto.broker.shares[TICKER] = 30
    auto.run(60)
    (intent,) = auto.book.live_intents()
    assert intent.state is IntentState.UNKNOWN
    auto.run(340)
    assert auto.book.intents[intent.id].state is IntentState.NOT_PLACED
    own = auto.book.counted(TICKER)
    assert (auto.held(), own.qty, own.unexplained) == (0, 30, 30)


def test_a_fill_that_is_booked_after_a_restart_before_the_holdings_are_read_knows_the_owners_shares() -> None:
    auto = World(TradingParams(mode="auto"), reconciled=False)
    auto.broker.shares[TICKER] = 16
    auto.read()
    auto.tick()
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(2)
    (order,) = auto.broker.orders
    auto.broker.match(order)
    auto.stage = TradeStage(auto.params, auto.journal.load(), auto.at)
    auto.tell(OrdersRead(at=auto.at, orders=auto.broker.rows(), complete=True))
    position = auto.book.positions[TICKER]
    assert (position.qty, position.own_qty) == (9, 16)


def test_an_order_that_appears_after_it_was_given_up_is_booked_and_its_rest_cancelled(auto: World) -> None:
    lost(auto, "vanish")
    auto.run(240)
    (intent,) = auto.book.intents.values()
    assert intent.state is IntentState.NOT_PLACED
    late = FakeOrder(BrokerRef("20261117", "B", "77"), intent.request, auto.at)
    auto.broker.orders.append(late)
    auto.broker.match(late, 4)
    auto.run(10)
    assert auto.held() == 4
    assert late.cancelled
    assert auto.journal.booked(LedgerKind.RESERVE) == auto.journal.booked(LedgerKind.POST) + auto.journal.booked(
        LedgerKind.VOID
    )


def twins(world: World) -> tuple[FakeOrder, FakeOrder]:
    """Two orders of an API client that both look like the lost one."""
    lost(world, "vanish")
    (intent,) = world.book.live_intents()
    made = [FakeOrder(BrokerRef("20261117", "B", n), intent.request, world.at) for n in ("71", "72")]
    for order in made:
        world.broker.orders.append(order)
    world.broker.match(made[0])
    world.run(4)
    assert world.book.intents[intent.id].state is IntentState.HUMAN
    assert world.book.trading_state is TradingState.REDUCING
    return made[0], made[1]


def test_a_person_says_that_one_of_two_is_ours(auto: World) -> None:
    first, _ = twins(auto)
    reply = auto.command(OwnOrder(by="owner", ticker=TICKER, placed=True))
    assert reply.key is ReplyKey.DONE
    (intent,) = auto.book.intents.values()
    assert (intent.state, intent.ref) == (IntentState.FILLED, first.ref)
    assert auto.held() == first.filled


def test_a_person_says_that_none_is_ours(auto: World) -> None:
    twins(auto)
    assert auto.command(OwnOrder(by="owner", ticker=TICKER, placed=False)).key is ReplyKey.DONE
    auto.run(30)
    (intent,) = auto.book.intents.values()
    assert intent.state is IntentState.NOT_PLACED
    assert auto.held() == 0
    assert auto.events(EventKind.MANUAL_BOUGHT), "then they are another client's"
    assert auto.command(OwnOrder(by="owner", ticker=TICKER, placed=False)).key is ReplyKey.NOTHING_TO_DO


def test_a_cancelled_buy_is_final_only_when_two_complete_readings_say_so(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(4)
    (order,) = auto.broker.orders
    order.cancelled = True
    auto.read()
    (intent,) = auto.book.intents.values()
    assert intent.live, "a fill may still land"
    order.cancelled = False
    auto.broker.match(order, 3)
    order.cancelled = True
    auto.at += seconds(1)
    auto.read()
    assert auto.book.intents[intent.id].live
    auto.complete = False
    auto.at += seconds(5)
    auto.read()
    assert auto.book.intents[intent.id].live, "an incomplete list confirms nothing"
    auto.complete = True
    auto.at += seconds(1)
    auto.read()
    assert auto.book.intents[intent.id].state is IntentState.CANCELLED
    assert auto.held() == 3


def test_an_order_of_yesterday_that_the_list_forgot_has_expired(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(2)
    (intent,) = auto.book.live_intents()
    auto.broker.orders.clear()
    auto.at = NOON.replace(day=18)
    for _ in range(400):
        auto.at += seconds(2)
        auto.read()
    assert auto.book.intents[intent.id].state is IntentState.EXPIRED


def test_a_list_that_lost_an_order_for_good_is_believed_after_ten_minutes(auto: World) -> None:
    seen = row(ref=BrokerRef("20261117", "B", "5"), ticker="ZZZ")
    auto.tell(OrdersRead(at=auto.at, orders=(seen,), complete=True))
    lost(auto, "vanish")
    auto.run(590)
    (intent,) = auto.book.intents.values()
    assert intent.state is IntentState.UNKNOWN, "a list without what it has shown proves nothing"
    auto.run(240)
    assert auto.book.intents[intent.id].state is IntentState.NOT_PLACED
    assert "orders_vanished" in [e["what"] for e in auto.events(EventKind.TROUBLE)]


def test_a_late_fill_after_the_reservation_was_given_back_keeps_the_ledger_balanced(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(2)
    (order,) = auto.broker.orders
    order.cancelled = True
    auto.run(6)
    order.cancelled = False
    auto.broker.match(order)
    order.cancelled = True
    auto.run(4)
    (intent,) = [i for i in auto.book.intents.values() if i.ref == order.ref]
    assert (intent.state, intent.filled_qty) == (IntentState.FILLED, 9)
    booked = [b for b in auto.journal.ledger if b.intent_id == intent.id]
    total = {kind: sum(b.usd for b in booked if b.kind is kind) for kind in LedgerKind}
    assert total[LedgerKind.RESERVE] == total[LedgerKind.POST] + total[LedgerKind.VOID]
    assert total[LedgerKind.POST] >= order.usd


def test_a_sale_of_the_guardian_whose_answer_was_lost_is_found_in_the_list(holding: World) -> None:
    ours = holding.held()
    holding.market_open = False
    sale = GuardianSold(
        at=holding.at, ticker=TICKER, key="k1", ref=None, qty=ours, limit=Decimal("84.50"), sent_at=holding.at
    )
    holding.tell(sale)
    (intent,) = holding.book.live_intents(TICKER, Side.SELL)
    assert intent.state is IntentState.UNKNOWN
    order = FakeOrder(BrokerRef("20261117", "B", "900"), intent.request, holding.at)
    holding.broker.orders.append(order)
    holding.move("84.60")
    holding.broker.match(order)
    holding.run(4)
    assert holding.held() == 0
    assert [t.trip.reason for t in holding.journal.trips.values()] == ["GUARD"]
    assert not holding.events(EventKind.MANUAL_SOLD)
    holding.tell(sale)
    assert not holding.book.live_intents()


def test_a_plan_with_a_lost_order_ends_at_once(auto: World) -> None:
    lost(auto)
    assert (auto.plan.state, auto.plan.reason) == (PlanState.STOPPED, "order_unknown")
    assert auto.book.locks[TICKER].reason == "order_unknown"


def unknown_sale(world: World) -> FakeOrder:
    """A stop whose answer is lost, and that the broker accepts much later; returns the order that will appear."""
    world.broker.accidents.append("vanish")
    world.move("80.00")
    world.run(6)
    (intent,) = world.book.live_intents(TICKER, Side.SELL)
    assert intent.state is IntentState.UNKNOWN
    return FakeOrder(BrokerRef("20261117", "B", "500"), intent.request, world.at)


def test_a_lost_sale_is_repeated_at_once_where_all_shares_are_ours(holding: World) -> None:
    unknown_sale(holding)
    holding.run(10)
    assert holding.held() == 0


def test_a_lost_sale_beside_the_owners_own_shares_waits_out_the_quarantine(holding: World) -> None:
    """If the first one arrived after the second, it would sell what is not ours."""
    holding.broker.by_hand(Side.BUY, 20, holding.at)
    holding.run(2)
    unknown_sale(holding)
    holding.run(170)
    assert not holding.broker.sent(Side.SELL)
    holding.run(30)
    assert holding.held() == 0
    assert holding.broker.shares[TICKER] == 20


def test_a_sale_that_appears_after_its_purpose_is_gone_is_cancelled_again_and_again(holding: World) -> None:
    late = unknown_sale(holding)
    holding.run(10)
    assert holding.held() == 0
    holding.broker.shares[TICKER] = 50
    holding.move("1.00")
    holding.broker.cancel_lost = True
    holding.broker.orders.append(late)
    holding.run(25)
    (intent,) = holding.book.live_intents(TICKER, Side.SELL)
    assert intent.ref == late.ref
    holding.broker.cancel_lost = False
    holding.run(30)
    assert late.cancelled
    assert not holding.book.live_intents()


def test_a_sale_that_was_prepared_before_a_split_was_seen_is_not_sent(holding: World) -> None:
    holding.hold_actions = True
    holding.move("80.00")
    for _ in range(2):
        holding.at += seconds(2)
        holding.prices()
    (intent,) = holding.book.live_intents(TICKER, Side.SELL)
    holding.book.put_position(msgspec.structs.replace(holding.book.positions[TICKER], frozen="split"))
    reply = holding.tell(OrderSending(at=holding.at, intent_id=intent.id, baseline=()))
    assert reply.ok is False
    assert holding.book.intents[intent.id].state is IntentState.VOIDED


def test_the_guardians_sale_comes_to_life_when_the_traders_own_has_ended(holding: World) -> None:
    """While it rests at the broker it binds the shares: it must be cancelled, or the stop can't act."""
    holding.broker.accidents.extend(["rest", "rest"])
    holding.move("80.00")
    holding.run(6)
    (own,) = holding.broker.sent(Side.SELL)
    ref = BrokerRef("20261117", "B", "900")
    sale = GuardianSold(
        at=holding.at, ticker=TICKER, key="k", ref=ref, qty=9, limit=Decimal("84.50"), sent_at=holding.at
    )
    holding.tell(sale)
    (guarded,) = [i for i in holding.book.intents.values() if i.ref == ref]
    holding.broker.orders.append(FakeOrder(ref, guarded.request, holding.at))
    holding.run(4)
    assert not holding.book.intents[guarded.id].live
    own.cancelled = True
    holding.run(40)
    assert holding.broker.orders[-1].ref != ref or holding.broker.orders[-1].cancelled
    assert holding.held() == 0

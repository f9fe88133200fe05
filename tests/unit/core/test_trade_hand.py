"""Trades by hand and by the guardian, at the edges: adoption and its refusals, history, and sales beside ours."""

from decimal import Decimal

import msgspec
import pytest

from core.model.commands import AdoptManual, Reply, ReplyKey, Sell
from core.model.instrument import Exchange
from core.model.messages import EventKind
from core.model.order import BrokerRef, Intent, IntentState, Purpose, Side
from core.model.position import PlanState
from core.rules.shares import Own
from core.stages.trade.inputs import GuardianSold, OrdersRead, TradeInput
from core.stages.trade.outcome import ReadHoldings
from tests.unit.core.builders import NOON, TICKER, request, row, seconds
from tests.unit.core.harness import World

D = Decimal
KEY = "20261117-1"


def adopt(world: World, *, key: str = KEY, yes: bool = True) -> Reply:
    return world.command(AdoptManual(by="owner", key=key, adopt=yes))


def by_hand(world: World, side: Side, qty: int, *, ticker: str = TICKER) -> None:
    world.broker.by_hand(side, qty, world.at, ticker=ticker)
    world.run(2)


def told(world: World, *rows: object) -> TradeInput:
    message = OrdersRead(at=world.at, orders=rows, complete=True)
    world.tell(message)
    return message


# -- adoption --------------------------------------------------------------------------------------------------------


def test_an_order_that_nobody_knows_can_not_be_adopted(world: World) -> None:
    assert adopt(world, key="20261117-77") == Reply(ok=False, key=ReplyKey.UNKNOWN_PLAN)


def test_a_sale_can_not_be_adopted(world: World) -> None:
    by_hand(world, Side.BUY, 4)
    by_hand(world, Side.SELL, 1)
    assert adopt(world, key="20261117-2") == Reply(ok=False, key=ReplyKey.UNKNOWN_PLAN)


def test_a_no_is_answered_remembered_and_not_asked_again(world: World) -> None:
    by_hand(world, Side.BUY, 4)
    values = {"ticker": TICKER, "qty": 4}
    assert adopt(world, yes=False) == Reply(ok=True, key=ReplyKey.IGNORED, values=values)
    assert [o.adopted for o in world.journal.manual.values()] == [False]
    assert adopt(world) == Reply(ok=False, key=ReplyKey.ALREADY_DECIDED, values=values)


def test_a_yes_is_answered_with_the_stop_and_remembered(world: World) -> None:
    by_hand(world, Side.BUY, 4)
    values = {"ticker": TICKER, "qty": 4, "stop_price": "85.00", "target_price": "130.00"}
    assert adopt(world) == Reply(ok=True, key=ReplyKey.DONE, values=values)
    assert [o.adopted for o in world.journal.manual.values()] == [True]
    assert world.journal.positions[TICKER].own_qty == 0
    again = adopt(world, yes=False)
    assert again == Reply(ok=False, key=ReplyKey.ALREADY_DECIDED, values={"ticker": TICKER, "qty": 4})


def test_shares_that_are_gone_can_not_be_adopted(world: World) -> None:
    by_hand(world, Side.BUY, 4)
    by_hand(world, Side.SELL, 4)
    assert adopt(world) == Reply(ok=False, key=ReplyKey.NOT_HELD, values={"ticker": TICKER, "qty": 4})


def test_the_last_share_can_be_adopted_at_its_own_price(world: World) -> None:
    by_hand(world, Side.BUY, 4)
    by_hand(world, Side.SELL, 3)
    assert adopt(world).values["qty"] == 1
    position = world.book.positions[TICKER]
    assert (position.qty, position.cost_usd, position.own_qty) == (1, D(100), 0)


def test_shares_can_not_be_adopted_while_ours_are_being_sold(holding: World) -> None:
    by_hand(holding, Side.BUY, 4)
    holding.broker.accidents.append("rest")
    holding.command(Sell(by="owner", ticker=TICKER))
    values = {"ticker": TICKER, "qty": 4, "reason": "selling"}
    assert adopt(holding, key="20261117-10") == Reply(ok=False, key=ReplyKey.REFUSED, values=values)
    assert holding.book.positions[TICKER].own_qty == 4


def test_only_what_was_bought_in_that_order_is_adopted(world: World) -> None:
    by_hand(world, Side.BUY, 4)
    by_hand(world, Side.BUY, 5)
    adopt(world)
    position = world.book.positions[TICKER]
    assert (position.qty, position.own_qty, position.exchange) == (4, 5, Exchange.NASD)


# -- what the list shows ---------------------------------------------------------------------------------------------


def test_an_order_that_fills_further_keeps_its_first_sight_its_answer_and_its_price(world: World) -> None:
    order = row("1", order=request(qty=9, limit="20.00"), from_api=False, exchange=Exchange.NYSE)
    told(world, msgspec.structs.replace(order, filled_qty=2, filled_usd=D(38), open_qty=7))
    adopt(world)
    world.at += seconds(5)
    told(world, msgspec.structs.replace(order, exchange=None, filled_qty=5, filled_usd=D(98), open_qty=4))
    (known,) = world.journal.manual.values()
    assert (known.seen_at, known.adopted, known.exchange) == (NOON, True, Exchange.NYSE)
    position = world.book.positions[TICKER]
    assert (position.qty, position.cost_usd, position.buy_count, position.plan_id) == (5, D(98), 1, "")
    assert position.exchange is Exchange.NYSE
    assert [(f.cum_qty, f.qty, f.usd) for f in world.journal.fills.values()] == [(2, 2, D(38)), (5, 3, D(60))]


def test_an_order_without_an_exchange_is_taken_for_nasdaq(world: World) -> None:
    told(world, row("1", from_api=False, filled=2))
    assert [o.exchange for o in world.journal.manual.values()] == [Exchange.NASD]


def test_an_order_that_has_not_filled_is_not_news(world: World) -> None:
    told(world, row("1", from_api=False))
    assert not world.journal.manual
    told(world, row("1", from_api=False, filled=1))
    told(world, row("1", from_api=False, filled=1))
    assert [e["qty"] for e in world.events(EventKind.MANUAL_BOUGHT)] == [1]


def test_what_filled_before_the_first_look_is_never_offered(world: World) -> None:
    fresh = World(reconciled=False)
    told(fresh, row("1", from_api=False, filled=4))
    assert [o.adopted for o in fresh.journal.manual.values()] == [None]
    assert not fresh.events(EventKind.MANUAL_BOUGHT)
    assert fresh.book.own_qty(TICKER) == 0, "the holdings tell that"
    assert fresh.book.touched[TICKER] == fresh.at
    told(fresh, row("1", from_api=False, filled=6))
    assert [e["qty"] for e in fresh.events(EventKind.MANUAL_BOUGHT)] == [2], "but what it fills from then on is told"
    assert fresh.book.counted(TICKER) == Own(qty=2)


def test_a_sale_by_hand_of_the_owners_own_shares_leaves_ours_alone(holding: World) -> None:
    by_hand(holding, Side.BUY, 4)
    fills = len(holding.journal.fills)
    by_hand(holding, Side.SELL, 3)
    position = holding.book.positions[TICKER]
    assert (position.qty, position.own_qty, position.sold_qty) == (9, 1, 0)
    assert len(holding.journal.fills) == fills


def test_a_sale_by_hand_of_what_is_not_ours_writes_no_fill() -> None:
    fresh = World(reconciled=False)
    fresh.broker.shares["ZZZ"] = 3
    fresh.read()
    by_hand(fresh, Side.SELL, 3, ticker="ZZZ")
    assert fresh.book.own == {"ZZZ": Own()}
    assert [(e["qty"], e["ours"]) for e in fresh.events(EventKind.MANUAL_SOLD)] == [(3, 0)], "and it is told at once"
    assert not fresh.journal.fills


# -- the guardian ----------------------------------------------------------------------------------------------------


def guarded(world: World, key: str = "900", *, lost: bool = False, ticker: str = TICKER) -> GuardianSold:
    """The guardian's journal has a sale of nine at $84.50."""
    sale = GuardianSold(
        at=world.at,
        ticker=ticker,
        key=key,
        ref=None if lost else BrokerRef("20261117", "B", key),
        qty=9,
        limit=D("84.50"),
        sent_at=world.at,
    )
    world.tell(sale)
    return sale


def guards(world: World) -> list[Intent]:
    return [i for i in world.book.intents.values() if i.purpose is Purpose.GUARD]


def test_a_sale_of_the_guardian_ends_the_plan_that_was_buying(auto: World) -> None:
    auto.move("10.00")
    auto.buy_signal()
    auto.run(10)
    assert auto.plan.state is PlanState.RUNNING
    guarded(auto)
    assert (auto.plan.state, auto.plan.reason) == (PlanState.STOPPED, "GUARD")


def test_a_sale_of_shares_that_were_not_booked_yet_is_adopted_and_waits_for_them(auto: World) -> None:
    """The guardian's file is written first: it may have known of shares that the trader died before booking.

    The list shows both, the newest first: the purchase counts before the sale, and nothing is left over.
    """
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(4)
    (bought,) = auto.book.live_intents(TICKER, Side.BUY)
    sale = guarded(auto)
    (intent,) = guards(auto)
    assert (intent.state, intent.plan_id, intent.request.exchange) == (IntentState.ACKED, "", auto.plan.exchange)
    qty = bought.request.qty
    filled = row(order=bought.request, filled=qty, ref=bought.ref)
    sold = row("900", side=Side.SELL, qty=qty, filled=qty, open_qty=0, ref=sale.ref)
    auto.tell(OrdersRead(at=auto.at, orders=(sold, filled), complete=True))
    assert auto.held() == 0
    assert not [e for e in auto.events(EventKind.TROUBLE) if e["what"] == "sold_more_than_held"]


def test_a_sale_of_a_ticker_without_plan_or_position_is_a_place_for_its_fills(holding: World) -> None:
    guarded(holding, ticker="TSLA")
    (intent,) = guards(holding)
    assert (intent.request.ticker, intent.request.exchange, intent.plan_id) == ("TSLA", Exchange.NASD, "")
    assert holding.journal.state["guardian:900"] == "TSLA"


@pytest.mark.parametrize(
    ("beside", "lost", "state"),
    [
        (False, False, IntentState.ACKED),
        (False, True, IntentState.UNKNOWN),
        (True, False, IntentState.NOT_PLACED),
        (True, True, IntentState.NOT_PLACED),
    ],
)
def test_beside_a_living_sale_the_guardians_is_only_a_place_for_its_fills(
    holding: World, beside: bool, lost: bool, state: IntentState
) -> None:
    if beside:
        holding.broker.accidents.append("rest")
        holding.prices()
        holding.command(Sell(by="owner", ticker=TICKER))
    guarded(holding, lost=lost)
    (intent,) = guards(holding)
    assert (intent.state, intent.ref is None) == (state, lost)


@pytest.mark.parametrize("other", ["sale-of-another-ticker", "buy-of-this-one"])
def test_an_order_elsewhere_does_not_stand_beside_it(auto: World, other: str) -> None:
    auto.move("10.00")
    for ticker in ("TSLA", TICKER):
        auto.buy_signal(ticker=ticker)
        auto.run(4)
    auto.broker.accidents.append("rest")
    if other == "sale-of-another-ticker":
        auto.command(Sell(by="owner", ticker="TSLA"))
        assert auto.book.live_intents("TSLA", Side.SELL)
    else:
        auto.at += seconds(60)
        auto.prices()
        auto.tick()
        assert auto.book.live_intents(side=Side.BUY)
    guarded(auto)
    (intent,) = guards(auto)
    assert intent.state is IntentState.ACKED


def test_a_sale_by_hand_of_shares_that_nobody_knew_of_writes_no_fill(world: World) -> None:
    told(world, row("1", order=request(Side.SELL, 3, ticker="ZZZ"), from_api=False, filled=3))
    assert [(e["qty"], e["ours"], e["left"]) for e in world.events(EventKind.MANUAL_SOLD)] == [(3, 0, 0)]
    assert not world.journal.fills
    assert not world.events(EventKind.TROUBLE)


def test_an_adopted_order_that_fills_further_leaves_the_owners_other_shares_alone(world: World) -> None:
    by_hand(world, Side.BUY, 5)
    order = world.broker.by_hand(Side.BUY, 6, world.at, limit="99.00")
    world.move("99.00")
    world.broker.match(order, 2)
    world.run(2)
    adopt(world, key="20261117-2")
    world.broker.match(order, 4)
    world.run(4)
    position = world.book.positions[TICKER]
    assert (position.qty, position.own_qty, position.plan_id, position.buy_count) == (6, 5, "", 1)


# -- before the holdings show it -------------------------------------------------------------------------------------


def bought_in_the_list(world: World, qty: int, odno: str = "1") -> str:
    """The list shows a buy by hand; the holdings do not count it yet. Its key."""
    told(world, row(odno, order=request(qty=qty), from_api=False, filled=qty))
    return f"20261117-{odno}"


def test_what_only_the_list_shows_is_offered_as_the_owners_and_counted_once(world: World) -> None:
    bought_in_the_list(world, 4)
    assert [e["own"] for e in world.events(EventKind.MANUAL_BOUGHT)] == [4]
    assert world.book.counted(TICKER) == Own(qty=4)
    assert world.journal.state["own"] == '{"NVDA":{"qty":4}}'


def test_a_buy_by_hand_asks_for_the_holdings(world: World) -> None:
    outcome = world.stage.handle(OrdersRead(at=world.at, orders=(row("1", from_api=False, filled=2),), complete=True))
    assert ReadHoldings() in outcome.actions


def test_shares_adopted_before_the_holdings_show_them_are_not_expected_as_the_owners_any_more(world: World) -> None:
    key = bought_in_the_list(world, 4)
    assert adopt(world, key=key).values["qty"] == 4
    position = world.book.positions[TICKER]
    assert (position.qty, position.own_qty, world.book.counted(TICKER)) == (4, 0, Own())


def test_shares_adopted_partly_before_the_holdings_show_them_leave_the_owner_the_rest(world: World) -> None:
    by_hand(world, Side.BUY, 5)
    key = bought_in_the_list(world, 4, odno="9")
    assert adopt(world, key=key).values["qty"] == 4
    position = world.book.positions[TICKER]
    assert (position.qty, position.own_qty, world.book.counted(TICKER)) == (4, 5, Own(qty=5))


def test_the_offer_counts_the_owners_shares_known_and_expected(world: World) -> None:
    by_hand(world, Side.BUY, 5)
    bought_in_the_list(world, 4, odno="9")
    assert [e["own"] for e in world.events(EventKind.MANUAL_BOUGHT)] == [5, 9]

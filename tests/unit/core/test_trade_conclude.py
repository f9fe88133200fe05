"""What the holdings may change by themselves: first counts, splits, shares that a late order explains, and restarts."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Panic, ReplyKey, Sell, Settle
from core.model.instrument import Exchange
from core.model.journal import PutState
from core.model.messages import EventKind
from core.model.order import BrokerOrder, BrokerRef, Intent, IntentState, ManualOrder, Purpose, Side
from core.model.position import ExitRun
from core.rules.shares import Own
from core.stages.trade.inputs import OrdersRead
from core.stages.trade.outcome import Protect
from tests.unit.core.builders import TICKER, intent, request, row, seconds
from tests.unit.core.harness import World
from tests.unit.core.test_trade_shares import frozen, look, lost, quiet

D = Decimal


def hand(
    world: World, side: Side, qty: int, *, at: dt.datetime | None, odno: str = "50", **more: object
) -> BrokerOrder:
    """The list shows an order of the owner's that was placed at `at`."""
    order = row(odno, order=request(side, qty), filled=qty, from_api=False, ordered_at=at, **more)
    world.hold_actions = True
    world.tell(OrdersRead(at=world.at, orders=(*world.broker.rows(), order), complete=True))
    world.todo.clear()
    world.hold_actions = False
    return order


# -- the first count -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held", "own"), [(12, 3), (9, 0), (7, 0)])
def test_the_first_reading_of_an_account_with_a_position_leaves_the_owner_the_rest(
    holding: World, held: int, own: int
) -> None:
    del holding.book.state["shares_from"]
    look(holding, 1, NVDA=held)
    assert (holding.book.own_qty(TICKER), holding.book.positions[TICKER].own_qty, holding.held()) == (own, own, 9)


def test_a_journal_from_before_the_count_brings_the_owners_shares_in_its_positions(holding: World) -> None:
    """Until the holdings are read for the first time, a stop must not take them."""
    holding.book.begin(holding.at)
    holding.book.put_own(TICKER, Own(qty=3))
    holding.journal.commit(holding.book.outcome().changes)
    for key in ("own", "shares_from"):
        del holding.journal.state[key]
    holding._boot(recover=True)
    assert holding.book.counted(TICKER) == Own(qty=3)


def test_what_the_list_told_before_the_first_reading_is_in_it(world: World) -> None:
    fresh = World(reconciled=False)
    fresh.tell(OrdersRead(at=fresh.at, orders=(), complete=True))
    hand(fresh, Side.BUY, 2, at=fresh.at)
    look(fresh, 1, NVDA=5)
    assert fresh.book.counted(TICKER) == Own(qty=5)


def test_after_a_restart_the_count_goes_on_and_the_holdings_do_not_begin_it_again(holding: World) -> None:
    hand(holding, Side.BUY, 4, at=holding.at)
    holding._boot(recover=True)
    assert holding.book.counted(TICKER) == Own(qty=4)
    look(holding, 60, NVDA=20)
    assert (holding.book.counted(TICKER), holding.held()) == (Own(qty=4), 9)


def test_what_only_the_holdings_showed_is_remembered_as_such_over_a_restart(holding: World) -> None:
    quiet(holding)
    since = holding.at
    for second in (0, 30, 30):
        look(holding, second, NVDA=11)
    holding._boot(recover=True)
    assert holding.book.counted(TICKER) == Own(qty=2, unexplained=2, seen_at=since)


def test_a_count_that_has_not_changed_is_not_written_again(holding: World) -> None:
    holding.book.begin(holding.at)
    holding.book.put_own("ZZZ", Own())
    assert (holding.book.outcome().changes, holding.book.own) == ((), {})
    holding.book.put_own("ZZZ", Own(qty=1))
    holding.book.put_own("ZZZ", Own(qty=1))
    written = '{"ZZZ":{"qty":1}}'
    assert holding.book.outcome().changes == (PutState("own", written),)


def test_the_guardian_hears_of_the_owners_shares_with_the_position(holding: World) -> None:
    holding.book.begin(holding.at)
    holding.book.put_own(TICKER, Own(qty=2))
    assert holding.book.positions[TICKER].own_qty == 2
    assert Protect() in holding.book.outcome().actions
    holding.book.begin(holding.at)
    holding.book.put_own(TICKER, Own(qty=2, unexplained=1, seen_at=holding.at))
    assert Protect() not in holding.book.outcome().actions


# -- orders that are listed late -------------------------------------------------------------------------------------


def appeared(world: World, qty: int) -> dt.datetime:
    """The holdings show more than the orders explain, until it is believed; since when."""
    quiet(world)
    since = world.at
    for second in (0, 30, 30):
        look(world, second, **{TICKER: qty})
    return since


@pytest.mark.parametrize(("after_s", "own"), [(-100, 4), (2, 4), (2.1, 8)])
def test_a_purchase_by_hand_that_the_holdings_showed_first_is_counted_once(
    holding: World, after_s: float, own: int
) -> None:
    since = appeared(holding, 13)
    assert holding.book.own_qty(TICKER) == 4
    hand(holding, Side.BUY, 4, at=since + seconds(after_s))
    assert holding.book.own_qty(TICKER) == own
    assert holding.book.counted(TICKER).unexplained == (0 if own == 4 else 4)


def test_an_adopted_order_that_fills_further_takes_back_what_the_holdings_showed_and_is_ours(holding: World) -> None:
    ref = BrokerRef("20261117", "B", "50")
    holding.book.manual[ref] = ManualOrder(
        ref=ref,
        ticker=TICKER,
        exchange=Exchange.NASD,
        side=Side.BUY,
        filled_qty=1,
        filled_usd=D(100),
        seen_at=holding.at,
        adopted=True,
    )
    since = appeared(holding, 12)
    hand(holding, Side.BUY, 4, at=since)
    assert (holding.held(), holding.book.own_qty(TICKER)) == (12, 0)


def test_a_buy_of_ours_that_is_listed_late_takes_its_shares_back_from_the_owner(auto: World) -> None:
    order = lost(auto)
    since = appeared(auto, 20)
    assert auto.book.counted(TICKER) == Own(qty=20, unexplained=20, seen_at=since)
    late = row("9", order=order.request, filled=9)
    auto.tell(OrdersRead(at=auto.at, orders=(late,), complete=True))
    assert auto.held() == 9
    assert auto.book.counted(TICKER) == Own(qty=11, unexplained=11, seen_at=since)
    assert auto.book.positions[TICKER].own_qty == 11


def test_a_buy_that_was_sent_after_the_holdings_showed_others_takes_none_of_them(auto: World) -> None:
    appeared(auto, 20)
    auto.move("10.00")
    auto.buy_signal()
    auto.hold_actions = False
    auto.tick()
    auto.prices()
    auto.tick()
    auto.tell(OrdersRead(at=auto.at, orders=auto.broker.rows(), complete=True))
    assert (auto.held(), auto.book.own_qty(TICKER)) == (9, 20)


# -- splits at once --------------------------------------------------------------------------------------------------


def halved(world: World, *, rested: bool = False) -> None:
    """The price is half of what it was."""
    quiet(world)
    world.move("50.00")
    world.prices()
    if rested:
        jump = world.book.jumps[TICKER]
        world.book.jumps[TICKER] = msgspec.structs.replace(jump, rested=True)


@pytest.mark.parametrize(("ago_s", "at_once"), [(45, True), (44.9, False)])
def test_a_split_is_concluded_at_once_only_three_quarters_of_a_minute_after_the_last_fill(
    holding: World, ago_s: float, at_once: bool
) -> None:
    halved(holding)
    holding.book.filled_at[TICKER] = holding.at - seconds(ago_s)
    look(holding, NVDA=18)
    assert (frozen(holding) == "split") is at_once


@pytest.mark.parametrize(("ago_s", "at_once"), [(45, True), (44.9, False)])
def test_after_a_long_pause_it_is_when_the_last_order_was_sent_that_counts(
    holding: World, ago_s: float, at_once: bool
) -> None:
    halved(holding, rested=True)
    holding.book.filled_at[TICKER] = holding.at
    newest = max(holding.book.intents.values(), key=lambda i: i.sent_at)
    holding.book.intents[newest.id] = msgspec.structs.replace(newest, sent_at=holding.at - seconds(ago_s))
    other = intent(IntentState.FILLED, key="other", order=request(ticker="TSLA"), sent_at=holding.at)
    holding.book.intents[other.id] = other
    look(holding, NVDA=18)
    assert (frozen(holding) == "split") is at_once


def unknown_buy(world: World, qty: int) -> Intent:
    """A buy whose answer was lost, beside an order of the owner's today: shares alone don't tell whose they are."""
    order = intent(IntentState.UNKNOWN, key="lost", order=request(qty=qty, limit="60.00"), sent_at=world.at, own_qty=0)
    world.book.intents[order.id] = order
    ref = BrokerRef("20261117", "B", "60")
    world.book.manual[ref] = ManualOrder(
        ref=ref,
        ticker=TICKER,
        exchange=Exchange.NASD,
        side=Side.BUY,
        filled_qty=1,
        filled_usd=D(60),
        seen_at=world.at,
    )
    return order


@pytest.mark.parametrize(("qty", "at_once"), [(8, True), (9, False), (10, False)])
def test_a_lost_buy_that_explains_the_surplus_is_no_split_at_once(holding: World, qty: int, at_once: bool) -> None:
    halved(holding)
    unknown_buy(holding, qty)
    look(holding, NVDA=18)
    assert (frozen(holding) == "split") is at_once
    for _ in range(2):
        look(holding, 30, NVDA=18)
    assert frozen(holding) == "split", "but what lasts is believed"


def waiting_sale(world: World, purpose: Purpose) -> None:
    """A sale that waits for the market, of which no order lives."""
    world.book.begin(world.at)
    world.book.put_exit(ExitRun(ticker=TICKER, purpose=purpose, target_qty=5, started_at=world.at, sold_qty=1))


@pytest.mark.parametrize("purpose", [Purpose.COMMAND, Purpose.PANIC])
def test_where_a_person_is_selling_the_split_is_applied_at_once(holding: World, purpose: Purpose) -> None:
    hand(holding, Side.BUY, 1, at=holding.at)
    halved(holding)
    waiting_sale(holding, purpose)
    look(holding, NVDA=20)
    position = holding.book.positions[TICKER]
    assert (position.qty, position.own_qty, position.frozen, position.stop_price) == (18, 2, "", D("42.5000"))
    assert holding.book.counted(TICKER) == Own(qty=2)
    run = holding.book.exits[TICKER]
    assert (run.target_qty, run.sold_qty) == (10, 2)
    assert TICKER not in holding.book.jumps
    assert not holding.events(EventKind.FROZEN)


def test_a_sale_of_less_than_a_new_share_goes_on_for_one(holding: World) -> None:
    """Nine become one: five of the old are more than nothing."""
    quiet(holding)
    holding.move("900.00")
    holding.prices()
    waiting_sale(holding, Purpose.COMMAND)
    holding.book.positions[TICKER] = msgspec.structs.replace(holding.book.positions[TICKER], qty=10)
    look(holding, NVDA=1)
    run = holding.book.exits[TICKER]
    assert (holding.held(), run.target_qty, run.sold_qty) == (1, 1, 0)


def test_a_split_of_adopted_shares_that_no_order_of_ours_moved_is_concluded_at_once(holding: World) -> None:
    halved(holding, rested=True)
    holding.book.intents.clear()
    look(holding, NVDA=18)
    assert frozen(holding) == "split"


@pytest.mark.parametrize("purpose", [Purpose.STOP, Purpose.SIGNAL_SELL])
def test_where_a_stop_is_selling_a_person_must_look_at_the_split(holding: World, purpose: Purpose) -> None:
    halved(holding)
    waiting_sale(holding, purpose)
    look(holding, NVDA=18)
    assert (frozen(holding), holding.held()) == ("split", 9)


# -- what a person sells of a split ----------------------------------------------------------------------------------


def test_selling_what_waits_because_of_a_split_counts_it_anew_first(holding: World) -> None:
    halved(holding)
    look(holding, NVDA=18)
    holding.broker.shares[TICKER] = 18
    reply = holding.command(Sell(by="owner", ticker=TICKER, percent=50))
    assert reply.values["qty"] == 9
    assert (holding.book.positions[TICKER].stop_price, frozen(holding)) == (D("42.5000"), "")


def test_selling_everything_counts_it_anew_too(holding: World) -> None:
    halved(holding)
    look(holding, NVDA=18)
    holding.broker.shares[TICKER] = 18
    holding.command(Panic(by="owner", liquidate=True))
    holding.run(4)
    assert [o.request.qty for o in holding.broker.sent(Side.SELL)] == [18]


def test_counts_that_are_those_of_no_split_are_left_as_they_are(holding: World) -> None:
    halved(holding)
    look(holding, NVDA=18)
    look(holding, 1, NVDA=13)
    before = holding.book.positions[TICKER]
    assert holding.command(Sell(by="owner", ticker=TICKER, percent=50)).values["qty"] == 4
    assert holding.book.positions[TICKER].stop_price == before.stop_price


def test_missing_shares_are_no_split_to_be_counted_anew(holding: World) -> None:
    quiet(holding)
    for second in (0, 30, 30):
        look(holding, second, NVDA=3)
    assert frozen(holding) == "missing"
    holding.prices()
    assert holding.command(Sell(by="owner", ticker=TICKER)).values["qty"] == 9


def test_a_sale_that_runs_already_is_not_counted_anew(holding: World) -> None:
    halved(holding)
    look(holding, NVDA=18)
    waiting_sale(holding, Purpose.COMMAND)
    assert holding.command(Sell(by="owner", ticker=TICKER)).key is ReplyKey.NOTHING_TO_DO
    assert holding.held() == 9


def test_settling_ends_a_shortage_of_the_owners(holding: World) -> None:
    quiet(holding)
    holding.book.put_own(TICKER, Own(qty=-3, short_since=holding.at))
    for second in (0, 30, 30):
        look(holding, second, NVDA=4)
    assert frozen(holding) == "missing"
    assert holding.command(Settle(by="owner", ticker=TICKER)).values["qty"] == 4
    # three of the five were sold by hand; the order list may tell later what became of the other two
    assert holding.book.counted(TICKER) == Own(written_off=2, written_at=holding.at)


# -- even counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["split", "missing"])
def test_an_even_count_thaws_whatever_froze_it_and_tells_so(holding: World, reason: str) -> None:
    quiet(holding)
    holding.book.positions[TICKER] = msgspec.structs.replace(holding.book.positions[TICKER], frozen=reason)
    look(holding, NVDA=9)
    assert frozen(holding) == ""
    (event,) = [e.event for e in holding.journal.events if e.event.kind is EventKind.UNFROZEN]
    assert (event.ticker, event.subject) == (TICKER, TICKER)
    assert event.values == {"name": "NVIDIA Corp", "name_ko": "엔비디아"}

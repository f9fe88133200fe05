"""Fills that the exchange takes back: the list shows fewer shares of an order than were booked."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Sell
from core.model.messages import EventKind
from core.model.order import BrokerOrder, Intent, IntentState, Purpose, Side
from core.model.position import PlanState
from core.rules.shares import Own, Shortage
from core.stages.trade.fills import shrink
from core.stages.trade.inputs import OrdersRead
from tests.unit.core.builders import TICKER, row, seconds
from tests.unit.core.harness import World

D = Decimal


@pytest.fixture
def bought(auto: World) -> World:
    """Nine shares at $10.00 in one order, number 1."""
    auto.move("10.00")
    auto.buy_signal()
    auto.run(4)
    assert auto.held() == 9
    return auto


def order_of(world: World, side: Side = Side.BUY) -> Intent:
    (intent,) = [i for i in world.book.intents.values() if i.request.side is side and i.filled_qty]
    return intent


def shows(world: World, filled: int, after_s: float = 0, *, complete: bool = True, **more: object) -> None:
    """The list shows the buy with so many shares filled."""
    world.at += seconds(after_s)
    intent = order_of(world) if filled >= 0 else None
    assert intent is not None
    order = row("1", order=intent.request, filled=filled, **{"filled_usd": D(10) * filled, "open_qty": 0} | more)
    world.hold_actions = True
    rows: tuple[BrokerOrder, ...] = (order, *(r for r in world.broker.rows() if r.ref != order.ref))
    world.tell(OrdersRead(at=world.at, orders=rows, complete=complete))
    world.todo.clear()
    world.hold_actions = False


def certain(world: World) -> int:
    return world.book.certain_qty(world.book.positions[TICKER])


def troubles(world: World, what: str) -> list[object]:
    events = [e.event for e in world.journal.events if e.event.kind is EventKind.TROUBLE]
    return [(e.ticker, e.subject, e.values) for e in events if e.values["what"] == what]


def test_fewer_filled_shares_are_not_sold_from_the_first_list_that_shows_them(bought: World) -> None:
    intent = order_of(bought)
    shows(bought, 6)
    assert bought.book.shortages == {intent.id: Shortage(3, bought.at)}
    assert (bought.held(), certain(bought)) == (9, 6)
    assert order_of(bought) == intent
    assert not troubles(bought, "fill_taken_back")


def test_after_ten_seconds_of_complete_lists_they_are_taken_out_at_cost(bought: World) -> None:
    intent, before = order_of(bought), bought.book.positions[TICKER]
    shows(bought, 6)
    shows(bought, 6, 9.9)
    assert bought.held() == 9
    shows(bought, 6, 0.1)
    position = bought.book.positions[TICKER]
    assert (position.qty, position.cost_usd, position.sold_qty, position.sold_usd) == (6, D(60), 3, D(30))
    assert position.stop_price == before.stop_price
    known = order_of(bought)
    assert (known.filled_qty, known.filled_usd, known.taken_back, known.updated_at) == (6, D(60), 3, bought.at)
    assert bought.journal.intents[intent.id] == known
    assert known.state is IntentState.FILLED
    assert bought.book.shortages == {}
    assert bought.book.touched[TICKER] == bought.at
    values = {"where": "reconcile", "what": "fill_taken_back", "qty": 3}
    assert troubles(bought, "fill_taken_back") == [(TICKER, TICKER, values)]
    shows(bought, 6, 20)
    assert (bought.held(), len(troubles(bought, "fill_taken_back"))) == (6, 1)


def test_the_ticker_is_closed_for_the_session_and_its_plan_ends(bought: World) -> None:
    assert bought.plan.state is PlanState.RUNNING
    shows(bought, 6)
    shows(bought, 6, 10)
    assert (bought.plan.state, bought.plan.reason) == (PlanState.STOPPED, "order_unknown")
    lock = bought.book.locks[TICKER]
    assert (lock.reason, lock.until) == ("order_unknown", bought.at + dt.timedelta(hours=16))


def test_lists_in_part_hold_the_shares_back_but_take_none_out(bought: World) -> None:
    shows(bought, 6, complete=False)
    assert certain(bought) == 6
    shows(bought, 6, 30, complete=False)
    assert bought.held() == 9
    shows(bought, 6, 1)
    assert bought.held() == 6, "since the first list that showed it"


def test_another_number_begins_the_ten_seconds_again(bought: World) -> None:
    shows(bought, 6)
    shows(bought, 5, 9)
    assert certain(bought) == 5
    shows(bought, 5, 9.9)
    assert bought.held() == 9
    shows(bought, 5, 0.1)
    assert bought.held() == 5


def test_a_list_that_shows_them_again_ends_it(bought: World) -> None:
    shows(bought, 6)
    shows(bought, 9, 5)
    assert (bought.book.shortages, certain(bought)) == ({}, 9)
    shows(bought, 6, 5)
    shows(bought, 6, 9)
    assert bought.held() == 9


def test_a_purchase_that_is_taken_back_whole_ends_the_round_trip_without_a_result(bought: World) -> None:
    shows(bought, 0)
    shows(bought, 0, 10)
    assert TICKER not in bought.book.positions
    (entry,) = bought.journal.trips.values()
    assert (entry.trip.reason, entry.trip.sell_qty, entry.trip.sell_price, entry.trip.avg_price) == (
        Purpose.MANUAL.value,
        9,
        D(10),
        D(10),
    )
    assert troubles(bought, "fill_taken_back")[0][2]["qty"] == 9


def test_an_order_that_fills_again_is_booked_under_a_number_of_its_own(bought: World) -> None:
    shows(bought, 6)
    shows(bought, 6, 10)
    shows(bought, 9, 10)
    assert bought.held() == 9
    assert [(f.cum_qty, f.qty) for f in bought.journal.fills.values()] == [(9, 9), (12, 3)]
    shows(bought, 7, 5)
    shows(bought, 7, 10)
    shows(bought, 8, 5)
    assert [(f.cum_qty, f.qty) for f in bought.journal.fills.values()] == [(9, 9), (12, 3), (13, 1)]
    assert (bought.held(), order_of(bought).taken_back) == (8, 5)


@pytest.mark.parametrize(("usd", "gone_usd"), [("90", "30.0000"), ("95", "30.0000"), ("61", "29"), ("0", "90")])
def test_what_they_had_cost_is_what_the_list_takes_off_else_the_average(bought: World, usd: str, gone_usd: str) -> None:
    shows(bought, 6, filled_usd=D(usd))
    shows(bought, 6, 10, filled_usd=D(usd))
    position = bought.book.positions[TICKER]
    assert (position.qty, position.sold_usd) == (6, D(gone_usd))
    assert order_of(bought).filled_usd == D(usd)


def test_no_more_is_taken_out_than_is_left(bought: World) -> None:
    bought.book.begin(bought.at)
    shrink(bought.book, TICKER, 7, D(70), purpose=Purpose.MANUAL)
    shows(bought, 6)
    assert certain(bought) == 0
    shows(bought, 6, 10)
    assert TICKER not in bought.book.positions
    (entry,) = bought.journal.trips.values()
    assert (entry.trip.sell_qty, entry.trip.sell_price) == (9, D(10))
    assert troubles(bought, "fill_taken_back")[0][2]["qty"] == 3
    assert not troubles(bought, "sold_more_than_held")


def test_what_they_had_cost_is_no_price_of_now(bought: World) -> None:
    """Else the next quote would look like a gap, and the stop would wait for the holdings."""
    bought.move("16.00")
    bought.prices()
    before = bought.book.positions[TICKER]
    bought.book.jumps.clear()
    shows(bought, 6)
    shows(bought, 6, 10)
    after = bought.book.positions[TICKER]
    assert (after.last_price, after.priced_at) == (D(16), before.priced_at)
    bought.prices()
    assert bought.book.jumps == {}


@pytest.mark.parametrize(
    ("written_off", "ordered_before", "left"), [(2, True, 7), (3, True, 7), (1, True, 6), (2, False, 5)]
)
def test_what_the_owner_has_written_off_is_not_taken_out_again(
    bought: World, written_off: int, ordered_before: bool, left: int
) -> None:
    """The holdings showed two shares missing, the owner settled that, and the list tells later that they were taken back."""
    sent_at = order_of(bought).sent_at
    assert sent_at is not None
    bought.book.begin(bought.at)
    shrink(bought.book, TICKER, 2, D(20), purpose=Purpose.MANUAL)
    written_at = sent_at if ordered_before else sent_at - seconds(1)
    bought.book.put_own(TICKER, Own(written_off=written_off, written_at=written_at))
    shows(bought, 7)
    shows(bought, 7, 10)
    assert bought.held() == left
    assert bought.book.counted(TICKER).written_off == max(0, written_off - 2) if ordered_before else written_off


def test_where_nothing_is_left_only_the_order_remembers_it(bought: World) -> None:
    bought.book.begin(bought.at)
    shrink(bought.book, TICKER, 9, D(90), purpose=Purpose.MANUAL)
    shows(bought, 6)
    shows(bought, 6, 10)
    assert TICKER not in bought.book.positions
    assert (order_of(bought).filled_qty, order_of(bought).taken_back) == (6, 3)
    assert not troubles(bought, "sold_more_than_held")


def test_a_stop_leaves_the_shares_alone_that_may_be_taken_back(bought: World) -> None:
    bought.at += seconds(60)
    shows(bought, 6)
    bought.move("8.00")
    bought.broker.accidents.append("rest")
    for _ in range(2):
        bought.at += seconds(1)
        bought.prices()
    assert [o.request.qty for o in bought.broker.sent(Side.SELL)] == [6]


def test_a_shortage_of_one_order_speaks_against_its_own_ticker_alone(bought: World) -> None:
    shows(bought, 6)
    other = msgspec.structs.replace(bought.book.positions[TICKER], ticker="TSLA")
    assert bought.book.certain_qty(other) == 9


def test_after_a_restart_the_ten_seconds_begin_again(bought: World) -> None:
    shows(bought, 6)
    bought._boot(recover=True)
    assert bought.book.shortages == {}
    shows(bought, 6, 30)
    assert (bought.held(), certain(bought)) == (9, 6)
    shows(bought, 6, 10)
    assert bought.held() == 6
    bought._boot(recover=True)
    assert (bought.held(), order_of(bought).taken_back) == (6, 3)


def test_shares_that_only_the_holdings_have_shown_are_not_taken_back_by_a_list_that_lags(bought: World) -> None:
    intent = msgspec.structs.replace(order_of(bought), estimated=True)
    bought.book.intents[intent.id] = intent
    shows(bought, 6)
    shows(bought, 6, 10)
    assert (bought.held(), bought.book.shortages) == (9, {})


def sale_shows(world: World, sale: Intent, filled: int, after_s: float = 0, *, complete: bool = True) -> None:
    world.at += seconds(after_s)
    assert sale.ref is not None
    order = row(sale.ref.odno, order=sale.request, filled=filled, open_qty=0)
    rows = (*(r for r in world.broker.rows() if r.ref != sale.ref), order)
    world.tell(OrdersRead(at=world.at, orders=rows, complete=complete))


def test_a_sale_that_is_taken_back_is_told_once_and_changes_nothing(bought: World) -> None:
    bought.at += seconds(60)
    bought.prices()
    bought.command(Sell(by="owner", ticker=TICKER, percent=50))
    bought.run(2)
    sale = order_of(bought, Side.SELL)
    before = bought.held()
    sale_shows(bought, sale, 1)
    sale_shows(bought, sale, 1, 9.9)
    assert not troubles(bought, "sale_taken_back")
    sale_shows(bought, sale, 1, 0.1, complete=False)
    assert not troubles(bought, "sale_taken_back")
    sale_shows(bought, sale, 1)
    values = {"where": "reconcile", "what": "sale_taken_back", "qty": 3}
    assert troubles(bought, "sale_taken_back") == [(TICKER, TICKER, values)]
    sale_shows(bought, sale, 1, 10)
    assert len(troubles(bought, "sale_taken_back")) == 1
    assert (bought.held(), certain(bought)) == (before, before)
    assert order_of(bought, Side.SELL) == sale
    assert not bought.book.locks

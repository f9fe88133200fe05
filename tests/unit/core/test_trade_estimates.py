"""Shares booked at their limit because only the holdings show them: what the list corrects, and sales beyond ours."""

from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Sell
from core.model.messages import EventKind
from core.model.order import BrokerRef, Purpose
from core.rules.shares import Own
from core.stages.trade.fills import shrink
from core.stages.trade.inputs import OrdersRead
from tests.unit.core.builders import TICKER, row
from tests.unit.core.harness import World
from tests.unit.core.test_trade_records import rate, ref

D = Decimal


def test_an_estimated_price_is_corrected_in_cost_result_and_stop(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("hide")
    auto.buy_signal()
    auto.run(70)
    estimated = auto.book.positions[TICKER]
    assert (estimated.cost_usd, estimated.cost_krw, estimated.bought_usd) == (D("90.45"), D(90_450), D("90.45"))
    (intent,) = auto.book.intents.values()
    assert intent.ref == BrokerRef("20261117", "", f"?{intent.id[:12]}") or intent.ref is None
    rate(auto, 1100)
    auto.broker.orders[0].hidden = False
    auto.run(2)
    true = auto.book.positions[TICKER]
    assert (true.qty, true.cost_usd, true.bought_usd) == (9, D(90), D(90))
    assert true.cost_krw == D(90_450) - D("0.45") * 1100
    assert (true.stop_price, true.target_price) == (D("8.50"), D("13.00"))
    known = auto.book.intents[intent.id]
    assert (known.filled_qty, known.filled_usd, known.estimated, known.ref) == (9, D(90), False, ref("1"))
    assert auto.journal.intents[intent.id] == known


def test_a_half_listed_order_leaves_the_estimate_until_the_list_is_complete(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("hide")
    auto.buy_signal()
    auto.run(70)
    (intent,) = auto.book.intents.values()
    order = row("1", order=intent.request, filled=8)
    auto.tell(OrdersRead(at=auto.at, orders=(order,), complete=True))
    assert auto.book.positions[TICKER].cost_usd == D("90.45"), "eight shares say nothing about nine"
    assert auto.book.intents[intent.id].estimated


def test_a_list_that_tells_shares_without_money_corrects_nothing(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("hide")
    auto.buy_signal()
    auto.run(70)
    (intent,) = auto.book.intents.values()
    for usd, cost in ((D(0), D("90.45")), (D("0.90"), D("0.90"))):
        auto.tell(
            OrdersRead(at=auto.at, orders=(row("1", order=intent.request, filled=9, filled_usd=usd),), complete=True)
        )
        assert auto.book.positions[TICKER].cost_usd == cost


@pytest.mark.parametrize(("usd", "cost"), [("81", "0.60"), ("80.40", "10.05"), ("72", "10.05")])
def test_a_correction_never_makes_what_is_left_cost_less_than_nothing(auto: World, usd: str, cost: str) -> None:
    """Nine were booked at $10.05, eight are sold again; then the list tells what the nine had cost."""
    auto.move("10.00")
    auto.broker.accidents.append("hide")
    auto.buy_signal()
    auto.run(70)
    (intent,) = auto.book.intents.values()
    shrink(auto.book, TICKER, 8, D(80), purpose=Purpose.MANUAL)
    auto.tell(
        OrdersRead(at=auto.at, orders=(row("1", order=intent.request, filled=9, filled_usd=D(usd)),), complete=True)
    )
    assert auto.book.positions[TICKER].cost_usd == D(cost)
    assert auto.book.intents[intent.id].filled_usd == D(usd)


def test_an_estimate_whose_shares_are_all_sold_is_corrected_in_the_order_alone(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("hide")
    auto.buy_signal()
    auto.run(70)
    (intent,) = auto.book.intents.values()
    shrink(auto.book, TICKER, 9, D(90), purpose=Purpose.MANUAL)
    auto.tell(OrdersRead(at=auto.at, orders=(row("1", order=intent.request, filled=9),), complete=True))
    assert TICKER not in auto.book.positions
    assert not auto.book.intents[intent.id].estimated


@pytest.mark.parametrize(("own", "left"), [(5, 2), (3, 0), (1, -2)])
def test_a_sale_beyond_ours_is_told_and_priced_by_the_share(holding: World, own: int, left: int) -> None:
    holding.book.put_own(TICKER, Own(qty=own))
    holding.prices()
    holding.broker.accidents.append("rest")
    holding.command(Sell(by="owner", ticker=TICKER))
    (intent,) = holding.book.live_intents()
    holding.book.put_position(msgspec.structs.replace(holding.book.positions[TICKER], qty=6, cost_usd=D(600)))
    sale = row(intent.ref.odno, order=intent.request, filled=9, filled_usd=D(990))
    holding.tell(OrdersRead(at=holding.at, orders=(*holding.broker.rows()[:-1], sale), complete=True))
    (told,) = [e.event for e in holding.journal.events if e.event.kind is EventKind.TROUBLE]
    assert (told.ticker, told.values) == (TICKER, {"where": "trader", "what": "sold_more_than_held", "qty": 3})
    assert (holding.book.counted(TICKER).qty, holding.book.own_qty(TICKER)) == (left, max(0, left))
    (entry,) = holding.journal.trips.values()
    assert (entry.trip.sell_qty, entry.trip.sell_price) == (6, D("110.0000"))

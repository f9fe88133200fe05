"""Sold by hand beyond the owner's own shares: the list says so, the holdings confirm it, and only then ours shrink."""

from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Sell
from core.model.instrument import Exchange
from core.model.messages import EventKind
from core.model.order import BrokerOrder, BrokerRef, ManualOrder, Purpose, Side
from core.rules.shares import Own
from core.stages.trade import Outcome
from core.stages.trade.inputs import HoldingsRead, OrdersRead
from core.stages.trade.outcome import Protect, ReadHoldings
from tests.unit.core.builders import TICKER, request, row, seconds
from tests.unit.core.harness import World
from tests.unit.core.test_trade_shares import held, look, quiet

D = Decimal
NAMES = {"name": "NVIDIA Corp", "name_ko": "엔비디아"}


def hand(odno: str, side: Side, qty: int, *, price: str = "110.00", **more: object) -> BrokerOrder:
    """A row of the owner's, filled so far by `qty`."""
    order = row(odno, order=request(side, qty, price), filled=qty, from_api=False, exchange=Exchange.NASD)
    return msgspec.structs.replace(order, **more)


def listed(world: World, *rows: BrokerOrder, complete: bool = True) -> Outcome:
    """The list shows these rows beside the broker's own."""
    message = OrdersRead(at=world.at, orders=(*world.broker.rows(), *rows), complete=complete)
    outcome = world.stage.handle(message)
    world._settle(outcome)
    world.todo.clear()
    return outcome


def sold(world: World) -> list[dict[str, object]]:
    return world.events(EventKind.MANUAL_SOLD)


def manual_fills(world: World) -> list[tuple[str, int, int, Decimal]]:
    found = (f for f in world.journal.fills.values() if f.purpose is Purpose.MANUAL)
    return [(f.intent_id, f.cum_qty, f.qty, f.usd) for f in found]


def certain(world: World) -> int:
    return world.book.certain_qty(world.book.positions[TICKER])


def test_a_sale_beyond_the_owners_own_waits_for_the_holdings_but_those_shares_are_not_sold_again(
    holding: World,
) -> None:
    outcome = listed(holding, hand("20", Side.SELL, 3))
    assert holding.book.counted(TICKER) == Own(qty=-3, short_since=holding.at)
    assert (holding.held(), certain(holding), holding.book.own_qty(TICKER)) == (9, 6, 0)
    assert ReadHoldings() in outcome.actions
    assert (sold(holding), manual_fills(holding)) == ([], [])


@pytest.mark.parametrize(("asked_s", "settled"), [(-1, False), (0, False), (1.9, False), (2.0, True)])
def test_only_holdings_that_were_asked_for_two_seconds_after_the_row_agree(
    holding: World, asked_s: float, settled: bool
) -> None:
    listed(holding, hand("20", Side.SELL, 3))
    since = holding.at
    holding.book.touched[TICKER] = since - seconds(60)
    holding.at = since + seconds(5)
    outcome = holding.stage.handle(
        HoldingsRead(at=holding.at, holdings=(held(TICKER, 6),), asked_at=since + seconds(asked_s))
    )
    assert (holding.held() == 6) is settled
    assert (ReadHoldings() in outcome.actions) is not settled, "else they are asked for again"


def test_ours_that_were_sold_by_hand_are_booked_recorded_and_told(holding: World) -> None:
    stop = holding.book.positions[TICKER].stop_price
    listed(holding, hand("20", Side.SELL, 3))
    holding.at += seconds(2)
    outcome = holding.stage.handle(HoldingsRead(at=holding.at, holdings=(held(TICKER, 6),), asked_at=holding.at))
    holding._settle(outcome)
    position = holding.book.positions[TICKER]
    assert (position.qty, position.sold_qty, position.sold_usd, position.stop_price) == (6, 3, D(330), stop)
    assert manual_fills(holding) == [("manual:20261117-20", 3, 3, D(330))]
    assert sold(holding) == [{**NAMES, "qty": 3, "ours": 3, "price": "110.0000", "left": 6}]
    assert holding.book.counted(TICKER) == Own()
    assert [o.ours_qty for o in holding.journal.manual.values()] == [3]
    assert Protect() in outcome.actions
    look(holding, 2, NVDA=6)
    assert (holding.held(), len(sold(holding))) == (6, 1), "once"


def test_the_owners_own_go_first_and_the_card_tells_what_was_ours(holding: World) -> None:
    listed(holding, hand("20", Side.BUY, 2))
    listed(holding, hand("20", Side.BUY, 2), hand("21", Side.SELL, 5))
    assert holding.book.positions[TICKER].own_qty == 0
    look(holding, 2, NVDA=6)
    assert (holding.held(), [(e["qty"], e["ours"], e["left"]) for e in sold(holding)]) == (6, [(5, 3, 6)])


def test_a_sale_of_the_owners_own_is_told_at_once_and_needs_no_holdings(holding: World) -> None:
    listed(holding, hand("20", Side.BUY, 2))
    listed(holding, hand("20", Side.BUY, 2), hand("21", Side.SELL, 2, price="120.00"))
    assert sold(holding) == [{**NAMES, "qty": 2, "ours": 0, "price": "120.0000", "left": 9}]
    assert holding.book.counted(TICKER) == Own()


def test_holdings_that_do_not_agree_settle_nothing(holding: World) -> None:
    listed(holding, hand("20", Side.SELL, 3))
    look(holding, 2, NVDA=9)
    look(holding, 2, NVDA=7)
    assert (holding.held(), certain(holding)) == (9, 6)
    look(holding, 2, NVDA=6)
    assert holding.held() == 6


def test_a_purchase_that_is_listed_late_gives_ours_back(holding: World) -> None:
    listed(holding, hand("20", Side.SELL, 3))
    look(holding, 2, NVDA=9)
    listed(holding, hand("20", Side.SELL, 3), hand("19", Side.BUY, 3))
    look(holding, 2, NVDA=9)
    assert (holding.held(), certain(holding)) == (9, 9)
    assert holding.book.counted(TICKER) == Own()
    assert manual_fills(holding) == []
    # the sale waited for it, and is told now
    assert [(e["qty"], e["ours"], e["left"]) for e in sold(holding)] == [(3, 0, 9)]


def test_a_purchase_that_explains_only_a_part_tells_nothing_yet(holding: World) -> None:
    listed(holding, hand("20", Side.SELL, 3))
    listed(holding, hand("20", Side.SELL, 3), hand("19", Side.BUY, 2))
    assert holding.book.counted(TICKER).qty == -1
    assert sold(holding) == []


def test_a_sale_by_hand_that_fills_further_writes_each_part_once(holding: World) -> None:
    order = hand("20", Side.SELL, 5, filled_qty=3, filled_usd=D(330), open_qty=2)
    listed(holding, order)
    look(holding, 2, NVDA=6)
    listed(holding, msgspec.structs.replace(order, filled_qty=5, filled_usd=D(560), open_qty=0))
    look(holding, 2, NVDA=4)
    assert holding.held() == 4
    # the price of an order is that of all its shares
    assert manual_fills(holding) == [("manual:20261117-20", 3, 3, D(330)), ("manual:20261117-20", 5, 2, D(224))]
    assert [(e["qty"], e["ours"], e["left"]) for e in sold(holding)] == [(3, 3, 6), (5, 2, 4)]


def test_of_several_sales_by_hand_the_newest_names_what_was_ours(holding: World) -> None:
    listed(holding, hand("20", Side.SELL, 2))
    holding.at += seconds(1)
    listed(holding, hand("20", Side.SELL, 2), hand("21", Side.SELL, 1, price="130.00"))
    assert holding.book.counted(TICKER).qty == -3
    look(holding, 2, NVDA=6)
    assert manual_fills(holding) == [("manual:20261117-21", 3, 3, D(390))]


def test_everything_sold_by_hand_ends_the_round_trip(holding: World) -> None:
    listed(holding, hand("20", Side.SELL, 9))
    look(holding, 2)
    assert TICKER not in holding.book.positions
    (entry,) = holding.journal.trips.values()
    assert (entry.trip.reason, entry.trip.sell_qty, entry.trip.sell_price) == ("MANUAL", 9, D(110))
    assert sold(holding) == [{"name": "", "name_ko": "", "qty": 9, "ours": 9, "price": "110.0000", "left": 0}]


def test_more_sold_by_hand_than_anybody_knew_of_ends_it_too_once_the_holdings_are_believed(holding: World) -> None:
    """Nine are ours, twelve were sold: three of the owner's were never told."""
    listed(holding, hand("20", Side.SELL, 12))
    assert holding.book.expected_shares(TICKER) == -3
    for second in (50, 30, 30, 30):
        look(holding, second)
    look(holding, 2)
    assert TICKER not in holding.book.positions
    assert holding.book.counted(TICKER).qty == 0
    assert manual_fills(holding)[0][1:3] == (9, 9)


def test_shares_that_a_sale_of_ours_took_from_nobody_known_are_settled_at_the_last_price(holding: World) -> None:
    """No order of the owner's explains the shortage: nothing to name, but ours are gone all the same."""
    quiet(holding)
    holding.book.put_own(TICKER, Own(qty=-2, short_since=holding.at))
    holding.move("90.00")
    holding.prices()
    look(holding, 2, NVDA=7)
    position = holding.book.positions[TICKER]
    assert (position.qty, position.sold_usd, holding.book.counted(TICKER)) == (7, D(180), Own())
    assert (manual_fills(holding), sold(holding)) == ([], [])


def test_an_order_of_the_owners_to_buy_or_of_another_ticker_is_not_what_sold_ours(holding: World) -> None:
    other = msgspec.structs.replace(hand("22", Side.SELL, 1), ticker="TSLA")
    listed(holding, hand("20", Side.SELL, 3), hand("21", Side.BUY, 1), other)
    look(holding, 2, NVDA=7, TSLA=0)
    assert manual_fills(holding) == [("manual:20261117-20", 2, 2, D(220))]


def test_a_stop_sells_only_what_nobody_has_sold_by_hand(holding: World) -> None:
    listed(holding, hand("20", Side.SELL, 4))
    holding.move("80.00")
    for _ in range(2):
        holding.at += seconds(1)
        holding.prices()
    assert [o.request.qty for o in holding.broker.sent(Side.SELL)] == [5]


def test_a_stop_sells_nothing_where_all_may_be_sold_by_hand(holding: World) -> None:
    listed(holding, hand("20", Side.SELL, 10))
    assert certain(holding) == 0
    holding.prices()
    holding.command(Sell(by="owner", ticker=TICKER))
    assert holding.broker.sent(Side.SELL) == []


def test_what_was_sold_by_hand_survives_a_restart(holding: World) -> None:
    listed(holding, hand("20", Side.SELL, 3))
    since = holding.at
    holding.at += seconds(10)
    holding._boot(recover=True)
    assert holding.book.counted(TICKER) == Own(qty=-3, short_since=since)
    assert certain(holding) == 6
    look(holding, NVDA=6)
    assert (holding.held(), [e["ours"] for e in sold(holding)]) == (6, [3])


def test_an_order_of_which_ours_were_sold_keeps_that_when_it_fills_further(holding: World) -> None:
    ref = BrokerRef("20261117", "B", "20")
    known = ManualOrder(
        ref=ref,
        ticker=TICKER,
        exchange=Exchange.NASD,
        side=Side.SELL,
        filled_qty=3,
        filled_usd=D(330),
        seen_at=holding.at,
        ours_qty=2,
    )
    holding.book.manual[ref] = known
    listed(holding, hand("20", Side.SELL, 4))
    assert holding.book.manual[ref] == msgspec.structs.replace(known, filled_qty=4, filled_usd=D(440))

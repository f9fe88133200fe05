"""The owner trades in the KIS app: seen, told, never fought, adopted only when asked."""

from decimal import Decimal

import msgspec
import pytest

from core.model.commands import AdoptManual, ReplyKey, Settle
from core.model.journal import AddTrip, Emit
from core.model.messages import EventKind
from core.model.order import Holding, Purpose, Side
from core.rules.shares import Own
from core.stages.trade.fills import shrink
from tests.unit.core.builders import TICKER
from tests.unit.core.harness import World


def by_hand(world: World, side: Side, qty: int) -> None:
    world.broker.by_hand(side, qty, world.at)
    world.run(2)


def test_what_was_there_before_the_first_look_is_history(world: World) -> None:
    fresh = World()
    fresh.journal.state.clear()
    fresh.stage.book.state.clear()
    fresh.broker.by_hand(Side.BUY, 5, fresh.at)
    fresh.run(4)
    assert not fresh.events(EventKind.MANUAL_BOUGHT)
    fresh.broker.by_hand(Side.BUY, 3, fresh.at)
    fresh.run(4)
    assert [e["qty"] for e in fresh.events(EventKind.MANUAL_BOUGHT)] == [3]


def test_an_order_of_before_that_fills_further_is_news(world: World) -> None:
    fresh = World()
    fresh.journal.state.clear()
    fresh.stage.book.state.clear()
    order = fresh.broker.by_hand(Side.BUY, 5, fresh.at, limit="90.00")
    fresh.move("90.00")
    fresh.broker.match(order, 2)
    fresh.run(4)
    assert not fresh.events(EventKind.MANUAL_BOUGHT)
    fresh.broker.match(order)
    fresh.run(4)
    assert [e["qty"] for e in fresh.events(EventKind.MANUAL_BOUGHT)] == [3]
    reply = fresh.command(AdoptManual(by="owner", key=next(iter(fresh.journal.manual.values())).key, adopt=True))
    assert reply.key is ReplyKey.DONE


def test_an_order_that_was_left_alone_asks_no_more(world: World) -> None:
    order = world.broker.by_hand(Side.BUY, 5, world.at, limit="90.00")
    world.move("90.00")
    world.broker.match(order, 2)
    world.run(4)
    world.command(AdoptManual(by="owner", key=next(iter(world.journal.manual.values())).key, adopt=False))
    world.broker.match(order)
    world.run(4)
    assert len(world.events(EventKind.MANUAL_BOUGHT)) == 1
    assert world.book.counted(TICKER) == Own(qty=5)


def test_a_sale_of_ours_that_takes_the_owners_shares_is_told_and_booked_for_what_was_ours(holding: World) -> None:
    ours = holding.held()
    holding.book.begin(holding.at)
    holding.book.put_own(TICKER, Own(qty=4))
    shrink(holding.book, TICKER, ours + 3, Decimal(100) * (ours + 3), purpose=Purpose.STOP)
    outcome = holding.book.outcome()
    told = [c.event for c in outcome.changes if isinstance(c, Emit)]
    assert [e.values["what"] for e in told if e.kind is EventKind.TROUBLE] == ["sold_more_than_held"]
    (trip,) = [c.trip for c in outcome.changes if isinstance(c, AddTrip)]
    assert (trip.sell_qty, trip.sell_price) == (ours, Decimal("100.0000"))
    assert holding.book.counted(TICKER) == Own(qty=1)


def test_shares_bought_by_hand_stay_the_owners_own(holding: World) -> None:
    ours = holding.held()
    by_hand(holding, Side.BUY, 5)
    (told,) = holding.events(EventKind.MANUAL_BOUGHT)
    assert (told["qty"], told["held"], told["own"]) == (5, ours, 5)
    holding.move("80.00")
    holding.run(60)
    assert holding.held() == 0
    assert holding.broker.shares[TICKER] == 5, "the stop sold ours and left the owner's"
    assert sum(o.filled for o in holding.broker.sent(Side.SELL)) == ours


def test_shares_of_a_ticker_we_do_not_hold_are_offered_too(world: World) -> None:
    world.broker.by_hand(Side.BUY, 4, world.at, ticker="TSLA")
    world.run(4)
    (told,) = world.events(EventKind.MANUAL_BOUGHT)
    assert (told["qty"], told["held"]) == (4, 0)


def test_adopted_shares_get_a_stop_and_are_sold_at_it(world: World) -> None:
    by_hand(world, Side.BUY, 4)
    key = next(iter(world.journal.manual.values())).key
    reply = world.command(AdoptManual(by="owner", key=key, adopt=True))
    assert reply.key is ReplyKey.DONE
    assert reply.values == {"ticker": TICKER, "qty": 4, "stop_price": "85.00", "target_price": "130.00"}
    assert world.book.positions[TICKER].own_qty == 0
    world.move("80.00")
    world.run(20)
    assert world.broker.shares[TICKER] == 0
    again = world.command(AdoptManual(by="owner", key=key, adopt=True))
    assert again.key is ReplyKey.ALREADY_DECIDED


def test_an_adopted_order_that_fills_further_stays_ours(world: World) -> None:
    order = world.broker.by_hand(Side.BUY, 6, world.at, limit="99.00")
    world.move("99.00")
    for part in (2, 4):
        world.broker.match(order, part)
        world.run(4)
        world.command(AdoptManual(by="owner", key=next(iter(world.journal.manual.values())).key, adopt=True))
    assert world.held() == 6
    assert [f.qty for f in world.journal.fills.values()] == [2, 4]
    assert len(world.events(EventKind.MANUAL_BOUGHT)) == 1


def test_adopting_beside_a_position_mixes_the_average_and_moves_the_stop(holding: World) -> None:
    ours = holding.held()
    holding.move("110.00")
    by_hand(holding, Side.BUY, ours)
    key = next(iter(holding.journal.manual.values())).key
    holding.command(AdoptManual(by="owner", key=key, adopt=True))
    position = holding.book.positions[TICKER]
    assert (position.qty, position.avg_price, position.stop_price) == (2 * ours, Decimal("105.0000"), Decimal("89.25"))
    assert position.own_qty == 0
    assert [f.qty for f in holding.journal.fills.values() if f.purpose is Purpose.MANUAL] == [ours]


def test_a_no_leaves_them_alone_and_is_remembered_over_a_restart(world: World) -> None:
    by_hand(world, Side.BUY, 4)
    key = next(iter(world.journal.manual.values())).key
    assert world.command(AdoptManual(by="owner", key=key, adopt=False)).key is ReplyKey.IGNORED
    world.restart()
    assert world.command(AdoptManual(by="owner", key=key, adopt=True)).key is ReplyKey.ALREADY_DECIDED
    assert TICKER not in world.book.positions


def test_an_unknown_key_or_shares_that_are_gone_are_refused(world: World) -> None:
    assert world.command(AdoptManual(by="owner", key="20261117-77", adopt=True)).key is ReplyKey.UNKNOWN_PLAN
    by_hand(world, Side.BUY, 4)
    key = next(iter(world.journal.manual.values())).key
    by_hand(world, Side.SELL, 4)
    assert world.command(AdoptManual(by="owner", key=key, adopt=True)).key is ReplyKey.NOT_HELD


def test_a_sale_by_hand_takes_the_owners_shares_first_and_then_shrinks_ours(holding: World) -> None:
    ours = holding.held()
    by_hand(holding, Side.BUY, 2)
    by_hand(holding, Side.SELL, 5)
    assert (holding.held(), holding.book.counted(TICKER).qty) == (ours, -3), "the holdings are asked once more"
    assert holding.book.certain_qty(holding.book.positions[TICKER]) == ours - 3
    assert not holding.events(EventKind.MANUAL_SOLD)
    holding.run(2)
    (told,) = holding.events(EventKind.MANUAL_SOLD)
    assert (told["qty"], told["ours"], told["left"]) == (5, 3, ours - 3)
    assert (holding.held(), holding.book.positions[TICKER].own_qty) == (ours - 3, 0)
    holding.move("80.00")
    holding.run(30)
    assert holding.broker.shares[TICKER] == 0
    assert sum(o.request.qty for o in holding.broker.sent(Side.SELL)) == ours - 3, "the stop sells what is left"


def test_selling_everything_by_hand_ends_the_round_trip(holding: World) -> None:
    ours = holding.held()
    holding.move("120.00")
    by_hand(holding, Side.SELL, ours)
    holding.run(2)
    assert TICKER not in holding.book.positions
    (trip,) = holding.journal.trips.values()
    assert (trip.trip.reason, trip.trip.sell_price) == ("MANUAL", Decimal("120.0000"))
    holding.run(120)
    assert not holding.events(EventKind.FROZEN)
    assert not holding.broker.sent(Side.SELL)


def test_a_sale_by_hand_while_we_were_away_is_seen_after_the_restart(holding: World) -> None:
    ours = holding.held()
    holding.broker.by_hand(Side.SELL, 2, holding.at)
    holding.restart()
    assert holding.held() == ours
    holding.run(2)
    assert holding.held() == ours - 2


def test_a_manual_order_is_booked_by_its_growth_only(holding: World) -> None:
    order = holding.broker.by_hand(Side.BUY, 6, holding.at, limit="90.00")
    holding.run(4)
    assert not holding.events(EventKind.MANUAL_BOUGHT)
    holding.move("90.00")
    for part in (2, 4):
        holding.broker.match(order, part)
        holding.run(4)
    assert [e["qty"] for e in holding.events(EventKind.MANUAL_BOUGHT)] == [2, 4]
    assert holding.book.positions[TICKER].own_qty == 6


def test_a_manual_order_that_looks_like_ours_is_not_ours(auto: World) -> None:
    """Same ticker, side, quantity and price; only the medium differs."""
    auto.broker.accidents.append("vanish")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(2)
    (intent,) = auto.book.live_intents()
    auto.broker.by_hand(Side.BUY, intent.request.qty, auto.at, limit=str(intent.request.limit))
    auto.run(300)
    assert auto.held() == 0
    assert auto.events(EventKind.MANUAL_BOUGHT)


# -- shares that no order explains --------------------------------------------------------------------------------


def test_vanished_shares_freeze_the_ticker_and_alarm_once(holding: World) -> None:
    ours = holding.held()
    holding.broker.shares[TICKER] = 5
    holding.run(58)
    assert not holding.events(EventKind.FROZEN), "one reading proves nothing"
    holding.run(60)
    (told,) = holding.events(EventKind.FROZEN)
    assert (told["reason"], told["held"], told["expected"]) == ("missing", 5, ours)
    holding.run(60)
    assert len(holding.events(EventKind.FROZEN)) == 1
    holding.move("80.00")
    holding.run(60)
    assert holding.broker.shares[TICKER] == 0, "what is there is still sold at the stop"
    assert sum(o.filled for o in holding.broker.sent(Side.SELL)) == 5


def test_a_stop_never_sells_the_owners_shares_in_place_of_ours_that_vanished(holding: World) -> None:
    ours = holding.held()
    by_hand(holding, Side.BUY, 20)
    holding.broker.shares[TICKER] = 20 + ours - 4
    holding.run(4)
    holding.move("80.00")
    holding.run(200)
    assert holding.broker.shares[TICKER] == 20
    assert sum(o.filled for o in holding.broker.sent(Side.SELL)) == ours - 4
    assert holding.book.positions[TICKER].frozen == "missing"


def test_shares_that_come_back_unfreeze_by_themselves(holding: World) -> None:
    ours = holding.held()
    holding.broker.shares[TICKER] = 5
    holding.run(140)
    holding.broker.shares[TICKER] = ours
    holding.run(4)
    assert len(holding.events(EventKind.UNFROZEN)) == 1
    assert holding.book.positions[TICKER].frozen == ""


def test_the_owner_settles_vanished_shares(holding: World) -> None:
    assert holding.command(Settle(by="owner", ticker=TICKER)).key is ReplyKey.NOTHING_TO_DO
    holding.broker.shares[TICKER] = 5
    holding.run(140)
    reply = holding.command(Settle(by="owner", ticker=TICKER))
    assert (reply.key, reply.values["qty"]) == (ReplyKey.DONE, 5)
    assert (holding.held(), holding.book.positions[TICKER].frozen) == (5, "")
    holding.broker.shares[TICKER] = 0
    holding.run(140)
    holding.command(Settle(by="owner", ticker=TICKER))
    assert TICKER not in holding.book.positions


def test_shares_from_elsewhere_become_the_owners_own(holding: World) -> None:
    ours = holding.held()
    holding.broker.shares[TICKER] += 2
    holding.run(140)
    assert [e["what"] for e in holding.events(EventKind.TROUBLE)] == ["shares_appeared"]
    position = holding.book.positions[TICKER]
    assert (position.qty, position.own_qty, position.frozen) == (ours, 2, "")


def test_holdings_that_lag_behind_a_fill_prove_nothing(auto: World) -> None:
    auto.move("10.00")
    auto.buy_signal()
    real = auto.broker.holdings
    auto.broker.holdings = lambda: ()
    auto.run(40)
    auto.broker.holdings = real
    auto.run(600, every=5)
    assert not auto.events(EventKind.FROZEN)
    assert auto.held() == auto.broker.shares[TICKER]


def overnight(world: World, price: str) -> None:
    """The market closes; at the next look the price is another."""
    world.market_open = False
    world.tick()
    world.at = world.at.replace(hour=14) + (world.at - world.at).__class__(days=1)
    world.market_open = True
    world.tick()
    world.move(price)


def test_a_split_over_night_is_not_a_fall_to_the_stop(holding: World) -> None:
    ours = holding.held()
    overnight(holding, "25.00")
    holding.broker.shares[TICKER] = 4 * ours
    holding.prices()
    holding.at += (holding.at - holding.at).__class__(seconds=2)
    holding.prices()
    assert not holding.broker.sent(Side.SELL), "the holdings must speak first"
    holding.run(30)
    (told,) = holding.events(EventKind.FROZEN)
    assert (told["reason"], told["held"], told["expected"]) == ("split", 4 * ours, ours)
    holding.run(120)
    assert not holding.broker.sent(Side.SELL)
    reply = holding.command(Settle(by="owner", ticker=TICKER))
    assert reply.values["qty"] == 4 * ours
    position = holding.book.positions[TICKER]
    assert (position.stop_price, position.target_price, position.avg_price) == (
        Decimal("21.2500"),
        Decimal("32.5000"),
        Decimal("25.0000"),
    )
    holding.move("20.00")
    holding.run(30)
    assert holding.broker.shares[TICKER] == 0


def test_a_fall_of_a_splits_measure_over_night_is_sold_after_a_minute_of_unchanged_holdings(holding: World) -> None:
    overnight(holding, "25.00")
    holding.run(56)
    assert not holding.broker.sent(Side.SELL)
    holding.run(14)
    assert holding.held() == 0


@pytest.mark.parametrize("price", ["71.00", "84.00"])
def test_an_ordinary_gap_over_night_waits_for_one_reading_of_the_holdings(holding: World, price: str) -> None:
    overnight(holding, price)
    for _ in range(3):
        holding.at += (holding.at - holding.at).__class__(seconds=2)
        holding.prices()
    assert not holding.broker.sent(Side.SELL)
    holding.run(6)
    assert holding.held() == 0


def test_shares_that_doubled_over_night_are_a_split_whatever_the_price_did(holding: World) -> None:
    ours = holding.held()
    overnight(holding, "84.00")
    holding.broker.shares[TICKER] = 2 * ours
    holding.run(10)
    assert holding.book.positions[TICKER].frozen == "split"
    assert not holding.broker.sent(Side.SELL)


def test_what_was_bought_and_sold_by_hand_between_two_readings_leaves_the_owner_the_rest(holding: World) -> None:
    ours = holding.held()
    real = holding.broker.holdings
    holding.broker.holdings = lambda: (
        Holding(ticker=TICKER, exchange="NASD", qty=ours, sellable_qty=ours, avg_price=Decimal(1)),
    )
    for side, qty in ((Side.BUY, 2), (Side.BUY, 5), (Side.SELL, 3)):
        holding.broker.by_hand(side, qty, holding.at)
    holding.run(4)
    assert holding.held() == ours, "the owner's own went first"
    assert holding.book.counted(TICKER) == Own(qty=4), "the orders tell, whatever the holdings show yet"
    holding.broker.holdings = real
    holding.run(4)
    assert (holding.book.counted(TICKER), holding.book.suspicions) == (Own(qty=4), {})


def test_settling_what_only_looked_like_a_split_changes_no_price(holding: World) -> None:
    ours = holding.held()
    position = msgspec.structs.replace(holding.book.positions[TICKER], frozen="split")
    holding.book.begin(holding.at)
    holding.book.put_position(position)
    holding.broker.shares[TICKER] = ours + 4
    holding.read()
    holding.command(Settle(by="owner", ticker=TICKER))
    settled = holding.book.positions[TICKER]
    assert (settled.qty, settled.own_qty, settled.frozen) == (ours, 4, "")
    assert settled.stop_price == position.stop_price

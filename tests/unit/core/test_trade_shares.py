"""Shares against our own count: what a reading of the holdings proves, what it leads to, and what the owner settles."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Sell, Settle
from core.model.instrument import Exchange
from core.model.messages import EventKind
from core.model.order import BrokerRef, Holding, Intent, IntentState, Side
from core.model.params import TradingParams
from core.rules.shares import Jump, Own, Suspicion
from core.stages.trade.inputs import HoldingsRead, OrderSending, OrdersRead
from tests.unit.core.builders import TICKER, request, row, seconds
from tests.unit.core.harness import World

D = Decimal
SETTLE = Settle(by="owner", ticker=TICKER)


def held(ticker: str, qty: int) -> Holding:
    return Holding(ticker=ticker, exchange=Exchange.NASD, qty=qty, sellable_qty=qty, avg_price=D(1))


def look(world: World, after_s: float = 0, *, asked_s: float = 0, **shares: int) -> None:
    """The holdings are read `after_s` later; the question left `asked_s` before the answer."""
    world.at += seconds(after_s)
    found = tuple(held(t, q) for t, q in shares.items())
    world.tell(HoldingsRead(at=world.at, holdings=found, asked_at=world.at - seconds(asked_s)))


def lost(world: World) -> Intent:
    """A buy of nine at $10.05 whose answer was lost and that no list shows."""
    world.move("10.00")
    world.broker.accidents.append("vanish")
    world.buy_signal()
    world.tick()
    world.prices()
    world.tick()
    (intent,) = world.book.live_intents()
    assert intent.state is IntentState.UNKNOWN
    return intent


def frozen(world: World) -> str:
    return world.book.positions[TICKER].frozen


def quiet(world: World) -> None:
    """Long after the last fill."""
    world.at += seconds(300)


# -- what is the owner's ---------------------------------------------------------------------------------------------


def test_what_the_account_holds_at_the_first_look_is_the_owners() -> None:
    fresh = World(reconciled=False)
    look(fresh, 1, ZZZ=5)
    assert fresh.book.own == {"ZZZ": Own(qty=5)}
    assert fresh.book.shares == {"ZZZ": 5}
    assert fresh.journal.state["shares_from"] == fresh.at.isoformat()
    look(fresh, 1, ZZZ=7)
    assert fresh.book.own == {"ZZZ": Own(qty=5)}, "from then on the orders tell"
    assert not fresh.journal.events


def test_what_appears_or_goes_of_a_ticker_that_is_not_ours_is_believed_after_three_readings_over_a_minute(
    world: World,
) -> None:
    since = world.at
    for second, qty in ((0, 0), (30, 0), (29.9, 0), (0.1, 5)):
        look(world, second, ZZZ=5)
        assert world.book.own_qty("ZZZ") == qty
    assert world.book.own == {"ZZZ": Own(qty=5, unexplained=5, seen_at=since)}
    assert not world.book.suspicions
    since = world.at
    for second, qty in ((0, 5), (60, 5), (1, 0)):
        look(world, second)
        assert world.book.own_qty("ZZZ") == qty
    assert world.book.own == {"ZZZ": Own(seen_at=since)}
    assert not world.journal.events


def test_while_an_order_of_ours_lives_nothing_is_the_owners_yet(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(2)
    (intent,) = auto.book.live_intents()
    auto.book.rows = {intent.ref: row("1", order=intent.request)}
    look(auto, 1, NVDA=9)
    assert auto.book.own == {}


def test_an_order_that_is_only_prepared_does_not_hold_the_count_up(auto: World) -> None:
    auto.hold_actions = True
    auto.move("10.00")
    auto.buy_signal()
    auto.tick()
    auto.prices()
    auto.tick()
    assert auto.book.live_intents()
    for second in (1, 30, 30):
        look(auto, second, NVDA=3)
    assert auto.book.own_qty(TICKER) == 3


def test_an_answer_to_a_question_asked_before_the_last_fill_says_nothing_about_that_ticker(holding: World) -> None:
    touched = holding.book.touched[TICKER]
    holding.at = touched + seconds(10)
    look(holding, asked_s=10.1, ZZZ=1)
    assert list(holding.book.suspicions) == ["ZZZ"]
    look(holding, asked_s=10)
    assert holding.book.suspicions[TICKER].held == 0
    assert holding.book.shares_asked_at == touched
    assert holding.book.holdings_reconciled


# -- a lost buy that the holdings show -------------------------------------------------------------------------------


def test_a_surplus_that_one_lost_buy_explains_is_booked_after_a_minute_and_two_readings(auto: World) -> None:
    intent = lost(auto)
    look(auto, 1, NVDA=4)
    look(auto, 59.9, NVDA=4)
    assert auto.held() == 0
    look(auto, 0.1, NVDA=4)
    assert auto.held() == 4
    booked = auto.book.intents[intent.id]
    assert (booked.state, booked.remaining, booked.estimated) == (IntentState.UNKNOWN, 5, True)
    assert auto.journal.intents[intent.id].estimated
    (entry,) = auto.journal.fills.values()
    assert entry.ref == BrokerRef("20261117", "", f"?{intent.id[:12]}")
    assert (entry.qty, entry.usd) == (4, D("40.20"))


def test_a_whole_order_that_the_holdings_show_is_filled(auto: World) -> None:
    intent = lost(auto)
    look(auto, 1, NVDA=9)
    look(auto, 60, NVDA=9)
    booked = auto.book.intents[intent.id]
    assert (booked.state, booked.reason) == (IntentState.FILLED, "seen in the holdings")
    assert auto.book.positions[TICKER].own_qty == 0


def test_one_reading_is_no_witness_however_old(auto: World) -> None:
    lost(auto)
    auto.book.suspicions[TICKER] = Suspicion(held=8, since=auto.at)
    look(auto, 90, NVDA=9)
    assert auto.held() == 0
    assert auto.book.suspicions[TICKER] == Suspicion(held=9, since=auto.at)


def test_a_number_that_changes_begins_again(auto: World) -> None:
    lost(auto)
    for second, qty in ((1, 9), (40, 5), (40, 9), (59, 9)):
        look(auto, second, NVDA=qty)
    assert auto.held() == 0
    look(auto, 1, NVDA=9)
    assert auto.held() == 9


def test_more_shares_than_the_lost_buy_could_bring_prove_nothing(auto: World) -> None:
    lost(auto)
    for _ in range(5):
        look(auto, 60, NVDA=10)
    assert auto.held() == 0


def test_two_lost_buys_that_both_explain_it_prove_nothing(auto: World) -> None:
    first = lost(auto)
    auto.book.intents["second"] = msgspec.structs.replace(first, id="second", dedup_key="second")
    for _ in range(5):
        look(auto, 60, NVDA=9)
    assert auto.held() == 0


def test_an_acknowledged_buy_that_the_list_does_not_show_is_booked_under_its_own_number(auto: World) -> None:
    ref = BrokerRef("20261117", "B", "5")
    intent = msgspec.structs.replace(lost(auto), state=IntentState.ACKED, ref=ref)
    auto.book.intents[intent.id] = intent
    look(auto, 1, NVDA=9)
    look(auto, 60, NVDA=9)
    (entry,) = auto.journal.fills.values()
    assert entry.ref == ref


def test_a_buy_that_the_list_shows_needs_no_witness(auto: World) -> None:
    ref = BrokerRef("20261117", "B", "5")
    intent = msgspec.structs.replace(lost(auto), state=IntentState.ACKED, ref=ref)
    auto.book.intents[intent.id] = intent
    auto.book.rows[ref] = row("5", order=intent.request)
    for _ in range(5):
        look(auto, 60, NVDA=9)
    assert auto.held() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"own_qty": None},
        {"filled_qty": 9},
        {"state": IntentState.CANCELLED},
        {"request": request(Side.SELL, 9, "10.05")},
        {"request": request(qty=9, limit="10.05", ticker="TSLA")},
    ],
    ids=["owner-unknown", "filled", "over", "sale", "other-ticker"],
)
def test_what_is_no_lost_buy_explains_no_shares(auto: World, changes: dict[str, object]) -> None:
    intent = lost(auto)
    auto.book.intents[intent.id] = msgspec.structs.replace(intent, **changes)
    look(auto, 1, NVDA=9)
    look(auto, 60, NVDA=9)
    assert auto.held() == 0


@pytest.mark.parametrize(("hours", "seconds_more", "booked"), [(16, 0, True), (16, 1, False)])
def test_a_lost_buy_explains_shares_for_one_session(auto: World, hours: int, seconds_more: int, booked: bool) -> None:
    intent = lost(auto)
    auto.at = intent.sent_at + dt.timedelta(hours=hours) - seconds(60 - seconds_more)
    look(auto, NVDA=9)
    look(auto, 60, NVDA=9)
    assert (auto.held() == 9) is booked


def test_the_owners_shares_from_before_the_lost_buy_stay_the_owners() -> None:
    auto = World(TradingParams(mode="auto"), reconciled=False)
    auto.broker.shares[TICKER] = 3
    auto.read()
    auto.tick()
    lost(auto)
    look(auto, 1, NVDA=12)
    look(auto, 60, NVDA=12)
    assert auto.held() == 9
    assert auto.book.positions[TICKER].own_qty == 3


# -- nothing of ours explains it -------------------------------------------------------------------------------------


def test_missing_shares_freeze_after_three_readings_over_a_minute(holding: World) -> None:
    quiet(holding)
    for second in (0, 30, 29.9):
        look(holding, second, NVDA=5)
        assert frozen(holding) == ""
    look(holding, 0.1, NVDA=5)
    assert frozen(holding) == "missing"


def test_two_readings_freeze_nothing(holding: World) -> None:
    quiet(holding)
    look(holding, NVDA=5)
    look(holding, 120, NVDA=5)
    assert frozen(holding) == ""
    look(holding, 1, NVDA=5)
    assert frozen(holding) == "missing"


def test_the_minute_counts_from_the_end_of_the_quiet_time_after_a_fill(holding: World) -> None:
    quiet(holding)
    holding.book.touched[TICKER] = holding.at
    for second in (0, 60, 44.9):
        look(holding, second, NVDA=5)
    assert frozen(holding) == ""
    look(holding, 0.1, NVDA=5)
    assert frozen(holding) == "missing"


def test_while_an_order_lives_nothing_is_concluded(holding: World) -> None:
    quiet(holding)
    holding.broker.accidents.append("rest")
    holding.prices()
    holding.command(Sell(by="owner", ticker=TICKER))
    for _ in range(5):
        look(holding, 60, NVDA=5)
    assert frozen(holding) == ""


def test_a_surplus_becomes_the_owners_and_the_next_one_is_counted_anew(holding: World) -> None:
    quiet(holding)
    for second in (0, 30, 30):
        look(holding, second, NVDA=11)
    assert holding.book.positions[TICKER].own_qty == 2
    assert TICKER not in holding.book.suspicions
    for second in (0, 30):
        look(holding, second, NVDA=14)
    assert holding.book.positions[TICKER].own_qty == 2
    look(holding, 30, NVDA=14)
    assert holding.book.positions[TICKER].own_qty == 5


def test_a_split_is_believed_at_once_and_told_once(holding: World) -> None:
    quiet(holding)
    holding.move("50.00")
    holding.prices()
    look(holding, NVDA=18)
    assert frozen(holding) == "split"
    look(holding, 60, NVDA=18)
    assert len(holding.events(EventKind.FROZEN)) == 1


def test_the_price_before_the_gap_tells_a_split_where_the_average_does_not(holding: World) -> None:
    """Bought at $100, risen to $400 unseen, then split four for one: the average alone would not show it."""
    quiet(holding)
    holding.book.jumps[TICKER] = Jump(before=D(400), at=holding.at)
    holding.move("100.00")
    look(holding, NVDA=36)
    assert frozen(holding) == "split"


def test_missing_shares_that_turn_out_to_be_a_split_are_told_again(holding: World) -> None:
    quiet(holding)
    for second in (0, 30, 30):
        look(holding, second, NVDA=5)
    holding.move("50.00")
    holding.prices()
    look(holding, 1, NVDA=18)
    assert [e["reason"] for e in holding.events(EventKind.FROZEN)] == ["missing", "split"]


def test_a_split_that_was_none_thaws_when_the_holdings_agree_with_the_orders_again(holding: World) -> None:
    quiet(holding)
    holding.move("50.00")
    holding.prices()
    look(holding, NVDA=18)
    assert frozen(holding) == "split"
    look(holding, 1, NVDA=9)
    assert frozen(holding) == ""
    assert TICKER not in holding.book.suspicions
    assert len(holding.events(EventKind.UNFROZEN)) == 1
    look(holding, 1, NVDA=9)
    assert len(holding.events(EventKind.UNFROZEN)) == 1


def test_an_even_count_ends_a_suspicion(holding: World) -> None:
    quiet(holding)
    for second, qty in ((0, 5), (30, 5), (1, 9), (30, 5)):
        look(holding, second, NVDA=qty)
    assert frozen(holding) == ""
    assert holding.book.suspicions[TICKER].readings == 1


def test_shares_that_are_sold_while_the_answer_travels_are_not_missing(holding: World) -> None:
    """The question left before the sale was booked."""
    quiet(holding)
    asked_at = holding.at
    holding.prices()
    holding.command(Sell(by="owner", ticker=TICKER, percent=50))
    holding.at += seconds(1)
    holding.tell(OrdersRead(at=holding.at, orders=holding.broker.rows(), complete=True))
    holding.tell(HoldingsRead(at=holding.at, holdings=(held(TICKER, 9),), asked_at=asked_at))
    assert not holding.book.suspicions


def test_an_order_being_sent_holds_a_conclusion_up(holding: World) -> None:
    quiet(holding)
    holding.prices()
    holding.hold_actions = True
    holding.command(Sell(by="owner", ticker=TICKER))
    (intent,) = holding.book.live_intents()
    holding.tell(OrderSending(at=holding.at, intent_id=intent.id, baseline=()))
    holding.todo.clear()
    for _ in range(4):
        look(holding, 60, NVDA=5)
    assert frozen(holding) == ""


def test_a_split_that_no_gap_shows_is_believed_after_a_minute(holding: World) -> None:
    quiet(holding)
    holding.move("50.00")
    holding.prices()
    holding.book.jumps.clear()
    for second in (0, 30, 29):
        look(holding, second, NVDA=18)
        assert frozen(holding) == ""
    look(holding, 1, NVDA=18)
    (told,) = holding.events(EventKind.FROZEN)
    assert (told["reason"], told["held"], told["expected"], told["qty"]) == ("split", 18, 9, 9)

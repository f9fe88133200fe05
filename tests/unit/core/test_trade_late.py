"""Prices around a pause: fills that are told late, what a gap asks for, and quotes that are too old to sell by."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Panic, Sell
from core.model.order import Intent, Side
from core.rules.shares import Jump
from core.stages.trade.gaps import FORGOTTEN, MOMENT, PATIENCE, PAUSE, may_be_split, note_jump, unlooked
from core.stages.trade.inputs import HoldingsRead, OrderSending, OrdersRead, QuotesRead
from core.stages.trade.outcome import ReadHoldings
from tests.unit.core.builders import TICKER, quote, row, seconds
from tests.unit.core.harness import World

D = Decimal
MINUTE = dt.timedelta(minutes=1)


def test_the_measures_of_a_gap_are_those_that_people_are_told() -> None:
    assert (seconds(60), seconds(30), 10 * MINUTE, dt.timedelta(days=1)) == (PATIENCE, MOMENT, PAUSE, FORGOTTEN)


# -- fills that are told late ----------------------------------------------------------------------------------------


def resting_buy(world: World) -> Intent:
    world.broker.accidents.append("rest")
    world.move("10.00")
    world.buy_signal()
    world.run(2)
    (intent,) = world.book.live_intents(side=Side.BUY)
    return intent


def fills(world: World, intent: Intent, *, after: dt.timedelta, price: str = "10.00") -> None:
    """The list tells of the fill so long after the order was sent."""
    world.at = intent.sent_at + after
    order = row(intent.ref.odno, order=intent.request, filled=intent.request.qty)
    order = msgspec.structs.replace(order, filled_usd=intent.request.qty * D(price))
    world.hold_actions = True
    rows = (*(r for r in world.broker.rows() if r.ref != intent.ref), order)
    world.tell(OrdersRead(at=world.at, orders=rows, complete=True))


def test_the_price_of_a_fill_that_is_told_at_once_is_the_last_price(auto: World) -> None:
    intent = resting_buy(auto)
    fills(auto, intent, after=PAUSE - seconds(1))
    position = auto.book.positions[TICKER]
    assert (position.last_price, position.priced_at) == (D(10), auto.at)


def test_a_new_position_whose_fill_is_told_ten_minutes_late_has_a_price_from_when_it_was_sent(auto: World) -> None:
    intent = resting_buy(auto)
    fills(auto, intent, after=PAUSE)
    position = auto.book.positions[TICKER]
    assert (position.last_price, position.priced_at, position.opened_at) == (D(10), intent.sent_at, auto.at)
    auto.tell(QuotesRead(at=auto.at, quotes=(quote("9.90", at=auto.at),)))
    assert auto.book.jumps == {TICKER: Jump(before=D(10), at=auto.at, measured=False, rested=True)}


@pytest.mark.parametrize(("late", "kept"), [(PAUSE - seconds(1), False), (PAUSE, True)])
def test_a_late_fill_beside_a_position_leaves_it_the_price_that_was_really_seen(
    auto: World, late: dt.timedelta, kept: bool
) -> None:
    auto.move("10.00")
    auto.buy_signal()
    auto.run(4)
    before = auto.book.positions[TICKER]
    auto.broker.accidents.append("rest")
    auto.run(60)
    (intent,) = auto.book.live_intents(side=Side.BUY)
    before = auto.book.positions[TICKER]
    fills(auto, intent, after=late, price="9.00")
    after = auto.book.positions[TICKER]
    assert after.qty > before.qty
    seen = (before.last_price, before.priced_at) if kept else (D(9), auto.at)
    assert (after.last_price, after.priced_at) == seen


@pytest.mark.parametrize(("late", "kept"), [(PAUSE - seconds(1), False), (PAUSE, True)])
def test_a_sale_that_is_told_late_is_no_price_of_now_either(holding: World, late: dt.timedelta, kept: bool) -> None:
    holding.prices()
    holding.broker.accidents.append("rest")
    holding.command(Sell(by="owner", ticker=TICKER, percent=50))
    (intent,) = holding.book.live_intents(side=Side.SELL)
    before = holding.book.positions[TICKER]
    fills(holding, intent, after=late, price="99.00")
    after = holding.book.positions[TICKER]
    assert after.qty == 5
    seen = (before.last_price, before.priced_at) if kept else (D(99), holding.at)
    assert (after.last_price, after.priced_at) == seen


def test_a_price_that_is_asked_for_is_looked_at_however_old_it_is(holding: World) -> None:
    """The paper account's price is the newest bar's: where nothing is traded it is old, and nobody has been away."""
    position = msgspec.structs.replace(holding.book.positions[TICKER], priced_at=holding.at - seconds(3600))
    holding.book.begin(holding.at)
    holding.book.looked_at[TICKER] = holding.at - seconds(599)
    assert unlooked(holding.book, position) == seconds(599)
    assert not may_be_split(holding.book, position)
    holding.book.looked_at[TICKER] = holding.at - seconds(600)
    assert may_be_split(holding.book, position)
    holding.book.looked_at.clear()
    assert unlooked(holding.book, position) == seconds(3600)


def test_what_is_looked_at_is_forgotten_with_the_position(holding: World) -> None:
    holding.prices()
    assert holding.book.looked_at == {TICKER: holding.at}
    holding.book.drop_position(TICKER)
    assert holding.book.looked_at == {}


# -- what a gap asks for ---------------------------------------------------------------------------------------------


def noted(world: World, price: str, *, before: str = "100.00", quiet: dt.timedelta = dt.timedelta()) -> bool:
    """A price after a pause of that length; whether the holdings are asked for."""
    world.book.begin(world.at)
    position = msgspec.structs.replace(
        world.book.positions[TICKER], last_price=D(before), priced_at=world.book.at - quiet
    )
    world.book.looked_at.clear()
    note_jump(world.book, position, D(price))
    return ReadHoldings() in world.book.outcome().actions


@pytest.mark.parametrize(
    ("price", "quiet", "measured", "rested"),
    [
        ("70.00", 0, True, False),
        ("99.00", 600, False, True),
        ("99.00", 599, None, None),
        ("50.00", 600, True, True),
    ],
)
def test_a_gap_is_measured_or_rested(
    holding: World, price: str, quiet: int, measured: bool | None, rested: bool | None
) -> None:
    asked = noted(holding, price, quiet=seconds(quiet))
    expected = Jump(before=D(100), at=holding.at, measured=measured, rested=rested) if measured is not None else None
    assert holding.book.jumps.get(TICKER) == expected
    assert asked is (expected is not None)


@pytest.mark.parametrize(
    ("measured", "rested", "age_s", "stays"),
    [(True, True, 0, True), (True, True, 60, True), (True, True, 60.1, False), (True, False, 1, False), (False, True, 1, False)],
)  # fmt: skip
def test_one_false_print_does_not_change_what_a_gap_over_a_pause_asks(
    holding: World, measured: bool, rested: bool, age_s: float, stays: bool
) -> None:
    gap = Jump(before=D(200), at=holding.at, measured=measured, rested=rested)
    holding.book.jumps[TICKER] = gap
    holding.at += seconds(age_s)
    asked = noted(holding, "50.00")
    assert (holding.book.jumps[TICKER] == gap) is stays
    assert asked is not stays


def waits(
    world: World, jump: Jump, *, asked: bool, listed_s: float | None, held_s: float | None, **more: object
) -> bool:
    """Whether a sale waits, with a list and holdings from so many seconds after the gap."""
    book = world.book
    book.jumps[TICKER] = jump
    book.listed_at = None if listed_s is None else jump.at + seconds(listed_s)
    book.shares_asked_at = None if held_s is None else jump.at + seconds(held_s)
    book.touched.pop(TICKER, None)
    if "touched_s" in more:
        book.touched[TICKER] = jump.at + seconds(more["touched_s"])
    book.at = jump.at + seconds(more.get("age_s", 1))
    return may_be_split(book, book.positions[TICKER], asked=asked)


@pytest.mark.parametrize(
    ("asked", "age_s", "expected"),
    [(False, 60, True), (False, 60.1, False), (True, 30, True), (True, 30.1, False)],
)
def test_a_stop_waits_a_minute_at_most_and_a_person_half_of_it(
    holding: World, asked: bool, age_s: float, expected: bool
) -> None:
    jump = Jump(before=D(200), at=holding.at, measured=True, rested=False)
    assert waits(holding, jump, asked=asked, listed_s=None, held_s=None, age_s=age_s) is expected


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize(("held_s", "expected"), [(None, True), (-0.1, True), (0, False), (1, False)])
def test_without_a_pause_one_reading_of_the_holdings_after_the_gap_will_do(
    holding: World, asked: bool, held_s: float | None, expected: bool
) -> None:
    jump = Jump(before=D(200), at=holding.at, measured=True, rested=False)
    assert waits(holding, jump, asked=asked, listed_s=None, held_s=held_s, touched_s=5) is expected


@pytest.mark.parametrize(("asked", "expected"), [(False, True), (True, False)])
def test_a_price_of_a_splits_measure_over_a_pause_is_not_explained_by_one_reading_unless_a_person_sells(
    holding: World, asked: bool, expected: bool
) -> None:
    jump = Jump(before=D(200), at=holding.at, measured=True, rested=True)
    assert waits(holding, jump, asked=asked, listed_s=1, held_s=1) is expected


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize(
    ("listed_s", "held_s", "touched_s", "expected"),
    [
        (None, 1, None, True),
        (-0.1, 1, None, True),
        (0, None, None, True),
        (0, -0.1, None, True),
        (0, 0, None, False),
        (0, 1, 2, True),
        (0, 2, 2, False),
        (0, 1, -5, False),
        (0, -1, -5, True),
    ],
)
def test_after_a_pause_a_person_waits_for_the_orders_and_for_holdings_that_count_them(
    holding: World,
    measured: bool,
    listed_s: float | None,
    held_s: float | None,
    touched_s: float | None,
    expected: bool,
) -> None:
    jump = Jump(before=D(200), at=holding.at, measured=measured, rested=True)
    more = {} if touched_s is None else {"touched_s": touched_s}
    assert waits(holding, jump, asked=True, listed_s=listed_s, held_s=held_s, **more) is expected
    if not measured:
        assert waits(holding, jump, asked=False, listed_s=listed_s, held_s=held_s, **more) is expected


def test_a_complete_list_says_when_it_was_read_and_one_in_part_does_not(holding: World) -> None:
    before = holding.book.listed_at
    holding.at += seconds(5)
    holding.tell(OrdersRead(at=holding.at, orders=holding.broker.rows(), complete=False))
    assert holding.book.listed_at == before
    holding.tell(OrdersRead(at=holding.at, orders=holding.broker.rows(), complete=True))
    assert holding.book.listed_at == holding.at


def rested(world: World, price: str) -> None:
    """Nobody looked for a quarter of an hour; then the price is another."""
    world.at += 15 * MINUTE
    world.move(price)
    world.prices()


@pytest.mark.parametrize("command", [Sell(by="owner", ticker=TICKER), Panic(by="owner", liquidate=True)])
def test_a_persons_sale_after_a_pause_waits_for_orders_and_holdings_and_then_goes(
    holding: World, command: Sell | Panic
) -> None:
    rested(holding, "50.00")
    holding.command(command)
    assert holding.broker.sent(Side.SELL) == []
    holding.tell(OrdersRead(at=holding.at, orders=holding.broker.rows(), complete=True))
    assert holding.broker.sent(Side.SELL) == []
    holding.tell(HoldingsRead(at=holding.at, holdings=holding.broker.holdings(), asked_at=holding.at))
    holding.tick()
    assert [o.request.qty for o in holding.broker.sent(Side.SELL)] == [9]


def test_a_persons_sale_goes_after_half_a_minute_whatever_nobody_answers(holding: World) -> None:
    rested(holding, "50.00")
    holding.command(Sell(by="owner", ticker=TICKER))
    holding.at += seconds(30)
    holding.tick()
    assert holding.broker.sent(Side.SELL) == []
    holding.at += seconds(1)
    holding.prices()
    assert [o.request.qty for o in holding.broker.sent(Side.SELL)] == [9]


def test_a_sale_that_was_prepared_before_the_gap_is_stopped_before_it_is_sent(holding: World) -> None:
    holding.prices()
    holding.hold_actions = True
    holding.command(Sell(by="owner", ticker=TICKER))
    (intent,) = holding.book.live_intents(side=Side.SELL)
    holding.book.jumps[TICKER] = Jump(before=D(200), at=holding.at + seconds(1), measured=True, rested=True)
    holding.at += seconds(2)
    reply = holding.tell(OrderSending(at=holding.at, intent_id=intent.id, baseline=()))
    assert reply is not None
    assert not reply.ok


# -- quotes that are too old -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age_s", "sent"), [(0, True), (30, True), (30.1, False)])
def test_no_sale_goes_by_a_quote_older_than_half_a_minute(holding: World, age_s: float, sent: bool) -> None:
    holding.prices()
    holding.at += seconds(age_s)
    holding.command(Sell(by="owner", ticker=TICKER))
    assert bool(holding.broker.sent(Side.SELL)) is sent
    assert TICKER in holding.book.exits or sent
    holding.prices()
    assert [o.request.qty for o in holding.broker.sent(Side.SELL)] == [9]


def test_what_the_broker_says_is_sellable_is_offered_only_by_a_fresh_quote_too(holding: World) -> None:
    holding.prices()
    holding.hold_actions = True
    holding.command(Sell(by="owner", ticker=TICKER))
    (intent,) = holding.book.live_intents(side=Side.SELL)
    holding.todo.clear()
    holding.broker.shares[TICKER] = 4
    holding.at += seconds(31)
    holding.hold_actions = False
    holding._place(intent)
    assert holding.broker.sent(Side.SELL) == []
    holding.at += seconds(6)
    holding.run(2)
    assert [o.request.qty for o in holding.broker.sent(Side.SELL)] == [4]


def test_the_price_of_a_position_that_has_just_opened_is_no_dark_one(auto: World) -> None:
    """A fill that is told late keeps an old instant, but nobody could have watched what was not known to be held."""
    intent = resting_buy(auto)
    fills(auto, intent, after=PAUSE)
    auto.hold_actions = False
    auto.at += seconds(15)
    auto.tick()
    assert auto.book.unwatched == set()
    auto.at += seconds(1)
    auto.tick()
    assert auto.book.unwatched == {TICKER}


@pytest.mark.parametrize(("age_s", "expected"), [(599.9, False), (600, True)])
@pytest.mark.parametrize("asked", [False, True])
def test_before_the_first_price_after_a_pause_nothing_is_sold(
    holding: World, age_s: float, expected: bool, asked: bool
) -> None:
    book, position = holding.book, holding.book.positions[TICKER]
    book.jumps.clear()
    book.at = position.priced_at + seconds(age_s)
    assert may_be_split(book, position, asked=asked) is expected
    if not asked:
        assert may_be_split(book, position) is expected


def test_a_sale_waits_the_stops_time_unless_a_person_asked_for_it(holding: World) -> None:
    book, position = holding.book, holding.book.positions[TICKER]
    book.jumps[TICKER] = Jump(before=D(200), at=book.at, measured=True, rested=True)
    book.listed_at = book.shares_asked_at = book.at
    book.touched.clear()
    assert may_be_split(book, position)
    assert not may_be_split(book, position, asked=True)


def test_before_the_first_list_and_holdings_of_a_process_nothing_counts_as_read() -> None:
    fresh = World(reconciled=False)
    assert (fresh.book.listed_at, fresh.book.shares_asked_at) == (None, None)

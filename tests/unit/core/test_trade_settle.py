"""Frozen tickers and gaps: what the owner settles, what a split changes, and how long a stop waits for the holdings."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Reply, ReplyKey, Sell, Settle
from core.model.messages import EventKind
from core.model.order import Purpose, Side
from core.rules.shares import Jump
from core.stages.trade.gaps import may_be_split, note_jump, price_before
from core.stages.trade.outcome import ReadHoldings
from tests.unit.core.builders import TICKER, seconds
from tests.unit.core.harness import World
from tests.unit.core.test_trade_shares import frozen, look, quiet

D = Decimal
SETTLE = Settle(by="owner", ticker=TICKER)


def missing(world: World, qty: int) -> None:
    """The account holds fewer shares than ours, and the ticker is frozen for it."""
    quiet(world)
    for second in (0, 30, 30):
        look(world, second, **({TICKER: qty} if qty else {}))
    assert frozen(world) == "missing"


def test_there_is_nothing_to_settle_where_nothing_is_frozen(holding: World) -> None:
    nothing = Reply(ok=False, key=ReplyKey.NOTHING_TO_DO, values={"ticker": TICKER})
    assert holding.command(SETTLE) == nothing
    holding.book.positions.clear()
    assert holding.command(SETTLE) == nothing


def test_settled_shares_that_are_gone_are_booked_as_sold_by_hand_at_the_last_price(holding: World) -> None:
    missing(holding, 5)
    holding.move("110.00")
    holding.prices()
    assert holding.command(SETTLE) == Reply(ok=True, key=ReplyKey.DONE, values={"ticker": TICKER, "qty": 5})
    position = holding.book.positions[TICKER]
    assert (position.qty, position.own_qty, position.frozen) == (5, 0, "")
    assert (position.sold_qty, position.sold_usd) == (4, D(440))
    assert holding.book.touched[TICKER] == holding.at
    assert TICKER not in holding.book.suspicions


def test_settled_shares_that_are_all_gone_end_the_round_trip(holding: World) -> None:
    missing(holding, 0)
    assert holding.command(SETTLE) == Reply(ok=True, key=ReplyKey.DONE, values={"ticker": TICKER, "qty": 0})
    assert TICKER not in holding.book.positions
    (entry,) = holding.journal.trips.values()
    assert (entry.trip.reason, entry.trip.sell_qty) == (Purpose.MANUAL.value, 9)


def test_more_shares_than_ours_at_the_settling_are_the_owners(holding: World) -> None:
    missing(holding, 5)
    look(holding, 1, NVDA=12)
    assert holding.command(SETTLE).values["qty"] == 9
    position = holding.book.positions[TICKER]
    assert (position.qty, position.own_qty, position.sold_qty) == (9, 3, 0)


def split(world: World, price: str, qty: int) -> None:
    """The price jumps over a pause and the holdings show another count."""
    quiet(world)
    world.move(price)
    world.prices()
    look(world, NVDA=qty)
    assert frozen(world) == "split"


def test_a_settled_split_multiplies_shares_and_divides_prices_ours_and_the_owners_alike(holding: World) -> None:
    holding.broker.by_hand(Side.BUY, 4, holding.at)
    holding.broker.by_hand(Side.SELL, 1, holding.at)
    holding.run(2)
    before = holding.book.positions[TICKER]
    assert (before.qty, before.own_qty) == (9, 3)
    split(holding, "50.00", 24)
    assert holding.command(SETTLE) == Reply(ok=True, key=ReplyKey.DONE, values={"ticker": TICKER, "qty": 18})
    after = holding.book.positions[TICKER]
    assert (after.qty, after.own_qty, after.bought_qty, after.frozen) == (18, 6, 18, "")
    assert (after.stop_price, after.target_price) == (D("42.50"), D("65.00"))
    assert (after.cost_usd, after.bought_usd) == (before.cost_usd, before.bought_usd)


def test_a_settled_split_scales_what_was_sold_before_it(holding: World) -> None:
    holding.prices()
    holding.command(Sell(by="owner", ticker=TICKER, percent=34))
    holding.run(4)
    assert holding.book.positions[TICKER].sold_qty == 3
    split(holding, "50.00", 12)
    holding.command(SETTLE)
    after = holding.book.positions[TICKER]
    assert (after.qty, after.bought_qty, after.sold_qty) == (12, 18, 6)


def test_a_settled_reverse_split_divides_shares_and_multiplies_prices(auto: World) -> None:
    auto.move("8.00")
    auto.bought_position(1200)
    qty = auto.held()
    position = auto.book.positions[TICKER]
    split(auto, "80.00", qty // 10)
    auto.command(SETTLE)
    after = auto.book.positions[TICKER]
    assert after.qty == qty // 10
    assert after.own_qty == 0
    ratio = D(qty // 10) / qty
    assert after.stop_price == (position.stop_price / ratio).quantize(D("0.0001"))
    assert after.bought_qty == qty // 10


def test_a_split_that_leaves_less_than_a_share_leaves_one(holding: World) -> None:
    """Nine shares, one for nine: one is left, and it is ours."""
    position = holding.book.positions[TICKER]
    holding.book.put_position(msgspec.structs.replace(position, frozen="split", own_qty=1))
    look(holding, 60, NVDA=1)
    holding.command(SETTLE)
    after = holding.book.positions[TICKER]
    assert (after.qty, after.own_qty, after.bought_qty) == (1, 0, 1)


def test_a_settled_split_whose_shares_are_all_gone_is_a_sale(holding: World) -> None:
    position = holding.book.positions[TICKER]
    holding.book.put_position(msgspec.structs.replace(position, frozen="split"))
    look(holding, 60)
    assert holding.command(SETTLE).values["qty"] == 0
    assert TICKER not in holding.book.positions


def test_a_settled_split_forgets_the_gap(holding: World) -> None:
    split(holding, "50.00", 18)
    holding.book.jumps[TICKER] = Jump(before=D(100), at=holding.at)
    holding.command(SETTLE)
    assert TICKER not in holding.book.jumps
    holding.book.put_position(msgspec.structs.replace(holding.book.positions[TICKER], frozen="split"))
    assert holding.command(SETTLE).ok, "a second time too"


@pytest.mark.parametrize(
    ("price", "noted"), [("70.00", True), ("70.01", False), ("142.86", True), ("142.85", False), ("25.00", True)]
)
def test_a_price_that_jumped_by_a_splits_measure_is_noted_and_asks_for_the_holdings(
    holding: World, price: str, noted: bool
) -> None:
    holding.book.begin(holding.at)
    position = msgspec.structs.replace(holding.book.positions[TICKER], last_price=D(100), priced_at=holding.at)
    note_jump(holding.book, position, D(price))
    assert holding.book.jumps == ({TICKER: Jump(before=D(100), at=holding.book.at)} if noted else {})
    assert holding.book.outcome().actions == ((ReadHoldings(),) if noted else ())


@pytest.mark.parametrize(
    ("later_s", "asked_s", "waits"),
    [(0, None, True), (60, None, True), (61, None, False), (1, -1, True), (1, 0, False), (1, 1, False)],
)
def test_a_stop_waits_a_minute_for_a_reading_of_the_holdings_after_the_jump(
    holding: World, later_s: int, asked_s: int | None, waits: bool
) -> None:
    book, position = holding.book, holding.book.positions[TICKER]
    assert not may_be_split(book, position), "without a jump it does not wait"
    book.jumps[TICKER] = Jump(before=D(100), at=book.at)
    book.shares_asked_at = None if asked_s is None else book.at + seconds(asked_s)
    book.at += seconds(later_s)
    assert may_be_split(book, position) is waits


def test_a_gap_of_yesterday_says_nothing_about_todays_shares(holding: World) -> None:
    book, position = holding.book, holding.book.positions[TICKER]
    assert price_before(book, position) == D(100)
    book.jumps[TICKER] = Jump(before=D(400), at=book.at)
    book.at += dt.timedelta(days=1)
    assert price_before(book, position) == D(400)
    book.at += seconds(1)
    assert price_before(book, position) == D(100)


def test_the_settling_is_told_with_who_settled_it(holding: World) -> None:
    missing(holding, 5)
    holding.command(SETTLE)
    (event,) = [e.event for e in holding.journal.events if e.event.kind is EventKind.UNFROZEN]
    assert (event.ticker, event.subject) == (TICKER, TICKER)
    assert event.values == {"name": "NVIDIA Corp", "name_ko": "엔비디아", "by": "owner"}


def test_at_the_settling_the_owners_own_shares_stay_the_owners(holding: World) -> None:
    holding.book.put_position(msgspec.structs.replace(holding.book.positions[TICKER], own_qty=3))
    missing(holding, 7)
    assert holding.command(SETTLE).values["qty"] == 4
    position = holding.book.positions[TICKER]
    assert (position.qty, position.own_qty, position.sold_qty) == (4, 3, 5)

"""Matching rules without sockets: when, at what price and how much an order fills."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from sandbox.calendar import REGULAR_MINUTE
from sandbox.kis.account import Account, Side
from sandbox.kis.engine import Engine, State
from sandbox.market import Instrument, Market, Series

DAY = date(2026, 11, 18)
OPEN = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
NOON = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
LAST_MINUTE = datetime(2026, 11, 18, 20, 59, tzinfo=UTC)


def flat_market(price: float = 10.0, volume: int = 6000) -> Market:
    """One stock at one price all day, but for a dip to 9 in the minute of 12:05."""
    minutes = np.arange(REGULAR_MINUTE, REGULAR_MINUTE + 450, dtype=np.int64)
    prices = np.full((len(minutes), 4), price)
    prices[155] = [price, price, 9.0, price]
    instrument = Instrument("FLAT", "Flat", "플랫", "XNAS", 10_000_000, price)
    return Market(DAY, [(instrument, Series(minutes, prices, np.full(len(minutes), volume, dtype=np.int64)))])


def engine(*, paper: bool = False, share: float | None = 0.1, at: datetime = NOON, volume: int = 6000) -> Engine:
    made = Engine(flat_market(volume=volume), Account(), paper=paper, share=share)
    made.advance(at)
    return made


def buy(book: Engine, qty: int, price: str, at: datetime = NOON, division: str = "00"):
    return book.place("FLAT", Side.BUY, qty, Decimal(price), division, at)


def after(seconds: float, start: datetime = NOON) -> datetime:
    return start + timedelta(seconds=seconds)


def test_a_marketable_buy_fills_at_the_ask_a_second_later():
    book = engine()
    order = buy(book, 5, "12.00")
    assert book.advance(after(0.9)) == []
    (fill,) = book.advance(after(1))
    assert (fill.qty, fill.price) == (5, Decimal("10.01"))
    assert order.state is State.FILLED


def test_a_sale_fills_at_the_bid_and_pays_both_fees():
    book = engine()
    buy(book, 5, "12.00")
    book.advance(after(2))
    book.place("FLAT", Side.SELL, 5, Decimal("9.00"), "00", after(2))
    (fill,) = book.advance(after(4))
    assert (fill.price, fill.fee) == (Decimal("9.99"), Decimal("0.13"))
    assert book.account.holdings == {}
    assert book.account.realised_usd == Decimal("-0.10")


def test_large_orders_fill_in_parts_that_the_volume_allows():
    """A tenth of 6,000 shares a minute is ten a second."""
    book = engine()
    order = buy(book, 25, "12.00")
    assert [fill.qty for fill in book.advance(after(3))] == [10, 10, 5]
    assert order.state is State.FILLED
    whole = engine(share=None)
    buy(whole, 25_000, "12.00")
    assert [fill.qty for fill in whole.advance(after(3))] == [25_000]


def test_better_price_goes_first_then_the_older_order():
    book = engine()
    first = buy(book, 10, "11.00")
    best = buy(book, 10, "12.00", after(0.1))
    last = buy(book, 10, "11.00", after(0.2))
    assert [fill.odno for fill in book.advance(after(3))] == [best.odno, first.odno, last.odno]


def test_a_resting_limit_waits_for_the_dip_inside_a_minute():
    book = engine()
    order = buy(book, 5, "9.50")
    book.advance(after(299))
    assert order.filled == 0
    book.advance(after(360))
    assert order.filled == 5
    assert order.average <= Decimal("9.50")


def test_nothing_fills_in_a_minute_without_trades():
    empty = engine(at=datetime(2026, 11, 18, 13, 0, tzinfo=UTC))
    order = buy(empty, 5, "12.00", datetime(2026, 11, 18, 13, 0, tzinfo=UTC))
    empty.advance(OPEN - timedelta(seconds=1))
    assert order.filled == 0


def test_cancel_loses_the_race_against_a_fill():
    book = engine()
    order = buy(book, 5, "12.00")
    row = book.cancel(order, 5, after(0.5))
    book.advance(after(3))
    assert order.state is State.FILLED
    assert row.state is State.REJECTED


def test_cancel_takes_a_second_and_keeps_what_was_filled():
    book = engine()
    order = buy(book, 500, "12.00")
    book.advance(after(1))
    row = book.cancel(order, order.remaining, after(1))
    assert order.remaining == 490
    book.advance(after(5))
    assert (order.state, row.state) == (State.CANCELLED, State.DONE)
    assert 10 <= order.filled <= 20
    assert order.remaining == 0


def test_modify_moves_the_shares_to_a_new_number():
    book = engine()
    order = buy(book, 5, "9.00")
    replacement = book.modify(order, 5, Decimal("12.00"), after(1))
    book.advance(after(3))
    assert (order.state, order.filled) == (State.REPLACED, 0)
    assert (replacement.state, replacement.original, replacement.filled) == (State.FILLED, order.odno, 5)


@pytest.mark.parametrize(
    ("placed", "dead_at"),
    [
        (NOON, datetime(2026, 11, 18, 21, 0, tzinfo=UTC)),
        (datetime(2026, 11, 18, 10, 0, tzinfo=UTC), datetime(2026, 11, 18, 21, 0, tzinfo=UTC)),
        (datetime(2026, 11, 18, 21, 10, tzinfo=UTC), datetime(2026, 11, 18, 22, 0, tzinfo=UTC)),
    ],
)
def test_day_orders_expire_with_their_session(placed, dead_at):
    book = engine(at=placed)
    order = buy(book, 5, "5.00", placed)
    book.advance(dead_at - timedelta(seconds=1))
    assert order.state is State.OPEN
    book.advance(dead_at)
    assert (order.state, order.reason) == (State.EXPIRED, "DFD 장종료로 취소")


@pytest.mark.parametrize(("division", "limit", "filled"), [("34", "10.50", 7), ("34", "9.00", 0)])
def test_limit_on_close_fills_whole_at_the_close_or_dies(division, limit, filled):
    book = engine(at=LAST_MINUTE)
    order = buy(book, 7, limit, LAST_MINUTE, division)
    book.advance(after(59, LAST_MINUTE))
    assert order.filled == 0
    book.advance(after(61, LAST_MINUTE))
    assert order.filled == filled
    assert order.state is (State.FILLED if filled else State.EXPIRED)


@pytest.mark.parametrize(("paper", "filled"), [(False, 5), (True, 0)])
def test_only_the_real_host_trades_after_hours(paper, filled):
    at = datetime(2026, 11, 18, 21, 1, tzinfo=UTC)
    book = engine(paper=paper, at=at)
    order = buy(book, 5, "12.00", at)
    book.advance(after(5, at))
    assert order.filled == filled


def test_purchases_take_dollars_first_and_then_won():
    book = engine(share=None)
    book.account.usd = Decimal(50)
    buy(book, 10, "12.00")
    book.advance(after(2))
    assert book.account.usd == 0
    assert book.account.krw == Decimal(20_000_000) - round(Decimal("50.35") * 1450)


def test_open_orders_reserve_cash_and_shares():
    book = engine()
    buy(book, 10, "5.00")
    assert book.reserved_usd() == 50
    buy(book, 10, "12.00")
    book.advance(after(1))
    book.place("FLAT", Side.SELL, 4, Decimal(99), "00", after(1))
    assert book.reserved_shares("FLAT") == 4

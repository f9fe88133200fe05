"""The paper account."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.paper import PaperBroker
from core.model.bar import Bar
from core.model.instrument import Exchange, Split
from core.model.order import Side
from core.rules.days import us_date
from ports.broker import BrokerUnavailable, OrderRefused, Urgency
from tests.unit.core.builders import NOON, TICKER, request, seconds

D = Decimal


class Market:
    """Prices that the paper account sees."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOON
        self.bars: dict[str, tuple[Bar, dt.datetime]] = {}
        self.splits: list[Split] = []
        self.broker = self.open()

    def open(self) -> PaperBroker:
        return PaperBroker(
            self.path,
            newest=self.bars.get,
            cash_krw=10_000_000,
            krw_per_usd=1000.0,
            commission_pct=0.25,
            today=lambda: us_date(self.now),
            splits=lambda: self.splits,
        )

    def show(self, last: str, ticker: str = TICKER, *, low: str = "", high: str = "", opened: str = "") -> None:
        """A closed bar arrives; without more it is flat at `last`."""
        self.now += seconds(60)
        o, h, lo, c = (float(v) for v in (opened or last, high or last, low or last, last))
        bar = Bar(ticker, int(self.now.timestamp() * 1000) - 60_000, o, max(o, h, c), min(o, lo, c), c, 100)
        self.bars[ticker] = (bar, self.now)

    async def cash(self) -> Decimal:
        return (await self.broker.buying_power(TICKER, Exchange.NASD, "1")).usd


@pytest.fixture
def market(tmp_path: Path) -> Market:
    found = Market(tmp_path / "paper.json")
    found.show("100.00")
    return found


async def test_an_order_never_fills_at_the_price_that_was_known_when_it_was_placed(market: Market) -> None:
    await market.broker.place(request(limit="101.00"))
    assert (await market.broker.order_book()).orders[0].filled_qty == 0
    market.show("100.50")
    (found,) = (await market.broker.order_book()).orders
    assert (found.filled_qty, found.filled_usd, found.open_qty) == (10, D(1005), 0)


@pytest.mark.parametrize(
    ("side", "price", "fills"),
    [
        (Side.BUY, "100.00", True),
        (Side.BUY, "100.01", False),
        (Side.BUY, "99.00", True),
        (Side.SELL, "100.00", True),
        (Side.SELL, "99.99", False),
        (Side.SELL, "101.00", True),
    ],
)
async def test_a_limit_fills_only_when_the_price_is_as_good(
    market: Market, side: Side, price: str, *, fills: bool
) -> None:
    if side is Side.SELL:
        await market.broker.place(request(limit="100.00"))
        market.show("100.00")
        await market.broker.order_book()
    await market.broker.place(request(side, limit="100.00"))
    market.show(price)
    assert ((await market.broker.order_book()).orders[-1].filled_qty == 10) is fills


async def test_a_round_trip_moves_cash_shares_and_commission(market: Market) -> None:
    await market.broker.place(request(limit="100.00"))
    market.show("100.00")
    (held,) = await market.broker.holdings()
    assert (held.qty, held.sellable_qty, held.avg_price) == (10, 10, D("100.0000"))
    assert await market.cash() == D("8997.50")
    await market.broker.place(request(Side.SELL, limit="90.00"))
    assert (await market.broker.holdings())[0].sellable_qty == 0
    market.show("110.00")
    assert await market.broker.holdings() == ()
    assert await market.cash() == D("10094.75")


async def test_open_buys_bind_their_cash(market: Market) -> None:
    await market.broker.place(request(qty=90, limit="100.00"))
    assert await market.cash() == D("977.50")
    with pytest.raises(OrderRefused) as refused:
        await market.broker.place(request(qty=10, limit="100.00", ticker="AMD"))
    assert refused.value.code == "PAPER_CASH"


async def test_more_than_is_held_is_never_sold(market: Market) -> None:
    with pytest.raises(OrderRefused) as refused:
        await market.broker.place(request(Side.SELL))
    assert refused.value.code == "PAPER_SHARES"


async def test_a_cancelled_order_never_fills_and_is_final(market: Market) -> None:
    ref = await market.broker.place(request(limit="90.00"))
    await market.broker.cancel(ref, request(limit="90.00"))
    market.show("80.00")
    (found,) = (await market.broker.order_book()).orders
    assert (found.filled_qty, found.open_qty, found.cancelled) == (0, 0, True)
    with pytest.raises(OrderRefused):
        await market.broker.cancel(ref, request(limit="90.00"))


async def test_the_account_survives_a_restart(market: Market) -> None:
    first = await market.broker.place(request(limit="100.00"))
    market.show("100.00")
    before = await market.broker.holdings()
    market.broker = market.open()
    assert await market.broker.holdings() == before
    assert await market.broker.place(request(limit="1.00")) != first


async def test_a_ticker_without_a_price_can_not_be_quoted(market: Market) -> None:
    with pytest.raises(BrokerUnavailable):
        await market.broker.quote("AMD", Exchange.NASD)
    assert (await market.broker.quote(TICKER, Exchange.NASD)).last == 100


async def test_an_order_placed_before_any_price_waits_for_the_first(market: Market) -> None:
    await market.broker.place(request(ticker="AMD"))
    assert (await market.broker.order_book()).orders[0].filled_qty == 0
    market.show("99.00", "AMD")
    assert (await market.broker.order_book()).orders[0].filled_qty == 10
    assert market.now > NOON + dt.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("opened", "low", "high", "filled"),
    [
        ("99.50", "99.00", "103.00", "99.50"),
        ("101.00", "99.90", "103.00", "100.00"),
        ("101.00", "100.50", "103.00", None),
    ],
)
async def test_a_buy_fills_at_the_open_or_where_the_bar_came_down_to_it(
    market: Market, opened: str, low: str, high: str, filled: str | None
) -> None:
    """A bar that ran away after the open still filled what was marketable at its open."""
    await market.broker.place(request(limit="100.00"))
    market.show("102.00", opened=opened, low=low, high=high)
    row = (await market.broker.order_book()).orders[-1]
    assert row.filled_usd == (10 * D(filled) if filled else 0)


async def test_urgency_changes_nothing_and_there_is_no_other_clock(market: Market) -> None:
    await market.broker.place(request(limit="101.00"))
    for urgency in Urgency:
        assert len((await market.broker.order_book(urgency)).orders) == 1
        assert await market.broker.holdings(urgency) == ()
        assert (await market.broker.quote(TICKER, Exchange.NASD, urgency)).last == 100
    assert market.broker.clock_skew_s() is None


async def _buy(market: Market, price: str = "100.00") -> None:
    await market.broker.place(request(limit=price))
    market.show(price)
    await market.broker.order_book()


def _morning(market: Market, new: float, old: float) -> None:
    market.now += dt.timedelta(hours=21)
    market.splits = [Split(ticker=TICKER, on=us_date(market.now), new=new, old=old)]


async def _held(market: Market) -> tuple[int, Decimal]:
    (held,) = await market.broker.holdings()
    return held.qty, held.avg_price


async def test_a_split_makes_new_shares_of_old_ones_once(market: Market) -> None:
    await _buy(market)
    cash = await market.cash()
    _morning(market, 10, 1)
    assert await _held(market) == (100, D("10.0000"))
    market.broker = market.open()
    assert await _held(market) == (100, D("10.0000")), "a restart must not count it twice"
    assert await market.cash() == cash
    market.splits = []
    assert await _held(market) == (100, D("10.0000"))


async def test_shares_of_the_splits_own_day_are_new_already(market: Market) -> None:
    await _buy(market)
    _morning(market, 10, 1)
    told, market.splits = market.splits, []
    await _buy(market, "10.00")
    market.splits = told
    assert (await _held(market))[0] == 100 + 10
    market.now += dt.timedelta(days=1)
    assert (await _held(market))[0] == 110, "told again the next day"


@pytest.mark.parametrize(("old", "left", "paid"), [(2, 5, "0"), (3, 3, "100"), (20, 0, "1000")])
async def test_what_a_reverse_split_does_not_divide_is_paid_out(market: Market, old: int, left: int, paid: str) -> None:
    await _buy(market)
    cash = await market.cash()
    _morning(market, 1, old)
    assert sum(h.qty for h in await market.broker.holdings()) == left
    assert await market.cash() == cash + D(paid)


async def test_a_split_of_what_is_not_held_changes_nothing(market: Market) -> None:
    before = await market.cash()
    _morning(market, 10, 1)
    assert await market.broker.holdings() == ()
    assert await market.cash() == before
    market.show("10.00")
    await _buy(market, "10.00")
    assert (await _held(market))[0] == 10

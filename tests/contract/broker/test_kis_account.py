"""Orders and inquiries: what the trader sends arrives, and what happened to it is read back."""

import asyncio
import datetime as dt
from decimal import Decimal

import pytest

from adapters.kis import codes
from core.model.instrument import Exchange
from core.model.order import BrokerRef, OrderRequest, Side
from ports.broker import BrokerUnavailable, OrderRefused, PriceUnknown, Urgency
from sandbox.faults import parse
from sandbox.kis import trading

# after this the paper host's list has caught up
LAG_S = 20


async def only_row(venue, ref):
    book = await venue.broker.order_book()
    (row,) = [order for order in book.orders if order.ref == ref]
    return row, book.complete


async def test_a_purchase_is_placed_filled_listed_and_held(venue):
    request = venue.request()
    ref = await venue.broker.place(request)
    assert (ref.ord_dt, ref.odno.startswith("0")) == ("20261118", False)
    venue.clock.advance(LAG_S)
    row, complete = await only_row(venue, ref)
    assert complete
    assert (row.ticker, row.exchange, row.side, row.qty, row.limit) == (
        "NVDA",
        Exchange.NASD,
        Side.BUY,
        3,
        request.limit,
    )
    assert (row.filled_qty, row.open_qty, row.from_api, row.is_cancel_row) == (3, 0, True, False)
    assert 0 < row.filled_usd <= 3 * request.limit
    assert (row.cancelled, row.expired, row.rejected) == (False, False, False)
    assert row.ordered_at == venue.clock.now() - dt.timedelta(seconds=LAG_S)
    (held,) = await venue.broker.holdings()
    assert (held.ticker, held.exchange, held.qty, held.sellable_qty) == ("NVDA", Exchange.NASD, 3, 3)
    assert abs(held.avg_price * 3 - row.filled_usd) < Decimal("0.01")


async def test_what_is_held_can_be_sold_again(venue):
    await venue.broker.place(venue.request())
    venue.clock.advance(LAG_S)
    await venue.broker.place(venue.request(side=Side.SELL, away="0.99"))
    venue.clock.advance(LAG_S)
    assert await venue.broker.holdings() == ()


async def test_class_shares_have_one_name_with_us_and_another_at_kis(venue):
    ref = await venue.broker.place(venue.request("BRK.B", qty=1))
    venue.clock.advance(LAG_S)
    row, _ = await only_row(venue, ref)
    assert row.ticker == "BRK.B"
    (held,) = await venue.broker.holdings()
    assert (held.ticker, held.exchange) == ("BRK.B", Exchange.NYSE)
    assert (await venue.broker.quote("BRK.B", Exchange.NYSE)).ticker == "BRK.B"


async def test_a_partial_fill_is_cumulative(open_venue):
    venue = await open_venue(paper=False, share=0.0000001)
    request = venue.request(qty=40)
    ref = await venue.broker.place(request)
    venue.clock.advance(3)
    first, _ = await only_row(venue, ref)
    venue.clock.advance(3)
    second, complete = await only_row(venue, ref)
    assert complete
    assert 0 < first.filled_qty < second.filled_qty < 40
    assert second.filled_qty + second.open_qty == 40
    assert second.filled_usd > first.filled_usd
    assert not second.final


async def test_cancelling_takes_effect_later_and_leaves_a_row_of_its_own(venue):
    request = venue.request(away="0.90")
    ref = await venue.broker.place(request)
    venue.clock.advance(LAG_S)
    await venue.broker.cancel(ref, request)
    venue.clock.advance(LAG_S)
    row, complete = await only_row(venue, ref)
    assert complete
    assert (row.open_qty, row.filled_qty, row.cancelled, row.expired) == (0, 0, True, False)
    book = await venue.broker.order_book()
    assert [order.is_cancel_row for order in book.orders].count(True) == 1


async def test_an_order_that_is_gone_cannot_be_cancelled_and_says_so_by_code(venue):
    request = venue.request()
    ref = await venue.broker.place(request)
    venue.clock.advance(LAG_S)
    with pytest.raises(OrderRefused) as refused:
        await venue.broker.cancel(ref, request)
    assert refused.value.code in codes.GONE_CODES


async def test_an_unfilled_order_expires_at_the_close(real):
    ref = await real.broker.place(real.request(away="0.90"))
    real.clock.advance(2 * 3600)
    row, _ = await only_row(real, ref)
    assert (row.expired, row.rejected, row.cancelled, row.open_qty) == (True, False, False, 0)


@pytest.mark.parametrize("price", ["0.4321", "1.00", "250.10"])
async def test_prices_leave_with_two_decimals_from_a_dollar_up_and_four_below(venue, price):
    request = OrderRequest(ticker="NVDA", exchange=Exchange.NASD, side=Side.BUY, qty=1, limit=Decimal(price))
    await venue.broker.place(request)
    ((_, _, _, sent, _),) = venue.host.order_posts
    assert sent == price


async def test_refusals_carry_kis_code(venue):
    cases = {
        "cash": venue.request(qty=1_000_000),
        "shares": venue.request(side=Side.SELL),
        "symbol": OrderRequest(ticker="NOPE", exchange=Exchange.NASD, side=Side.BUY, qty=1, limit=Decimal(1)),
    }
    for reason, request in cases.items():
        with pytest.raises(OrderRefused) as refused:
            await venue.broker.place(request)
        assert codes.reason_of(refused.value.code) == reason
    venue.clock.advance(12 * 3600)
    with pytest.raises(OrderRefused) as refused:
        await venue.broker.place(venue.request())
    assert refused.value.code in codes.CLOSED_CODES


async def test_a_long_list_is_read_to_its_end(venue):
    for _ in range(45):
        await venue.broker.place(venue.request("F", qty=1, away="0.80"))
    venue.clock.advance(LAG_S)
    book = await venue.broker.order_book()
    assert book.complete
    assert len({order.ref for order in book.orders}) == len(book.orders) == 45


async def test_a_lost_page_makes_the_list_incomplete_but_not_empty(real, faults):
    for _ in range(25):
        await real.broker.place(real.request("F", qty=1, away="0.80"))
    await real.broker.order_book()
    fault = {"link": "kis", "action": "error", "code": "SYDB0050", "status": 200, "times": None}
    original = real.host.success
    pages = []

    def second_page_fails(**body):
        pages.append(body)
        if len(pages) == 1:
            faults.add(parse(fault | {"match": {"path_contains": "inquire-ccnl"}}))
        return original(**body)

    real.host.success = second_page_fails
    book = await real.broker.order_book()
    assert not book.complete
    assert len(book.orders) == 25
    faults.clear()
    assert (await real.broker.order_book()).complete


async def test_open_orders_that_cannot_be_read_make_the_list_incomplete(real, faults):
    await real.broker.place(real.request(away="0.90"))
    faults.add(parse({"link": "kis", "action": "error", "match": {"path_contains": "inquire-nccs"}, "times": None}))
    book = await real.broker.order_book()
    assert (len(book.orders), book.complete) == (1, False)


async def test_a_list_that_cannot_be_read_at_all_is_unavailable(venue, faults):
    faults.add(parse({"link": "kis", "action": "error", "match": {"path_contains": "inquire-ccnl"}, "times": None}))
    with pytest.raises(BrokerUnavailable):
        await venue.broker.order_book()


async def test_no_orders_is_a_complete_answer(venue):
    book = await venue.broker.order_book()
    assert (book.orders, book.complete) == ((), True)


async def test_orders_from_the_app_are_told_apart(real):
    instrument = real.host.market.instruments["F"]
    now = real.host.now()
    side = next(s for s in trading.DIVISIONS if s.name == "BUY")
    trading.place(real.host, instrument, side, 1, Decimal("5.00"), "00", now, medium="모바일")
    (row,) = (await real.broker.order_book()).orders
    assert not row.from_api


async def test_a_fresh_paper_order_is_missing_from_the_list_for_a_while(paper):
    ref = await paper.broker.place(paper.request())
    paper.clock.advance(2)
    assert (await paper.broker.order_book()).orders == ()
    assert [held.qty for held in await paper.broker.holdings()] == [3]
    paper.clock.advance(LAG_S)
    await only_row(paper, ref)


async def test_holdings_on_three_exchanges_are_counted_once(venue):
    for ticker in ("NVDA", "BA"):
        await venue.broker.place(venue.request(ticker, qty=2))
    venue.clock.advance(LAG_S)
    held = {h.ticker: (h.exchange, h.qty) for h in await venue.broker.holdings()}
    assert held == {"NVDA": (Exchange.NASD, 2), "BA": (Exchange.NYSE, 2)}


async def test_buying_power_counts_the_won(venue):
    power = await venue.broker.buying_power("NVDA", Exchange.NASD, "180.5")
    assert power.krw_per_usd == Decimal(1450)
    assert Decimal(13_000) < power.usd < Decimal(20_000_000) / 1450
    with pytest.raises(BrokerUnavailable):
        await venue.broker.buying_power("NVDA", Exchange.NASD, "a lot")


async def test_quotes_have_both_sides_on_the_real_host_and_the_last_price_on_paper(venue):
    quote = await venue.broker.quote("NVDA", Exchange.NASD)
    assert quote.at == venue.clock.now()
    assert quote.last == Decimal(str(venue.host.market.price_at("NVDA", venue.clock.now())))
    if venue.host.paper:
        assert quote.bid is None
    else:
        assert quote.bid <= quote.last <= quote.ask
    with pytest.raises(PriceUnknown):
        await venue.broker.quote("NVDA", Exchange.AMEX)


async def test_paper_with_a_real_key_takes_its_quotes_from_the_real_host(paper, real):
    credentials = type(paper.credentials)(
        hts_id="x",
        appkey=paper.credentials.appkey,
        appsecret=paper.credentials.appsecret,
        account=paper.credentials.account,
        quote_appkey=real.credentials.appkey,
        quote_appsecret=real.credentials.appsecret,
    )
    broker = paper.connect(credentials=credentials, quote_base_url=real.url)
    quote = await broker.quote("NVDA", Exchange.NASD)
    assert quote.bid is not None
    assert not any("quotations" in path for _, path in paper.seen)
    assert isinstance(await broker.place(paper.request()), BrokerRef)
    assert real.posts() == 0


async def test_the_clocks_of_broker_and_trader_are_compared(venue):
    assert venue.broker.clock_skew_s() is None
    broker = venue.connect(speed=1.0)
    await broker.quote("NVDA", Exchange.NASD)
    assert abs(broker.clock_skew_s()) <= 1


async def test_several_decisions_in_one_moment_ask_for_power_and_lists_once(real):
    """Each find needs them: asked one by one they would use up the second's calls before the first order leaves."""
    broker = real.broker
    await broker.holdings()
    real.arrived.clear()
    powers = await asyncio.gather(*(broker.buying_power(t, Exchange.NASD, "10.00") for t in ("NVDA", "AMD", "AAPL")))
    assert powers[0] == powers[1] == powers[2]
    books = await asyncio.gather(*(broker.order_book(Urgency.ENTRY) for _ in range(3)))
    assert books[0] == books[1] == books[2]
    asked = sorted(call.partition("T")[0] for call in real.arrived)
    assert asked == ["inquire-ccnl", "inquire-nccs", "inquire-psamount"]

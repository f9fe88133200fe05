"""The guardian's own client and its rounds, against the sandbox's real-account host over a socket."""

import asyncio
import hashlib
import hmac
import json
import os
from decimal import Decimal

import pytest

from adapters.kis.ratefile import SharedWindow
from core.model.order import Side
from services.guardian import Guardian
from services.guardian_broker import Access, GuardianBroker, GuardianRefused, OpenOrder
from services.guardian_rules import Listed
from services.protect import protection_key


@pytest.fixture
async def venue(open_venue):
    return await open_venue(paper=False)


@pytest.fixture
def access(venue) -> Access:
    keys = venue.credentials
    return Access(
        base_url=venue.url,
        quote_url=venue.url,
        appkey=keys.appkey,
        appsecret=keys.appsecret,
        account=keys.account,
        paper=False,
    )


class Watchman:
    """The guardian with a clock of its own, which goes on two seconds with each round."""

    def __init__(self, state_dir, access, venue):
        self.now = 1_000.0
        broker = GuardianBroker(access, venue.token_dir, wall=lambda: venue.clock.now().timestamp())
        self.guardian = Guardian(
            state_dir,
            broker,
            monotonic=lambda: self.now,
            wall=lambda: venue.clock.now().timestamp(),
            kill=lambda _: None,
        )
        self.venue = venue

    async def rounds(self, n=1):
        for _ in range(n):
            await asyncio.to_thread(self.guardian.round)
            self.now += 2
            self.venue.clock.advance(2)


async def hold(venue, ticker: str, qty: int) -> None:
    """Buy so that the account owns shares."""
    await venue.broker.place(venue.request(ticker, qty=qty))
    for _ in range(30):
        venue.clock.advance(1)
        if any(h.ticker == ticker and h.qty == qty for h in await venue.broker.holdings()):
            return
    raise AssertionError("the purchase did not fill")


def protect(state_dir, *, ticker: str, exchange: str, qty: int, stop: str) -> None:
    """protect.json as the trader writes it."""
    body = json.dumps(
        {
            "seq": 1,
            "written_at": "",
            "venue": "kis_real",
            "positions": [{"ticker": ticker, "exchange": exchange, "qty": qty, "stop_price": stop}],
        }
    ).encode()
    digest = hmac.new(protection_key(state_dir), body, hashlib.sha256).hexdigest().encode()
    (state_dir / "protect.json").write_bytes(body + b"\n" + digest + b"\n")


async def test_prices_holdings_sales_and_cancels_speak_kis(venue, access):
    await hold(venue, "NVDA", 3)
    broker = GuardianBroker(access, venue.token_dir)
    price = await asyncio.to_thread(broker.price, "NVDA", "NASD")
    assert float(price) == pytest.approx(venue.host.market.price_at("NVDA", venue.clock.now()), rel=0.01)
    assert await asyncio.to_thread(broker.shares, "NASD") == {"NVDA": (3, 3)}
    far = str((Decimal(str(price)) * 2).quantize(Decimal("0.01")))
    odno = await asyncio.to_thread(broker.sell, "NVDA", "NASD", 3, far)
    assert await asyncio.to_thread(broker.shares, "NASD") == {"NVDA": (3, 0)}
    (order,) = await asyncio.to_thread(broker.open_orders)
    assert order == OpenOrder(odno, "NVDA", "NASD", "sell", 3)
    await asyncio.to_thread(broker.cancel, "NVDA", "NASD", odno)
    venue.clock.advance(3)
    assert await asyncio.to_thread(broker.shares, "NASD") == {"NVDA": (3, 3)}


async def test_the_list_tells_of_filled_orders_too(venue, access):
    """Under the date and the number that the trader's own reading of the list gives them."""
    await hold(venue, "NVDA", 3)
    broker = GuardianBroker(access, venue.token_dir, wall=lambda: venue.clock.now().timestamp())
    (order,) = (await venue.broker.order_book()).orders
    key = f"{order.ref.ord_dt}-{order.ref.odno}"
    assert await asyncio.to_thread(broker.listed) == [Listed(key, "NVDA", "buy", 3, by_hand=False)]


async def test_a_refusal_is_trouble_without_secrets(venue, access):
    broker = GuardianBroker(access, venue.token_dir)
    with pytest.raises(GuardianRefused) as caught:
        await asyncio.to_thread(broker.sell, "NVDA", "NASD", 1, "100.00")
    assert access.appkey not in str(caught.value)
    assert access.account[:8] not in str(caught.value)


async def test_it_sells_at_the_stop_when_the_trader_is_silent(venue, access, tmp_path):
    """Two observations under the stop, then one sale of what is protected, written down for the trader."""
    await hold(venue, "NVDA", 5)
    price = venue.host.market.price_at("NVDA", venue.clock.now())
    protect(tmp_path, ticker="NVDA", exchange="NASD", qty=3, stop=str(round(price * 1.1, 2)))
    watchman = Watchman(tmp_path, access, venue)
    before = venue.posts()
    await watchman.rounds(1)
    assert venue.posts() == before, "one bad print must not sell"
    await watchman.rounds(3)
    assert {h.ticker: h.qty for h in await venue.broker.holdings()} == {"NVDA": 2}
    events = [json.loads(line) for line in (tmp_path / "guardian.ndjson").read_text().splitlines()]
    sold = [e for e in events if e["event"] == "sold"]
    assert sum(e["qty"] for e in sold) == 3
    refs = {o.ref.odno for o in (await venue.broker.order_book()).orders}
    assert {e["odno"] for e in sold} <= refs


async def test_it_frees_shares_that_an_order_of_the_dead_trader_binds(venue, access, tmp_path):
    """The trader died with a sell resting far above the market: the guardian cancels it and sells."""
    await hold(venue, "NVDA", 3)
    await venue.broker.place(venue.request("NVDA", side=Side.SELL, qty=3, away="1.5"))
    price = venue.host.market.price_at("NVDA", venue.clock.now())
    protect(tmp_path, ticker="NVDA", exchange="NASD", qty=3, stop=str(round(price * 1.1, 2)))
    await Watchman(tmp_path, access, venue).rounds(6)
    assert await venue.broker.holdings() == ()


async def test_it_keeps_still_while_the_trader_beats(venue, access, tmp_path):
    await hold(venue, "NVDA", 3)
    protect(tmp_path, ticker="NVDA", exchange="NASD", qty=3, stop="100000.00")
    beat = tmp_path / "beats" / "trader"
    beat.parent.mkdir()
    watchman = Watchman(tmp_path, access, venue)
    beat.write_text(json.dumps({"pid": os.getpid(), "mono": watchman.now}))
    before = venue.seen.total()
    await watchman.rounds(4)
    assert venue.seen.total() == before
    assert not watchman.guardian.in_charge


async def test_it_cancels_what_the_dead_trader_was_buying(venue, access, tmp_path):
    await hold(venue, "NVDA", 3)
    await venue.broker.place(venue.request("AAPL", qty=2, away="0.5"))
    protect(tmp_path, ticker="NVDA", exchange="NASD", qty=3, stop="0.01")
    watchman = Watchman(tmp_path, access, venue)
    await watchman.rounds(3)
    assert [o.ticker for o in (await venue.broker.order_book()).orders if o.open_qty] == []
    assert {h.ticker: h.qty for h in await venue.broker.holdings()} == {"NVDA": 3}


async def test_the_paper_host_is_spoken_to_as_paper(open_venue, tmp_path):
    """No inquire-nccs there, balances by exchange, prices with the paper key at the paper host."""
    venue = await open_venue(paper=True)
    await hold(venue, "NVDA", 3)
    await venue.broker.place(venue.request("NVDA", side=Side.SELL, qty=3, away="1.5"))
    keys = venue.credentials
    access = Access(venue.url, venue.url, keys.appkey, keys.appsecret, keys.account, paper=True, rate_per_s=1)
    price = venue.host.market.price_at("NVDA", venue.clock.now())
    protect(tmp_path, ticker="NVDA", exchange="NASD", qty=3, stop=str(round(price * 1.1, 2)))
    watchman = Watchman(tmp_path, access, venue)
    watchman.guardian._broker._kis._window = SharedWindow(tmp_path / "rate.json", 60, 0.1)
    # paper shows an order in its list only after a while
    await watchman.rounds(16)
    assert await venue.broker.holdings() == ()

"""Our KIS adapter against the sandbox's two hosts, with a market clock that stands still until the test moves it."""

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from adapters.kis.auth import KisCredentials
from adapters.kis.broker import KisBroker
from adapters.kis.client import KisGateway
from core.model.instrument import Exchange
from core.model.order import OrderRequest, Side
from sandbox.kis import PAPER, REAL, Host, create_host, create_kis_app
from tests.contract.broker.scripted_kis import RawLine, ScriptedKis, raw_line, scripted
from tests.contract.serving import listening
from tests.unit.sandbox.manual_clock import ManualClock


@dataclass
class Venue:
    """One sandbox host, our broker on it, and every request that reached the host, by method and path and in order.

    While `hold` is set, requests whose path's end and tr_id contain `hold_at` wait for it.
    """

    host: Host
    url: str
    credentials: KisCredentials
    clock: ManualClock
    token_dir: Path
    arrived: list[str] = field(default_factory=list)
    seen: collections.Counter = field(default_factory=collections.Counter)
    hold: asyncio.Event | None = None
    hold_at: str = "order"
    held: int = 0
    broker: KisBroker | None = None
    opened: list[KisBroker] = field(default_factory=list)

    def connect(self, **changes) -> KisBroker:
        options = {"paper": self.host.paper, "clock": self.clock, "token_dir": self.token_dir, "timeout_s": 2.0}
        gateway = KisGateway(
            changes.pop("credentials", self.credentials),
            changes.pop("url", self.url),
            **options | {"speed": 1e6} | changes,
        )
        broker = KisBroker(gateway, self.clock)
        self.opened.append(broker)
        return broker

    def posts(self, end: str = "/order") -> int:
        return sum(n for (method, path), n in self.seen.items() if method == "POST" and path.endswith(end))

    def request(self, ticker: str = "NVDA", side: Side = Side.BUY, qty: int = 3, away: str = "1.01") -> OrderRequest:
        """A limit order that far (as a factor) from the last price; at 1.01 a purchase fills at once."""
        instrument = self.host.market.instruments[ticker]
        last = Decimal(str(self.host.market.price_at(ticker, self.clock.now())))
        limit = (last * Decimal(away)).quantize(Decimal("0.01"))
        return OrderRequest(ticker=ticker, exchange=Exchange(instrument.kis_exchange), side=side, qty=qty, limit=limit)


Opener = Callable[..., Awaitable[Venue]]


@pytest.fixture
async def open_venue(market, clock, faults, tmp_path) -> AsyncIterator[Opener]:
    async with contextlib.AsyncExitStack() as stack:
        venues: list[Venue] = []

        async def opening(*, paper: bool, share: float | None = None, per_second: int = 10_000) -> Venue:
            host = create_host(market, clock, paper=paper, share=share)
            host.limit.per_second = per_second
            keys = PAPER if paper else REAL
            credentials = KisCredentials(
                hts_id=keys.hts_id, appkey=keys.appkey, appsecret=keys.appsecret, account=keys.account
            )
            venue = Venue(host, "", credentials, clock, tmp_path / host.name)
            app = create_kis_app(host, faults)
            app.middlewares.insert(0, _witness(venue))
            venue.url = "http://" + await stack.enter_async_context(listening(app))
            venue.broker = venue.connect()
            venues.append(venue)
            return venue

        yield opening
        for venue in venues:
            if venue.hold is not None:
                venue.hold.set()
            for broker in venue.opened:
                await broker.close()


def _witness(venue: Venue):
    @web.middleware
    async def count(request: web.Request, handler):
        venue.seen[request.method, request.path] += 1
        venue.arrived.append(request.path.rsplit("/", 1)[1] + request.headers.get("tr_id", ""))
        if venue.hold is not None and venue.hold_at in venue.arrived[-1]:
            venue.held += 1
            await venue.hold.wait()
        return await handler(request)

    return count


@pytest.fixture(params=[False, True], ids=["real", "paper"])
async def venue(request, open_venue) -> Venue:
    return await open_venue(paper=request.param)


@pytest.fixture
async def real(open_venue) -> Venue:
    return await open_venue(paper=False)


@pytest.fixture
async def paper(open_venue) -> Venue:
    return await open_venue(paper=True)


@pytest.fixture
async def kis(clock, tmp_path) -> AsyncIterator[ScriptedKis]:
    async with scripted(clock, tmp_path / "scripted") as found:
        yield found


@pytest.fixture
async def line() -> AsyncIterator[RawLine]:
    async with raw_line() as found:
        yield found

"""Sandbox servers on real sockets in the test's own loop, with a clock that the test moves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest
from aiohttp import web

from sandbox import scenarios
from sandbox.faults import Faults
from sandbox.kis import Host, create_host, create_kis_app
from sandbox.market import Market
from sandbox.polygon import Stream, create_polygon_app
from tests.unit.sandbox.manual_clock import ManualClock

DAY = date(2026, 11, 18)
START = datetime(2026, 11, 18, 19, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def market() -> Market:
    return scenarios.build("story", DAY)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@contextlib.asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass
class PolygonHost:
    address: str
    stream: Stream


@pytest.fixture
async def polygon(market, clock, faults) -> AsyncIterator[PolygonHost]:
    stream = Stream(market, clock, faults, "sandbox-polygon-key", auth_timeout_s=0.3, revise_every=40)
    async with listening(create_polygon_app(market, clock, faults, stream)) as address:
        tasks = [asyncio.create_task(walk()) for walk in (stream.broadcast_minutes, stream.broadcast_seconds)]
        yield PolygonHost(address, stream)
        await stream.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class KisHost:
    """A KIS listener, and its rules for looking behind the socket."""

    address: str
    host: Host
    clock: ManualClock

    @property
    def keys(self):
        return self.host.credentials

    def token(self) -> str:
        return self.host.tokens.issue(
            self.keys.appkey, self.keys.appsecret, "client_credentials", self.clock.now()
        ).text


@pytest.fixture
async def kis_real(market, clock, faults) -> AsyncIterator[KisHost]:
    host = create_host(market, clock, paper=False)
    async with listening(create_kis_app(host, faults)) as address:
        yield KisHost(address, host, clock)


@pytest.fixture
async def kis_paper(market, clock, faults) -> AsyncIterator[KisHost]:
    host = create_host(market, clock, paper=True)
    async with listening(create_kis_app(host, faults)) as address:
        yield KisHost(address, host, clock)

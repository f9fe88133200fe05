"""Sandbox servers on real sockets in the test's own loop, with a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from sandbox.kis import Host, create_host, create_kis_app
from sandbox.polygon import Stream, create_polygon_app
from tests.contract.serving import listening
from tests.unit.sandbox.manual_clock import ManualClock


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

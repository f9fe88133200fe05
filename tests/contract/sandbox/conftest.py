"""Sandbox servers on real sockets in the test's own loop, with a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from sandbox import servers
from sandbox.kis import create_host, create_kis_app
from sandbox.polygon import Stream, create_polygon_app
from sandbox.world import create_world
from tests.contract.sandbox.sandbox_calls import Client
from tests.contract.sandbox.sandbox_world import KisHost
from tests.contract.serving import listening


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


@pytest.fixture
def real(kis_real):
    return Client(kis_real)


@pytest.fixture
def paper(kis_paper):
    return Client(kis_paper)


@pytest.fixture
async def world(market, clock):
    """Every server of a sandbox: (world, addresses by name)."""
    made = create_world(market, clock)
    running = await servers.start(made, {})
    yield made, running.addresses
    await running.stop()

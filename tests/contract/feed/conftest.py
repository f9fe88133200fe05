"""Our Polygon adapter against the sandbox, and against a server that says whatever a test puts into its mouth."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import WSMsgType, web

from adapters.polygon.stream import Patience, PolygonStream
from ports.market_data import FeedStatus, HaltChange
from sandbox.polygon import Stream, create_polygon_app
from tests.contract.serving import listening
from tests.unit.sandbox.manual_clock import ManualClock

KEY = "sandbox-polygon-key"


@dataclass
class PolygonHost:
    address: str
    stream: Stream


@pytest.fixture
async def polygon(market, clock, faults) -> AsyncIterator[PolygonHost]:
    async with serving(market, clock, faults) as host:
        yield host


@pytest.fixture
async def entitled(market, clock, faults) -> AsyncIterator[PolygonHost]:
    """A plan that has halts."""
    async with serving(market, clock, faults, entitled=frozenset({"AM", "A", "LULD"})) as host:
        yield host


@contextlib.asynccontextmanager
async def serving(market, clock, faults, **options) -> AsyncIterator[PolygonHost]:
    stream = Stream(market, clock, faults, KEY, auth_timeout_s=5, **options)
    async with listening(create_polygon_app(market, clock, faults, stream)) as address:
        tasks = [asyncio.create_task(work()) for work in (stream.broadcast_minutes, stream.broadcast_seconds)]
        yield PolygonHost(address, stream)
        await stream.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Reader:
    """Reads a stream in the background, so that a test can wait for what it expects."""

    def __init__(self, stream: PolygonStream, clock: ManualClock) -> None:
        self.stream, self.clock = stream, clock
        self.batches: list = []
        self.statuses: list[FeedStatus] = []
        self.halts: list[HaltChange] = []
        self._going = asyncio.Event()
        self._going.set()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for item in self.stream.events():
            match item:
                case FeedStatus():
                    self.statuses.append(item)
                case HaltChange():
                    self.halts.append(item)
                case _:
                    self.batches.append(item)
            self._news.set()
            await self._going.wait()

    def pause(self) -> None:
        """Read one more item, and nothing after it until `go_on`."""
        self._going.clear()

    def go_on(self) -> None:
        self._going.set()

    @property
    def keys(self) -> list[str]:
        return [status.key for status in self.statuses]

    @property
    def bars(self) -> list:
        return [bar for batch in self.batches for bar in batch.bars()]

    async def until(self, holds: Callable[[], bool], *, step_s: float = 0.0) -> None:
        """Wait for a condition, moving the clock by `step_s` again and again where one is given."""
        async with asyncio.timeout(5):
            while not holds():
                if self._task.done():
                    self._task.result()
                self.clock.advance(step_s)
                await asyncio.sleep(0.002)

    async def close(self) -> None:
        await self.stream.close()
        async with asyncio.timeout(5):
            await self._task


@pytest.fixture
async def read(clock) -> AsyncIterator[Callable[..., Reader]]:
    readers: list[Reader] = []

    def start(address: str, *, key: str = KEY, **options) -> Reader:
        patience = Patience(**{"connect_s": 2.0, "ack_s": 0.3, "silence_s": None} | options.pop("patience", {}))
        options = {"secure": False, "jitter": lambda: 0.0, "clock": clock, "patience": patience} | options
        readers.append(Reader(PolygonStream(key, address, **options), clock))
        return readers[-1]

    yield start
    for reader in readers:
        await reader.close()


@dataclass
class Puppet:
    """A server that greets and authenticates like Polygon, then says `lines`, and closes with `code` if there is one."""

    lines: list = field(default_factory=list)
    code: int | None = None
    greet: bool = True
    address: str = ""
    connections: int = 0
    asked: list = field(default_factory=list)
    sockets: list = field(default_factory=list)

    async def hang_up(self) -> None:
        for socket in self.sockets:
            await socket.close(code=1001)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self.sockets.append(socket)
        if self.greet:
            await self._serve(socket)
        if self.code is None:
            async for _ in socket:
                pass
        else:
            await socket.close(code=self.code)
        return socket

    async def _serve(self, socket: web.WebSocketResponse) -> None:
        await socket.send_str(json.dumps([status("connected")]))
        await socket.receive()
        await socket.send_str(json.dumps([status("auth_success")]))
        message = await socket.receive()
        if message.type is WSMsgType.TEXT:
            self.asked.append(json.loads(message.data))
        for line in self.lines:
            await socket.send_str(line if isinstance(line, str) else json.dumps(line))


def status(name: str, message: str = "") -> dict:
    return {"ev": "status", "status": name, "message": message}


ACK = [status("success", "subscribed to: AM.*")]


@pytest.fixture
async def puppet() -> AsyncIterator[Puppet]:
    puppet = Puppet()
    app = web.Application()
    app.router.add_get("/stocks", puppet.handle)
    async with listening(app) as puppet.address:
        yield puppet

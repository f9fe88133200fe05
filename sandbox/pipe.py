"""One proxied connection: two pumps with bounded buffers, and what toxics do to the bytes in them."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Protocol

from sandbox.toxics import DOWN, UP, Toxic

CHUNK = 16 * 1024
# per direction: chunks that were read and wait to be written
QUEUE_CHUNKS = 64
CONNECT_TIMEOUT_S = 10.0
_LINGER_RESET = struct.pack("ii", 1, 0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class CutError(Exception):
    """The connection ends here; `reset` with a RST, else after what was written has gone out."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


class Owner(Protocol):
    """What a connection asks of its proxy."""

    def toxic(self, name: str, direction: str = "") -> Toxic | None: ...

    def use(self, toxic: Toxic) -> None: ...

    async def changed(self) -> None: ...

    def passed(self, direction: str, size: int) -> None: ...

    async def connect(self) -> Streams: ...


def abort(writer: asyncio.StreamWriter) -> None:
    """A RST where the socket knows it, whatever was still to be written."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    writer.transport.abort()


class Connection:
    """From a client to the upstream until both have closed, or a toxic ends it."""

    def __init__(self, owner: Owner, client: Streams) -> None:
        self._owner, self._client = owner, client
        self._writers = [client[1]]
        self.passed = {UP: 0, DOWN: 0}
        # what had passed when a toxic was put on
        self._marks: dict[int, dict[str, int]] = {}

    def mark(self, toxic: Toxic) -> None:
        self._marks[toxic.id] = dict(self.passed)

    def since(self, toxic: Toxic, direction: str) -> int:
        """Bytes that this connection has carried since the toxic was put on."""
        return self.passed[direction] - self._marks.get(toxic.id, {}).get(direction, 0)

    def abort(self) -> None:
        for writer in self._writers:
            abort(writer)

    async def run(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                upstream = await self._owner.connect()
        except OSError:
            self.abort()
            return
        self._writers.append(upstream[1])
        try:
            await self._pump_both(upstream)
        except CutError as cut:
            if cut.reset:
                self.abort()
        except OSError:
            self.abort()
        finally:
            for writer in self._writers:
                writer.close()

    async def _pump_both(self, upstream: Streams) -> None:
        pumps = [_Pump(self, self._owner, UP, self._client[0], upstream[1])]
        pumps.append(_Pump(self, self._owner, DOWN, upstream[0], self._client[1]))
        tasks = [asyncio.ensure_future(work) for pump in pumps for work in (pump.read(), pump.write())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Pump:
    """One direction: reads as long as its buffer has room, writes when each chunk's time has come."""

    def __init__(
        self,
        connection: Connection,
        owner: Owner,
        direction: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._connection, self._owner, self._direction = connection, owner, direction
        self._reader, self._writer = reader, writer
        self._chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUE_CHUNKS)
        self._due = 0.0

    async def read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await self._reader.read(CHUNK)
            latency = self._toxic("latency")
            # a chunk never overtakes the one before it
            self._due = max(self._due, loop.time() + (latency.latency_s() if latency else 0.0))
            if latency and data:
                self._owner.use(latency)
            await self._chunks.put((self._due, data))
            if not data:
                return

    async def write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._chunks.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._let_through()
            if not data:
                await self._close()
                return
            await self._send(data)

    def _toxic(self, name: str) -> Toxic | None:
        return self._owner.toxic(name, self._direction)

    async def _let_through(self) -> None:
        counted: Toxic | None = None
        while (hang := self._toxic("hang")) is not None:
            if hang is not counted:
                self._owner.use(hang)
                counted = hang
            await self._owner.changed()

    async def _close(self) -> None:
        slow = self._toxic("slow_close")
        if slow is not None:
            self._owner.use(slow)
            await asyncio.sleep(slow.options["delay_s"])
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def _send(self, data: bytes) -> None:
        self._cut_after_request()
        limit = self._toxic("limit")
        left = (
            max(0, int(limit.options["bytes"]) - self._connection.since(limit, self._direction)) if limit else len(data)
        )
        for piece in self._pieces(data[:left]):
            await self._let_through()
            self._writer.write(piece)
            self._connection.passed[self._direction] += len(piece)
            self._owner.passed(self._direction, len(piece))
            await self._writer.drain()
            await self._pause(len(piece))
        if limit and left <= len(data):
            self._owner.use(limit)
            raise CutError(reset=False)

    def _cut_after_request(self) -> None:
        """The first byte of an answer says that the request has arrived as a whole."""
        toxic = self._toxic("cut_after_request") if self._direction == DOWN else None
        if toxic is not None and self._connection.since(toxic, UP) > 0:
            self._owner.use(toxic)
            raise CutError(reset=True)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        slicer, bandwidth = self._toxic("slicer"), self._toxic("bandwidth")
        size = len(data)
        if slicer is not None:
            self._owner.use(slicer)
            size = min(size, int(slicer.options["size"]))
        if bandwidth is not None:
            self._owner.use(bandwidth)
            size = min(size, max(1, int(bandwidth.options["bytes_per_s"]) // 10))
        for first in range(0, len(data), max(1, size)):
            yield data[first : first + size]

    async def _pause(self, size: int) -> None:
        slicer, bandwidth = self._toxic("slicer"), self._toxic("bandwidth")
        wait = slicer.options["delay_s"] if slicer else 0.0
        if bandwidth is not None:
            wait += size / bandwidth.options["bytes_per_s"]
        # even without a wait the peer gets its chance between two slices
        if slicer or bandwidth:
            await asyncio.sleep(wait)

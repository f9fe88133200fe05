"""A running sandbox for the tests: a clock that stands still, a person's hands, pictures."""

import asyncio
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.telegram import DEFAULT_TOKEN, TelegramState

OWNER = 7001
EVE = 9009


class StillClock:
    """Always the same instant."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 14, 31, 5, tzinfo=UTC)


def png(width: int = 320, height: int = 180, shade: int = 40) -> bytes:
    """A valid grey PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([shade]) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@dataclass
class Sandbox:
    """The running servers and how to act as a person."""

    state: TelegramState
    api: str
    page: str
    http: aiohttp.ClientSession

    async def call(self, method: str, **fields: Any) -> tuple[int, Any]:
        """A Bot API call with a JSON body: HTTP status and the result or the description."""
        async with self.http.post(f"{self.api}/bot{DEFAULT_TOKEN}/{method}", json=fields) as answer:
            body = await answer.json()
            assert body["ok"] == (answer.status == 200)
            return answer.status, body["result"] if body["ok"] else body["description"]

    async def upload(self, method: str, part: str, data: bytes, name: str) -> Any:
        """A multipart call to the owner's chat with one file."""
        form = aiohttp.FormData({"chat_id": str(OWNER)})
        form.add_field(part, data, filename=name)
        async with self.http.post(f"{self.api}/bot{DEFAULT_TOKEN}/{method}", data=form) as answer:
            return (await answer.json())["result"]

    async def act(self, what: str, **fields: Any) -> Any:
        async with self.http.post(f"{self.page}/sim/{what}", json=fields) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            return body

    async def look(self, what: str, **query: Any) -> Any:
        async with self.http.get(f"{self.page}/sim/{what}", params=query) as answer:
            assert answer.status == 200
            return await (answer.text() if query.get("format") == "text" else answer.json())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a change that makes the condition true."""
        changed = asyncio.Event()
        stop = self.state.listen(lambda _event: changed.set())
        try:
            async with asyncio.timeout(20):
                while not condition():
                    await changed.wait()
                    changed.clear()
        finally:
            stop()


async def serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"

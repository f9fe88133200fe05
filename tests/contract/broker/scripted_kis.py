"""KIS as a script: each path answers what the test tells it to, on a socket; for answers the sandbox would never give."""

import asyncio
import collections
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from adapters.kis.auth import KisCredentials
from adapters.kis.broker import KisBroker
from adapters.kis.client import KisGateway
from tests.contract.serving import listening
from tests.unit.sandbox.manual_clock import ManualClock

APPKEY = "CANARYKEY+/" + "k" * 25
SECRET = "CANARYSECRET+/=" + "s" * 165
ACCOUNT = "50099887-01"
TOKEN = "CANARYTOKEN."
CREDENTIALS = KisCredentials(hts_id="me", appkey=APPKEY, appsecret=SECRET, account=ACCOUNT)
EMPTY = {"rt_cd": "0", "msg_cd": "KIOK0560", "msg1": "조회할 내용이 없습니다", "output": [], "output1": []}


def reply(body: object = None, status: int = 200, *, tr_cont: str = "D", **headers: str) -> web.Response:
    """One answer; a text is sent as it is."""
    text = body if isinstance(body, str) else json.dumps(EMPTY if body is None else body)
    kind = "text/html" if text.startswith("<") else "application/json"
    return web.Response(text=text, status=status, content_type=kind, headers={"tr_cont": tr_cont} | headers)


def rows(*found: object, tr_cont: str = "D", key: str = "output", cursor: str = "") -> web.Response:
    """One page."""
    more = {"ctx_area_fk200": "F", "ctx_area_nk200": cursor} if cursor else {}
    return reply(EMPTY | {key: list(found)} | more, tr_cont=tr_cont)


def refusal(code: str, words: str = "", status: int = 500) -> web.Response:
    """A failure in KIS's shape."""
    return reply({"rt_cd": "1", "msg_cd": code, "msg1": words}, status)


Script = Callable[[web.Request], web.Response]


@dataclass
class ScriptedKis:
    """`scripts` by the end of a path; what has none answers with nothing found. `asked` is what came, in order."""

    clock: ManualClock
    token_dir: Path
    url: str = ""
    scripts: dict[str, Script] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    opened: list[KisBroker] = field(default_factory=list)
    tokens: int = 0

    def connect(self, *, calendar: object = None, url: str = "", **changes: object) -> KisBroker:
        """A broker of our own that talks to the script."""
        options = {"paper": False, "clock": self.clock, "token_dir": self.token_dir, "timeout_s": 2.0, "speed": 1e6}
        credentials = changes.pop("credentials", CREDENTIALS)
        gateway = KisGateway(credentials, url or self.url, **options | changes)
        self.opened.append(KisBroker(gateway, self.clock, calendar))
        return self.opened[-1]

    def answers(self, end: str, *responses: Callable[[], web.Response]) -> None:
        """Answer requests for a path one after the other; the last answer stays."""
        queue = collections.deque(responses)
        self.scripts[end] = lambda _: (queue.popleft() if len(queue) > 1 else queue[0])()

    def count(self, end: str) -> int:
        return sum(path.endswith(end) for path, _, _ in self.asked)

    def params(self, end: str) -> list[dict[str, str]]:
        return [params for path, params, _ in self.asked if path.endswith(end)]

    async def serve(self, request: web.Request) -> web.Response:
        params = dict(request.query) if request.method == "GET" else await request.json()
        self.asked.append((request.path, params, dict(request.headers)))
        script = next((s for end, s in self.scripts.items() if request.path.endswith(end)), None)
        if script is not None:
            return script(request)
        if request.path.endswith("tokenP"):
            self.tokens += 1
            return web.json_response(
                {"access_token": f"{TOKEN}{self.tokens}", "access_token_token_expired": "2099-01-01 00:00:00"}
            )
        return reply()


@contextlib.asynccontextmanager
async def scripted(clock: ManualClock, folder: Path) -> AsyncIterator[ScriptedKis]:
    """A running script; its brokers are closed at the end."""
    kis = ScriptedKis(clock, folder)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", kis.serve)
    async with listening(app) as address:
        kis.url = f"http://{address}"
        try:
            yield kis
        finally:
            for broker in kis.opened:
                await broker.close()


@dataclass
class RawLine:
    """A TCP server that answers every request with the same bytes and then cuts the line, or does as it is told."""

    url: str = ""
    payload: bytes = b""
    reset: bool = False
    drip: asyncio.Event | None = None
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            lines = head.lower().split(b"\r\n")
            length = next((int(x.split(b":")[1]) for x in lines if x.startswith(b"content-length")), 0)
            await reader.readexactly(length)
            writer.write(self.payload)
            await writer.drain()
            if self.drip is not None:
                await self._dripped(writer)
            if self.reset:
                writer.transport.abort()
        writer.close()

    async def _dripped(self, writer: asyncio.StreamWriter) -> None:
        """A byte now and then, always before the reader's time-out."""
        assert self.drip is not None
        while not self.drip.is_set() and not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.drip.wait(), 0.02)


@contextlib.asynccontextmanager
async def raw_line() -> AsyncIterator[RawLine]:
    """A running raw server."""
    line = RawLine()
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield line
        if line.drip is not None:
            line.drip.set()

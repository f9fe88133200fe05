"""The minute bar stream under our own supervision (facts: polygon.md 1.3, 5.3, 5.6)."""

import asyncio
import contextlib
import datetime as dt
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from adapters.polygon import wire
from adapters.polygon.library import MARKET, AuthError, WebSocketClient, hush, scrubbed, stream_address
from adapters.polygon.parse import MINUTE, bar_of_event
from core.model.bar import Bar
from ports.clock import Clock
from ports.market_data import FeedStatus

log = logging.getLogger(__name__)

MAX_FRAME = 16 * 2**20
MAX_QUEUE = 4096
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
# Refusals that a quick retry only makes worse.
SLOW_KEYS = frozenset({"auth_failed", "max_connections", "not_authorized"})
CLOSE_S = 2.0

Feed = Sequence[Bar] | FeedStatus


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long the stream waits: connecting and acknowledgements in real seconds, the rest in the clock's."""

    connect_s: float = 10.0
    ack_s: float = 5.0
    stable_s: float = 10.0
    silence_s: float | None = 120.0


@dataclass
class Counters:
    """What has come in: `refused` are impossible bars, `dropped` unreadable events."""

    frames: int = 0
    bars: int = 0
    refused: int = 0
    dropped: int = 0
    connections: int = 0


class _Client(WebSocketClient):  # type: ignore[misc] # the vendor's package ships no types
    """The vendor's client, telling when it has subscribed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked = asyncio.Event()

    async def _subscribe(self, topics: Any) -> None:
        await super()._subscribe(topics)
        self.asked.set()


class PolygonStream:
    """Closed minute bars, reconnecting for ever. One at a time per key: Polygon allows a single connection.

    `ws_address` is `wss://socket.polygon.io/stocks` or `host:port` (then `secure` decides). `jitter` gives numbers in
    [0, 1). `expects_data` says whether silence is suspicious now (outside of sessions it is not).
    """

    def __init__(
        self,
        key: str,
        ws_address: str,
        *,
        clock: Clock,
        secure: bool = True,
        topics: Sequence[str] = ("AM.*",),
        jitter: Callable[[], float] = random.random,
        patience: Patience | None = None,
        expects_data: Callable[[dt.datetime], bool] = lambda _: True,
    ) -> None:
        hush()
        self._key, self._topics = key, tuple(topics)
        self._host, self._secure = stream_address(ws_address, secure=secure)
        self._clock, self._jitter, self._patience = clock, jitter, patience or Patience()
        self._expects_data = expects_data
        self.counters = Counters()
        self._queue: asyncio.Queue[Feed | None] = asyncio.Queue(MAX_QUEUE)
        self._supervisor: asyncio.Task[None] | None = None
        self._closed = False
        self._last: tuple[bool, str] = (False, "")
        self._up_since: dt.datetime | None = None

    async def events(self) -> AsyncIterator[Feed]:
        """Batches of bars (a whole frame each) in order of arrival, and status changes between them."""
        if self._supervisor is not None:
            raise RuntimeError("a stream has one reader")
        if self._closed:
            return
        self._supervisor = asyncio.create_task(self._supervise(), name="polygon-stream")
        try:
            while (item := await self._queue.get()) is not None:
                yield item
            ended = self._supervisor
        finally:
            await self._stop()
        if not self._closed:
            raise RuntimeError("the stream's supervisor ended by itself") from ended.exception()

    async def close(self) -> None:
        """Disconnect; the reader's iteration ends."""
        self._closed = True
        await self._stop()

    async def _stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    # -- supervision -------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        failures = 0
        try:
            while True:
                self._up_since = None
                ended = await self._connection()
                await self._say(ended)
                if self._stable():
                    failures = 0
                failures += 1
                await self._clock.sleep(self._wait_s(ended.key, failures))
        finally:
            if self._queue.full():
                self._queue.get_nowait()
            self._queue.put_nowait(None)

    def _stable(self) -> bool:
        up = self._up_since
        return up is not None and (self._clock.now() - up).total_seconds() >= self._patience.stable_s

    def _wait_s(self, key: str, failures: int) -> float:
        """Exponential with jitter: between half and the whole of 1, 2, 4 … 60 s; a minute or more after a refusal."""
        if key in SLOW_KEYS:
            return LONGEST_WAIT_S * (1 + self._jitter() / 4)
        whole = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - 1, 10))
        return whole * (0.5 + self._jitter() / 2)

    async def _say(self, status: FeedStatus) -> None:
        if (status.up, status.key) != self._last:
            self._last = (status.up, status.key)
            log.info("polygon stream: %s %s", status.key, status.detail)
            await self._queue.put(status)

    # -- one connection ----------------------------------------------------------------------------

    async def _connection(self) -> FeedStatus:
        """Run one connection to its end and say why it ended; a new client each time (client-python issue 800)."""
        self.counters.connections += 1
        client = _Client(
            api_key=self._key,
            feed=self._host,
            market=MARKET,
            raw=True,
            secure=self._secure,
            subscriptions=list(self._topics),
            max_reconnects=0,
        )
        session = _Session(len(self._topics), self._clock.now())
        receive = self._receiver(session)
        task = asyncio.create_task(client.connect(receive, max_size=MAX_FRAME, proxy=None))
        try:
            return await self._watch(client, session, task)
        finally:
            await _hang_up(client, task)

    async def _watch(self, client: _Client, session: "_Session", task: "asyncio.Task[Any]") -> FeedStatus:
        if not await _before(task, session, client.asked.wait(), self._patience.connect_s):
            return self._ending(session, task) or _down("disconnected", "no connection in time")
        if not await _before(task, session, session.acked.wait(), self._patience.ack_s):
            return self._ending(session, task) or _down("no_ack", f"no acknowledgement of {','.join(self._topics)}")
        allowed = self._patience.silence_s
        session.heard_at = self._clock.now()
        while await _before(task, session, self._clock.sleep((allowed or LONGEST_WAIT_S) / 4), None):
            now = self._clock.now()
            if not self._expects_data(now):
                session.heard_at = now
            elif allowed is not None and (now - session.heard_at).total_seconds() >= allowed:
                return _down("silent", f"no event for {allowed:g} s")
        return self._ending(session, task) or _down("disconnected", "")

    def _ending(self, session: "_Session", task: "asyncio.Task[Any]") -> FeedStatus | None:
        """Why a connection ended, or None while it lives. What the server said outranks how the socket closed."""
        if session.verdict is not None:
            return session.verdict
        if not task.done():
            return None
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AuthError):
            return _down("auth_failed", scrubbed(error, self._key))
        return _down("disconnected", scrubbed(error, self._key) if error else "closed by the server")

    def _receiver(self, session: "_Session") -> Callable[[str | bytes], Awaitable[None]]:
        async def receive(frame: str | bytes) -> None:
            events, bad = wire.decode(frame)
            self.counters.frames += 1
            self.counters.dropped += bad
            bars = []
            for event in events:
                if event.ev == MINUTE:
                    bar = bar_of_event(event)
                    if bar is None:
                        self.counters.refused += 1
                    else:
                        bars.append(bar)
                elif event.ev == "status":
                    session.on_status(event.status, scrubbed(event.message, self._key))
            if session.acked.is_set() and self._up_since is None:
                self._up_since = self._clock.now()
                await self._say(FeedStatus(up=True, key="connected", detail=",".join(self._topics)))
            if bars:
                self.counters.bars += len(bars)
                session.heard_at = self._clock.now()
                await self._queue.put(bars)

        return receive


class _Session:
    """What one connection has told us."""

    def __init__(self, topics: int, now: dt.datetime) -> None:
        self._missing, self.heard_at = topics, now
        self.acked, self.ended = asyncio.Event(), asyncio.Event()
        self.verdict: FeedStatus | None = None

    def on_status(self, status: str, message: str) -> None:
        """Matched by status, never by the words (polygon.md 1.3); each acknowledgement stands for one topic."""
        if status == "success":
            self._missing -= 1
            if self._missing <= 0:
                self.acked.set()
            return
        if status in {"connected", "auth_success"}:
            return
        key = "not_authorized" if status == "error" else status
        if key in SLOW_KEYS or key in {"auth_timeout", "slow_consumer", "force_disconnect"}:
            self.verdict = self.verdict or _down(key if key in SLOW_KEYS else "disconnected", message or status)
            self.ended.set()


def _down(key: str, detail: str) -> FeedStatus:
    return FeedStatus(up=False, key=key, detail=detail)


async def _before(
    task: "asyncio.Task[Any]", session: _Session, wanted: Awaitable[Any], timeout_s: float | None
) -> bool:
    """Whether `wanted` came in time, with the connection alive and not refused."""
    hope: asyncio.Future[Any] = asyncio.ensure_future(wanted)
    refused = asyncio.ensure_future(session.ended.wait())
    try:
        await asyncio.wait({task, hope, refused}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return hope.done() and session.verdict is None and not task.done()
    finally:
        hope.cancel()
        refused.cancel()
        await asyncio.gather(hope, refused, return_exceptions=True)


async def _hang_up(client: _Client, task: "asyncio.Task[Any]") -> None:
    """Close the socket in an orderly way, by force if that takes too long."""
    if client.websocket is not None and not task.done():
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.close(), CLOSE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

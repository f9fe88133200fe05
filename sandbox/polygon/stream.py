"""The WebSocket at /stocks: connections, subscriptions and the broadcaster that walks the day's minutes."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from sandbox.clock import SandboxClock
from sandbox.faults import Fault, Faults
from sandbox.market import Market
from sandbox.polygon import protocol
from sandbox.polygon.protocol import Event
from sandbox.polygon.seconds import Encoded, SecondFeed

FRAME_EVENTS = 200
QUEUE_FRAMES = 1024
SLOW_GRACE_S = 2.0
YIELD_EVERY = 500
PUBLISH_DELAY_S = 2.0
# of the wall clock
PACKING_S = 0.006
LINK = ("polygon_ws",)

# what /control/frames tells of at most
REMEMBERED_FRAMES = 50_000


@dataclass(frozen=True)
class SentFrame:
    """A frame of bars: the end of its minute or second, its last symbol, and the wall clock's seconds.

    Of minutes it is when the frame had gone out, of seconds when it was given to the connection.
    """

    end_ms: int
    last_symbol: str
    sent_at: float


@dataclass(eq=False)
class Connection:
    """One client. Frames go through a bounded queue so that a slow reader holds up nobody else."""

    socket: web.WebSocketResponse
    topics: set[str] = field(default_factory=set)
    authenticated: bool = False
    silent: bool = False
    frames: asyncio.Queue[tuple[bytes, tuple[int, str] | None] | None] = field(
        default_factory=lambda: asyncio.Queue(QUEUE_FRAMES)
    )
    close_code: int = WSCloseCode.OK
    transport: asyncio.BaseTransport | None = None

    def put(self, events: Sequence[Event]) -> None:
        self.put_frame(msgspec.json.encode(events))

    def put_frame(self, frame: bytes, minute: tuple[int, str] | None = None) -> None:
        """Queue a frame; one of minute bars says the end of its minute and its last symbol."""
        try:
            self.frames.put_nowait((frame, minute))
        except asyncio.QueueFull:
            self.end(WSCloseCode.POLICY_VIOLATION, protocol.status("slow_consumer", "slow consumer"))
            if isinstance(self.transport, asyncio.WriteTransport):
                # a reader that has stopped would never let the close frame through
                asyncio.get_running_loop().call_later(SLOW_GRACE_S, self.transport.abort)

    def end(self, code: int, *last_words: Event) -> None:
        """Nothing but the last words and the close frame is sent from here on."""
        while not self.frames.empty():
            self.frames.get_nowait()
        self.close_code = code
        if last_words:
            self.frames.put_nowait((msgspec.json.encode(last_words), None))
        self.frames.put_nowait(None)

    def abort(self) -> None:
        """As when a line breaks: no close frame."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def wants(self, kind: str) -> bool:
        prefix = kind + "."
        return any(topic.startswith(prefix) for topic in self.topics)

    def choose(self, kind: str, events: Sequence[Encoded]) -> Sequence[Encoded]:
        if f"{kind}.*" in self.topics:
            return events
        return [event for event in events if f"{kind}.{event[0]}" in self.topics]


@dataclass
class StreamCounters:
    """What the control API shows of the stream."""

    bars_sent: int = 0
    seconds_sent: int = 0
    last_bar_end: datetime | None = None
    opened: int = 0
    refused: int = 0
    replay_done: bool = False


class Stream:
    """Serves the market's bars as they end on the clock. `auth_timeout_s` is wall seconds, delays are the market's.

    `entitled` are the topics that the key's plan includes.
    """

    def __init__(
        self,
        market: Market,
        clock: SandboxClock,
        faults: Faults,
        key: str,
        *,
        auth_timeout_s: float = 30.0,
        revise_every: int = 0,
        entitled: frozenset[str] = protocol.STREAMED,
    ) -> None:
        self._market, self._clock, self._faults, self._key = market, clock, faults, key
        self._auth_timeout_s = auth_timeout_s
        self._revise_every = revise_every
        self._entitled = entitled
        self.connections: list[Connection] = []
        self.counters = StreamCounters()
        self.sent: deque[SentFrame] = deque(maxlen=REMEMBERED_FRAMES)
        self.sent_seconds: deque[SentFrame] = deque(maxlen=REMEMBERED_FRAMES)
        self._seconds = SecondFeed(market, revise_every)
        # bar_events only counts; a revision is due one minute after the bar it completes
        self._bar_events = 0
        self._revisions: list[tuple[str, int]] = []

    # -- connections -------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if fault := self._faults.take(LINK, action="upgrade_error"):
            self.counters.refused += 1
            return web.Response(status=fault.status or 401, text=fault.message)
        socket = web.WebSocketResponse(compress=True, max_msg_size=1 << 20)
        await socket.prepare(request)
        connection = Connection(socket, transport=request.transport)
        self.connections.append(connection)
        self.counters.opened += 1
        writer = asyncio.create_task(self._write(connection))
        try:
            connection.put([protocol.CONNECTED])
            await self._read(connection, request)
        finally:
            self.connections.remove(connection)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        return socket

    async def _write(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while (item := await connection.frames.get()) is not None:
                frame, minute = item
                for fault in self._faults.matching(LINK, {"paced"}) if minute else ():
                    await asyncio.sleep(fault.delay_s)
                await connection.socket.send_str(frame.decode())
                if minute is not None:
                    self.sent.append(SentFrame(*minute, time.time()))
            await connection.socket.close(code=connection.close_code)

    async def _read(self, connection: Connection, request: web.Request) -> None:
        try:
            async with asyncio.timeout(self._auth_timeout_s) as patience:
                async for message in connection.socket:
                    if message.type is not WSMsgType.TEXT:
                        break
                    await self._on_text(connection, request, message.data)
                    if connection.authenticated:
                        patience.reschedule(None)
        except TimeoutError:
            self.counters.refused += 1
            with contextlib.suppress(ConnectionError):
                await connection.socket.send_json([protocol.AUTH_TIMEOUT])
                await connection.socket.close(code=WSCloseCode.POLICY_VIOLATION)

    async def _on_text(self, connection: Connection, request: web.Request, text: str) -> None:
        try:
            body = msgspec.json.decode(text, type=dict[str, str])
        except msgspec.DecodeError:
            connection.put([protocol.status("error", "invalid request")])
            return
        action, params = body.get("action", ""), body.get("params", "")
        if action == "auth":
            await self._authenticate(connection, request, params)
        elif not connection.authenticated:
            connection.put([protocol.NOT_AUTHORIZED])
        elif action in {"subscribe", "unsubscribe"}:
            self._subscribe(connection, action, params)

    async def _authenticate(self, connection: Connection, request: web.Request, key: str) -> None:
        if self._faults.take(LINK, action="auth_drop"):
            connection.abort()
            return
        if self._faults.take(LINK, action="auth_timeout"):
            connection.end(WSCloseCode.POLICY_VIOLATION, protocol.AUTH_TIMEOUT)
            return
        fault = self._faults.take(LINK, action="auth_fail")
        if fault is None and key == self._key:
            connection.authenticated = True
            connection.put([protocol.AUTH_SUCCESS])
            return
        self.counters.refused += 1
        said = protocol.status("auth_failed", fault.message) if fault and fault.message else protocol.AUTH_FAILED
        await connection.socket.send_json([said])
        # Polygon drops the socket without a close frame; flushing first is what lets the client read why.
        if request.transport is not None:
            request.transport.close()

    def _subscribe(self, connection: Connection, action: str, params: str) -> None:
        if self._faults.take(LINK, action="no_ack"):
            return
        entitled = frozenset[str]() if self._faults.take(LINK, action="refuse_topics") else self._entitled
        answers = []
        for topic in protocol.topics(params):
            answer = protocol.answer(topic, action, entitled)
            if answer is None:
                continue
            answers.append(answer)
            if answer["status"] == "success":
                (connection.topics.add if action == "subscribe" else connection.topics.discard)(topic)
        if answers:
            connection.put(answers)
        if action == "subscribe" and connection.topics:
            self._enforce_limit(connection)

    def _enforce_limit(self, newest: Connection) -> None:
        for other in self.connections:
            if other is not newest and other.authenticated:
                other.end(WSCloseCode.POLICY_VIOLATION, protocol.MAX_CONNECTIONS)
        if self._faults.take(LINK, action="max_connections"):
            # the ack stands before the refusal, as at Polygon
            newest.frames.put_nowait((msgspec.json.encode([protocol.MAX_CONNECTIONS]), None))
            newest.close_code = WSCloseCode.POLICY_VIOLATION
            newest.frames.put_nowait(None)

    def strike(self, fault: Fault) -> None:
        """A stream fault meets the connections that are open now; `silent` lasts until faults are cleared."""
        for connection in list(self.connections):
            match fault.action:
                case "close":
                    connection.end(int(fault.code) if fault.code.isdecimal() else WSCloseCode.GOING_AWAY)
                case "abort":
                    connection.abort()
                case "silent":
                    connection.silent = True
                case "max_connections":
                    connection.end(WSCloseCode.POLICY_VIOLATION, protocol.MAX_CONNECTIONS)
                case "slow_consumer" | "force_disconnect":
                    connection.end(WSCloseCode.POLICY_VIOLATION, protocol.status(fault.action, fault.message))
                case "garble":
                    for frame in protocol.GARBLED:
                        connection.put_frame(frame)
                case "big_frame":
                    connection.put_frame(protocol.big_frame((fault.rows or 3) << 20))
                case _:
                    raise AssertionError(f"{fault.action} is for a connection's beginning")

    def halt_changed(self, symbol: str, *, halted: bool) -> None:
        """Tell of a halt or its end whoever may know."""
        event = protocol.halt_event(symbol, self._clock.now(), halted=halted)
        self._publish("LULD", [(symbol, msgspec.json.encode(event))])

    def relent(self) -> None:
        for connection in self.connections:
            connection.silent = False

    async def close(self) -> None:
        for connection in list(self.connections):
            await connection.socket.close(code=WSCloseCode.GOING_AWAY)

    # -- broadcasting ------------------------------------------------------------------------------

    async def broadcast_minutes(self) -> None:
        """Every minute from the current one to the day's last, in order, however fast the clock runs."""
        market = self._market
        minute = max(0, market.minute_of(self._clock.now()))
        while minute <= market.last_minute:
            due = market.minute_at(minute + 1) + timedelta(seconds=PUBLISH_DELAY_S)
            await self._clock.sleep_until(due)
            for fault in self._faults.matching(LINK, {"delayed"}):
                await self._clock.sleep_until(fault.shifted(due))
            self._publish("AM", await self._minute(minute), market.minute_at(minute + 1))
            self.counters.last_bar_end = market.minute_at(minute + 1)
            minute += 1
            await asyncio.sleep(0)
        if self._revisions:
            await self._clock.sleep(60)
            self._publish("AM", self._due_revisions())
        self.counters.replay_done = True

    async def _minute(self, minute: int) -> list[Encoded]:
        events = self._due_revisions()
        for index, symbol in enumerate(self._market.symbols):
            if index % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
            row = self._market.series[symbol].row(minute)
            if row is None:
                continue
            self._bar_events += 1
            early = self._revise_every > 0 and self._bar_events % self._revise_every == 0
            if early:
                self._revisions.append((symbol, row))
            event = protocol.minute_event(self._market, symbol, row, early=early)
            events.append((symbol, msgspec.json.encode(event)))
        return events

    def _due_revisions(self) -> list[Encoded]:
        due = [
            (symbol, msgspec.json.encode(protocol.minute_event(self._market, symbol, row)))
            for symbol, row in self._revisions
        ]
        self._revisions.clear()
        return due

    async def broadcast_seconds(self) -> None:
        """Per-second aggregates, computed only while somebody wants them."""
        last_end = self._market.minute_at(self._market.last_minute + 1)
        second = self._clock.now().replace(microsecond=0)
        while second < last_end:
            due = second + timedelta(seconds=1 + PUBLISH_DELAY_S)
            await self._clock.sleep_until(due)
            for fault in self._faults.matching(LINK, {"delayed"}):
                await self._clock.sleep_until(fault.shifted(due))
            if any(connection.wants("A") for connection in self.connections):
                for events in self._seconds.parts(second):
                    self._publish("A", events, second + timedelta(seconds=1))
                    # frames are packed in a thread: making the next ones at once would hold them up
                    await asyncio.sleep(PACKING_S if len(events) >= FRAME_EVENTS else 0)
            second += timedelta(seconds=1)
            await asyncio.sleep(0)

    def _publish(self, kind: str, events: Sequence[Encoded], ended: datetime | None = None) -> None:
        sent = 0
        for connection in self.connections:
            if connection.silent or not connection.wants(kind):
                continue
            chosen = connection.choose(kind, events)
            sent = max(sent, len(chosen))
            for first in range(0, len(chosen), FRAME_EVENTS):
                part = chosen[first : first + FRAME_EVENTS]
                told = (int(ended.timestamp() * 1000), part[-1][0]) if ended else None
                if kind == "A" and told:
                    self.sent_seconds.append(SentFrame(*told, time.time()))
                connection.put_frame(b"[" + b",".join(data for _, data in part) + b"]", told if kind == "AM" else None)
        if kind == "AM":
            self.counters.bars_sent += sent
        elif kind == "A":
            self.counters.seconds_sent += sent

"""The bar stream under our own supervision (facts: polygon.md 1.3, 5.3, 5.6)."""

import asyncio
import datetime as dt
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

import msgspec

from adapters.polygon import wire
from adapters.polygon.backlog import MOST_BARS, Backlog
from adapters.polygon.batches import Batches
from adapters.polygon.connection import SLOW_KEYS, Connection, Endpoint, Patience, Session
from adapters.polygon.library import load, scrubbed, stream_address
from adapters.polygon.parse import halt_of
from adapters.polygon.wire import Aggregate, Other, Status
from core.model.bar import MINUTE_MS, SECOND_MS
from core.model.batch import BarBatch
from ports.clock import Clock
from ports.market_data import Feed, FeedStatus, Fold

log = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
# A key or a plan that is refused stays refused until a person does something.
REFUSED_WAIT_S = 300.0
WAKE_S = 1.0


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Which aggregates are asked for, how they are read, and how many may wait for the reader."""

    topic: str
    frames: wire.Frames
    span_ms: int
    most_waiting: int


MINUTES = Kind(topic="AM.*", frames=wire.MINUTES, span_ms=MINUTE_MS, most_waiting=MOST_BARS)
# half a minute of the busiest market may wait
SECONDS = Kind(topic="A.*", frames=wire.SECONDS, span_ms=SECOND_MS, most_waiting=240_000)


@dataclass
class Counters:
    """What has come in: `refused` of the `bars` (of minutes or seconds) were impossible, `dropped` are unreadable events."""

    frames: int = 0
    bars: int = 0
    refused: int = 0
    dropped: int = 0
    connections: int = 0


class PolygonStream:
    """Closed minute bars, reconnecting for ever. One at a time per key: Polygon allows a single connection.

    They are the vendor's own, or with `fold` those that it makes of the vendor's seconds.

    `package` is the vendor's ("polygon", "massive", or empty for what is installed).
    `ws_address` is `wss://socket.polygon.io/stocks` or `host:port` (then `secure` decides). `extras` are asked for after
    the topics are acknowledged, one by one, and never again once refused. `jitter` gives numbers in [0, 1).
    `expects_data` says whether silence is suspicious now (outside of sessions it is not).
    """

    def __init__(
        self,
        key: str,
        ws_address: str,
        *,
        clock: Clock,
        package: str = "",
        secure: bool = True,
        fold: Fold | None = None,
        topics: Sequence[str] = (),
        extras: Sequence[str] = (),
        jitter: Callable[[], float] = random.random,
        patience: Patience | None = None,
        expects_data: Callable[[dt.datetime], bool] = lambda _: True,
        most_bars: int | None = None,
        real: Callable[[], float] = time.monotonic,
    ) -> None:
        host, secure = stream_address(ws_address, secure=secure)
        self._kind = MINUTES if fold is None else SECONDS
        topics = tuple(topics) or (self._kind.topic,)
        self._endpoint = Endpoint(vendor=load(package), key=key, host=host, secure=secure, topics=topics)
        self._extras = tuple(extras)
        self._clock, self._jitter, self._patience = clock, jitter, patience or Patience()
        self._expects_data = expects_data
        self.counters = Counters()
        self._backlog = Backlog(most_bars or self._kind.most_waiting, real=real)
        self._batches = Batches(self._kind.span_ms)
        self._fold = fold
        self._supervisor: asyncio.Task[None] | None = None
        self._waker: asyncio.Task[None] | None = None
        self._closed = False
        self._last: tuple[bool, str] = (False, "")
        self._up_since: dt.datetime | None = None

    async def events(self) -> AsyncGenerator[Feed, None]:
        """Batches of bars (what waited together) in order of arrival, and changes of status and of halts between them."""
        if self._supervisor is not None:
            raise RuntimeError("a stream has one reader")
        if self._closed:
            return
        self._supervisor = asyncio.create_task(self._supervise(), name="polygon-stream")
        if self._fold is not None:
            self._waker = asyncio.create_task(self._wake(), name="polygon-waker")
        try:
            while (item := await self._backlog.get()) is not None:
                if isinstance(item, list):
                    for batch in self._batches_of(item):
                        yield batch
                else:
                    if self._fold is not None and isinstance(item, FeedStatus):
                        self._fold.begin(self._now_ms())
                    yield item
            ended = self._supervisor
        finally:
            await self._stop()
        if not self._closed:
            raise RuntimeError("the stream's supervisor ended by itself") from ended.exception()

    def lag_s(self) -> float:
        """How many real seconds the reader is behind what has arrived."""
        return self._backlog.lag_s

    async def close(self) -> None:
        """Disconnect; the reader's iteration ends."""
        self._closed = True
        await self._stop()

    async def _stop(self) -> None:
        tasks = [task for task in (self._supervisor, self._waker) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- supervision -------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        failures = 0
        try:
            while True:
                self._up_since = None
                ended = await self._connect()
                self._say(ended)
                if self._stable():
                    failures = 0
                failures += 1
                await self._clock.sleep(self._wait_s(ended.key, failures))
        finally:
            self._backlog.close()

    async def _connect(self) -> FeedStatus:
        """One connection, from its beginning to why it ended."""
        self.counters.connections += 1
        session = Session(len(self._endpoint.topics), self._clock.now(), self._extras)

        async def receive(frame: str | bytes) -> None:
            self._received(session, frame)

        connection = Connection(self._endpoint, session, self._clock, self._patience, self._extras)
        return await connection.run(receive, self._expects_data)

    def _stable(self) -> bool:
        up = self._up_since
        return up is not None and (self._clock.now() - up).total_seconds() >= self._patience.stable_s

    def _wait_s(self, key: str, failures: int) -> float:
        """Exponential with jitter: between half and the whole of 1, 2, 4 … 60 s; a minute or more after a refusal."""
        if key in SLOW_KEYS:
            least_s = LONGEST_WAIT_S if key == "max_connections" else REFUSED_WAIT_S
            return least_s * (1 + self._jitter() / 4)
        whole = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - 1, 10))
        return whole * (0.5 + self._jitter() / 2)

    def _say(self, status: FeedStatus) -> None:
        if (status.up, status.key) != self._last:
            self._last = (status.up, status.key)
            log.info("polygon stream: %s %s", status.key, status.detail)
            self._backlog.put(status)

    # -- frames ------------------------------------------------------------------------------------

    def _received(self, session: Session, frame: str | bytes) -> None:
        """Decode and queue, nothing else: a socket that is read slowly is closed by the vendor."""
        bars, others, bad = self._kind.frames.decode(frame)
        self.counters.frames += 1
        self.counters.dropped += bad
        for event in others:
            self._other(session, event)
        if session.refused_extra in self._extras:
            log.info("polygon stream: the plan has no %s; going on without", session.refused_extra)
            self._extras = tuple(topic for topic in self._extras if topic != session.refused_extra)
        if session.acked.is_set() and self._up_since is None:
            self._up_since = self._clock.now()
            self._say(FeedStatus(up=True, key="connected", detail=",".join(self._endpoint.topics)))
        if bars:
            self.counters.bars += len(bars)
            session.heard_at = self._clock.now()
            self._backlog.put(bars)

    def _other(self, session: Session, event: Other) -> None:
        """What is no bar."""
        if isinstance(event, Status):
            session.on_status(event.status, scrubbed(event.message, self._endpoint.key))
        elif (halt := halt_of(event)) is not None:
            self._backlog.put(halt)

    # -- what the reader gets ----------------------------------------------------------------------

    def _batches_of(self, events: Sequence[Aggregate]) -> list[BarBatch]:
        """Minute bars out of what waited together; nothing at all means that time has passed."""
        batch, refused = self._batches.batch_of(events)
        self.counters.refused += refused
        if self._fold is None:
            return [batch] if len(batch) else []
        return self._fold.take(batch, self._now_ms()) if events else self._fold.tick(self._now_ms())

    async def _wake(self) -> None:
        """Let a reader that hears nothing look at the clock, but in a session, where silence is a fault and no quiet market."""
        while True:
            await self._clock.sleep(WAKE_S)
            if not self._expects_data(self._clock.now()):
                self._backlog.wake()

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

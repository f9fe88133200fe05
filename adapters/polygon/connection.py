"""One connection to the stream, from its greeting to its end (facts: polygon.md 1.2, 1.3, 5.3)."""

import asyncio
import contextlib
import datetime as dt
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from adapters.polygon.library import MARKET, Vendor, scrubbed
from ports.clock import Clock
from ports.market_data import FeedStatus

MAX_FRAME = 16 * 2**20
LOOK_S = 15.0
CLOSE_S = 2.0
# Refusals that a quick retry only makes worse, and what is worth a person's attention.
SLOW_KEYS = frozenset({"auth_failed", "max_connections", "not_authorized"})
PASSING = frozenset({"auth_timeout", "slow_consumer", "force_disconnect"})


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long the stream waits: connecting and acknowledgements in real seconds, the rest in the clock's."""

    connect_s: float = 10.0
    ack_s: float = 5.0
    stable_s: float = 10.0
    silence_s: float | None = 120.0


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect, with whose package and which key, and what to ask for."""

    vendor: Vendor
    key: str
    host: str
    secure: bool
    topics: tuple[str, ...]


class Session:
    """What one connection has told us."""

    def __init__(self, topics: int, now: dt.datetime, extras: Sequence[str] = ()) -> None:
        self._missing, self.heard_at = topics, now
        self._extras = list(extras)
        self.refused_extra = ""
        self.acked, self.ended = asyncio.Event(), asyncio.Event()
        self.verdict: FeedStatus | None = None

    def on_status(self, status: str, message: str) -> None:
        """Matched by status, never by the words (polygon.md 1.3); each acknowledgement stands for one topic.

        A refusal names no topic. The ones we cannot do without are asked for first and alone, so that a refusal after
        their acknowledgement is about the extra one.
        """
        if status == "success":
            self._missing -= 1
            if self._missing < 0 and self._extras:
                self._extras.pop(0)
            elif self._missing <= 0:
                self.acked.set()
            return
        if status in {"connected", "auth_success"}:
            return
        if status == "error" and self.acked.is_set() and self._extras:
            self.refused_extra = self._extras.pop(0)
            return
        key = "not_authorized" if status == "error" else status
        if key in SLOW_KEYS or key in PASSING:
            self.verdict = self.verdict or down(key if key in SLOW_KEYS else "disconnected", message or status)
            self.ended.set()


class Connection:
    """A new client of the vendor's each time: a second connection of the same one subscribes to nothing."""

    def __init__(
        self, endpoint: Endpoint, session: Session, clock: Clock, patience: Patience, extras: Sequence[str]
    ) -> None:
        self._endpoint, self._session, self._clock, self._patience = endpoint, session, clock, patience
        self._extras = tuple(extras)
        self._client = _telling(endpoint.vendor.stream)(
            api_key=endpoint.key,
            feed=endpoint.host,
            market=MARKET,
            raw=True,
            secure=endpoint.secure,
            subscriptions=list(endpoint.topics),
            max_reconnects=0,
        )

    async def run(
        self, receive: Callable[[str | bytes], Awaitable[None]], expects_data: Callable[[dt.datetime], bool]
    ) -> FeedStatus:
        """Receive until the connection ends, and say why it did."""
        task = asyncio.create_task(self._client.connect(receive, max_size=MAX_FRAME, proxy=None))
        try:
            return await self._watch(task, expects_data)
        finally:
            await self._hang_up(task)

    async def _watch(self, task: "asyncio.Task[Any]", expects_data: Callable[[dt.datetime], bool]) -> FeedStatus:
        session, patience = self._session, self._patience
        if not await self._before(task, self._client.asked.wait(), patience.connect_s):
            return self._ending(task) or down("disconnected", "no connection in time")
        if not await self._before(task, session.acked.wait(), patience.ack_s):
            asked = ",".join(self._endpoint.topics)
            return self._ending(task) or down("no_ack", f"no acknowledgement of {asked}")
        for topic in self._extras:
            self._client.subscribe(topic)
        allowed = patience.silence_s
        session.heard_at = self._clock.now()
        while await self._before(task, self._clock.sleep(LOOK_S if allowed is None else allowed / 4), None):
            now = self._clock.now()
            if not expects_data(now):
                session.heard_at = now
            elif allowed is not None and (now - session.heard_at).total_seconds() >= allowed:
                return down("silent", f"no event for {allowed:g} s")
        return self._ending(task) or down("disconnected", "")

    def _ending(self, task: "asyncio.Task[Any]") -> FeedStatus | None:
        """Why a connection ended, or None while it lives. What the server said outranks how the socket closed."""
        if self._session.verdict is not None:
            return self._session.verdict
        if not task.done():
            return None
        error = None if task.cancelled() else task.exception()
        if isinstance(error, self._endpoint.vendor.auth_error):
            return down("auth_failed", scrubbed(error, self._endpoint.key))
        return down("disconnected", scrubbed(error, self._endpoint.key) if error else "closed by the server")

    async def _before(self, task: "asyncio.Task[Any]", wanted: Awaitable[Any], timeout_s: float | None) -> bool:
        """Whether `wanted` came in time, with the connection alive and not refused."""
        hope: asyncio.Future[Any] = asyncio.ensure_future(wanted)
        refused = asyncio.ensure_future(self._session.ended.wait())
        try:
            await asyncio.wait({task, hope, refused}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return hope.done() and self._session.verdict is None and not task.done()
        finally:
            hope.cancel()
            refused.cancel()
            await asyncio.gather(hope, refused, return_exceptions=True)

    async def _hang_up(self, task: "asyncio.Task[Any]") -> None:
        """Close the socket in an orderly way, by force if that takes too long."""
        if self._client.websocket is not None and not task.done():
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._client.close(), CLOSE_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@functools.cache
def _telling(base: Any) -> Any:
    """The vendor's client, telling by `asked` when it has subscribed."""

    class Client(base):  # type: ignore[misc] # the vendor's package ships no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.asked = asyncio.Event()

        async def _subscribe(self, topics: Any) -> None:
            await super()._subscribe(topics)
            self.asked.set()

    return Client


def down(key: str, detail: str) -> FeedStatus:
    """The connection is not there, and why."""
    return FeedStatus(up=False, key=key, detail=detail)

"""Outgoing flood control: a bucket per chat and one overall, newest edit wins, a lane for what must not wait."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

log = logging.getLogger(__name__)
PRIORITY = 1
PER_CHAT_S, CHAT_BURST = 1.0, 3.0
OVERALL_PER_S, OVERALL_BURST = 25.0, 25.0
RETRIES = 3
LONGEST_WAIT_S = 120.0
CHATS = 1_000
EDITS = frozenset({"editMessageText", "editMessageCaption", "editMessageMedia", "editMessageReplyMarkup"})
Result = bool | dict[str, Any] | list[dict[str, Any]]


@dataclass(slots=True)
class _Bucket:
    rate: float
    burst: float
    tokens: float
    at: float
    blocked_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def wait(self, now: float) -> float:
        """Seconds until one token is there; takes it when that is now."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if now < self.blocked_until:
            return self.blocked_until - now
        if self.tokens < 1 - 1e-9:
            return (1 - self.tokens) / self.rate
        self.tokens -= 1
        return 0.0


class AppRateLimiter(BaseRateLimiter[int]):
    """Real time, never the market's. Requests without a chat and those marked PRIORITY pass at once."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pace: float = 1.0,
    ) -> None:
        """`pace` is how many times Telegram's own limits the server allows: 1 for Telegram, more for a sandbox."""
        self._now = now
        self._pace = pace
        self._sleep = sleep
        self._chats: OrderedDict[str, _Bucket] = OrderedDict()
        self._overall = _Bucket(pace * OVERALL_PER_S, OVERALL_BURST, OVERALL_BURST, now())
        self._edits: dict[tuple[str, ...], asyncio.Future[Result]] = {}

    async def initialize(self) -> None:
        """Nothing to acquire."""

    async def shutdown(self) -> None:
        """Nothing to release."""

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Result]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: int | None,
    ) -> Result:
        """Call when the chat's turn has come; an edit that was overtaken takes the newer one's result."""
        chat = data.get("chat_id")

        async def call() -> Result:
            return await callback(*args, **kwargs)

        if chat is None or rate_limit_args == PRIORITY:
            return await self._attempts(call, None)
        bucket = self._bucket(str(chat))
        if endpoint not in EDITS:
            await self._turn(bucket, None, None)
            return await self._attempts(call, bucket)
        return await self._edit(call, bucket, (endpoint, str(chat), str(data.get("message_id"))))

    async def _edit(self, call: Callable[[], Awaitable[Result]], bucket: _Bucket, key: tuple[str, ...]) -> Result:
        mine: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._edits[key] = mine
        try:
            await self._turn(bucket, key, mine)
            newer = self._edits.get(key)
            if newer is not None and newer is not mine:
                return await self._follow(newer, mine)
            result = await self._attempts(call, bucket)
        except BaseException as trouble:
            if not mine.done():
                mine.set_exception(trouble) if isinstance(trouble, Exception) else mine.cancel()
                _ = None if mine.cancelled() else mine.exception()
            raise
        finally:
            if self._edits.get(key) is mine:
                del self._edits[key]
        mine.set_result(result)
        return result

    @staticmethod
    async def _follow(newer: asyncio.Future[Result], mine: asyncio.Future[Result]) -> Result:
        result = await asyncio.shield(newer)
        mine.set_result(result)
        return result

    async def _turn(self, bucket: _Bucket, key: tuple[str, ...] | None, mine: object) -> None:
        """Wait for a token of the chat and one of the whole bot, first come first served within a chat."""
        async with bucket.lock:
            for part in (bucket, self._overall):
                while (wait := part.wait(self._now())) > 0:
                    if key is not None and self._edits.get(key) is not mine:
                        return
                    await self._sleep(wait)

    async def _attempts(self, call: Callable[[], Awaitable[Result]], bucket: _Bucket | None) -> Result:
        for attempt in range(RETRIES + 1):
            try:
                return await call()
            except RetryAfter as busy:
                wait = seconds(busy)
                if attempt == RETRIES or wait > LONGEST_WAIT_S:
                    raise
                log.warning("Telegram asks to wait %.1f s", wait)
                if bucket is not None:
                    bucket.blocked_until = max(bucket.blocked_until, self._now() + wait)
                await self._sleep(wait)
        raise AssertionError("unreachable")

    def _bucket(self, chat: str) -> _Bucket:
        bucket = self._chats.setdefault(chat, _Bucket(self._pace / PER_CHAT_S, CHAT_BURST, CHAT_BURST, self._now()))
        self._chats.move_to_end(chat)
        while len(self._chats) > CHATS:
            self._chats.popitem(last=False)
        return bucket


def seconds(busy: RetryAfter) -> float:
    """How long Telegram asks to wait."""
    wait = busy.retry_after
    return float(wait) if isinstance(wait, int | float) else wait.total_seconds()

"""The bus on Redis Streams: XADD and PUBLISH in one MULTI, consumer groups, dead letters, heartbeats."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Self, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionBroken
from redis.exceptions import RedisError

from adapters.redis import codec, keys
from adapters.redis.reader import Entries, GroupReader, body_of, text
from adapters.redis.state import look
from core.model.messages import AnyMessage, Channel
from ports.bus import BusState, BusUnavailable, Delivery

log = logging.getLogger(__name__)

OnDead = Callable[[Channel, str], None]
"""Told of each dead letter: its channel and the reason."""

TROUBLE = (RedisError, OSError)


class RedisBus:
    """`ports.bus.Bus` over one Redis; `consumer` is this process's fixed name in every group.

    `url` is `redis://…`, `rediss://…` or `unix:///path`; `speed` market seconds pass in one of the server's. Nothing
    connects before the first use. A command on a connection that broke meanwhile is sent once more, so a message may be
    published twice (its id tells). A read is never repeated unnoticed: the entries of a lost answer wait in the pending
    list.
    """

    def __init__(
        self,
        url: str,
        *,
        consumer: str,
        on_dead: OnDead | None = None,
        claim_idle_ms: int = keys.CLAIM_IDLE_MS,
        speed: float = 1.0,
    ) -> None:
        self.consumer = consumer
        self._speed = speed
        self._newest_ms: dict[Channel, int] = {}
        self.dead_letters: Counter[Channel] = Counter()
        self._on_dead = on_dead
        self._claim_idle_ms = claim_idle_ms
        self._late_acks: defaultdict[tuple[str, Channel], set[str]] = defaultdict(set)
        self._client = connect(url, retries=1)
        self._reader = connect(url, retries=0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def publish(self, channel: Channel, message: AnyMessage) -> None:
        """Append to the stream and PUBLISH the same JSON in one transaction. Raises BusUnavailable."""
        body = codec.encode(channel, message)
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.xadd(
                    channel,
                    {keys.FIELD: body},
                    maxlen=keys.LIMITS.get(channel),
                    minid=self._oldest_id(channel),
                    approximate=True,
                )
                pipe.publish(channel, body)
                added, _ = await pipe.execute()
        except TROUBLE as error:
            raise BusUnavailable(f"can't publish on {channel}: {error}") from error
        self._newest_ms[channel] = int(text(added).partition("-")[0])

    def _oldest_id(self, channel: Channel) -> str | None:
        """What is older is trimmed, by the server's clock: that of the message before."""
        if channel not in keys.KEPT_S or channel not in self._newest_ms:
            return None
        kept_s = max(keys.KEPT_S[channel] / self._speed, keys.LEAST_KEPT_S)
        return f"{max(0, self._newest_ms[channel] - int(kept_s * 1000))}-0"

    async def consume(self, group: str, channels: Sequence[Channel]) -> AsyncIterator[Delivery]:
        """Yield this consumer's unacknowledged messages, then new ones, for ever; an outage is waited out."""
        reader = GroupReader(
            self._reader, group, self.consumer, channels, bury=self._bury, claim_idle_ms=self._claim_idle_ms
        )
        failures = 0
        while True:
            try:
                await self._send_late_acks(group)
                deliveries = await reader.read()
            except TROUBLE as error:
                if not failures:
                    log.warning("bus: group %s waits for Redis: %s", group, error)
                await asyncio.sleep(min(keys.FIRST_PAUSE_S * 2 ** min(failures, 16), keys.LONGEST_PAUSE_S))
                failures += 1
                reader.restart()
                continue
            if failures:
                log.warning("bus: group %s reaches Redis again", group)
                failures = 0
            for delivery in deliveries:
                yield delivery

    async def ack(self, group: str, delivery: Delivery) -> None:
        """Acknowledge after the effects are committed; in an outage it is kept and sent when Redis is back."""
        try:
            await self._client.xack(delivery.channel, group, delivery.receipt)
        except TROUBLE:
            self._late_acks[group, delivery.channel].add(delivery.receipt)

    async def history(self, channel: Channel, limit: int) -> Sequence[AnyMessage]:
        """The newest `limit` messages, oldest first; undecodable ones are left out. Raises BusUnavailable."""
        if limit <= 0:
            return []
        try:
            entries = cast(Entries, await self._client.xrevrange(channel, count=limit) or [])
        except TROUBLE as error:
            raise BusUnavailable(f"can't read {channel}: {error}") from error
        messages: list[AnyMessage] = []
        for _, fields in reversed(entries):
            try:
                messages.append(codec.decode(channel, body_of(fields or {})))
            except codec.Undecodable as why:
                log.debug("%s: history skips an entry: %s", channel, why)
        return messages

    async def behind(self, group: str, channels: Sequence[Channel]) -> bool:
        """Whether a group has anything of these streams left to read or to acknowledge. Raises BusUnavailable."""
        try:
            for channel in channels:
                if not await self._client.exists(channel):
                    continue
                newest = (await self._client.xinfo_stream(channel))["last-generated-id"]
                for found in await self._client.xinfo_groups(channel):
                    if text(found["name"]) == group and (found["pending"] or found["last-delivered-id"] != newest):
                        return True
        except TROUBLE as error:
            raise BusUnavailable(f"can't look at {group}: {error}") from error
        return False

    async def beat(self, process: str, fields: dict[str, str]) -> None:
        """Replace the process's heartbeat; it expires by itself. Raises BusUnavailable."""
        assert fields, "a heartbeat says something"
        key = keys.heartbeat_key(process)
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.delete(key)
                pipe.hset(key, items=[part for item in fields.items() for part in item])
                pipe.expire(key, keys.HEARTBEAT_TTL_S)
                await pipe.execute()
        except TROUBLE as error:
            raise BusUnavailable(f"can't record the heartbeat of {process}: {error}") from error

    async def heartbeats(self) -> dict[str, dict[str, str]]:
        """The latest heartbeat of each process that is not expired. Raises BusUnavailable."""
        beats: dict[str, dict[str, str]] = {}
        try:
            async for key in self._client.scan_iter(match=keys.heartbeat_key("*"), count=100):
                found = cast(dict[bytes, bytes], await self._client.hgetall(key))
                if found:
                    process = text(key).removeprefix(keys.HEARTBEAT_PREFIX)
                    beats[process] = {name.decode(): value.decode() for name, value in found.items()}
        except TROUBLE as error:
            raise BusUnavailable(f"can't read the heartbeats: {error}") from error
        return dict(sorted(beats.items()))

    async def look(self) -> BusState:
        """What `adapters.redis.state` finds. Raises BusUnavailable."""
        try:
            return await look(self._client)
        except TROUBLE as error:
            raise BusUnavailable(f"can't look at Redis: {error}") from error

    async def close(self) -> None:
        """Release connections; iterators of `consume` end with their tasks."""
        await self._client.aclose()
        await self._reader.aclose()

    async def _send_late_acks(self, group: str) -> None:
        for (owner, channel), receipts in self._late_acks.items():
            if owner == group and receipts:
                sent = sorted(receipts)
                await self._client.xack(channel, group, *sent)
                receipts.difference_update(sent)

    async def _bury(self, group: str, channel: Channel, receipt: str, body: bytes, reason: str) -> None:
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.xadd(
                keys.DEAD,
                {keys.FIELD: body, "reason": reason, "channel": channel, "group": group, "id": receipt},
                maxlen=keys.DEAD_LIMIT,
                approximate=False,
            )
            pipe.xack(channel, group, receipt)
            await pipe.execute()
        self.dead_letters[channel] += 1
        log.error("%s: entry %s is a dead letter of group %s: %s", channel, receipt, group, reason)
        if self._on_dead is not None:
            self._on_dead(channel, reason)


def connect(url: str, *, retries: int) -> Redis:
    """A client that gives up soon; nothing connects before the first use."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=keys.MAX_CONNECTIONS,
        timeout=keys.SOCKET_TIMEOUT_S,
        socket_timeout=keys.SOCKET_TIMEOUT_S,
        socket_connect_timeout=keys.CONNECT_TIMEOUT_S,
        retry=Retry(NoBackoff(), retries, (ConnectionBroken,)),
        legacy_responses=False,
    )
    return Redis.from_pool(pool)

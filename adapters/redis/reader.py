"""One consumer of a group: own unfinished entries first, then what dead consumers left, then new ones."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from adapters.redis import codec, keys
from core.model.messages import Channel
from ports.bus import Delivery

log = logging.getLogger(__name__)

Bury = Callable[[str, Channel, str, bytes, str], Awaitable[None]]
"""Moves an entry (group, channel, id, body, reason) to the dead letters and acknowledges it."""

Fields = Mapping[bytes, bytes]
Entries = list[tuple[bytes, Fields | None]]
"""Ids with their fields; an entry that was trimmed while pending has none."""


class GroupReader:
    """Reads a group's entries in steps; `read` raises what the client raises and `restart` begins again after it.

    Unfinished entries are re-read one at a time: only the entry in hand gains a delivery, so a message that kills its
    consumer reaches the limit without taking the innocent ones behind it along.
    """

    def __init__(
        self,
        client: Redis,
        group: str,
        consumer: str,
        channels: Sequence[Channel],
        *,
        bury: Bury,
        claim_idle_ms: int = keys.CLAIM_IDLE_MS,
    ) -> None:
        self._client = client
        self._group = group
        self._consumer = consumer
        self._channels = tuple(channels)
        self._bury = bury
        self._claim_idle_ms = claim_idle_ms
        self._ready = False
        self._sweep_at = 0.0
        self._cursors: dict[Channel, str] = {}

    def restart(self) -> None:
        """Make sure of the groups and look for unfinished entries before anything new."""
        self._ready = False

    async def read(self) -> list[Delivery]:
        """The next deliveries; an empty list means look again."""
        try:
            if not self._ready:
                await self._open()
            await self._sweep()
            return await self._unfinished() if self._cursors else await self._new()
        except ResponseError as error:
            if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                raise
            log.warning("Redis lost the streams of group %s; making them anew", self._group)
            self.restart()
            return []

    async def _open(self) -> None:
        for channel in self._channels:
            try:
                await self._client.xgroup_create(channel, self._group, id=keys.start_id(channel), mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
        self._cursors = dict.fromkeys(self._channels, "0")
        self._sweep_at = 0.0
        self._ready = True

    async def _sweep(self) -> None:
        """Take over what other consumer names left lying; XAUTOCLAIM would take our own slow entries as well."""
        now = asyncio.get_running_loop().time()
        if now < self._sweep_at:
            return
        for channel in self._channels:
            rows: list[dict[str, Any]] = await self._client.xpending_range(
                channel, self._group, min="-", max="+", count=100, idle=self._claim_idle_ms
            )
            left = [row["message_id"] for row in rows if text(row["consumer"]) != self._consumer]
            if left:
                log.info("%s takes over %d entries of %s", self._consumer, len(left), channel)
                await self._client.xclaim(
                    channel,
                    self._group,
                    self._consumer,
                    min_idle_time=self._claim_idle_ms,
                    message_ids=left,
                    justid=True,
                )
                self._cursors[channel] = "0"
        self._sweep_at = now + keys.SWEEP_EVERY_S

    async def _unfinished(self) -> list[Delivery]:
        channel, cursor = next(iter(self._cursors.items()))
        entries = [entry for _, found in await self._take({channel: cursor}, count=1, block=None) for entry in found]
        if not entries:
            del self._cursors[channel]
            return []
        receipt, fields = text(entries[0][0]), entries[0][1]
        self._cursors[channel] = receipt
        if not fields:
            await self._client.xack(channel, self._group, receipt)
            return []
        times = await self._times_delivered(channel, receipt)
        if times > keys.MAX_DELIVERIES:
            await self._bury(self._group, channel, receipt, body_of(fields), f"delivered: {times - 1} times in vain")
            return []
        return await self._accept(channel, receipt, fields)

    async def _times_delivered(self, channel: Channel, receipt: str) -> int:
        rows: list[dict[str, Any]] = await self._client.xpending_range(
            channel, self._group, min=receipt, max=receipt, count=1
        )
        return int(rows[0]["times_delivered"]) if rows else 0

    async def _new(self) -> list[Delivery]:
        deliveries: list[Delivery] = []
        unread = dict.fromkeys(self._channels, ">")
        for name, entries in await self._take(unread, count=keys.BATCH, block=keys.BLOCK_MS):
            for receipt, fields in entries:
                deliveries += await self._accept(Channel(text(name)), text(receipt), fields or {})
        return deliveries

    async def _take(self, places: dict[Channel, str], *, count: int, block: int | None) -> list[tuple[bytes, Entries]]:
        streams: dict[Any, Any] = {**places}
        answer = await self._client.xreadgroup(self._group, self._consumer, streams, count=count, block=block)
        return list(cast(dict[bytes, Entries], answer or {}).items())

    async def _accept(self, channel: Channel, receipt: str, fields: Fields) -> list[Delivery]:
        body = body_of(fields)
        try:
            message = codec.decode(channel, body)
        except codec.Undecodable as why:
            await self._bury(self._group, channel, receipt, body, str(why))
            return []
        return [Delivery(channel=channel, receipt=receipt, message=message)]


def text(value: bytes | str) -> str:
    """Redis answers in bytes."""
    return value.decode() if isinstance(value, bytes) else value


def body_of(fields: Fields) -> bytes:
    """The message's bytes; an entry without our field has none and is found undecodable."""
    return fields.get(keys.FIELD.encode(), b"")

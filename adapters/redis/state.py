"""Redis looked at from outside: has it lost its data, is it full, who is behind."""

import uuid
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, ResponseError

from adapters.redis import keys
from adapters.redis.reader import text
from core.model.messages import Channel
from ports.bus import BusState, GroupLag


async def look(client: Redis) -> BusState:
    """One write that tells whether there is room, and readings. Raises what the client raises."""
    full = False
    try:
        await client.set(keys.LIFE, uuid.uuid4().hex, nx=True)
    except OutOfMemoryError:
        full = True
    memory, disk = await _info(client, "memory"), await _info(client, "persistence")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    return BusState(
        life=text(await client.get(keys.LIFE) or b""),
        full=full,
        used_bytes=int(memory.get("used_memory", 0)),
        most_bytes=int(memory.get("maxmemory", 0)),
        evicts=policy != "noeviction",
        durable=bool(disk.get("aof_enabled", 1)),
        lags=tuple([lag for channel in Channel for lag in await _lags(client, channel)]),
    )


async def _info(client: Redis, section: str) -> dict[str, Any]:
    """Nothing where a hosted server does not tell."""
    try:
        return await client.info(section)
    except (NoPermissionError, ResponseError):
        return {}


async def _lags(client: Redis, channel: Channel) -> list[GroupLag]:
    if not await client.exists(channel):
        return []
    newest_ms = _ms((await client.xinfo_stream(channel))["last-generated-id"])
    return [
        GroupLag(
            channel=channel,
            group=text(found["name"]),
            pending=int(found["pending"]),
            # a group that begins now stands at 0, before everything
            behind_s=max(0, newest_ms - read_ms) / 1000 if (read_ms := _ms(found["last-delivered-id"])) else 0.0,
        )
        for found in await client.xinfo_groups(channel)
    ]


def _ms(entry: bytes | str) -> int:
    return int(text(entry).partition("-")[0])

"""The lock of one market data key: Polygon allows a key one connection, whichever machine asks."""

import asyncio
import hashlib
import logging

from redis.asyncio import Redis

from adapters.redis.bus import TROUBLE, connect
from ports.lock import Held

log = logging.getLogger(__name__)
PREFIX = "lock:feed:"
TTL_MS = 15_000
RELEASE_S = 2.0
# compare and act in one step: between a look and a deed the lock may have become somebody else's
RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


def lock_name(key: str) -> str:
    """The name of a key's lock: a digest, so that whoever reads Redis learns nothing of the key."""
    return PREFIX + hashlib.sha256(f"seohak feed lock {key}".encode()).hexdigest()[:32]


class RedisLock:
    """`ports.lock.SharedLock`: a token that expires after `ttl_ms` real milliseconds unless renewed.

    Whoever claims in the name of the same `holder` has it too: a process that was killed is followed at once by the one
    started in its place. The caller sees to it that there are never two at a time.
    """

    def __init__(self, url: str, key: str, *, holder: str, ttl_ms: int = TTL_MS) -> None:
        self._name, self._ttl_ms = lock_name(key), ttl_ms
        self._token = holder
        self._client: Redis = connect(url, retries=1)

    async def claim(self) -> Held:
        """Take it, or renew it; one that expired while Redis was away is taken again if nobody else was quicker."""
        try:
            if await self._client.eval(RENEW, 1, self._name, self._token, str(self._ttl_ms)):
                return Held.MINE
            if await self._client.set(self._name, self._token, nx=True, px=self._ttl_ms):
                return Held.MINE
            # the answer to our own SET may have been lost and the command sent again
            mine = await self._client.eval(RENEW, 1, self._name, self._token, str(self._ttl_ms))
        except TROUBLE as error:
            log.debug("the feed's lock can't be asked for: %s", error)
            return Held.UNKNOWN
        return Held.MINE if mine else Held.TAKEN

    async def release(self) -> None:
        """Give it back; what can't be given back now expires."""
        try:
            async with asyncio.timeout(RELEASE_S):
                await self._client.eval(RELEASE, 1, self._name, self._token)
        except TROUBLE as error:
            log.debug("the feed's lock expires by itself: %s", error)

    async def close(self) -> None:
        """Release connections."""
        await self._client.aclose()

"""The lock of a market data key on a real Redis: one holder, expiry, and what becomes of it in an outage."""

import asyncio

import pytest

from adapters.redis.bus import RedisBus
from adapters.redis.lock import RedisLock, lock_name
from adapters.redis.server import EmbeddedRedis
from ports.lock import Held

KEY = "a-secret-market-data-key"


@pytest.fixture
def url(redis_server: EmbeddedRedis, bus: RedisBus) -> str:
    """An empty Redis."""
    return redis_server.url


async def test_one_of_two_machines_holds_it_until_it_gives_it_back(url: str) -> None:
    first, second = RedisLock(url, KEY, holder="one"), RedisLock(url, KEY, holder="two")
    assert [await first.claim(), await second.claim(), await first.claim()] == [Held.MINE, Held.TAKEN, Held.MINE]
    await second.release()
    assert await second.claim() is Held.TAKEN, "only the holder can give it back"
    await first.release()
    assert await second.claim() is Held.MINE
    await first.close()
    await second.close()


async def test_other_keys_are_other_locks(url: str) -> None:
    first, other = RedisLock(url, KEY, holder="one"), RedisLock(url, "another-key", holder="two")
    assert [await first.claim(), await other.claim()] == [Held.MINE, Held.MINE]
    await first.close()
    await other.close()


async def test_a_holder_that_died_is_followed_when_its_lock_expires(url: str) -> None:
    dead, next_one = RedisLock(url, KEY, holder="one", ttl_ms=60), RedisLock(url, KEY, holder="two")
    assert await dead.claim() is Held.MINE
    async with asyncio.timeout(3):
        while await next_one.claim() is Held.TAKEN:
            await asyncio.sleep(0.01)
    assert await dead.claim() is Held.TAKEN, "who comes back to a lock of another one hears so"
    await dead.release()
    await dead.close()
    assert await next_one.claim() is Held.MINE, "and can't give it back"
    await next_one.close()


async def test_a_lock_that_redis_forgot_is_taken_again(url: str, bus: RedisBus) -> None:
    lock = RedisLock(url, KEY, holder="one")
    await lock.claim()
    await bus._client.flushall()
    assert await lock.claim() is Held.MINE
    await lock.close()


async def test_redis_away_is_unknown_and_never_an_error(unused_tcp_port: int) -> None:
    lock = RedisLock(f"redis://127.0.0.1:{unused_tcp_port}", KEY, holder="one")
    assert await lock.claim() is Held.UNKNOWN
    await lock.release()
    await lock.close()


async def test_redis_learns_nothing_of_the_key(url: str, bus: RedisBus) -> None:
    lock = RedisLock(url, KEY, holder="one")
    await lock.claim()
    names = [name.decode() for name in await bus._client.keys("*")]
    assert names == [lock_name(KEY)]
    assert KEY not in f"{names} {await bus._client.get(names[0])}"
    await lock.close()


async def test_a_process_started_in_the_place_of_a_killed_one_does_not_wait(url: str) -> None:
    killed, restarted = RedisLock(url, KEY, holder="one"), RedisLock(url, KEY, holder="one")
    await killed.claim()
    assert await restarted.claim() is Held.MINE
    await killed.close()
    await restarted.close()

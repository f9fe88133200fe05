"""Redis behind a password, full, emptied and rolled back: survived, seen, and nothing is acted on twice."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from adapters.redis import codec, keys
from adapters.redis.bus import RedisBus
from adapters.redis.server import MAX_MEMORY, EmbeddedRedis
from config import logs
from config.environment import base
from config.params import ConfigError
from core.model.messages import Channel, Event, EventKind, Screened
from core.model.signal import Discovery
from ports.bus import BusUnavailable, Delivery
from sandbox.proxy import Address, Proxy
from tests.integration.test_stores import NOW, signal_of
from tests.unit.core.builders import bar

PASSWORD = "p@ss/wörd:#1?"


def event(number: int) -> Event:
    return Event(id=f"e{number}", kind=EventKind.PAUSED, at=NOW)


async def take(bus: RedisBus, group: str, channels: list[Channel], count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(15):
        async for delivery in bus.consume(group, channels):
            found.append(delivery)
            if len(found) == count:
                return found
    raise AssertionError("unreachable")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "own") as made:
        yield made


@pytest.fixture
async def address(server: EmbeddedRedis) -> AsyncIterator[str]:
    """The server on TCP, as one outside would be."""
    proxy = Proxy("redis", Address(path=str(server.socket)), Address(), lambda _: None)
    await proxy.start()
    yield str(proxy.listen)
    await proxy.stop()


def want_password(server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.config_set("requirepass", PASSWORD)


async def test_a_server_with_a_password_works_and_its_address_is_in_no_log(
    address: str, server: EmbeddedRedis, caplog: pytest.LogCaptureFixture
) -> None:
    want_password(server)
    quoted = quote(PASSWORD, safe="")
    url = base({"REDIS_URL": f"redis://:{quoted}@{address}/0"}).redis_url
    refused: list[str] = []
    with caplog.at_level(logging.DEBUG):
        async with RedisBus(url, consumer="c") as bus:
            await bus.publish(Channel.EVENTS, event(1))
            (found,) = await take(bus, "bot", [Channel.EVENTS], 1)
            assert found.message == event(1)
        for wrong in (url.replace(quoted, "secret-and-wrong"), f"redis://{address}/0"):
            async with RedisBus(wrong, consumer="c") as bus:
                with pytest.raises(BusUnavailable) as why:
                    await bus.publish(Channel.EVENTS, event(3))
                refused.append(str(why.value))
        server.stop()
        async with RedisBus(url, consumer="c") as bus:
            with pytest.raises(BusUnavailable) as away:
                await bus.look()
    told = f"{caplog.text} {away.value} {refused}"
    assert not [part for part in (PASSWORD, quoted, "secret-and-wrong") if part in told]


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "redis://",
        "redis://:pa/ss@h:6379",
        "redis://:pa#ss@h:1",
        "redis://h:port",
        "unix://",
        "six",
        "redis://h:0",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="REDIS_URL must look like") as refused:
        base({"REDIS_URL": url})
    assert "pa" not in str(refused.value).replace("unix:///path", "").replace("password", "")


@pytest.mark.parametrize(
    "line",
    [
        f"can't reach redis://:{quote(PASSWORD, safe='')}@h:1/0",
        f"can't reach redis://user:{quote(PASSWORD, safe='')}@h:1/0",
        f"can't reach postgresql+asyncpg://seohak:{quote(PASSWORD, safe='')}@h/d",
        f"can't reach unix:///run/r.sock?db=0&password={quote(PASSWORD, safe='')}",
    ],
)
def test_a_password_in_an_address_never_reaches_a_log(line: str) -> None:
    shown = logs.Redactor().redact(line)
    assert quote(PASSWORD, safe="") not in shown
    assert "•••" in shown
    assert "can't reach" in shown


async def test_the_state_of_the_server_is_told(server: EmbeddedRedis) -> None:
    async with RedisBus(server.url, consumer="c") as bus:
        state = await bus.look()
        assert (state.full, state.evicts, state.durable) == (False, False, True)
        assert 0 < state.used_bytes < state.most_bytes
        assert (await bus.look()).life == state.life
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            client.config_set("appendonly", "no")
        changed = await bus.look()
        assert (changed.evicts, changed.durable) == (True, False)


async def test_who_is_behind_is_told(server: EmbeddedRedis) -> None:
    async with RedisBus(server.url, consumer="c") as bus:
        await bus.publish(Channel.EVENTS, event(1))
        (first,) = await take(bus, "bot", [Channel.EVENTS], 1)
        at_ms = int(first.receipt.partition("-")[0])
        await bus._client.xadd(Channel.EVENTS, {"m": "?"}, id=f"{at_ms + 12_000}-0")
        (lag,) = (await bus.look()).lags
        assert (lag.channel, lag.group, lag.pending, lag.behind_s) == (Channel.EVENTS, "bot", 1, 12.0)


async def test_a_flushed_server_is_noticed_and_signals_begin_at_the_new_end(server: EmbeddedRedis) -> None:
    """What was in the streams is gone, and nothing that was acted on comes again."""
    async with RedisBus(server.url, consumer="c") as bus:

        async def reading() -> None:
            async with asyncio.timeout(15):
                while not await bus._client.exists(Channel.SIGNAL):
                    await asyncio.sleep(0.005)

        before = await bus.look()
        for number in (1, 2):
            waiting = asyncio.create_task(take(bus, "trader", [Channel.SIGNAL], 1))
            await reading()
            await bus.publish(Channel.SIGNAL, signal_of(number))
            (found,) = await waiting
            assert found.message.id == f"s{number}"
            await bus.ack("trader", found)
            await bus._client.flushall()
        assert (await bus.look()).life != before.life


async def test_a_full_server_refuses_says_so_and_goes_on_by_itself(server: EmbeddedRedis) -> None:
    async with RedisBus(server.url, consumer="c") as bus:
        await bus.publish(Channel.EVENTS, event(1))
        life = (await bus.look()).life
        await bus._client.config_set("maxmemory", "1")
        with pytest.raises(BusUnavailable, match="maxmemory"):
            await bus.publish(Channel.EVENTS, event(2))
        assert (await bus.look()).full
        await bus._client.config_set("maxmemory", MAX_MEMORY)
        state = await bus.look()
        assert (state.full, state.life) == (False, life)
        await bus.publish(Channel.EVENTS, event(3))
        assert [d.message.id for d in await take(bus, "bot", [Channel.EVENTS], 2)] == ["e1", "e3"]


async def test_a_server_rolled_back_to_an_older_file_delivers_again_under_the_same_id(
    server: EmbeddedRedis, tmp_path: Path
) -> None:
    """Who acts keeps the ids: the trader's decisions in its journal, the bot's messages by their key."""
    async with RedisBus(server.url, consumer="trader-1") as bus:
        await bus._client.xgroup_create(Channel.SIGNAL, "trader", id="$", mkstream=True)
        await bus.publish(Channel.SIGNAL, signal_of(1))
        life = (await bus.look()).life
        server.stop()
        saved = tmp_path / "saved"
        shutil.copytree(server.directory, saved)
        server.start()
        (first,) = await take(bus, "trader", [Channel.SIGNAL], 1)
        await bus.ack("trader", first)
        server.stop()
        shutil.rmtree(server.directory)
        shutil.copytree(saved, server.directory)
        server.start()
        (again,) = await take(bus, "trader", [Channel.SIGNAL], 1)
        assert again.message.id == first.message.id
        assert (await bus.look()).life == life, "nothing was lost, so nobody is told"


def test_streams_at_their_limits_fit_into_the_memory_that_redis_may_use() -> None:
    past = tuple(bar(n, 142.5123 + n, 1_234_567, ticker="NVDA") for n in range(120))
    discovery = Discovery(
        price=142.5,
        change_pct=5.1,
        volume=1_234_567,
        volume_ratio_pct=301.2,
        market_cap=5e10,
        name="N" * 40,
        name_ko="가" * 20,
        bar_end_at=NOW,
    )
    found = Screened(
        id="i" * 32,
        ticker="NVDA",
        discovery=discovery,
        reference_close=140.1,
        average_volume=12_345.6,
        bars=past,
        feed_delay_ms=180,
        created_at=NOW,
    )
    largest = len(codec.encode(Channel.SCREENED, found))
    others = sum(limit for channel, limit in keys.LIMITS.items() if channel is not Channel.SCREENED)
    # 600 stocks that are followed, each minute in one message for every frame of the market
    minutes = keys.KEPT_S[Channel.BARS] // 60
    bars = minutes * (600 * 100 + 60 * 200)
    state = minutes * 20 * 4096
    # a stream may grow half as long again before it is trimmed
    worst = 1.5 * (keys.LIMITS[Channel.SCREENED] * largest + others * 4096 + bars + state)
    assert worst < 0.8 * int(MAX_MEMORY.removesuffix("mb")) * 1024 * 1024

"""The bus on a real Redis: nothing is lost, nothing invalid gets through, outages are waited out."""

import asyncio
import datetime as dt
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from adapters.redis import keys
from adapters.redis.bus import RedisBus
from adapters.redis.server import EmbeddedRedis, RedisServerTrouble, socket_path
from core.model.bar import MINUTE_MS, Bar
from core.model.messages import AnyMessage, BarsClosed, Channel, Event, EventKind, TrendAsked
from ports.bus import BusUnavailable, Delivery

ROOT = Path(__file__).resolve().parents[2]
NOW = dt.datetime(2026, 11, 23, 15, 0, tzinfo=dt.UTC)

CONSUMER = """
import asyncio, sys
from adapters.redis.bus import RedisBus
from core.model.messages import Channel

async def main(url):
    async with RedisBus(url, consumer="worker-1") as bus:
        async for delivery in bus.consume("bot", [Channel.EVENTS]):
            print(delivery.message.id, flush=True)
            sys.stdin.readline()
            await bus.ack("bot", delivery)

asyncio.run(main(sys.argv[1]))
"""


def event(number: int) -> Event:
    return Event(id=f"e{number}", kind=EventKind.PAUSED, at=NOW, values={"number": number, "usd": "1.50"})


def closed(number: int) -> BarsClosed:
    bar = Bar("NVDA", 1_731_853_800_000 + number * MINUTE_MS, 10.0, 10.2, 9.9, 10.1, 1000.0)
    return BarsClosed(id=f"b{number}", bars=(bar,), created_at=NOW)


def question(number: int) -> TrendAsked:
    return TrendAsked(id=f"q{number}", ticker="NVDA", asked_at=NOW)


async def take(stream: AsyncIterator[Delivery], count: int) -> list[Delivery]:
    async with asyncio.timeout(20):
        return [await anext(stream) for _ in range(count)]


async def until(condition: object) -> None:
    """Wait for an async condition, by asking again."""
    async with asyncio.timeout(20):
        while not await condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


def ids(deliveries: list[Delivery]) -> list[str]:
    return [delivery.message.id for delivery in deliveries]


async def entries(bus: RedisBus, stream: str) -> list[Any]:
    found: list[Any] = await bus._client.xrange(stream) or []
    return found


async def pending(bus: RedisBus, channel: Channel, group: str) -> int:
    return int((await bus._client.xpending(channel, group))["pending"])


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server that the test may stop and start."""
    server = EmbeddedRedis(tmp_path / "state")
    server.start()
    yield server
    server.stop()


async def test_a_message_arrives_once_and_equal(bus: RedisBus) -> None:
    await bus.publish(Channel.EVENTS, event(1))
    stream = bus.consume("bot", [Channel.EVENTS])
    (delivery,) = await take(stream, 1)
    assert delivery.message == event(1)
    assert delivery.channel is Channel.EVENTS
    await bus.ack("bot", delivery)
    await bus.publish(Channel.EVENTS, event(2))
    assert ids(await take(stream, 1)) == ["e2"]
    assert await pending(bus, Channel.EVENTS, "bot") == 1


async def test_each_group_gets_every_message(bus: RedisBus) -> None:
    await bus.publish(Channel.EVENTS, event(1))
    for group in ("bot", "other"):
        assert ids(await take(bus.consume(group, [Channel.EVENTS]), 1)) == ["e1"]


async def test_one_reader_serves_several_channels(bus: RedisBus) -> None:
    stream = bus.consume("g", [Channel.EVENTS, Channel.TREND])
    waiting = asyncio.create_task(take(stream, 2))
    await until(lambda: bus._client.exists(Channel.TREND))
    await bus.publish(Channel.TREND, question(1))
    await bus.publish(Channel.EVENTS, event(1))
    assert {delivery.channel for delivery in await waiting} == {Channel.EVENTS, Channel.TREND}


async def test_a_subscriber_sees_exactly_the_json_of_the_stream(bus: RedisBus) -> None:
    """What `redis-cli SUBSCRIBE channel:events` shows is what the stream holds, byte for byte."""
    async with bus._client.pubsub() as listener:
        await listener.subscribe(Channel.EVENTS)
        assert (await listener.get_message(timeout=5))["type"] == "subscribe"
        await bus.publish(Channel.EVENTS, event(7))
        heard = await listener.get_message(timeout=5)
    ((_, fields),) = await entries(bus, Channel.EVENTS)
    assert heard["data"] == fields[b"m"]
    assert msgspec.json.decode(heard["data"])["type"] == "event"


async def test_a_new_group_reads_the_past_of_events_but_not_of_questions(bus: RedisBus) -> None:
    """An old signal or question is dangerous, an old event is news."""
    await bus.publish(Channel.TREND, question(1))
    await bus.publish(Channel.EVENTS, event(1))
    stream = bus.consume("late", [Channel.TREND, Channel.EVENTS])
    assert ids(await take(stream, 1)) == ["e1"]
    await bus.publish(Channel.TREND, question(2))
    assert ids(await take(stream, 1)) == ["q2"]


async def test_a_consumer_killed_midway_loses_nothing(redis_server: EmbeddedRedis, bus: RedisBus) -> None:
    """At least once: whatever a killed process had not acknowledged comes first when it is back."""
    total = 12
    for number in range(total):
        await bus.publish(Channel.EVENTS, event(number))
    seen: list[str] = []
    for turn in (3, 5, None):
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            CONSUMER,
            redis_server.url,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        for count in range(total):
            async with asyncio.timeout(20):
                seen.append((await worker.stdout.readline()).decode().strip())
            if count == turn or seen[-1] == f"e{total - 1}":
                break
            worker.stdin.write(b"\n")
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
        worker.stdin.close()
    assert list(dict.fromkeys(seen)) == [f"e{number}" for number in range(total)]
    assert len(seen) == total + 2, "each kill repeats the one message in hand"


async def test_unacknowledged_messages_come_first_after_a_restart(redis_server: EmbeddedRedis, bus: RedisBus) -> None:
    for number in range(4):
        await bus.publish(Channel.EVENTS, event(number))
    first = await take(bus.consume("bot", [Channel.EVENTS]), 3)
    await bus.ack("bot", first[1])
    async with RedisBus(redis_server.url, consumer="test-1") as again:
        await bus.publish(Channel.EVENTS, event(9))
        assert ids(await take(again.consume("bot", [Channel.EVENTS]), 4)) == ["e0", "e2", "e3", "e9"]


async def test_a_cancelled_reader_loses_nothing(bus: RedisBus) -> None:
    """SIGTERM cancels a task that waits in the middle of a read."""
    waiting = asyncio.create_task(take(bus.consume("bot", [Channel.EVENTS]), 1))
    await until(lambda: bus._client.exists(Channel.EVENTS))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await bus.publish(Channel.EVENTS, event(1))
    assert ids(await take(bus.consume("bot", [Channel.EVENTS]), 1)) == ["e1"]


async def test_entries_of_a_consumer_that_is_gone_are_taken_over(redis_server: EmbeddedRedis, bus: RedisBus) -> None:
    await bus.publish(Channel.EVENTS, event(1))
    await take(bus.consume("bot", [Channel.EVENTS]), 1)
    async with RedisBus(redis_server.url, consumer="test-2", claim_idle_ms=0) as heir:
        (delivery,) = await take(heir.consume("bot", [Channel.EVENTS]), 1)
        await heir.ack("bot", delivery)
    assert delivery.message == event(1)
    assert await pending(bus, Channel.EVENTS, "bot") == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"m": "{nonsense"}, "json"),
        ({"m": b"\xff\xfe"}, "json"),
        ({"m": '{"type":"event","id":"x","v":2}'}, "version: 2"),
        ({"m": '{"type":"event","id":"x","v":1,"kind":"no_such_kind","at":"2026-11-23T15:00:00Z"}'}, "schema"),
        ({"m": '{"type":"unheard_of","id":"x","v":1}'}, "schema"),
        ({"m": msgspec.json.encode(question(1))}, "channel"),
        ({"other": "field"}, "json"),
    ],
)
async def test_what_is_no_message_becomes_a_dead_letter(
    redis_server: EmbeddedRedis, fields: dict[Any, Any], reason: str
) -> None:
    told: list[tuple[Channel, str]] = []
    async with RedisBus(redis_server.url, consumer="c", on_dead=lambda *what: told.append(what)) as bus:
        await bus._client.flushall()
        await bus._client.xadd(Channel.EVENTS, fields)
        await bus.publish(Channel.EVENTS, event(1))
        assert ids(await take(bus.consume("bot", [Channel.EVENTS]), 1)) == ["e1"]
        ((_, letter),) = await entries(bus, keys.DEAD)
        assert letter[b"reason"].decode().startswith(reason)
        assert letter[b"channel"] == b"channel:events"
        assert letter[b"group"] == b"bot"
        assert [channel for channel, _ in told] == [Channel.EVENTS]
        assert told[0][1].startswith(reason)
        assert bus.dead_letters == {Channel.EVENTS: 1}
        assert await pending(bus, Channel.EVENTS, "bot") == 1, "only the good one waits for its ack"


async def test_a_message_that_kills_its_consumer_three_times_is_buried_and_the_rest_live(
    redis_server: EmbeddedRedis, bus: RedisBus
) -> None:
    """The innocent messages of the same batch are not counted as delivered again and again."""
    for number in range(3):
        await bus.publish(Channel.EVENTS, event(number))
    for _ in range(keys.MAX_DELIVERIES):
        async with RedisBus(redis_server.url, consumer="test-1") as crashing:
            assert ids(await take(crashing.consume("bot", [Channel.EVENTS]), 1)) == ["e0"]
    stream = bus.consume("bot", [Channel.EVENTS])
    assert ids(await take(stream, 2)) == ["e1", "e2"]
    assert bus.dead_letters == {Channel.EVENTS: 1}
    ((_, letter),) = await entries(bus, keys.DEAD)
    assert letter[b"reason"] == b"delivered: 3 times in vain"


async def test_entries_trimmed_while_pending_are_acknowledged_and_passed_over(bus: RedisBus) -> None:
    await bus.publish(Channel.EVENTS, event(1))
    await take(bus.consume("bot", [Channel.EVENTS]), 1)
    await bus._client.xtrim(Channel.EVENTS, maxlen=0, approximate=False)
    await bus.publish(Channel.EVENTS, event(2))
    (delivery,) = await take(bus.consume("bot", [Channel.EVENTS]), 1)
    assert delivery.message == event(2)
    await bus.ack("bot", delivery)
    assert await pending(bus, Channel.EVENTS, "bot") == 0


async def test_flushall_is_survived(bus: RedisBus) -> None:
    """The groups are made anew at the rule of each channel while a reader waits."""
    stream = bus.consume("bot", [Channel.EVENTS, Channel.TREND])
    await bus.publish(Channel.EVENTS, event(1))
    await take(stream, 1)
    waiting = asyncio.create_task(take(stream, 1))
    await bus._client.flushall()
    await bus.publish(Channel.EVENTS, event(2))
    assert ids(await waiting) == ["e2"]
    waiting = asyncio.create_task(take(stream, 1))
    await until(lambda: bus._client.exists(Channel.TREND))
    await bus.publish(Channel.TREND, question(5))
    assert ids(await waiting) == ["q5"]


async def test_streams_and_dead_letters_stay_within_their_limits(
    bus: RedisBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(keys.LIMITS, Channel.EVENTS, 200)
    monkeypatch.setattr(keys, "DEAD_LIMIT", 5)
    await asyncio.gather(*(bus.publish(Channel.EVENTS, event(number)) for number in range(500)))
    assert 200 <= await bus._client.xlen(Channel.EVENTS) < 400
    for _ in range(8):
        await bus._client.xadd(Channel.CONTROL, {"m": "?"})
    await take(bus.consume("g", [Channel.CONTROL, Channel.EVENTS]), 1)
    assert await bus._client.xlen(keys.DEAD) == 5


@pytest.mark.parametrize(("speed", "kept_s"), [(1.0, 3 * 3600), (60.0, 180)])
async def test_bars_are_kept_for_as_long_as_anybody_looks_back(
    redis_server: EmbeddedRedis, bus: RedisBus, speed: float, kept_s: int
) -> None:
    seconds, _ = await bus._client.time()
    for before, count in ((kept_s + 60, 300), (kept_s - 60, 50)):
        for number in range(count):
            await bus._client.xadd(Channel.BARS, {"m": "old"}, id=f"{(seconds - before) * 1000 + number}-0")
    async with RedisBus(redis_server.url, consumer="c", speed=speed) as made:
        for number in range(2):
            await made.publish(Channel.BARS, closed(number))
    left = await bus._client.xrange(Channel.BARS)
    assert 52 <= len(left) < 152, "whole nodes of a hundred entries go"
    assert len([entry for entry, _ in left if int(entry.split(b"-")[0]) > (seconds - kept_s) * 1000]) == 52


async def test_history_is_the_newest_oldest_first_without_the_undecodable(bus: RedisBus) -> None:
    assert list(await bus.history(Channel.EVENTS, 5)) == []
    for number in range(4):
        await bus.publish(Channel.EVENTS, event(number))
    await bus._client.xadd(Channel.EVENTS, {"m": "?"})
    found: list[AnyMessage] = list(await bus.history(Channel.EVENTS, 3))
    assert found == [event(2), event(3)]


async def test_a_group_is_behind_until_it_has_acknowledged_everything(bus: RedisBus) -> None:
    assert not await bus.behind("bot", [Channel.EVENTS])
    reader = bus.consume("bot", [Channel.EVENTS])
    await bus.publish(Channel.EVENTS, event(1))
    (first,) = await take(reader, 1)
    assert await bus.behind("bot", [Channel.EVENTS]), "not acknowledged"
    await bus.ack("bot", first)
    assert not await bus.behind("bot", [Channel.EVENTS])
    await bus.publish(Channel.EVENTS, event(2))
    assert await bus.behind("bot", [Channel.EVENTS]), "not read"
    assert not await bus.behind("bot", [Channel.SIGNAL])


async def test_heartbeats_replace_each_other_and_expire(bus: RedisBus) -> None:
    await bus.beat("trader", {"at": "1", "state": "starting"})
    await bus.beat("trader", {"at": "2"})
    await bus.beat("bot", {"at": "3"})
    assert await bus.heartbeats() == {"bot": {"at": "3"}, "trader": {"at": "2"}}
    assert 0 < await bus._client.ttl(keys.heartbeat_key("bot")) <= keys.HEARTBEAT_TTL_S


async def test_a_restart_of_the_server_keeps_messages_and_the_place_of_each_group(own_server: EmbeddedRedis) -> None:
    """The append-only file: entries, groups and what is pending are there after a stop and a start."""
    async with RedisBus(own_server.url, consumer="c") as bus:
        for number in range(3):
            await bus.publish(Channel.EVENTS, event(number))
        (first,) = await take(bus.consume("bot", [Channel.EVENTS]), 1)
        await bus.ack("bot", first)
        own_server.stop()
        own_server.start()
        assert list(await bus.history(Channel.EVENTS, 9)) == [event(number) for number in range(3)]
        assert ids(await take(bus.consume("bot", [Channel.EVENTS]), 2)) == ["e1", "e2"]


def written(url: str) -> bool:
    """Whether the server has handed everything to its append-only file; with everysec that may follow the reply."""
    with redis.Redis.from_url(url) as client:
        state = client.info("persistence")
    return state["aof_buffer_length"] == 0 and state["aof_pending_bio_fsync"] == 0


async def test_a_killed_server_keeps_what_it_had_written(own_server: EmbeddedRedis) -> None:
    async with RedisBus(own_server.url, consumer="c") as bus:
        for number in range(50):
            await bus.publish(Channel.EVENTS, event(number))
        async with asyncio.timeout(10):
            while not written(own_server.url):
                await asyncio.sleep(0.01)
        assert own_server.pid is not None
        os.kill(own_server.pid, signal.SIGKILL)
        own_server.stop()
        own_server.start()
        assert len(await bus.history(Channel.EVENTS, 99)) == 50


async def test_while_redis_is_down_publishing_says_so_and_reading_waits(
    own_server: EmbeddedRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """The iterator never raises, tells of the outage once, and an ack that could not be sent is sent afterwards."""
    async with RedisBus(own_server.url, consumer="c") as bus:
        await bus.publish(Channel.EVENTS, event(1))
        stream = bus.consume("bot", [Channel.EVENTS])
        (first,) = await take(stream, 1)
        own_server.stop()
        await bus.ack("bot", first)
        with pytest.raises(BusUnavailable):
            await bus.publish(Channel.EVENTS, event(2))
        with pytest.raises(BusUnavailable):
            await bus.history(Channel.EVENTS, 1)
        with pytest.raises(BusUnavailable):
            await bus.beat("bot", {"at": "1"})
        with pytest.raises(BusUnavailable):
            await bus.heartbeats()
        with caplog.at_level(logging.WARNING, logger="adapters.redis.bus"):
            waiting = asyncio.create_task(take(stream, 1))
            await until(lambda: asyncio.sleep(0, bool(caplog.records)))
            own_server.start()
            await bus.publish(Channel.EVENTS, event(3))
            assert ids(await waiting) == ["e3"]
        assert [record.message.split(" ")[3] for record in caplog.records] == ["waits", "reaches"]
        assert await pending(bus, Channel.EVENTS, "bot") == 1, "the late ack arrived"


async def test_a_full_redis_refuses_instead_of_forgetting(own_server: EmbeddedRedis) -> None:
    async with RedisBus(own_server.url, consumer="c") as bus:
        await bus.publish(Channel.EVENTS, event(1))
        await bus._client.config_set("maxmemory", "1")
        with pytest.raises(BusUnavailable):
            await bus.publish(Channel.EVENTS, event(2))
        assert list(await bus.history(Channel.EVENTS, 9)) == [event(1)]


async def test_a_second_server_on_the_same_directory_is_refused(
    own_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.redis.server.START_TIMEOUT_S", 0.05)
    with pytest.raises(RedisServerTrouble, match="another Redis server"):
        EmbeddedRedis(own_server.directory.parent).start()
    async with RedisBus(own_server.url, consumer="c") as bus:
        await bus.publish(Channel.EVENTS, event(1))


async def test_a_state_directory_too_deep_for_a_socket_still_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with EmbeddedRedis(deep) as server:
        assert server.socket == socket_path(deep)
        assert len(os.fsencode(server.socket)) <= 107
        async with RedisBus(server.url, consumer="c") as bus:
            await bus.publish(Channel.EVENTS, event(1))
    server.socket.parent.rmdir()


async def test_the_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    """No orphan keeps the directory: the next start gets the lock."""
    code = (
        "import sys; from pathlib import Path; from adapters.redis.server import EmbeddedRedis\n"
        "server = EmbeddedRedis(Path(sys.argv[1])); server.start(); print(server.pid, flush=True); sys.stdin.read()"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, tmp_path, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert int(await parent.stdout.readline()) > 0
    parent.kill()
    await parent.wait()
    parent.stdin.close()
    with EmbeddedRedis(tmp_path) as server:
        assert server.pid is not None

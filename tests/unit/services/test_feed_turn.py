"""One collector per key: who has the turn connects, the others wait and say so."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from core.model.bar import Bar
from ports.lock import Held
from ports.market_data import Feed, FeedStatus
from services import feed_turn
from services.feed_turn import TurnedFeed, holder_of
from tests.unit.core.builders import bar

UP = FeedStatus(up=True, key="connected")


class Lock:
    """Answers as told: the last answer stays."""

    def __init__(self, *answers: Held) -> None:
        self.answers = list(answers)
        self.released = False

    async def claim(self) -> Held:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def release(self) -> None:
        self.released = True


class Stream:
    """Says that it is connected, then a bar; ends when closed."""

    def __init__(self, made: list["Stream"]) -> None:
        made.append(self)
        self.ended = asyncio.Event()

    async def events(self) -> AsyncGenerator[Feed, None]:
        yield UP
        yield [bar(0, 100.0)]
        await self.ended.wait()

    def lag_s(self) -> float:
        return 1.5

    async def close(self) -> None:
        self.ended.set()


class World:
    """A feed whose pauses end when the test says so."""

    def __init__(self, *answers: Held) -> None:
        self.made: list[Stream] = []
        self.lock = Lock(*answers)
        self.steps = asyncio.Semaphore(0)
        self.feed = TurnedFeed(lambda: Stream(self.made), self.lock, pause=self._pause)
        self.seen: list[Feed] = []
        self.task = asyncio.create_task(self._read())

    async def _pause(self, _seconds: float) -> None:
        await self.steps.acquire()

    async def _read(self) -> None:
        async for item in self.feed.events():
            self.seen.append(item)

    async def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.steps.release()
            for _ in range(10):
                await asyncio.sleep(0)

    @property
    def keys(self) -> list[str]:
        return [item.key for item in self.seen if isinstance(item, FeedStatus)]

    async def end(self) -> None:
        await self.feed.close()
        await self.step()
        async with asyncio.timeout(2):
            await self.task


async def test_with_the_turn_the_feed_is_the_streams() -> None:
    world = World(Held.MINE)
    await world.step(5)
    assert world.keys == ["connected"]
    assert any(isinstance(item, list) and isinstance(item[0], Bar) for item in world.seen)
    assert world.feed.lag_s() == 1.5
    await world.end()
    assert world.lock.released
    assert world.made[0].ended.is_set()


@pytest.mark.parametrize(("answer", "key"), [(Held.TAKEN, "another_collector"), (Held.UNKNOWN, "no_lock")])
async def test_without_the_turn_nothing_connects_and_it_is_said_once(answer: Held, key: str) -> None:
    world = World(answer)
    await world.step(5)
    assert world.keys == [key]
    assert not world.made
    assert world.feed.lag_s() == 0.0
    await world.end()


async def test_who_waits_takes_over_when_the_other_stops() -> None:
    world = World(Held.TAKEN, Held.UNKNOWN, Held.TAKEN, Held.MINE)
    await world.step(4)
    assert world.keys == ["another_collector", "no_lock", "another_collector", "connected"]
    assert len(world.made) == 1
    await world.end()


async def test_a_lost_turn_closes_the_connection_and_waits_again() -> None:
    world = World(Held.MINE, Held.MINE, Held.TAKEN, Held.TAKEN, Held.MINE)
    await world.step(2)
    assert world.made[0].ended.is_set()
    assert world.keys == ["connected", "another_collector"]
    await world.step(2)
    assert world.keys == ["connected", "another_collector", "connected"]
    assert len(world.made) == 2
    await world.end()


async def test_redis_away_while_we_hold_the_turn_does_not_end_the_feed() -> None:
    world = World(Held.MINE, Held.UNKNOWN)
    await world.step(50)
    assert world.keys == ["connected"]
    assert not world.made[0].ended.is_set()
    await world.end()


async def test_a_stream_that_fails_is_not_swallowed() -> None:
    world = World(Held.MINE)

    async def broken() -> AsyncGenerator[Feed, None]:
        yield UP
        raise RuntimeError("the stream's supervisor ended by itself")

    world.made.clear()
    world.feed._make = lambda: _with_events(Stream(world.made), broken)
    with pytest.raises(RuntimeError, match="supervisor"):
        await world.task


def _with_events(stream: Stream, events: object) -> Stream:
    stream.events = events  # type: ignore[method-assign, assignment]
    return stream


def test_an_installation_keeps_its_name_and_a_copy_of_it_has_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, copy = tmp_path / "a", tmp_path / "b"
    here.mkdir()
    copy.mkdir()
    assert holder_of(here) == holder_of(here) != holder_of(copy)
    name = holder_of(here)
    monkeypatch.setattr(feed_turn.socket, "gethostname", lambda: "another-machine")
    assert holder_of(here) != name
    monkeypatch.setattr(feed_turn, "BOOT", tmp_path / "nothing")
    assert holder_of(here) != holder_of(here), "where nothing tells, a restart waits for the lock to expire"

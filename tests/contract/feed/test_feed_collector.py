"""The collector at the sandbox: gaps are filled over REST, delays and refusals reach people, and end by themselves."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from adapters.polygon.connection import Patience
from adapters.polygon.rest import PolygonReference
from adapters.polygon.stream import PolygonStream
from config.environment import base
from core.model.messages import AnyMessage, BarsClosed, Channel, Event, EventKind, Screened, WatchListChanged
from core.model.params import Params, ScannerParams
from core.rules.screen import ScreenRule
from ports.bus import BusUnavailable
from sandbox.faults import parse
from services.collector import Collector
from services.runtime import Runtime
from tests.contract.feed.conftest import KEY


class Bus:
    """Remembers what was published; `beats` is what the others last said of themselves."""

    def __init__(self) -> None:
        self.down = False
        self.published: list[AnyMessage] = []
        self.beats: dict[str, dict[str, str]] = {}

    async def publish(self, _channel: Channel, message: AnyMessage) -> None:
        if self.down:
            raise BusUnavailable
        self.published.append(message)

    async def heartbeats(self) -> dict[str, dict[str, str]]:
        if self.down:
            raise BusUnavailable
        return self.beats


class Records:
    """A table of securities that nobody reads."""

    async def put_instruments(self, *_args: object) -> None:
        """Nothing."""


class World:
    """A collector on the sandbox's stream and REST API, on a clock that the test moves."""

    def __init__(self, host, clock, tmp_path, **options) -> None:
        self.host, self.clock, self.bus = host, clock, Bus()
        self.runtime = Runtime(
            name="collector",
            settings=base({"SEOHAK_STATE_DIR": str(tmp_path)}),
            params=Params(),
            clock=clock,
            bus=self.bus,
            env={},
            stop=asyncio.Event(),
            progress={},
        )
        patience = Patience(connect_s=0.05, ack_s=0.5, silence_s=None)
        address = f"ws://{host.address}/stocks"
        key = options.pop("key", KEY)
        self.stream = PolygonStream(key, address, clock=clock, jitter=lambda: 0.0, patience=patience, **options)
        self.reference = PolygonReference(KEY, f"http://{host.address}", clock=clock)
        watched = WatchListChanged(id="w", tickers=("HELI",), at=clock.now())
        self.collector = Collector(self.runtime, self.stream, self.reference, Records(), dict, watched)
        self.task = asyncio.create_task(self.collector._feed())

    async def until(self, holds: Callable[[], bool], *, step_s: float = 0.0) -> None:
        """Wait, moving the clock and letting the collector look at its feed."""
        async with asyncio.timeout(8):
            while not holds():
                if self.task.done():
                    self.task.result()
                self.clock.advance(step_s)
                await asyncio.sleep(0.004)
                await self.collector._health.look()

    @property
    def events(self) -> list[Event]:
        return [m for m in self.bus.published if isinstance(m, Event)]

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]

    @property
    def closed(self) -> list[BarsClosed]:
        return [m for m in self.bus.published if isinstance(m, BarsClosed)]

    @property
    def feed(self) -> str:
        return self.runtime.progress.get("feed", "")

    async def end(self) -> None:
        await self.stream.close()
        await self.task
        for lookup in self.collector._lookups:
            lookup.cancel()
        await self.reference.close()


@pytest.fixture
async def collecting(polygon, clock, tmp_path) -> AsyncIterator[Callable[..., World]]:
    worlds: list[World] = []

    def start(host=polygon, **options) -> World:
        worlds.append(World(host, clock, tmp_path, **options))
        return worlds[-1]

    yield start
    for world in worlds:
        await world.end()


def fault(action: str, **fields):
    return parse({"link": "polygon_ws", "action": action, **fields})


async def test_the_minutes_of_a_gap_are_fetched_and_come_before_the_next_bar(collecting, polygon, faults, market):
    world = collecting()
    await world.until(lambda: world.feed == "connected")
    await world.until(lambda: len(world.closed) >= 2, step_s=20)
    last_ms = world.closed[-1].bars[-1].start_ms
    faults.add(fault("upgrade_error", times=None))
    polygon.stream.strike(fault("abort"))
    await world.until(lambda: world.feed == "disconnected")
    world.clock.advance(4 * 60)
    faults.clear()
    await world.until(lambda: world.feed == "connected", step_s=1)
    await world.until(lambda: any(c.past for c in world.closed), step_s=5)
    (filled,) = [c for c in world.closed if c.past]
    missing = [bar for bar in filled.past if bar.start_ms > last_ms]
    assert len(missing) >= 4
    assert [b.start_ms for b in missing] == list(range(last_ms + 60_000, filled.bars[0].start_ms, 60_000))
    for bar in missing:
        sent = market.bar_of_minute("HELI", market.minute_of(bar.start_at))
        assert (bar.close, bar.volume) == (sent.close, sent.volume)
    assert world.collector._stage.gaps[0][0] == last_ms + 60_000
    assert world.runtime.progress["gaps"] == str(len(world.collector._stage.gaps))


async def test_a_delayed_plan_is_told_once_and_its_end_too(collecting, faults):
    faults.add(fault("delayed", seconds=900))
    world = collecting()
    await world.until(lambda: world.kinds, step_s=15)
    (told,) = world.events
    assert told.kind is EventKind.FEED_DELAYED
    assert 900 <= float(str(told.values["delay_s"])) <= 930
    assert world.runtime.progress["delayed"] == "True"
    faults.clear()
    await world.until(lambda: len(world.kinds) == 2, step_s=15)
    assert world.kinds == [EventKind.FEED_DELAYED, EventKind.FEED_TIMELY]
    assert world.runtime.progress["delayed"] == "False"


async def test_a_clock_that_is_behind_does_not_hide_a_delay(collecting):
    world = collecting()
    world.bus.beats = {"trader": {"skew_s": "900.0"}}
    await world.until(lambda: world.kinds, step_s=15)
    assert world.kinds == [EventKind.FEED_DELAYED]


async def test_a_wrong_key_is_told_at_once_and_again_never(collecting):
    world = collecting(key="nonsense")
    await world.until(lambda: world.kinds)
    assert [(e.kind, e.values["key"]) for e in world.events] == [(EventKind.FEED_DOWN, "auth_failed")]
    await world.until(lambda: world.host.stream.counters.refused >= 3, step_s=10)
    assert len(world.events) == 1


async def test_short_cuts_wake_nobody_and_a_long_one_is_told_with_its_end(collecting, polygon, faults):
    world = collecting()
    await world.until(lambda: world.feed == "connected")
    for _ in range(5):
        polygon.stream.strike(fault("abort"))
        await world.until(lambda: world.feed == "disconnected")
        await world.until(lambda: world.feed == "connected", step_s=0.5)
        world.clock.advance(15)
    assert not world.events
    faults.add(fault("upgrade_error", times=None))
    polygon.stream.strike(fault("abort"))
    await world.until(lambda: world.kinds == [EventKind.FEED_DOWN], step_s=1)
    faults.clear()
    await world.until(lambda: len(world.kinds) == 2, step_s=1)
    assert world.kinds == [EventKind.FEED_DOWN, EventKind.FEED_UP]
    assert int(str(world.events[1].values["minutes"])) >= 1


async def test_what_cannot_be_told_now_is_told_when_redis_is_back(collecting):
    world = collecting(key="nonsense")
    world.bus.down = True
    await world.until(lambda: world.feed == "auth_failed")
    assert not world.events
    world.bus.down = False
    await world.until(lambda: world.kinds == [EventKind.FEED_DOWN])


async def test_halts_reach_the_screen(collecting, entitled):
    world = collecting(entitled, extras=("LULD.*",))
    await world.until(lambda: entitled.stream.connections and "LULD.*" in entitled.stream.connections[0].topics)
    world.collector._stage.settings_changed(ScannerParams(min_volume=1))
    entitled.stream.halt_changed("HELI", halted=True)
    await world.until(lambda: "HELI" in world.collector._stage._halts)
    rejections = world.collector._stage.rejections
    await world.until(lambda: rejections.keys() & {ScreenRule.STALE_REFERENCE, ScreenRule.HALTED}, step_s=20)


async def test_a_halt_of_what_is_held_is_told_with_its_end(collecting, entitled):
    world = collecting(entitled, extras=("LULD.*",))
    await world.until(lambda: entitled.stream.connections and "LULD.*" in entitled.stream.connections[0].topics)
    await world.collector._halt_news.concern(("HELI",), ())
    entitled.stream.halt_changed("AMD", halted=True)
    entitled.stream.halt_changed("HELI", halted=True)
    await world.until(lambda: world.kinds == [EventKind.TICKER_HALTED])
    assert (world.events[0].ticker, world.events[0].values["held"]) == ("HELI", True)
    entitled.stream.halt_changed("HELI", halted=False)
    await world.until(lambda: world.kinds == [EventKind.TICKER_HALTED, EventKind.TICKER_RESUMED])


async def test_cut_every_few_seconds_it_finds_exactly_what_it_hears(collecting, polygon, market, clock):
    """The first finds of the story are at minutes 7 and 16: their own bars are heard, of those before them many are not."""
    chance = random.Random(11)
    world = collecting()
    heard: set[tuple[str, int]] = set()
    take = world.collector._bars_arrived

    async def listening(bars):
        heard.update((bar.ticker, (bar.start_ms - begin_ms) // 60_000) for bar in bars.bars())
        await take(bars)

    world.collector._bars_arrived = listening
    story = {("HELI", 7), ("QBIT", 16)}
    begin = clock.now()
    begin_ms = int(begin.timestamp() * 1000)
    await world.until(lambda: world.feed == "connected")
    end, cut_at, cuts = clock.now() + timedelta(minutes=19), clock.now(), 0
    async with asyncio.timeout(30):
        while clock.now() < end:
            elapsed_s = (clock.now() - begin).total_seconds()
            near = any(abs((minute + 1) * 60 - elapsed_s) <= 30 for _, minute in story)
            due = {(ticker, minute) for ticker, minute in story if (minute + 1) * 60 + 2 <= elapsed_s}
            listens = any(connection.topics for connection in polygon.stream.connections) and world.feed == "connected"
            if world.collector._lookups:
                # what is asked over REST is answered between two cuts, however slow this machine is
                await asyncio.sleep(0.001)
                continue
            if clock.now() >= cut_at and polygon.stream.connections and not near:
                polygon.stream.strike(fault("abort"))
                cuts += 1
                cut_at = clock.now() + timedelta(seconds=chance.randint(5, 60))
            # a find's own bar must be heard, however slow this machine is
            clock.advance(3 if (listens and due <= heard) or not near else 0.1 * (not listens))
            await asyncio.sleep(0.001)
    await world.until(lambda: not world.collector._lookups)
    finds = {
        (m.ticker, (m.bars[-1].start_ms - begin_ms) // 60_000) for m in world.bus.published if isinstance(m, Screened)
    }
    assert (finds, story & heard) == (story, story)
    assert cuts > 20
    assert len(heard) < len(market.symbols) * 19 * 0.9, "much was missed"
    whole = {s.ticker: s.bars for s in world.bus.published if isinstance(s, Screened)}
    for ticker, bars in whole.items():
        sent = (market.bar_of_minute(ticker, market.minute_of(bar.start_at)) for bar in bars)
        assert [(bar.close, bar.volume) for bar in bars] == [(s.close, s.volume) for s in sent]
    assert not world.events

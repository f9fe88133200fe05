"""Second aggregates at the sandbox: the same closed minutes as its minute bars, and never half of one."""

import asyncio
import datetime as dt

import pytest

from core.model.bar import MINUTE_MS
from core.model.messages import EventKind
from core.rules.folding import SETTLE_MS, Folding
from ports.market_data import FeedStatus
from sandbox.faults import parse
from tests.contract.feed.conftest import serving, status
from tests.contract.feed.test_feed_collector import collecting

__all__ = ["collecting"]


def fault(action: str, **fields):
    return parse({"link": "polygon_ws", "action": action, **fields})


def expected(market, minute: int) -> dict[str, tuple[float, ...]]:
    bars = {symbol: market.bar_of_minute(symbol, minute) for symbol in market.symbols}
    return {s: (b.open, b.high, b.low, b.close, float(b.volume)) for s, b in bars.items() if b is not None}


def found(market, bars, minute: int) -> dict[str, tuple[float, ...]]:
    """The last word of each bar of a minute."""
    start_ms = int(market.minute_at(minute).timestamp() * 1000)
    return {b.ticker: (b.open, b.high, b.low, b.close, b.volume) for b in bars if b.start_ms == start_ms}


async def run_to(reader, clock, at: dt.datetime) -> None:
    """Second by second, so that each is sent before the next."""
    async with asyncio.timeout(20):
        while clock.now() < at:
            clock.advance(min(1.0, (at - clock.now()).total_seconds()))
            for _ in range(3):
                await asyncio.sleep(0.001)


async def test_seconds_become_the_minutes_that_the_minute_bars_tell(polygon, read, clock, market):
    clock.advance(-20)
    reader = read(polygon.address, fold=Folding())
    await reader.until(lambda: reader.statuses)
    assert reader.statuses == [FeedStatus(up=True, key="connected", detail="A.*")]
    assert polygon.stream.connections[0].topics == {"A.*"}
    first = market.minute_of(clock.now()) + 1
    await run_to(reader, clock, market.minute_at(first + 2) + dt.timedelta(seconds=7))
    await reader.until(lambda: len(reader.batches) >= 2)
    for minute in (first, first + 1):
        assert found(market, reader.bars, minute) == pytest.approx(expected(market, minute))
    assert found(market, reader.bars, first - 1) == {}, "the minute in which it connected is not known whole"
    assert len(reader.bars) == len(expected(market, first)) + len(expected(market, first + 1)), "each bar once"
    assert reader.stream.counters.bars > len(reader.bars) * 30
    assert (reader.stream.counters.refused, reader.stream.counters.dropped) == (0, 0)


async def test_a_minute_comes_when_its_seconds_have_settled(polygon, read, clock, market):
    reader = read(polygon.address, fold=Folding())
    await reader.until(lambda: reader.statuses)
    end = market.minute_at(market.minute_of(clock.now()) + 2)
    await run_to(reader, clock, end + dt.timedelta(milliseconds=SETTLE_MS + 1_900))
    assert reader.bars == []
    await run_to(reader, clock, end + dt.timedelta(milliseconds=SETTLE_MS + 2_000))
    await reader.until(lambda: reader.bars)


async def test_revised_seconds_send_the_bar_again_and_count_once(market, clock, faults, read):
    async with serving(market, clock, faults, revise_every=97) as host:
        clock.advance(-20)
        reader = read(host.address, fold=Folding())
        await reader.until(lambda: reader.statuses)
        first = market.minute_of(clock.now()) + 1
        await run_to(reader, clock, market.minute_at(first + 2) + dt.timedelta(seconds=20))
        await reader.until(lambda: len(reader.bars) > len(expected(market, first)))
        assert found(market, reader.bars, first) == pytest.approx(expected(market, first))
        starts = [bar.start_ms for bar in reader.bars]
        again = starts.count(int(market.minute_at(first).timestamp() * 1000)) - len(expected(market, first))
        assert again > 0, "the short ones were passed on first"
        await reader.close()


async def test_a_connection_lost_in_a_minute_leaves_no_half_of_it(polygon, read, clock, market):
    reader = read(polygon.address, fold=Folding())
    await reader.until(lambda: reader.statuses)
    cut = market.minute_of(clock.now()) + 2
    await run_to(reader, clock, market.minute_at(cut) + dt.timedelta(seconds=25))
    polygon.stream.strike(fault("abort"))
    await reader.until(lambda: reader.keys[-1] == "disconnected")
    await reader.until(lambda: reader.keys[-1] == "connected", step_s=0.5)
    assert polygon.stream.connections[0].topics == {"A.*"}
    await run_to(reader, clock, market.minute_at(cut + 2) + dt.timedelta(seconds=7))
    await reader.until(lambda: found(market, reader.bars, cut + 1))
    assert found(market, reader.bars, cut - 1) == pytest.approx(expected(market, cut - 1))
    assert found(market, reader.bars, cut) == {}
    assert found(market, reader.bars, cut + 1) == pytest.approx(expected(market, cut + 1))


async def test_outside_of_sessions_the_clock_closes_what_nothing_follows(puppet, read, clock):
    start_ms = int(clock.now().timestamp()) * 1000 + MINUTE_MS
    second = {
        "ev": "A",
        "sym": "GTE",
        "v": 10,
        "o": 1.0,
        "h": 1.5,
        "l": 1.0,
        "c": 1.2,
        "s": start_ms,
        "e": start_ms + 1000,
    }
    puppet.lines = [[status("success", "subscribed to: A.*")]]
    reader = read(puppet.address, fold=Folding(), expects_data=lambda _: False)
    await reader.until(lambda: reader.keys == ["connected"])
    clock.advance(MINUTE_MS / 1000 + 3)
    await puppet.sockets[0].send_json([second, second | {"sym": "ODD", "e": start_ms + 60_000}])
    await reader.until(lambda: reader.stream.counters.refused == 1)
    clock.advance(30)
    await asyncio.sleep(0.01)
    assert reader.bars == []
    await reader.until(lambda: reader.bars, step_s=1)
    assert [(bar.ticker, bar.start_ms, bar.volume) for bar in reader.bars] == [("GTE", start_ms, 10.0)]


async def test_in_a_session_silence_closes_nothing_and_ends_the_connection(polygon, read, clock, market):
    reader = read(polygon.address, fold=Folding(), patience={"silence_s": 120.0})
    await reader.until(lambda: reader.statuses)
    await run_to(reader, clock, market.minute_at(market.minute_of(clock.now()) + 1) + dt.timedelta(seconds=30))
    polygon.stream.strike(fault("silent"))
    await reader.until(lambda: "silent" in reader.keys, step_s=5)
    assert reader.bars == []


@pytest.mark.parametrize(("action", "key"), [("refuse_topics", "not_authorized"), ("no_ack", "no_ack")])
async def test_what_can_go_wrong_with_the_subscription_is_named_alike(polygon, read, faults, action, key):
    faults.add(fault(action))
    reader = read(polygon.address, fold=Folding())
    await reader.until(lambda: key in reader.keys)
    await reader.until(lambda: reader.keys[-1] == "connected", step_s=20)


async def test_a_plan_with_minutes_only_refuses_seconds(market, clock, faults, read):
    async with serving(market, clock, faults, entitled=frozenset({"AM"})) as host:
        reader = read(host.address, fold=Folding())
        await reader.until(lambda: reader.keys == ["not_authorized"])
        await reader.close()


async def step(world, seconds: int) -> None:
    for _ in range(seconds):
        world.clock.advance(1)
        for _ in range(3):
            await asyncio.sleep(0.001)


async def test_the_minutes_of_a_gap_come_over_rest_and_no_half_one_is_judged(collecting, polygon, faults, market):
    world = collecting(fold=Folding())
    await world.until(lambda: world.feed == "connected")
    while len(world.closed) < 2:
        await step(world, 1)
    last_ms = world.closed[-1].bars[-1].start_ms
    faults.add(fault("upgrade_error", times=None))
    polygon.stream.strike(fault("abort"))
    await world.until(lambda: world.feed == "disconnected")
    world.clock.advance(100)
    faults.clear()
    await world.until(lambda: world.feed == "connected", step_s=1)
    while not any(closed.past for closed in world.closed):
        await step(world, 1)
        await world.collector._health.look()
    (filled,) = [closed for closed in world.closed if closed.past]
    missing = [bar for bar in filled.past if bar.start_ms > last_ms]
    assert len(missing) >= 2
    assert [b.start_ms for b in missing] == list(range(last_ms + MINUTE_MS, filled.bars[0].start_ms, MINUTE_MS))
    for bar in (*missing, *filled.bars):
        sent = market.bar_of_minute("HELI", market.minute_of(bar.start_at))
        assert (bar.close, bar.volume) == (sent.close, sent.volume)
    assert world.collector._stage.gaps[0][0] == last_ms + MINUTE_MS


@pytest.mark.parametrize("late_s", [0, 900])
async def test_seconds_are_called_late_exactly_when_the_plan_is(collecting, faults, late_s):
    if late_s:
        faults.add(fault("delayed", seconds=late_s))
    world = collecting(fold=Folding())
    await world.until(lambda: world.feed == "connected")
    world.clock.advance(max(0, late_s - 10))
    for _ in range(5 * 60 + 10):
        world.clock.advance(1)
        await asyncio.sleep(0.001)
    await world.collector._health.look()
    delay_s = float(world.runtime.progress["delay_s"])
    assert late_s + 4 <= delay_s <= late_s + 8
    assert world.kinds == ([EventKind.FEED_DELAYED] if late_s else [])

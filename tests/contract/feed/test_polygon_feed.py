"""The bar stream survives everything that Polygon was seen to do, and says what happened."""

import asyncio
import logging

import pytest

from adapters.polygon.stream import PolygonStream
from ports.market_data import FeedStatus
from sandbox.faults import parse
from tests.contract.feed.conftest import ACK, status

AM = {"ev": "AM", "sym": "GTE", "v": 4110, "av": 9470157, "op": 0.4372, "vw": 0.4488, "o": 0.4488, "c": 0.4486, "h": 0.4489,
      "l": 0.4486, "a": 0.4352, "z": 685, "s": 1610144640000, "e": 1610144700000}  # fmt: skip


async def test_every_bar_of_the_minute_arrives_in_order_after_the_connection_is_up(polygon, read, clock, market):
    reader = read(polygon.address)
    await reader.until(lambda: reader.statuses)
    assert reader.statuses == [FeedStatus(up=True, key="connected", detail="AM.*")]
    minute = market.minute_of(clock.now())
    clock.advance(62)
    expected = {s: market.bar_of_minute(s, minute) for s in market.symbols}
    expected = {symbol: bar for symbol, bar in expected.items() if bar is not None}
    await reader.until(lambda: len(reader.bars) >= len(expected))
    assert {bar.ticker for bar in reader.bars} == set(expected)
    assert all(
        (bar.start_ms, bar.close) == (expected[bar.ticker].start_ms, expected[bar.ticker].close) for bar in reader.bars
    )
    assert reader.stream.counters.bars == len(reader.bars)
    clock.advance(60)
    await reader.until(lambda: len(reader.bars) > len(expected))
    starts = [bar.start_ms for bar in reader.bars]
    assert starts == sorted(starts)


async def test_a_full_address_may_be_given(polygon, read):
    reader = read(f"ws://{polygon.address}/stocks", secure=True)
    await reader.until(lambda: reader.keys == ["connected"])


async def test_a_wrong_key_is_reported_and_tried_again_slowly(polygon, read, clock):
    reader = read(polygon.address, key="nonsense-key")
    await reader.until(lambda: reader.statuses)
    assert (reader.statuses[0].up, reader.statuses[0].key) == (False, "auth_failed")
    opened = polygon.stream.counters.opened
    clock.advance(59)
    await asyncio.sleep(0.05)
    assert polygon.stream.counters.opened == opened
    await reader.until(lambda: polygon.stream.counters.opened > opened, step_s=1)
    assert reader.keys == ["auth_failed"]


async def test_max_connections_after_the_acknowledgement_waits_a_minute(polygon, read, clock, faults):
    faults.add(parse({"link": "polygon_ws", "action": "max_connections"}))
    reader = read(polygon.address)
    await reader.until(lambda: "max_connections" in reader.keys)
    opened = polygon.stream.counters.opened
    clock.advance(59)
    await asyncio.sleep(0.05)
    assert polygon.stream.counters.opened == opened
    await reader.until(lambda: reader.keys[-1] == "connected", step_s=1)


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1008, 1011])
async def test_a_closed_connection_is_made_again(puppet, read, code):
    puppet.lines, puppet.code = [ACK, [AM]], code if code != 1006 else 1011
    reader = read(puppet.address)
    await reader.until(lambda: puppet.connections >= 3, step_s=1)
    await reader.until(lambda: len(reader.bars) >= 3, step_s=1)
    assert reader.keys[:3] == ["connected", "disconnected", "connected"]
    assert all(question == {"action": "subscribe", "params": "AM.*"} for question in puppet.asked)


async def test_back_off_doubles_until_a_connection_has_been_stable(puppet, read, clock):
    puppet.code = 1000
    reader = read(puppet.address)
    naps = []
    nap = clock.sleep

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        await nap(seconds)

    object.__setattr__(clock, "sleep", sleep)
    await reader.until(lambda: puppet.connections >= 9, step_s=1)
    assert [n for n in naps if n != 15.0][:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    puppet.lines, puppet.code = [ACK], None
    await reader.until(lambda: reader.keys[-1] == "connected", step_s=1)
    clock.advance(11)
    naps.clear()
    await puppet.hang_up()
    await reader.until(lambda: [n for n in naps if n != 15.0], step_s=0)
    assert next(n for n in naps if n != 15.0) == 0.5


async def test_a_frame_may_mix_status_data_and_nonsense(puppet, read):
    puppet.lines = [
        [
            *ACK,
            AM,
            status("success", "again"),
            {"ev": "T", "sym": "X", "p": 1},
            AM | {"sym": "FRAC", "v": 10.5, "z": 1.25},
        ],
        [AM | {"sym": "ODD", "z": "many", "dv": 5}, AM | {"sym": "BAD", "h": 0.1}, AM | {"sym": "NONE", "o": None}, 17],
        "not json at all",
        [AM | {"sym": "WIDE", "e": AM["e"] + 60_000}, AM | {"sym": "LAST", "dv": "4110.0", "op": None}],
    ]
    reader = read(puppet.address)
    await reader.until(lambda: len(reader.bars) == 4)
    assert [bar.ticker for bar in reader.bars] == ["GTE", "FRAC", "ODD", "LAST"]
    counters = reader.stream.counters
    assert (counters.frames, counters.bars, counters.refused, counters.dropped) == (4, 6, 2, 3)
    bar = reader.bars[0]
    assert (bar.start_ms, bar.open, bar.high, bar.low, bar.close, bar.volume) == (
        1610144640000, 0.4488, 0.4489, 0.4486, 0.4486, 4110.0,
    )  # fmt: skip


async def test_a_subscription_that_nobody_acknowledges_is_noticed(puppet, read):
    reader = read(puppet.address)
    await reader.until(lambda: reader.keys == ["no_ack"])
    puppet.lines = [ACK]
    await reader.until(lambda: reader.keys == ["no_ack", "connected"], step_s=1)


async def test_every_topic_needs_its_acknowledgement(puppet, read):
    puppet.lines = [ACK]
    reader = read(puppet.address, topics=("AM.*", "A.AAPL"))
    await reader.until(lambda: reader.keys == ["no_ack"])


async def test_a_plan_without_the_topic_is_told_apart(polygon, read):
    reader = read(polygon.address, topics=("T.*",))
    await reader.until(lambda: reader.keys == ["not_authorized"])


async def test_silence_while_data_is_expected_means_a_new_connection(polygon, read, faults):
    reader = read(polygon.address, patience={"silence_s": 120.0})
    await reader.until(lambda: reader.keys == ["connected"])
    polygon.stream.strike(parse({"link": "polygon_ws", "action": "silent"}))
    await reader.until(lambda: "silent" in reader.keys, step_s=5)
    await reader.until(lambda: reader.keys[-1] == "connected", step_s=1)
    await reader.until(lambda: reader.bars, step_s=10)


async def test_silence_outside_of_sessions_is_normal(puppet, read, clock):
    puppet.lines = [ACK]
    reader = read(puppet.address, patience={"silence_s": 60.0}, expects_data=lambda _: False)
    await reader.until(lambda: reader.keys == ["connected"])
    for _ in range(30):
        clock.advance(20)
        await asyncio.sleep(0.001)
    assert reader.keys == ["connected"]
    assert puppet.connections == 1


async def test_a_server_that_never_greets_is_left(puppet, read):
    puppet.greet = False
    reader = read(puppet.address, patience={"connect_s": 0.1})
    await reader.until(lambda: reader.keys == ["disconnected"])


async def test_nobody_listening_is_reported(read, unused_tcp_port):
    reader = read(f"127.0.0.1:{unused_tcp_port}", patience={"connect_s": 0.1})
    await reader.until(lambda: reader.keys == ["disconnected"])


async def test_closing_ends_the_iteration_and_leaves_no_connection(polygon, read):
    reader = read(polygon.address)
    await reader.until(lambda: reader.keys == ["connected"])
    await reader.close()
    await reader.until(lambda: not polygon.stream.connections)


async def test_the_library_prints_nothing_and_the_key_is_not_logged(puppet, read, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    puppet.lines = [[status("error", "key sandbox-polygon-key may not")]]
    reader = read(puppet.address)
    await reader.until(lambda: reader.keys == ["not_authorized"])
    assert "sandbox-polygon-key" not in reader.statuses[0].detail
    assert "sandbox-polygon-key" not in caplog.text
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["http://x/stocks", "wss://x/crypto", "wss:///stocks"])
async def test_an_address_that_is_none_is_refused_at_once(clock, address):
    with pytest.raises(ValueError, match="stream address"):
        PolygonStream("k", address, clock=clock)

"""Each trap of the vendor's stream and of its client: met at the sandbox, survived, and data flows again afterwards."""

import asyncio
import socket

import pytest

from adapters.polygon import wire
from adapters.polygon.connection import SLOW_KEYS
from adapters.polygon.stream import LONGEST_WAIT_S, REFUSED_WAIT_S
from ports.market_data import HaltChange
from sandbox.faults import parse
from tests.contract.feed.conftest import ACK, status
from tests.contract.feed.test_polygon_feed import AM

PLAN = "Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade."


def fault(action: str, **fields):
    return parse({"link": "polygon_ws", "action": action, **fields})


async def back(reader, *, step_s: float = 20.0) -> None:
    """Bars that arrive after now."""
    had = len(reader.bars)
    await reader.until(lambda: len(reader.bars) > had, step_s=step_s)


ENTRY = {
    "auth_drop": "disconnected",
    "auth_timeout": "disconnected",
    "no_ack": "no_ack",
    "refuse_topics": "not_authorized",
    "auth_fail": "auth_failed",
    "max_connections": "max_connections",
}


@pytest.mark.parametrize(("action", "key"), ENTRY.items())
async def test_what_goes_wrong_at_login_is_named_and_the_bars_come_by_themselves(polygon, read, faults, action, key):
    faults.add(fault(action))
    reader = read(polygon.address)
    await reader.until(lambda: key in reader.keys)
    await back(reader)
    assert reader.keys[-1] == "connected"


@pytest.mark.parametrize("message", ["", PLAN])
async def test_a_refused_login_is_known_by_its_status_and_waits_five_minutes(
    polygon, read, faults, clock, message, caplog
):
    faults.add(fault("auth_fail", message=message))
    reader = read(polygon.address)
    await reader.until(lambda: reader.keys == ["auth_failed"])
    assert reader.statuses[0].detail == (message or "authentication failed")
    opened = polygon.stream.counters.opened
    clock.advance(REFUSED_WAIT_S - 1)
    await asyncio.sleep(0.02)
    assert polygon.stream.counters.opened == opened
    await back(reader)


async def test_max_connections_after_each_acknowledgement_never_becomes_a_hot_loop(polygon, read, faults, clock):
    faults.add(fault("max_connections", times=3))
    reader = read(polygon.address)
    began = clock.now()
    await reader.until(lambda: polygon.stream.counters.opened == 4, step_s=1)
    assert (clock.now() - began).total_seconds() >= 3 * LONGEST_WAIT_S
    await back(reader)


NOW = {
    "close": {},
    "close_1000": {"code": "1000"},
    "abort": {},
    "max_connections": {},
    "slow_consumer": {"message": "you read too slowly"},
    "force_disconnect": {},
}


@pytest.mark.parametrize(("name", "fields"), NOW.items())
async def test_what_ends_a_connection_is_followed_by_a_new_one_that_subscribes(polygon, read, name, fields):
    reader = read(polygon.address)
    await back(reader)
    polygon.stream.strike(fault(name.partition("_1")[0], **fields))
    await reader.until(lambda: not reader.statuses[-1].up)
    assert reader.statuses[-1].key in {"disconnected", *SLOW_KEYS}
    await back(reader)


async def test_thirty_aborts_in_one_life_are_thirty_reconnects(polygon, read):
    reader = read(polygon.address)
    for number in range(1, 31):
        await reader.until(
            lambda n=number: len(polygon.stream.connections) == 1 and n <= len(reader.statuses), step_s=5
        )
        await reader.until(lambda: reader.statuses[-1].up, step_s=5)
        polygon.stream.strike(fault("abort"))
        await reader.until(lambda: not reader.statuses[-1].up, step_s=5)
    await back(reader)
    assert reader.stream.counters.connections >= 31


@pytest.mark.parametrize("code", [401, 403, 500, 503])
async def test_an_http_refusal_that_the_client_swallows_ends_in_time(polygon, read, faults, code):
    faults.add(fault("upgrade_error", status=code, times=None))
    reader = read(polygon.address, patience={"connect_s": 0.05})
    await reader.until(lambda: reader.keys == ["disconnected"])
    faults.clear()
    await back(reader)


async def test_a_name_that_does_not_resolve_ends_in_time(read, monkeypatch):
    async def unknown(*_args, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    reader = read("nobody.invalid:1", patience={"connect_s": 0.05})
    await reader.until(lambda: reader.keys == ["disconnected"])
    await reader.until(lambda: reader.stream.counters.connections >= 3, step_s=1)


async def test_a_frame_of_three_mebibytes_is_read(polygon, read):
    reader = read(polygon.address)
    await back(reader)
    polygon.stream.strike(fault("big_frame", rows=3))
    frames = reader.stream.counters.frames
    await reader.until(lambda: reader.stream.counters.frames > frames)
    assert reader.keys == ["connected"]


async def test_a_frame_beyond_sixteen_mebibytes_costs_one_connection(polygon, read):
    reader = read(polygon.address)
    await back(reader)
    polygon.stream.strike(fault("big_frame", rows=17))
    await reader.until(lambda: "disconnected" in reader.keys)
    await back(reader)


async def test_frames_of_nonsense_are_counted_and_cost_nothing(polygon, read):
    reader = read(polygon.address)
    await back(reader)
    polygon.stream.strike(fault("garble"))
    await reader.until(lambda: reader.stream.counters.dropped >= 6)
    await back(reader)
    assert reader.keys == ["connected"]


async def test_a_greeting_that_is_no_array_is_left(puppet, read, monkeypatch):
    async def rude(socket):
        await socket.send_str('{"ev":"status","status":"connected"}')
        await socket.receive()
        await socket.send_str('{"ev":"status","status":"auth_success"}')

    serve = puppet._serve
    puppet._serve = rude
    reader = read(puppet.address)
    await reader.until(lambda: reader.keys == ["disconnected"])
    puppet._serve, puppet.lines = serve, [ACK, [AM]]
    await back(reader, step_s=1)


async def test_an_error_of_our_own_in_a_frame_costs_one_connection(puppet, read, monkeypatch):
    puppet.lines = [ACK, [AM]]
    decode, calls = wire.Frames.decode, []

    def fails_once(frames, frame):
        minutes, others, bad = decode(frames, frame)
        calls.extend(minutes)
        if len(calls) == len(minutes) == 1:
            raise RuntimeError("a mistake of ours")
        return minutes, others, bad

    monkeypatch.setattr(wire.Frames, "decode", fails_once)
    reader = read(puppet.address)
    await reader.until(lambda: reader.bars, step_s=1)
    assert reader.keys == ["connected", "disconnected", "connected"]
    assert reader.statuses[1].detail == "a mistake of ours"


async def test_two_acknowledgements_in_one_array_and_status_beside_data(puppet, read):
    puppet.lines = [[*ACK, status("success", "subscribed to: A.GTE"), AM]]
    reader = read(puppet.address, topics=("AM.*", "A.GTE"))
    await reader.until(lambda: reader.bars)
    assert reader.keys == ["connected"]


async def test_a_revised_bar_and_odd_tickers_pass_as_they_are(puppet, read):
    odd = [{"sym": "KIMpL"}, {"sym": "BRK.B", "otc": True}, {"z": 12.5, "dv": "4110.5"}, {"v": 5000}, {"sym": "ZVZZT"}]
    without_open = {key: value for key, value in AM.items() if key != "op"}
    puppet.lines = [ACK, [AM, *(without_open | changes for changes in odd)]]
    reader = read(puppet.address)
    await reader.until(lambda: len(reader.bars) == 6)
    assert [bar.ticker for bar in reader.bars] == ["GTE", "KIMpL", "BRK.B", "GTE", "GTE", "ZVZZT"]
    assert [bar.volume for bar in reader.bars if bar.ticker == "GTE"] == [4110, 4110, 5000]


async def test_a_reader_that_stands_still_never_stalls_the_socket(puppet, read, clock):
    """The backlog is bounded: what is old goes, the reader hears of a gap, and the newest bars are there."""
    minutes = [[AM | {"s": AM["s"] + n * 60_000, "e": AM["e"] + n * 60_000}] * 40 for n in range(50)]
    puppet.lines = [ACK, *minutes]
    reader = read(puppet.address, most_bars=100, patience={"silence_s": None})
    reader.pause()
    async with asyncio.timeout(5):
        while reader.stream.counters.bars < 2000:
            await asyncio.sleep(0.002)
    assert len(puppet.sockets) == 1
    assert not puppet.sockets[0].closed
    assert reader.stream._backlog._bars <= 100
    assert reader.stream.lag_s() > 0
    reader.go_on()
    await reader.until(lambda: reader.bars and reader.bars[-1].start_ms == minutes[-1][0]["s"])
    assert reader.keys == ["connected", "overrun", "overrun"]
    assert [s.up for s in reader.statuses][-2:] == [False, True]
    assert len(reader.bars) <= 100


async def test_halts_are_asked_for_after_the_bars_and_a_refusal_is_remembered(polygon, read):
    reader = read(polygon.address, extras=("LULD.*",))
    await back(reader)
    await reader.until(lambda: not reader.stream._extras)
    polygon.stream.strike(fault("abort"))
    await back(reader)
    assert set(reader.keys) == {"connected", "disconnected"}
    assert polygon.stream.connections[0].topics == {"AM.*"}


async def test_an_extra_topic_that_nobody_answers_costs_nothing(puppet, read):
    puppet.lines = [ACK, [AM]]
    reader = read(puppet.address, extras=("LULD.*",))
    await reader.until(lambda: reader.bars)
    await asyncio.sleep(0.4)
    assert reader.keys == ["connected"]


async def test_a_halt_and_its_end_are_told_where_the_plan_has_them(entitled, read, clock):
    reader = read(entitled.address, extras=("LULD.*",))
    await reader.until(lambda: entitled.stream.connections and "LULD.*" in entitled.stream.connections[0].topics)
    now_ms = int(clock.now().timestamp()) * 1000
    entitled.stream.halt_changed("HELI", halted=True)
    entitled.stream.halt_changed("HELI", halted=False)
    await reader.until(lambda: len(reader.halts) == 2)
    assert reader.halts == [HaltChange(ticker="HELI", halted=h, at_ms=now_ms) for h in (True, False)]


async def test_a_delayed_plan_is_bars_that_come_late(polygon, read, faults, clock):
    faults.add(fault("delayed", seconds=900))
    reader = read(polygon.address)
    await reader.until(lambda: reader.keys == ["connected"])
    began = clock.now()
    await reader.until(lambda: reader.bars, step_s=10)
    first = reader.bars[0]
    assert 900 <= (clock.now() - first.end_at).total_seconds() <= 930
    assert (clock.now() - began).total_seconds() >= 900

"""The stream answers Polygon's own client, and a bare WebSocket client, as the documents say."""

import asyncio
import itertools
import json

import pytest
from polygon import WebSocketClient
from polygon.exceptions import AuthError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sandbox.faults import parse

KEY = "sandbox-polygon-key"


async def receive(socket) -> list[dict]:
    async with asyncio.timeout(5):
        frame = json.loads(await socket.recv())
    assert isinstance(frame, list)
    return frame


async def read_on(socket) -> None:
    while True:
        await receive(socket)


async def log_in(polygon, topics: str = "AM.*"):
    socket = await connect(f"ws://{polygon.address}/stocks", proxy=None)
    assert await receive(socket) == [{"ev": "status", "status": "connected", "message": "Connected Successfully"}]
    await socket.send(json.dumps({"action": "auth", "params": KEY}))
    assert (await receive(socket))[0]["status"] == "auth_success"
    await socket.send(json.dumps({"action": "subscribe", "params": topics}))
    return socket


async def minute_bars(clock, socket) -> list[dict]:
    events = []
    clock.advance(62)
    while not events or len(events) < 40:
        events += [event for event in await receive(socket) if event["ev"] == "AM"]
    return events


async def test_official_client_receives_every_bar_of_the_minute(polygon, clock, market):
    frames: asyncio.Queue = asyncio.Queue()

    async def collect(frame):
        await frames.put(json.loads(frame))

    client = WebSocketClient(
        KEY, feed=polygon.address, secure=False, raw=True, max_reconnects=0, subscriptions=["AM.*"]
    )
    task = asyncio.create_task(client.connect(collect, proxy=None))
    async with asyncio.timeout(5):
        ack = await frames.get()
        assert ack == [{"ev": "status", "status": "success", "message": "subscribed to: AM.*"}]
        clock.advance(62)
        bars = await frames.get()
    assert {bar["sym"] for bar in bars} >= {"HELI", "QBIT", "NVDA"}
    minute = market.minute_of(clock.now()) - 1
    heli = next(bar for bar in bars if bar["sym"] == "HELI")
    bar = market.bar_of_minute("HELI", minute)
    assert (heli["s"], heli["e"], heli["c"]) == (bar.start_ms, bar.end_ms, bar.close)
    await client.close()
    await task


async def test_wrong_key_is_refused_by_name_and_dropped(polygon):
    client = WebSocketClient("nonsense", feed=polygon.address, secure=False, raw=True, max_reconnects=0)
    with pytest.raises(AuthError):
        await client.connect(lambda _: None, proxy=None)


async def test_silent_client_is_told_and_closed(polygon):
    async with connect(f"ws://{polygon.address}/stocks", proxy=None) as socket:
        await receive(socket)
        assert (await receive(socket))[0]["status"] == "auth_timeout"
        with pytest.raises(ConnectionClosed):
            await receive(socket)


async def test_topics_are_acknowledged_one_by_one_and_unknown_ones_ignored(polygon):
    socket = await log_in(polygon, "AM.HELI,XX.*,T.*,A.HELI")
    assert await receive(socket) == [
        {"ev": "status", "status": "success", "message": "subscribed to: AM.HELI"},
        {"ev": "status", "status": "error", "message": "not authorized"},
        {"ev": "status", "status": "success", "message": "subscribed to: A.HELI"},
    ]
    await socket.send(json.dumps({"action": "unsubscribe", "params": "A.HELI"}))
    assert (await receive(socket))[0]["message"] == "unsubscribed to: A.HELI"
    await socket.close()


async def test_only_subscribed_symbols_arrive_with_all_fields(polygon, clock):
    socket = await log_in(polygon, "AM.HELI")
    await receive(socket)
    clock.advance(62)
    (event,) = await receive(socket)
    assert set(event) == {"ev", "sym", "v", "av", "dv", "dav", "op", "vw", "o", "c", "h", "l", "a", "z", "s", "e"}
    assert event["dv"] == f"{event['v']}.0"
    assert event["av"] > event["v"]
    await socket.close()


async def test_no_minute_is_skipped_however_far_the_clock_jumps(polygon, clock):
    socket = await log_in(polygon, "AM.HELI")
    await receive(socket)
    clock.advance(10 * 60 + 2)
    starts = [(await receive(socket))[0]["s"] for _ in range(10)]
    assert [b - a for a, b in itertools.pairwise(starts)] == [60_000] * 9
    await socket.close()


async def test_a_revised_bar_is_sent_again_with_more_volume(polygon, clock):
    socket = await log_in(polygon)
    await receive(socket)
    seen: dict[tuple, int] = {}
    revised = 0
    for _ in range(3):
        for event in await minute_bars(clock, socket):
            key = (event["sym"], event["s"])
            revised += key in seen and event["v"] > seen[key]
            seen[key] = event["v"]
    assert revised >= 1
    await socket.close()


async def test_second_bars_add_up_to_the_minute(polygon, clock, market):
    socket = await log_in(polygon, "A.HELI")
    await receive(socket)
    start = clock.now()
    clock.advance(63)
    volume, highs = 0, []
    while volume < market.bar_of_minute("HELI", market.minute_of(start)).volume:
        (event,) = await receive(socket)
        volume += event["v"]
        highs.append(event["h"])
    bar = market.bar_of_minute("HELI", market.minute_of(start))
    assert volume == bar.volume
    assert max(highs) == bar.high
    await socket.close()


async def test_second_connection_kills_the_first_after_its_own_ack(polygon):
    first = await log_in(polygon)
    await receive(first)
    second = await log_in(polygon)
    assert (await receive(second))[0]["status"] == "success"
    assert (await receive(first))[0]["status"] == "max_connections"
    with pytest.raises(ConnectionClosed) as closed:
        await receive(first)
    assert closed.value.rcvd.code == 1008
    await second.close()


@pytest.mark.parametrize(("action", "code"), [("close", 1001), ("max_connections", 1008)])
async def test_stream_faults_end_the_connection(polygon, action, code):
    socket = await log_in(polygon)
    await receive(socket)
    polygon.stream.strike(parse({"link": "polygon_ws", "action": action}))
    with pytest.raises(ConnectionClosed) as closed:
        await read_on(socket)
    assert closed.value.rcvd.code == code


async def test_silence_lasts_until_faults_are_cleared(polygon, clock):
    socket = await log_in(polygon, "AM.HELI")
    await receive(socket)
    polygon.stream.strike(parse({"link": "polygon_ws", "action": "silent"}))
    clock.advance(62)
    await asyncio.sleep(0)
    polygon.stream.relent()
    clock.advance(60)
    (event,) = await receive(socket)
    assert event["s"] == int(clock.now().timestamp() - 62) * 1000
    await socket.close()


async def test_a_client_that_stops_reading_is_cut_off(polygon, clock):
    socket = await log_in(polygon)
    await receive(socket)
    (connection,) = polygon.stream.connections
    for _ in range(connection.frames.maxsize + 1):
        connection.put_frame(b"[]")
    with pytest.raises(ConnectionClosed) as closed:
        await read_on(socket)
    assert closed.value.rcvd.code == 1008

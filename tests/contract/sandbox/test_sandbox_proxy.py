"""TCP proxies over real sockets: what each toxic does to open and to new connections, that it is counted and ends."""

import asyncio
import time
from collections import Counter

import pytest

from sandbox import toxics
from sandbox.proxy import Proxies, Proxy

SILENCE_S = 0.1
PATIENCE_S = 10.0


class Echo:
    """Answers every chunk with itself; counts what arrived."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.connections = 0
        self.ended = asyncio.Event()

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while data := await reader.read(65536):
                self.received += data
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.close()


@pytest.fixture
async def echo():
    made = Echo()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
def counted():
    return Counter()


@pytest.fixture
async def proxy(echo, counted):
    proxies = Proxies(lambda name: counted.update([name]), {})
    yield await proxies.create("link", f"127.0.0.1:{echo.port}")
    await proxies.stop()


async def poison(proxy: Proxy, toxic: str, **options) -> None:
    await proxy.poison(toxics.parse({"toxic": toxic} | options))


async def until(holds) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.005)


class Peer:
    """A client of the proxy."""

    def __init__(self, reader, writer) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, proxy: Proxy) -> "Peer":
        where = proxy.listen
        if where.path:
            return cls(*await asyncio.open_unix_connection(where.path))
        return cls(*await asyncio.open_connection(where.host, where.port))

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, size: int, patience: float = PATIENCE_S) -> bytes:
        async with asyncio.timeout(patience):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def silent(self) -> bool:
        try:
            await self.hear(1, SILENCE_S)
        except TimeoutError:
            return True
        return False


@pytest.fixture
async def dial(proxy):
    """Dials the proxy; what is still open at the end is closed."""
    peers = []

    async def connect() -> Peer:
        peers.append(await Peer.connect(proxy))
        return peers[-1]

    yield connect
    for peer in peers:
        peer.writer.close()


async def test_without_toxics_every_byte_passes_both_ways(proxy, dial, echo):
    peer = await dial()
    sent = bytes(range(256)) * 4096
    answer = asyncio.create_task(peer.hear(len(sent)))
    await peer.say(sent)
    assert await answer == sent
    peer.writer.write_eof()
    assert await peer.rest() == b""
    facts = proxy.as_dict()
    assert (facts["bytes_up"], facts["bytes_down"], facts["accepted"], facts["hits"]) == (len(sent), len(sent), 1, {})


@pytest.mark.parametrize(("direction", "least"), [("up", 0.1), ("down", 0.1), ("both", 0.2)])
async def test_latency_holds_bytes_back_in_its_direction(proxy, dial, counted, direction, least):
    peer = await dial()
    await poison(proxy, "latency", delay_s=0.1, direction=direction)
    started = time.monotonic()
    await peer.say(b"ping")
    assert await peer.hear(4) == b"ping"
    assert time.monotonic() - started >= least
    assert counted["proxy_link.latency"] == (2 if direction == "both" else 1)


def test_jitter_is_the_same_for_the_same_seed():
    rows = [
        [toxics.parse({"toxic": "latency", "delay_s": 0.5, "jitter_s": 0.4, "seed": seed}) for _ in range(2)]
        for seed in (1, 2)
    ]
    (first, again), (other, _) = [[[t.latency_s() for _ in range(20)] for t in row] for row in rows]
    assert first == again != other
    assert 0.1 <= min(first) < max(first) <= 0.9


async def test_latency_keeps_the_order_of_bytes(proxy, dial):
    peer = await dial()
    await poison(proxy, "latency", delay_s=0.02, jitter_s=0.02, seed=7)
    sent = b"".join(index.to_bytes(2) for index in range(200))
    for index in range(0, len(sent), 8):
        await peer.say(sent[index : index + 8])
    assert await peer.hear(len(sent)) == sent


async def test_bandwidth_spreads_bytes_over_time(proxy, dial):
    await poison(proxy, "bandwidth", bytes_per_s=5_000, direction="down")
    peer = await dial()
    started = time.monotonic()
    await peer.say(b"x" * 1_000)
    assert await peer.hear(1_000) == b"x" * 1_000
    # the last piece is not waited for
    assert time.monotonic() - started >= 0.09


async def test_a_hang_is_silence_on_open_and_new_connections_until_it_is_cured(proxy, dial, echo):
    old = await dial()
    await old.say(b"a")
    assert await old.hear(1) == b"a"
    await poison(proxy, "hang")
    new = await dial()
    for peer in (old, new):
        await peer.say(b"b")
        assert await peer.silent()
    assert echo.received == b"a"
    await proxy.cure("hang")
    assert [await peer.hear(1) for peer in (old, new)] == [b"b", b"b"]
    assert proxy.hits["hang"] == 2


async def test_a_hang_downwards_lets_the_request_through(proxy, dial, echo):
    await poison(proxy, "hang", direction="down")
    peer = await dial()
    await peer.say(b"order")
    await until(lambda: echo.received == b"order")
    assert await peer.silent()


async def test_what_waits_in_a_hang_is_bounded():
    """The upstream is stopped by its socket, not by our memory."""
    written = 0

    async def pour(_reader, writer):
        nonlocal written
        try:
            while written < 64 << 20:
                writer.write(b"z" * 65536)
                await writer.drain()
                written += 65536
        except ConnectionError:
            pass
        poured.set()

    poured = asyncio.Event()
    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    proxies = Proxies(lambda _: None, {})
    proxy = await proxies.create("pour", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await poison(proxy, "hang")
    peer = await Peer.connect(proxy)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await poured.wait()
    assert written < 32 << 20
    peer.writer.close()
    await proxies.stop()
    server.close()


async def test_a_reset_ends_open_connections_and_new_ones(proxy, dial, counted):
    peer = await dial()
    await peer.say(b"a")
    await peer.hear(1)
    await poison(proxy, "reset")
    with pytest.raises(ConnectionResetError):
        await peer.rest()
    new = await dial()
    with pytest.raises(ConnectionResetError):
        await new.rest()
    assert counted["proxy_link.reset"] == 2
    await proxy.cure("reset")
    healed = await dial()
    await healed.say(b"b")
    assert await healed.hear(1) == b"b"


async def test_a_reset_can_meet_one_connection_only(proxy, dial):
    await poison(proxy, "reset", times=1)
    with pytest.raises(ConnectionResetError):
        await (await dial()).rest()
    peer = await dial()
    await peer.say(b"b")
    assert await peer.hear(1) == b"b"
    assert (proxy.toxics, proxy.hits["reset"]) == ({}, 1)


async def test_a_slow_close_lets_the_other_side_wait_for_the_end(proxy, dial, echo):
    peer = await dial()
    await peer.say(b"a")
    await peer.hear(1)
    await poison(proxy, "slow_close", delay_s=0.15, direction="down")
    started = time.monotonic()
    peer.writer.write_eof()
    assert await peer.rest() == b""
    assert time.monotonic() - started >= 0.14
    assert proxy.hits["slow_close"] == 1


async def test_a_slicer_sends_small_packets(proxy, dial):
    await poison(proxy, "slicer", size=3, delay_s=5, direction="down")
    peer = await dial()
    await peer.say(b"abcdefgh")
    assert await peer.reader.read(100) == b"abc"
    await proxy.cure()
    await poison(proxy, "slicer", size=3, direction="down")
    other = await dial()
    await other.say(b"abcdefgh")
    assert await other.hear(8) == b"abcdefgh"


async def test_a_limit_ends_the_connection_after_exactly_so_many_bytes(proxy, dial, counted):
    old = await dial()
    await old.say(b"12345")
    await old.hear(5)
    await poison(proxy, "limit", bytes=4)
    await old.say(b"abcdef")
    assert await old.rest() == b"abcd"
    new = await dial()
    await new.say(b"uvw")
    assert await new.hear(3) == b"uvw"
    await new.say(b"xyz")
    assert await new.rest() == b"x"
    assert counted["proxy_link.limit"] == 2


async def test_a_cut_after_the_request_hides_an_answer_that_was_given(proxy, dial, echo):
    old = await dial()
    await old.say(b"a")
    await old.hear(1)
    await poison(proxy, "cut_after_request", times=2)
    new = await dial()
    for peer, said in ((old, b"b"), (new, b"c")):
        await peer.say(said)
        with pytest.raises(ConnectionResetError):
            await peer.rest()
    assert bytes(echo.received) == b"abc"
    third = await dial()
    await third.say(b"d")
    assert await third.hear(1) == b"d"


async def test_down_refuses_new_connections_and_resets_open_ones_until_it_is_up_again(proxy, dial):
    peer = await dial()
    await peer.say(b"a")
    await peer.hear(1)
    where = proxy.listen
    await poison(proxy, "down")
    with pytest.raises(ConnectionResetError):
        await peer.rest()
    with pytest.raises(ConnectionRefusedError):
        await dial()
    await proxy.cure("down")
    assert proxy.listen == where
    again = await dial()
    await again.say(b"b")
    assert await again.hear(1) == b"b"


async def test_an_upstream_that_is_not_there_ends_the_connection(echo):
    proxies = Proxies(lambda _: None, {})
    holder = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = holder.sockets[0].getsockname()[1]
    holder.close()
    proxy = await proxies.create("gone", f"127.0.0.1:{port}")
    with pytest.raises(ConnectionResetError):
        await (await Peer.connect(proxy)).rest()
    await proxies.stop()


async def test_unix_sockets_are_proxied_like_ports(tmp_path, echo):
    server = await asyncio.start_unix_server(echo.serve, str(tmp_path / "redis.sock"))
    proxies = Proxies(lambda _: None, {})
    proxy = await proxies.create("redis", f"unix:{tmp_path}/redis.sock", f"unix:{tmp_path}/proxy.sock")
    for toxic in ("down", "reset"):
        peer = await Peer.connect(proxy)
        await peer.say(b"PING")
        assert await peer.hear(4) == b"PING"
        await poison(proxy, toxic)
        try:
            assert await peer.rest() == b""
        except ConnectionError:
            pass
        await proxy.cure()
        peer.writer.close()
    await proxies.stop()
    server.close()
    assert not (tmp_path / "proxy.sock").exists()

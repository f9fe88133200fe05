"""The line itself: whatever arrives after an order has left, it left once, and only a whole answer is believed."""

import asyncio
import json
from decimal import Decimal

import pytest
from aiohttp import web

from adapters.kis import codes
from core.model.instrument import Exchange
from core.model.order import OrderRequest, Side
from ports.broker import BrokerUnavailable, OrderRefused, OrderUnknown
from tests.contract.serving import listening

SALE = OrderRequest(ticker="NVDA", exchange=Exchange.NASD, side=Side.SELL, qty=1, limit=Decimal(100))
BODY = json.dumps({"rt_cd": "0", "msg_cd": "APBK0013", "output": {"ODNO": "0000004336"}}).encode()
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def http(body: bytes = BODY, length: int | None = None, status: str = "200 OK", more: str = "") -> bytes:
    size = len(body) if length is None else length
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{more}\r\n".encode() + body
    )


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + end


WHOLE = {
    "plain": http(),
    "100-continue first": CONTINUE + http(),
    "100-continue twice": CONTINUE * 2 + http(),
    "in chunks": chunked(BODY[:9], BODY[9:]),
    "without a length": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
}
BROKEN = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 2",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "half the headers": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "100-continue and no more": CONTINUE,
    "half the body": http(BODY[:30], len(BODY)),
    "too long a length": http(BODY, len(BODY) + 10),
    "too short a length": http(BODY, 30),
    "half JSON of the right length": http(BODY[:30]),
    "a chunk missing": chunked(BODY[:9], end=b""),
    "a broken chunk": chunked(BODY[:9], end=b"zz\r\n"),
    "no gzip": http(BODY, more="Content-Encoding: gzip\r\n"),
    "two documents": http(BODY + BODY),
    "another type": http(b'"0000004336"'),
    "deeply nested": http(b'{"rt_cd":"0","output":' + b"[" * 100_000),
    "no text": http(b'{"rt_cd":"0","output":{"ODNO":"\xff\xfe"}}'),
    "another status": http(status="204 No Content"),
    "an error with a good body": http(status="502 Bad Gateway"),
}


@pytest.fixture
async def broker(kis, line):
    """A broker with a token, whose orders and balances go to the raw line."""
    found = kis.connect(timeout_s=1.0)
    await found.order_book()
    redirect(found, line.url)
    return found


def redirect(broker, url: str) -> None:
    """Let the gateway believe that KIS is there; only its own adapters may go."""
    gateway = broker._gateway
    session = gateway._session(gateway._domain)
    queries = session.get_adapter(gateway._bases[gateway._domain] + "/uapi")
    gateway._bases[gateway._domain] = url
    session.mount(url + "/", queries)
    session.mount(url + "/uapi/overseas-stock/v1/trading/order", gateway._orders)


@pytest.mark.parametrize("payload", WHOLE.values(), ids=WHOLE)
async def test_a_whole_answer_is_understood_however_it_came(broker, line, payload):
    line.payload = payload
    assert (await broker.place(SALE)).odno == "4336"
    assert len(line.requests) == 1


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_to_an_order_is_unknown_and_the_order_was_sent_once(broker, line, payload, reset):
    line.payload, line.reset = payload, reset
    with pytest.raises(OrderUnknown) as unknown:
        await broker.place(SALE)
    assert unknown.value.code in {codes.LOST, codes.BAD_ANSWER, "APBK0013"}
    assert len(line.requests) == 1
    with pytest.raises(OrderUnknown):
        await broker.place(SALE)
    assert len(line.requests) == 2, "and the next order is a new one on a new connection"


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_to_a_query_is_unavailable(broker, line, payload):
    line.payload = payload
    with pytest.raises(BrokerUnavailable):
        await broker.holdings()
    assert 1 <= len(line.requests) <= 3


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
async def test_no_order_follows_a_redirection(broker, line, kis, status):
    before = len(kis.asked)
    line.payload = http(status=status, more=f"Location: {kis.url}/uapi/overseas-stock/v1/trading/order\r\n")
    with pytest.raises(OrderUnknown):
        await broker.place(SALE)
    with pytest.raises(BrokerUnavailable):
        await broker.holdings()
    assert len(kis.asked) == before


async def test_an_answer_that_drips_for_ever_ends_at_the_deadline_and_frees_its_thread(broker, line):
    """Each byte resets the socket's time-out; the deadline of the call does not care."""
    line.payload, line.drip = http(b"{", 10_000), asyncio.Event()
    gateway = broker._gateway
    gateway._deadline_s = 0.2
    with pytest.raises(BrokerUnavailable) as unavailable:
        await broker.holdings()
    assert unavailable.value.code == codes.TIMED_OUT
    async with asyncio.timeout(20):
        while gateway._queries[False]._running:
            await asyncio.sleep(0.005)
    with pytest.raises(OrderUnknown) as unknown:
        await broker.place(SALE)
    assert unknown.value.code == codes.TIMED_OUT


async def test_an_order_of_a_line_that_was_never_there_is_not_sent(broker):
    async with listening(web.Application()) as address:
        nowhere = f"http://{address}"
    redirect(broker, nowhere)
    with pytest.raises(OrderRefused) as refused:
        await broker.place(SALE)
    assert refused.value.code == codes.NOT_SENT


async def test_many_orders_at_a_time_never_lose_each_others_connections(broker, line):
    line.payload = http()
    found = await asyncio.gather(*(broker.place(SALE) for _ in range(30)))
    assert {ref.odno for ref in found} == {"4336"}
    assert len(line.requests) == 30

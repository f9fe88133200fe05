"""When KIS or the line to it misbehaves: one POST per order, and no certainty that is not there."""

import asyncio

import pytest
from aiohttp import web

from adapters.kis import codes
from core.model.instrument import Exchange
from ports.broker import BrokerUnavailable, OrderRefused, OrderUnknown
from sandbox.faults import parse
from tests.contract.serving import listening


def fault(**changes):
    return parse({"link": "kis", "action": "error", "match": {"path_contains": "/order"}, "times": None} | changes)


async def condition(holds) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("action", ["drop_reply", "reset"])
async def test_a_lost_reply_is_unknown_and_the_order_was_sent_once(venue, faults, action):
    faults.add(fault(action=action))
    with pytest.raises(OrderUnknown) as unknown:
        await venue.broker.place(venue.request())
    assert unknown.value.code == codes.LOST
    assert venue.posts() == 1
    faults.clear()
    venue.clock.advance(20)
    # the broker knows better than the line: a dropped reply hides a real order, a reset before it hides none
    assert len((await venue.broker.order_book()).orders) == (1 if action == "drop_reply" else 0)


@pytest.mark.parametrize("code", ["EGW00201", "EGW00215", "EGW00121", "EGW00122", "EGW00123"])
async def test_what_python_kis_would_send_again_for_ever_is_sent_once_and_refused(venue, faults, code):
    faults.add(fault(code=code))
    with pytest.raises(OrderRefused) as refused:
        await venue.broker.place(venue.request())
    assert refused.value.code == code
    assert venue.posts() == 1


async def test_python_kis_own_order_call_cannot_reach_the_order_endpoint(real):
    await real.broker.quote("NVDA", Exchange.NASD)
    library = real.broker._gateway._kis
    session = library._sessions["real"]
    from adapters.kis.transport import NotSent

    with pytest.raises(NotSent):
        await asyncio.to_thread(session.post, real.url + "/uapi/overseas-stock/v1/trading/order", json={}, timeout=2)
    assert real.posts() == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "EGW00301"), (500, "EGW00302"), (500, "EGW00202"), (502, ""), (500, "APBK0952"), (200, "NEW99999")],
)
async def test_whatever_is_not_on_the_list_of_refusals_is_unknown(venue, faults, status, code):
    faults.add(fault(status=status, code=code or "EGW00001"))
    with pytest.raises(OrderUnknown):
        await venue.broker.place(venue.request())
    assert venue.posts() == 1


async def test_a_reply_that_never_comes_is_unknown_after_the_time_out(venue):
    venue.hold = asyncio.Event()
    hasty = venue.connect(timeout_s=0.2)
    with pytest.raises(OrderUnknown) as unknown:
        await hasty.place(venue.request())
    assert unknown.value.code == codes.TIMED_OUT
    assert venue.posts() == 1


async def test_a_cancelled_task_does_not_abandon_its_order_in_silence(venue):
    venue.hold = asyncio.Event()
    task = asyncio.create_task(venue.broker.place(venue.request()))
    await condition(lambda: venue.posts() == 1)
    task.cancel()
    with pytest.raises(OrderUnknown) as unknown:
        await task
    assert unknown.value.code == codes.CANCELLED
    venue.hold.set()
    await condition(lambda: len(venue.host.engine.orders) == 1)
    assert venue.posts() == 1


async def test_an_unreachable_broker_is_a_refusal_because_nothing_left(venue):
    await venue.broker.holdings()
    async with listening(web.Application()) as address:
        url = f"http://{address}"
    broker = venue.connect()
    await broker.holdings()
    gateway = broker._gateway
    gateway._bases[gateway._domain] = url
    gateway._session(gateway._domain).mount(url, gateway._orders)
    with pytest.raises(OrderRefused) as refused:
        await broker.place(venue.request())
    assert refused.value.code == codes.NOT_SENT


@pytest.mark.parametrize(
    "body", ["<html>", "{}", '{"rt_cd":"0","msg_cd":"IGW00009"}', '{"rt_cd":"0","output":{}}', "[]"]
)
async def test_an_answer_that_proves_nothing_is_unknown(venue, body):
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    await venue.broker.holdings()
    app = web.Application()
    app.router.add_post("/uapi/overseas-stock/v1/trading/order", answer)
    async with listening(app) as address:
        url = f"http://{address}"
        gateway = venue.broker._gateway
        gateway._bases[gateway._domain] = url
        gateway._session(gateway._domain).mount(url, gateway._orders)
        with pytest.raises(OrderUnknown):
            await venue.broker.place(venue.request())


async def test_a_redirected_order_is_not_followed(venue):
    async def move(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(venue.url + request.path)

    await venue.broker.holdings()
    app = web.Application()
    app.router.add_post("/uapi/overseas-stock/v1/trading/order", move)
    async with listening(app) as address:
        url = f"http://{address}"
        gateway = venue.broker._gateway
        gateway._bases[gateway._domain] = url
        gateway._session(gateway._domain).mount(url, gateway._orders)
        with pytest.raises(OrderUnknown):
            await venue.broker.place(venue.request())
    assert venue.posts() == 0


async def test_queries_are_repeated_when_throttled_and_give_up_in_the_end(venue, faults):
    faults.add(parse({"link": "kis", "action": "error", "code": "EGW00201", "match": {"path_contains": "balance"}}))
    assert await venue.broker.holdings() == ()
    faults.add(
        parse(
            {"link": "kis", "action": "error", "code": "EGW00201", "match": {"path_contains": "balance"}, "times": None}
        )
    )
    before = venue.seen["GET", "/uapi/overseas-stock/v1/trading/inquire-balance"]
    with pytest.raises(BrokerUnavailable) as unavailable:
        await venue.broker.holdings()
    assert unavailable.value.code == "EGW00201"
    assert venue.seen["GET", "/uapi/overseas-stock/v1/trading/inquire-balance"] - before == 3


async def test_one_cut_connection_does_not_fail_a_query(venue, faults):
    faults.add(parse({"link": "kis", "action": "reset", "match": {"path_contains": "balance"}}))
    assert await venue.broker.holdings() == ()

"""When KIS or the line to it misbehaves: one POST per order, and no certainty that is not there."""

import asyncio
import json
import logging
import stat
import threading

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


async def test_a_task_cancelled_before_its_order_left_sends_nothing(venue):
    gate = threading.Event()
    pool = venue.broker._gateway._pool
    blockers = [pool.submit(gate.wait) for _ in range(2)]
    task = asyncio.create_task(venue.broker.place(venue.request()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await asyncio.gather(*(asyncio.wrap_future(blocker) for blocker in blockers))
    await asyncio.wrap_future(pool.submit(int))
    await asyncio.wrap_future(pool.submit(int))
    assert venue.posts() == 0


async def test_a_hanging_query_leaves_room_for_an_order(venue):
    gate = threading.Event()
    hanging = [asyncio.create_task(venue.broker._gateway.call(gate.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    await venue.broker.place(venue.request())
    gate.set()
    assert await asyncio.gather(*hanging) == [True] * 3


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


@pytest.mark.parametrize("paper", [False, True])
async def test_our_limiter_keeps_inside_kis_limit(open_venue, paper):
    venue = await open_venue(paper=paper, per_second=1 if paper else 18)
    broker = venue.connect(speed=1.0)
    limiter = broker._gateway._kis._rate_limiters["virtual" if paper else "real"]
    assert (limiter.rate, limiter.period) == (1 if paper else 18, pytest.approx(1.11))
    slept = []
    limiter._time = lambda: venue.clock.now().timestamp()
    limiter._sleep = lambda seconds: (slept.append(seconds), venue.clock.advance(seconds))
    for _ in range(4 if paper else 40):
        await broker.buying_power("NVDA", Exchange.NASD, "180.5")
    assert venue.host.limit.refused == 0
    assert slept


@pytest.mark.parametrize(
    ("rate", "speed", "expected"), [(50, 1, (18, 1.11)), (15.0, 60, (15, 0.0283)), (0.5, 1, (1, 2.21))]
)
async def test_a_faster_clock_shortens_the_window_and_no_rate_exceeds_kis(real, rate, speed, expected):
    limiter = real.connect(rate_per_s=rate, speed=speed)._gateway._kis._rate_limiters["real"]
    assert (limiter.rate, limiter.period) == (expected[0], pytest.approx(expected[1], abs=1e-3))


# -- tokens ----------------------------------------------------------------------------------------


async def test_the_token_is_issued_once_and_kept_in_a_private_file(venue):
    await venue.broker.holdings()
    await venue.broker.holdings()
    again = venue.connect()
    await again.holdings()
    assert venue.host.tokens.issues == 1
    (file,) = venue.token_dir.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text())) == {"text", "scheme", "expires_at"}


async def test_a_token_that_dies_early_is_replaced_for_queries(venue):
    await venue.broker.holdings()
    venue.host.tokens.revoke_all()
    venue.clock.advance(120)
    assert await venue.broker.holdings() == ()
    assert venue.host.tokens.issues == 2


async def test_an_order_with_a_dead_token_is_refused_and_the_next_one_has_a_new_token(venue):
    await venue.broker.holdings()
    venue.host.tokens.revoke_all()
    venue.clock.advance(120)
    with pytest.raises(OrderRefused) as refused:
        await venue.broker.place(venue.request())
    assert refused.value.code in codes.TOKEN_DEAD
    assert venue.posts() == 1
    await venue.broker.place(venue.request())
    assert venue.posts() == 2


async def test_tokens_are_asked_for_once_a_minute_at_most(venue):
    await venue.broker.holdings()
    for _ in range(3):
        venue.host.tokens.revoke_all()
        with pytest.raises(BrokerUnavailable):
            await venue.broker.holdings()
    with pytest.raises(OrderRefused) as refused:
        await venue.broker.place(venue.request())
    assert refused.value.code == codes.NOT_SENT
    assert venue.seen["POST", "/oauth2/tokenP"] == 1
    venue.clock.advance(62)
    assert await venue.broker.holdings() == ()


async def test_another_process_token_is_taken_over_from_the_file(venue):
    await venue.broker.holdings()
    other = venue.connect()
    await other.holdings()
    venue.host.tokens.revoke_all()
    venue.clock.advance(62)
    await other.holdings()
    await venue.broker.holdings()
    assert venue.host.tokens.issues == 2


async def test_a_token_is_renewed_before_it_expires(venue):
    await venue.broker.holdings()
    venue.clock.advance(24 * 3600 - 300)
    await venue.broker.holdings()
    assert venue.host.tokens.issues == 2


# -- secrets ---------------------------------------------------------------------------------------


async def test_no_secret_shows_in_messages_logs_or_on_stdout(venue, faults, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    await venue.broker.holdings()
    token = json.loads(next(venue.token_dir.iterdir()).read_text())["text"]
    secrets = [s for s in venue.credentials.secrets if s] + [token]
    said = [repr(venue.credentials), repr(venue.broker._gateway)]
    words = f"계좌 {venue.host.credentials.number} {token}"
    for action in ("drop_reply", "reset", "error"):
        for call in (
            lambda: venue.broker.place(venue.request()),
            venue.broker.holdings,
            venue.broker.order_book,
        ):
            faults.add(fault(action=action, message=words, match={}))
            (error,) = await asyncio.gather(call(), return_exceptions=True)
            if isinstance(error, Exception):
                assert error.__cause__ is None
                assert error.__context__ is None or error.__suppress_context__
                said += [str(error), repr(error)]
            faults.clear()
    with pytest.raises(ValueError, match="KIS credentials") as wrong:
        venue.connect(
            credentials=type(venue.credentials)(hts_id="x", appkey="short", appsecret="s", account="50012345-01")
        )
    said.append(str(wrong.value))
    assert len(said) > 8
    # the access log is the sandbox's own
    logged = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    everything = "\n".join([*said, *logged, *capsys.readouterr()])
    assert [secret for secret in secrets if secret in everything] == []


async def test_python_kis_writes_nothing_of_its_own(venue, capsys):
    logging.getLogger("pykis").warning("API 호출 횟수를 초과하였습니다.")
    logging.getLogger("pykis").error("%s", venue.credentials.account)
    assert capsys.readouterr() == ("", "")


async def test_no_other_host_can_be_reached(venue):
    session = venue.broker._gateway._session(venue.broker._gateway._domain)
    with pytest.raises(Exception, match="No connection adapters"):
        session.get("https://openapi.koreainvestment.com:9443/", timeout=1)

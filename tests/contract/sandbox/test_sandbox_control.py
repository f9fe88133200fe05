"""The control API on its listener, with every server of the world running."""

import aiohttp
import pytest

from tests.contract.sandbox.sandbox_calls import call


async def test_state_shows_clock_stream_and_accounts(world, clock):
    _, addresses = world
    status, state = await call(addresses["control"], "GET", "/control/state")
    assert status == 200
    assert state["clock"]["now"] == clock.now().isoformat()
    assert state["kis"]["real"]["cash"] == {"krw": "20000000", "usd": "0", "fx": "1450"}
    assert state["polygon"]["connections"] == 0


async def test_manual_order_is_marked_as_mobile_and_fills(world, clock):
    _, addresses = world
    body = {"symbol": "HELI", "side": "buy", "qty": 2, "price": 15}
    status, reply = await call(addresses["control"], "POST", "/control/kis/manual_order", body)
    assert (status, reply["order"]["medium"]) == (200, "모바일")
    clock.advance(3)
    _, reply = await call(addresses["control"], "GET", "/control/orders?host=real")
    (order,) = reply["orders"]
    assert (order["state"], order["filled"], order["posts"]) == ("filled", 2, 0)
    assert order["fills"][0]["qty"] == 2


async def test_refused_manual_order_says_why(world):
    _, addresses = world
    body = {"symbol": "HELI", "side": "sell", "qty": 2, "price": 15}
    status, reply = await call(addresses["control"], "POST", "/control/kis/manual_order", body)
    assert (status, reply["code"]) == (409, "APBK0988")


async def test_cash_is_set(world):
    sandbox, addresses = world
    await call(addresses["control"], "POST", "/control/kis/cash", {"krw": 5, "usd": "12.50"})
    assert (str(sandbox.real.account.krw), str(sandbox.real.account.usd)) == ("5", "12.50")


async def test_faults_are_registered_listed_and_cleared(world):
    _, addresses = world
    fault = {"link": "kis", "action": "error", "code": "EGW00301", "times": 2, "match": {"tr_id": "TTTT1002U"}}
    status, reply = await call(addresses["control"], "POST", "/control/faults", fault)
    assert (status, reply["fault"]["times"]) == (200, 2)
    assert len((await call(addresses["control"], "GET", "/control/faults"))[1]["faults"]) == 1
    await call(addresses["control"], "DELETE", "/control/faults")
    assert (await call(addresses["control"], "GET", "/control/faults"))[1]["faults"] == []


async def test_hits_are_shown_while_a_fault_lasts_and_after_it(world):
    _, addresses = world
    control = addresses["control"]
    await call(control, "POST", "/control/faults", {"link": "polygon", "action": "html", "times": 2})
    for _ in range(2):
        async with aiohttp.ClientSession() as http, http.get(f"http://{addresses['polygon']}/v1/any") as reply:
            assert (reply.status, reply.content_type) == (502, "text/html")
        _, shown = await call(control, "GET", "/control/faults")
    assert (shown["faults"], [fault["hits"] for fault in shown["spent"]]) == ([], [2])
    assert shown["hits"] == {"polygon.html": 2}
    assert (await call(control, "GET", "/control/state"))[1]["fault_hits"] == {"polygon.html": 2}


async def test_one_fault_is_taken_off_by_its_number(world):
    control = world[1]["control"]
    numbers = [
        (await call(control, "POST", "/control/faults", {"link": "kis", "action": action}))[1]["fault"]["id"]
        for action in ("reset", "half_json")
    ]
    _, left = await call(control, "DELETE", f"/control/faults/{numbers[0]}")
    assert [fault["action"] for fault in left["faults"]] == ["half_json"]
    status, reply = await call(control, "DELETE", f"/control/faults/{numbers[0]}")
    assert (status, reply["error"]) == (400, f"no active fault has the number {numbers[0]}")
    assert (await call(control, "DELETE", "/control/faults/first"))[0] == 400


async def test_a_stream_fault_is_counted_per_connection(world):
    _, addresses = world
    async with aiohttp.ClientSession() as http, http.ws_connect(f"http://{addresses['polygon']}/stocks") as socket:
        await socket.receive_json()
        fault = {"link": "polygon_ws", "action": "close"}
        assert (await call(addresses["control"], "POST", "/control/faults", fault))[1]["struck"] == 1
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert (await call(addresses["control"], "GET", "/control/faults"))[1]["hits"] == {"polygon_ws.close": 1}


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/control/faults", {"link": "kis", "action": "reset", "match": {"symbol": "NOPE"}}, "NOPE, which is not"),
        ("/control/faults", {"link": "kis", "action": "close"}, "action"),
        ("/control/faults", {"link": "moon", "action": "close"}, "link"),
        ("/control/faults", {"link": "kis", "action": "delay", "speed": 3}, "unknown field speed"),
        ("/control/kis/cash", {"krw": "much"}, "krw must be a number"),
        ("/control/kis/cash", {"host": "moon"}, "real or paper"),
        ("/control/kis/manual_order", {"symbol": "NOPE"}, "send symbol"),
    ],
)
async def test_bad_requests_say_what_is_wrong(world, path, body, says):
    _, addresses = world
    status, reply = await call(addresses["control"], "POST", path, body)
    assert status == 400
    assert says in reply["error"]


async def test_bars_stop_at_now_unless_all_are_asked_for(world, market, clock):
    _, addresses = world
    _, now = await call(addresses["control"], "GET", "/control/market/HELI/bars")
    _, every = await call(addresses["control"], "GET", "/control/market/HELI/bars?all=1")
    assert len(now["bars"]) == len(market.closed_bars("HELI", clock.now())) == 300
    assert len(every["bars"]) == len(market.series["HELI"].minutes)


async def test_foreign_names_and_form_posts_are_refused(world):
    _, addresses = world
    assert (await call(addresses["control"], "GET", "/control/state", Host="evil.example"))[0] == 403
    url = f"http://{addresses['control']}/control/kis/cash"
    async with aiohttp.ClientSession() as http, http.post(url, data="krw=1") as reply:
        assert reply.status == 415


async def test_revoked_tokens_stop_working(world):
    sandbox, addresses = world
    keys, office = sandbox.real.credentials, sandbox.real.tokens
    office.issue(keys.appkey, keys.appsecret, "client_credentials", sandbox.clock.now())
    status, reply = await call(addresses["control"], "POST", "/control/kis/revoke_tokens", {})
    assert (status, reply) == (200, {"revoked": 1})

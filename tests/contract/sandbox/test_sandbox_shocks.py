"""Shocks through the control API: every server of the sandbox follows them at once."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest

from sandbox import scenarios, servers
from sandbox.clock import SandboxClock
from sandbox.world import create_world
from tests.contract.conftest import DAY
from tests.contract.sandbox.sandbox_calls import QUOTE, Client, call
from tests.contract.sandbox.sandbox_world import KisHost


@pytest.fixture
def market():
    """One of its own: what these tests do to it must not reach the others'."""
    return scenarios.build("story", DAY, 1, 8)


@pytest.fixture
def control(world):
    async def ask(path, body=None, method="POST"):
        return await call(world[1]["control"], method, path, body)

    return ask


@pytest.fixture
def kis(world, clock):
    made, addresses = world
    return Client(KisHost(addresses["kis"], made.real, clock))


async def polygon(addresses, path):
    url = f"http://{addresses['polygon']}{path}"
    headers = {"Authorization": "Bearer sandbox-polygon-key"}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as reply:
        return await reply.json()


async def last(kis) -> float:
    kis.kis.clock.advance(0.1)
    _, reply, _ = await kis.send("GET", "/uapi/overseas-price/v1/quotations/price", "HHDFS00000300", QUOTE)
    return float(reply["output"]["last"])


async def test_a_drop_reaches_quotes_bars_and_prints_at_once(world, control, kis, clock):
    made, addresses = world
    before = await last(kis)
    status, reply = await control("/control/market/HELI/move", {"pct": -25})
    event = reply["event"]
    assert (status, event["symbol"], event["kind"], event["at"]) == (200, "HELI", "move", clock.now().isoformat())
    assert event["after"] == pytest.approx(before * 0.75, rel=0.002)
    assert await last(kis) == pytest.approx(before * 0.75, rel=0.002)
    snapshot = (await polygon(addresses, "/v2/snapshot/locale/us/markets/stocks/tickers/HELI"))["ticker"]
    assert snapshot["lastTrade"]["p"] == pytest.approx(before * 0.75, rel=0.002)
    assert snapshot["lastQuote"]["P"] > snapshot["lastTrade"]["p"] > snapshot["lastQuote"]["p"]
    clock.advance(120)
    bars = (await control("/control/market/HELI/bars", method="GET"))[1]["bars"]
    assert bars[-3]["l"] > before * 0.95
    assert bars[-2]["h"] >= before * 0.99
    assert bars[-1]["h"] < before * 0.8
    assert made.faults.hits["market.move"] == 1


async def test_a_move_to_a_price_is_that_price(control, kis):
    _, reply = await control("/control/market/HELI/move", {"price": 9.5})
    assert reply["event"]["after"] == 9.5
    assert await last(kis) == pytest.approx(9.5, abs=0.02)


async def test_a_resting_sale_fills_when_the_price_comes_to_it(control, kis, clock):
    await kis.order()
    clock.advance(3)
    (await kis.order("sell", OVRS_ORD_UNPR="20.00"))[1]
    clock.advance(10)
    assert kis.kis.host.account.qty("HELI") == 3
    await control("/control/market/HELI/move", {"pct": 50})
    clock.advance(3)
    kis.kis.host.now()
    assert kis.kis.host.account.qty("HELI") == 0


async def test_orders_before_a_move_match_at_the_price_before_it(control, kis, clock):
    await kis.order()
    clock.advance(2)
    await control("/control/market/HELI/move", {"pct": -50})
    (order,) = kis.kis.host.engine.orders.values()
    assert float(order.average) > 14


async def test_a_halt_takes_orders_and_fills_none_until_it_resumes(control, kis, clock):
    status, _ = await control("/control/market/HELI/halt", {})
    assert status == 200
    assert (await control("/control/market", method="GET"))[1]["halted"] == ["HELI"]
    stood = await last(kis)
    assert (await kis.order())[1]["rt_cd"] == "0"
    clock.advance(90)
    assert await last(kis) == stood
    query = {"OVRS_EXCG_CD": "NASD", "SORT_SQN": "DS", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
    (row,) = (await kis.inquire("inquire-nccs", "TTTS3018R", **query))["output"]
    assert (row["ft_ccld_qty"], row["nccs_qty"]) == ("0", "3")
    await control("/control/market/HELI/resume", {})
    clock.advance(3)
    assert (await kis.inquire("inquire-nccs", "TTTS3018R", **query))["output"] == []
    events = (await control("/control/market", method="GET"))[1]
    assert ([event["kind"] for event in events["events"]], events["halted"]) == (["halt", "resume"], [])


async def test_a_split_changes_shares_prices_and_the_list_of_splits(world, control, kis, clock):
    await kis.order()
    clock.advance(2)
    before = await last(kis)
    resting = (await kis.order("sell", OVRS_ORD_UNPR="20.00"))[1]["output"]["ODNO"]
    status, _ = await control("/control/market/HELI/split", {"ratio": "2:1"})
    assert status == 200
    query = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
    held = (await kis.inquire("inquire-balance", "TTTS3012R", **query))["output1"][0]
    assert (held["ovrs_cblc_qty"], held["ord_psbl_qty"]) == ("6", "6")
    assert float(held["pchs_avg_pric"]) == pytest.approx(before / 2, rel=0.01)
    assert await last(kis) == pytest.approx(before / 2, rel=0.01)
    orders = (await control("/control/orders?host=real", method="GET"))[1]["orders"]
    assert next(order["state"] for order in orders if order["odno"] == resting) == "cancelled"
    listed = (await polygon(world[1], "/v3/reference/splits?ticker=HELI"))["results"]
    assert [(row["split_from"], row["split_to"], row["execution_date"]) for row in listed] == [(1, 2, str(DAY))]
    assert (await polygon(world[1], "/stocks/v1/splits?ticker=QBIT"))["results"] == []


async def test_a_reverse_split_pays_out_what_is_left_of_a_share(control, kis, clock):
    await kis.order()
    clock.advance(2)
    await control("/control/market/HELI/split", {"ratio": "1:2"})
    account = kis.kis.host.account
    assert account.qty("HELI") == 1
    assert 13 < account.usd < 15


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("NOPE/move", {"pct": 1}, "NOPE is not listed"),
        ("HELI/move", {}, "send pct or price"),
        ("HELI/move", {"pct": 1, "price": 2}, "send pct or price"),
        ("HELI/move", {"pct": "much"}, "pct must be a number"),
        ("HELI/move", {"pct": -100}, "must lie between"),
        ("HELI/move", {"price": 1e9}, "must lie between"),
        ("HELI/move", {"to": 3}, "unknown field to"),
        ("HELI/resume", {}, "not halted"),
        ("HELI/split", {"ratio": "1:1"}, "ratio must read like"),
        ("HELI/split", {"ratio": 2}, "ratio must read like"),
        ("HELI/split", {"ratio": "9999:1"}, "a share would cost"),
    ],
)
async def test_a_shock_that_cannot_be_says_why(control, path, body, says):
    status, reply = await control(f"/control/market/{path}", body)
    assert status == 400
    assert says in reply["error"]


@asynccontextmanager
async def running(market, speed: float):
    clock = SandboxClock(datetime(2026, 11, 18, 19, 30, tzinfo=UTC), datetime.now(UTC).timestamp(), speed)
    world = create_world(market, clock)
    started = await servers.start(world, {})
    try:
        yield world, started.addresses
    finally:
        await started.stop()


@pytest.mark.parametrize("speed", [1.0, 600.0])
async def test_a_move_happens_now_at_any_speed(market, speed):
    """The clock runs here; only what it cannot change is asserted."""
    async with running(market, speed) as (world, addresses):
        _, reply = await call(addresses["control"], "POST", "/control/market/AAPL/move", {"pct": -25})
        event = reply["event"]
        assert event["after"] == pytest.approx(event["before"] * 0.75, rel=0.001)
        assert datetime.fromisoformat(event["at"]) <= world.clock.now()
        now = world.market.price_at("AAPL", world.clock.now())
        assert now < event["before"] * 0.85


async def test_the_stream_carries_the_drop_and_then_the_halt(world, market, control, clock):
    _, addresses = world
    clock.advance(5)
    before = market.price_at("HELI", clock.now())
    async with aiohttp.ClientSession() as http, http.ws_connect(f"http://{addresses['polygon']}/stocks") as socket:
        for message in (
            {"action": "auth", "params": "sandbox-polygon-key"},
            {"action": "subscribe", "params": "AM.HELI"},
        ):
            await socket.send_json(message)
        for _ in range(3):
            await socket.receive_json(timeout=5)
        await control("/control/market/HELI/move", {"pct": -25})
        clock.advance(60)
        (struck,) = await socket.receive_json(timeout=5)
        assert struck["h"] >= before * 0.99
        assert struck["c"] == pytest.approx(before * 0.75, rel=0.02)
        await control("/control/market/HELI/halt", {})
        clock.advance(60)
        (cut,) = await socket.receive_json(timeout=5)
        assert cut["h"] < before * 0.8
        clock.advance(180)
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.1)

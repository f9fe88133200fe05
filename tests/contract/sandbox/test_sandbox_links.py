"""Proxies before the sandbox's own listeners, made and poisoned through the control API."""

import aiohttp
import pytest

from sandbox.proxy import Address, address
from tests.contract.sandbox.sandbox_calls import Client, call
from tests.contract.sandbox.sandbox_world import KisHost

SILENCE_S = 0.1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:6379", Address("127.0.0.1", 6379)),
        ("[::1]:80", Address("::1", 80)),
        ("unix:/run/redis.sock", Address(path="/run/redis.sock")),
    ],
)
def test_addresses(text, expected):
    assert address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "redis", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "unix:rel", "10.0.0.1:80"]
)
def test_what_is_no_address_of_this_machine_is_refused(text):
    with pytest.raises(ValueError):
        address(text)


@pytest.fixture
def control(world):
    async def ask(method, path, body=None):
        return await call(world[1]["control"], method, f"/control/proxies{path}", body)

    return ask


@pytest.fixture
async def kis(world, clock, control):
    """A KIS client whose link goes through a proxy."""
    _, reply = await control("POST", "", {"name": "kis_real", "upstream": "kis_real"})
    return Client(KisHost(reply["proxy"]["address"], world[0].real, clock))


async def test_an_order_whose_answer_is_cut_on_the_wire_is_in_the_book(world, control, kis):
    await control("POST", "/kis_real/toxics", {"toxic": "cut_after_request", "times": 1})
    with pytest.raises(aiohttp.ClientError):
        await kis.order()
    assert len(kis.kis.host.engine.orders) == 1
    assert world[0].faults.hits["proxy_kis_real.cut_after_request"] == 1
    assert (await kis.order())[1]["rt_cd"] == "0"


async def test_json_is_cut_in_its_middle(control, kis):
    await control("POST", "/kis_real/toxics", {"toxic": "limit", "bytes": 300})
    with pytest.raises(aiohttp.ClientPayloadError):
        await kis.history()
    await control("DELETE", "/kis_real/toxics/limit")
    assert (await kis.history())[1]["rt_cd"] == "0"


async def test_proxies_are_listed_with_toxics_and_hits_and_removed(control, kis):
    await control("POST", "/kis_real/toxics", {"toxic": "latency", "delay_s": 0.001})
    await kis.order()
    (shown,) = (await control("GET", ""))[1]["proxies"]
    assert (shown["name"], shown["accepted"], shown["hits"]["latency"] >= 2) == ("kis_real", 1, True)
    assert shown["toxics"][0] == {
        "toxic": "latency", "direction": "both", "delay_s": 0.001, "jitter_s": 0, "seed": 1,
        "hits": shown["hits"]["latency"],
    }  # fmt: skip
    assert (await control("DELETE", "/kis_real/toxics"))[1]["proxy"]["toxics"] == []
    assert (await control("DELETE", "/kis_real"))[1] == {"proxies": []}
    with pytest.raises(aiohttp.ClientConnectorError):
        await kis.order()


async def test_a_stream_goes_through_a_proxy_and_falls_silent(world, control):
    _, reply = await control("POST", "", {"name": "polygon_ws", "upstream": "polygon"})
    url = f"ws://{reply['proxy']['address']}/stocks"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        assert (await socket.receive_json())[0]["status"] == "connected"
        await control("POST", "/polygon_ws/toxics", {"toxic": "hang"})
        await socket.send_json({"action": "auth", "params": "sandbox-polygon-key"})
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=SILENCE_S)
        await control("DELETE", "/polygon_ws/toxics")
    assert world[0].stream.counters.opened == 1


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("", {"name": "Bad Name", "upstream": "kis"}, "name must be small letters"),
        ("", {"name": "kis_real", "upstream": "kis"}, "there is a proxy kis_real already"),
        ("", {"name": "far", "upstream": "example.com:80"}, "not on this machine"),
        ("", {"name": "far", "upstream": "moon"}, "no address"),
        ("", {"name": "far"}, "send name and upstream"),
        ("", {"name": "far", "upstream": 3}, "send name and upstream"),
        ("", {"name": "far", "upstream": "kis", "listen": "0.0.0.0:0"}, "not on this machine"),
        ("", {"name": "far", "upstream": "kis", "listen": "unix:/nonexistent/dir/a.sock"}, "/nonexistent/dir/a.sock"),
        ("", {"name": "far", "upstream": "kis", "port": 1}, "unknown field port"),
        ("/moon/toxics", {"toxic": "hang"}, "there is no proxy moon"),
        ("/kis_real/toxics", {"toxic": "rain"}, "toxic must be one of"),
        ("/kis_real/toxics", {"toxic": "latency"}, "delay_s must be a number"),
        ("/kis_real/toxics", {"toxic": "latency", "delay_s": -1}, "delay_s must lie between"),
        ("/kis_real/toxics", {"toxic": "hang", "direction": "left"}, "direction must be"),
        ("/kis_real/toxics", {"toxic": "hang", "times": 1}, "times does not go with hang"),
        ("/kis_real/toxics", {"toxic": "reset", "times": 0}, "times must be a whole number"),
        ("/kis_real/toxics", {"toxic": "limit", "bytes": 1.5}, "bytes must be a whole number"),
        ("/kis_real/toxics", {"toxic": "bandwidth", "bytes_per_s": 0}, "bytes_per_s must lie between"),
    ],
)
async def test_a_proxy_or_toxic_that_makes_no_sense_says_why(control, kis, path, body, says):
    status, reply = await control("POST", path, body)
    assert status == 400
    assert says in reply["error"]


async def test_only_a_toxic_that_exists_can_be_taken_off(control, kis):
    assert (await control("DELETE", "/kis_real/toxics/rain"))[0] == 400
    assert (await control("DELETE", "/moon"))[0] == 400
    assert (await control("DELETE", "/kis_real/toxics/hang"))[0] == 200

"""The account's owner by hand, and what the broker takes back: over the control API, seen in KIS's own rows."""

import pytest

from sandbox import scenarios
from tests.contract.conftest import DAY
from tests.contract.sandbox.sandbox_calls import PRICE, QUOTE, Client, call
from tests.contract.sandbox.sandbox_world import KisHost

BALANCE = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}


@pytest.fixture
def market():
    return scenarios.build("story", DAY, 1, 8)


@pytest.fixture
def control(world):
    async def ask(path, body=None, method="POST"):
        return await call(world[1]["control"], method, f"/control/kis/{path}", body)

    return ask


@pytest.fixture
def kis(world, clock):
    return Client(KisHost(world[1]["kis"], world[0].real, clock))


async def rows(client: Client) -> list[dict]:
    return (await client.history())[1]["output"]


async def held(client: Client) -> dict[str, tuple[str, str]]:
    found = (await client.inquire("inquire-balance", "TTTS3012R", **BALANCE))["output1"]
    return {row["ovrs_pdno"]: (row["ovrs_cblc_qty"], row["ord_psbl_qty"]) for row in found if row["ovrs_pdno"]}


@pytest.mark.parametrize(("side", "left"), [("buy", 5), ("sell", 1)])
async def test_an_order_by_hand_at_market_fills_and_is_marked(control, kis, clock, side, left):
    await kis.order()
    clock.advance(2)
    status, reply = await control("manual_order", {"symbol": "HELI", "side": side, "qty": 2})
    assert (status, reply["order"]["medium"], reply["order"]["price"]) == (200, "모바일", "0")
    clock.advance(3)
    api, hand = await rows(kis)
    assert (api["mdia_dvsn_name"], hand["mdia_dvsn_name"], hand["ft_ccld_qty"]) == ("OpenAPI", "모바일", "2")
    assert await held(kis) == {"HELI": (str(left), str(left))}


async def test_a_purchase_by_hand_at_market_needs_its_cash(control):
    status, reply = await control("manual_order", {"symbol": "HELI", "side": "buy", "qty": 2000})
    assert (status, reply["code"]) == (409, "APBK0952")


async def test_the_api_has_no_such_market_order(kis):
    assert (await kis.order(ORD_DVSN="01", OVRS_ORD_UNPR="0"))[1]["msg_cd"] == "APBK1269"


async def test_a_limit_order_by_hand_rests_and_can_be_cancelled_by_the_api(control, kis, clock):
    _, reply = await control("manual_order", {"symbol": "HELI", "side": "buy", "qty": 2, "price": 10})
    assert (await kis.revise(reply["order"]["odno"]))["rt_cd"] == "0"
    clock.advance(2)
    assert [row["nccs_qty"] for row in await rows(kis)] == ["0", "0"]


async def test_the_bots_order_is_cancelled_by_hand(world, control, kis, clock):
    odno = (await kis.order(OVRS_ORD_UNPR="10.00"))[1]["output"]["ODNO"]
    status, reply = await control("manual_cancel", {"odno": odno.lstrip("0")})
    assert (status, reply["order"]["original"], reply["order"]["kind"]) == (200, odno, "cancel")
    clock.advance(2)
    order, cancel = await rows(kis)
    assert (order["odno"], order["nccs_qty"], order["mdia_dvsn_name"]) == (odno, "0", "OpenAPI")
    assert (cancel["rvse_cncl_dvsn_name"], cancel["orgn_odno"], cancel["mdia_dvsn_name"]) == ("취소", odno, "모바일")
    status, reply = await control("manual_cancel", {"odno": odno})
    assert (status, reply["code"]) == (409, "APBK1359")
    assert world[0].faults.hits["kis_real.manual_cancel"] == 1


async def test_part_of_an_order_is_cancelled_by_hand(control, kis, clock):
    odno = (await kis.order(OVRS_ORD_UNPR="10.00"))[1]["output"]["ODNO"]
    await control("manual_cancel", {"odno": odno, "qty": 1})
    clock.advance(2)
    assert (await rows(kis))[0]["nccs_qty"] == "2"


async def test_shares_come_and_go_without_an_order(control, kis):
    assert (await control("shares", {"symbol": "HELI", "qty": 7, "price": 12.5}))[1] == {"symbol": "HELI", "qty": 7}
    found = (await kis.inquire("inquire-balance", "TTTS3012R", **BALANCE))["output1"][0]
    assert (found["ovrs_cblc_qty"], found["pchs_avg_pric"]) == ("7", "12.5000")
    assert (await control("shares", {"symbol": "HELI", "qty": -5}))[1]["qty"] == 2
    assert await held(kis) == {"HELI": ("2", "2")}
    assert (await rows(kis))["odno"] == ""
    assert (await kis.order("sell", ORD_QTY="2", OVRS_ORD_UNPR="20.00"))[1]["rt_cd"] == "0"
    status, reply = await control("shares", {"symbol": "HELI", "qty": -1})
    assert (status, reply["code"]) == (409, "APBK0988")


async def test_a_bust_takes_shares_money_and_the_row_back(world, control, kis, clock):
    before = world[0].real.account.krw
    odno = (await kis.order())[1]["output"]["ODNO"]
    clock.advance(2)
    status, reply = await control("bust", {"odno": odno})
    assert (status, reply["order"]["filled"]) == (200, 0)
    (row,) = await rows(kis)
    assert (row["ft_ccld_qty"], row["nccs_qty"], row["ft_ccld_unpr3"]) == ("0", "0", "0.00000000")
    assert await held(kis) == {}
    account = world[0].real.account
    assert account.krw + account.usd * account.fx == pytest.approx(before, abs=1)
    assert (account.fees_usd, account.realised_usd) == (0, 0)
    assert (await control("bust", {"odno": odno}))[0] == 400


async def test_a_part_of_a_fill_is_busted_and_the_sale_it_covered_is_refused(control, kis, clock):
    odno = (await kis.order())[1]["output"]["ODNO"]
    clock.advance(2)
    sale = (await kis.order("sell", OVRS_ORD_UNPR="20.00"))[1]["output"]["ODNO"]
    await control("bust", {"odno": odno, "qty": 1})
    bought, sold = await rows(kis)
    assert (bought["ft_ccld_qty"], sold["odno"], sold["prcs_stat_name"]) == ("2", sale, "거부")
    assert await held(kis) == {"HELI": ("2", "2")}


async def test_what_was_sold_cannot_be_taken_back(control, kis, clock):
    odno = (await kis.order())[1]["output"]["ODNO"]
    clock.advance(2)
    await kis.order("sell", ORD_QTY="2", OVRS_ORD_UNPR="13.00")
    clock.advance(3)
    status, reply = await control("bust", {"odno": odno})
    assert (status, reply["error"]) == (400, "only 1 of the shares are still there")


async def test_a_busted_sale_gives_the_shares_back(control, kis, clock):
    await kis.order()
    clock.advance(2)
    odno = (await kis.order("sell", OVRS_ORD_UNPR="13.00"))[1]["output"]["ODNO"]
    clock.advance(3)
    assert await held(kis) == {}
    await control("bust", {"odno": odno})
    assert await held(kis) == {"HELI": ("3", "3")}


@pytest.mark.parametrize("code", ["EGW00121", "EGW00122", "EGW00123"])
async def test_the_present_token_dies_with_the_code_that_was_asked_for(world, control, kis, clock, code):
    assert (await control("revoke_tokens", {"code": code}))[1] == {"revoked": 1}
    status, body, _ = await kis.send("GET", PRICE, "HHDFS00000300", QUOTE)
    assert (status, body["msg_cd"]) == (500, code)
    clock.advance(61)
    fresh = Client(kis.kis)
    assert fresh.authorization != kis.authorization
    assert (await fresh.send("GET", PRICE, "HHDFS00000300", QUOTE))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("manual_order", {"symbol": "HELI", "side": "buy", "qty": 0}, "qty must be a whole number from 1"),
        ("manual_order", {"symbol": "HELI", "side": "buy", "qty": 1, "at": 3}, "unknown field at"),
        ("manual_cancel", {}, "has no order None"),
        ("manual_cancel", {"odno": "1"}, "has no order 1"),
        ("shares", {"symbol": "NOPE", "qty": 1}, "NOPE is not listed"),
        ("shares", {"symbol": "HELI", "qty": 0}, "qty must be a whole number"),
        ("shares", {"symbol": "HELI", "qty": True}, "qty must be a whole number"),
        ("shares", {"symbol": "HELI", "qty": 1, "price": -1}, "price must be zero or more"),
        ("bust", {"odno": "7"}, "has no order 7"),
        ("revoke_tokens", {"code": "EGW00201"}, "code must be one of"),
        ("revoke_tokens", {"host": "moon"}, "real or paper"),
    ],
)
async def test_what_cannot_be_done_by_hand_says_why(control, path, body, says):
    status, reply = await control(path, body)
    assert status == 400
    assert says in reply["error"]

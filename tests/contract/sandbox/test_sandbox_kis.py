"""The KIS hosts over plain HTTP: what they refuse, and what their answers look like."""

import aiohttp
import pytest

from sandbox.faults import parse
from tests.contract.sandbox.sandbox_calls import PRICE, QUOTE, TRADING, Client


@pytest.fixture
def clients(real, paper):
    return {"real": real, "paper": paper}


@pytest.fixture
def hosts(kis_real, kis_paper):
    return {"real": kis_real, "paper": kis_paper}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"appkey": "x" * 36}, "EGW00103"),
        ({"appsecret": "x" * 180}, "EGW00105"),
        ({"authorization": "Bearer nonsense"}, "EGW00121"),
        ({"authorization": ""}, "EGW00121"),
        ({"tr_id": ""}, "OPSQ9999"),
        ({"tr_id": "VTTT1002U"}, "EGW02004"),
    ],
)
async def test_gateway_refuses_bad_headers_with_http_500(real, changed, code):
    headers = {"tr_id": "HHDFS00000300"} | changed
    status, body, _ = await real.send("GET", PRICE, headers.pop("tr_id"), QUOTE, **headers)
    assert (status, body["rt_cd"], body["msg_cd"]) == (500, "1", code)


async def test_hosts_do_not_take_each_others_keys_or_tr_ids(real, paper):
    other = real.kis.keys
    status, body, _ = await paper.send("GET", PRICE, "HHDFS00000300", QUOTE, appkey=other.appkey)
    assert (status, body["msg_cd"]) == (500, "EGW02007")
    paper.kis.clock.advance(2)
    status, body, _ = await paper.send("POST", f"{TRADING}/order", "TTTT1002U", paper.account())
    assert (status, body["msg_cd"]) == (500, "EGW02006")


async def test_token_lives_a_day_then_is_expired(real, clock):
    clock.advance(24 * 3600)
    status, body, _ = await real.send("GET", PRICE, "HHDFS00000300", QUOTE)
    assert (status, body) == (500, {"rt_cd": "1", "msg_cd": "EGW00123", "msg1": "기간이 만료된 token 입니다."})


async def test_token_is_issued_once_a_minute_and_is_the_same_for_six_hours(kis_real, clock):
    keys = kis_real.keys
    body = {"grant_type": "client_credentials", "appkey": keys.appkey, "appsecret": keys.appsecret}
    url = f"http://{kis_real.address}/oauth2/tokenP"

    async def ask(**changed):
        async with aiohttp.ClientSession() as http, http.post(url, json=body | changed) as reply:
            return reply.status, await reply.json()

    status, first = await ask()
    assert status == 200
    assert first["access_token_token_expired"] >= "2026-11-20 04:30:00"
    assert (first["token_type"], first["expires_in"]) == ("Bearer", 86400)
    assert await ask() == (
        403,
        {"error_code": "EGW00133", "error_description": "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"},
    )
    clock.advance(61)
    assert (await ask())[1]["access_token"] == first["access_token"]
    clock.advance(6 * 3600)
    assert (await ask())[1]["access_token"] != first["access_token"]
    assert (await ask(appsecret="bad"))[1]["error_code"] == "EGW00105"


@pytest.mark.parametrize(("name", "limit"), [("real", 18), ("paper", 1)])
async def test_rate_limit_counts_market_seconds(clients, name, limit, clock):
    client = clients[name]
    replies = [await client.send("GET", PRICE, "HHDFS00000300", QUOTE) for _ in range(limit + 1)]
    assert [status for status, _, _ in replies] == [200] * limit + [500]
    assert replies[-1][1]["msg_cd"] == "EGW00201"
    clock.advance(1)
    assert (await client.send("GET", PRICE, "HHDFS00000300", QUOTE))[0] == 200


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"OVRS_ORD_UNPR": "15.005"}, "APTR0057"),
        ({"OVRS_ORD_UNPR": "0"}, "APBK1507"),
        ({"ORD_DVSN": "01"}, "APBK1269"),
        ({"ORD_DVSN": "33"}, "APBK1269"),
        ({"OVRS_EXCG_CD": "NYSE"}, "APBK0656"),
        ({"PDNO": "NOPE"}, "APBK0656"),
        ({"ORD_QTY": "100000"}, "APBK0952"),
        ({"ORD_QTY": "2.5"}, "APBK0400"),
        ({"PDNO": "absent"}, "IGW00007"),
        ({"ORD_SVR_DVSN_CD": "absent"}, "IGW00007"),
        ({"CANO": "99999999"}, "IGW00002"),
        ({"ORD_DVSN": "34", "OVRS_ORD_UNPR": "0"}, "EGW00202"),
    ],
)
async def test_real_order_refusals(real, changed, code):
    status, reply = await real.order(**changed)
    assert reply["msg_cd"] == code
    assert status == (500 if code.startswith(("IGW", "EGW")) else 200)
    assert real.kis.host.engine.orders == {}


@pytest.mark.parametrize(
    ("side", "changed", "code"),
    [
        ("buy", {"ORD_QTY": "100000"}, "40250000"),
        ("sell", {}, "40240000"),
        ("buy", {"ORD_DVSN": "34"}, "APBK1269"),
    ],
)
async def test_paper_order_refusals(paper, side, changed, code):
    assert (await paper.order(side, **changed))[1]["msg_cd"] == code


@pytest.mark.parametrize(
    ("name", "hours", "code"),
    [
        ("real", 1.4, "APBK0013"),
        ("real", 2.6, "APBK0918"),
        ("real", -6, "APBK0013"),
        ("real", -11, "APBK0918"),
        ("paper", 0, "40600000"),
        ("paper", 1.6, "40580000"),
        ("paper", -6, "40570000"),
        ("paper", -11, "40570000"),
        ("paper", 24 * 3, "40100000"),
    ],
)
async def test_order_hours(hosts, name, hours, code, clock):
    """Real takes extended hours until 17:00 EST; paper the regular session only."""
    clock.advance(hours * 3600)
    client = Client(hosts[name])
    assert (await client.order())[1]["msg_cd"] == code


async def test_an_accepted_order_is_answered_in_kis_shape_and_fills_later(real, clock):
    status, reply = await real.order()
    assert (status, reply["rt_cd"], reply["msg_cd"]) == (200, "0", "APBK0013")
    assert set(reply["output"]) == {"KRX_FWDG_ORD_ORGNO", "ODNO", "ORD_TMD"}
    assert len(reply["output"]["ODNO"]) == 10
    assert reply["output"]["ORD_TMD"] == "043000"
    clock.advance(2)
    _, history, _ = await real.history()
    (row,) = history["output"]
    assert (row["odno"], row["ft_ccld_qty"], row["nccs_qty"], row["prcs_stat_name"]) == (
        reply["output"]["ODNO"], "3", "0", "완료",
    )  # fmt: skip
    assert (row["ord_dt"], row["ord_tmd"], row["dmst_ord_dt"]) == ("20261118", "043000", "20261119")
    assert row["mdia_dvsn_name"] == "OpenAPI"
    assert float(row["ft_ccld_unpr3"]) < 15


async def test_paper_history_comes_late_and_without_leading_zeros(paper, clock):
    reply = (await paper.order())[1]
    clock.advance(3)
    tr_id, fields = "VTTS3035R", {"ORD_STRT_DT": "20261118", "ORD_END_DT": "20261118"}
    early = await paper.inquire(
        "inquire-ccnl", tr_id, **fields, PDNO="", SLL_BUY_DVSN="00", CCLD_NCCS_DVSN="00", OVRS_EXCG_CD="",
        SORT_SQN="", ORD_DT="", ORD_GNO_BRNO="", ODNO="", CTX_AREA_FK200="", CTX_AREA_NK200="",
    )  # fmt: skip
    assert early["output"]["odno"] == ""
    clock.advance(20)
    row = (await paper.history())[1]["output"][0]
    assert row["odno"] == reply["output"]["ODNO"].lstrip("0")


async def test_empty_history_is_an_object_of_blanks(real):
    _, reply, headers = await real.history()
    assert isinstance(reply["output"], dict)
    assert (reply["rt_cd"], reply["msg_cd"]) == ("0", "KIOK0560")
    assert reply["msg1"].strip() == "조회할 내용이 없습니다"
    assert headers["tr_cont"] == "D"


@pytest.mark.parametrize(("name", "size"), [("real", 20), ("paper", 15)])
async def test_history_pages_by_key(clients, name, size):
    client = clients[name]
    placed = [(await client.order(OVRS_ORD_UNPR="10.00", ORD_QTY="1"))[1]["output"]["ODNO"] for _ in range(size + 3)]
    _, first, headers = await client.history()
    assert (len(first["output"]), headers["tr_cont"]) == (size, "F")
    assert len(first["ctx_area_nk200"]) == 200
    _, second, headers = await client.history(tr_cont="N", key=first["ctx_area_nk200"])
    assert (len(second["output"]), headers["tr_cont"]) == (3, "E")
    seen = [row["odno"].zfill(10) for row in first["output"] + second["output"]]
    assert sorted(seen) == sorted(placed)


async def test_open_orders_and_their_cancellation(real, clock):
    odno = (await real.order(OVRS_ORD_UNPR="10.00"))[1]["output"]["ODNO"]
    query = {"OVRS_EXCG_CD": "NASD", "SORT_SQN": "DS", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
    (row,) = (await real.inquire("inquire-nccs", "TTTS3018R", **query))["output"]
    assert (row["odno"], row["nccs_qty"], row["ft_ord_unpr3"]) == (odno, "3", "10.00000000")
    reply = await real.revise(odno)
    assert reply["rt_cd"] == "0"
    assert reply["output"]["ODNO"] != odno
    clock.advance(2)
    assert (await real.inquire("inquire-nccs", "TTTS3018R", **query))["output"] == []
    rows = (await real.history())[1]["output"]
    assert [(r["rvse_cncl_dvsn_name"], r["nccs_qty"]) for r in rows] == [("", "0"), ("취소", "0")]
    assert rows[1]["orgn_odno"] == odno


@pytest.mark.parametrize(
    ("name", "dead", "unknown"), [("real", "APBK1359", "APBK0344"), ("paper", "40330000", "40320000")]
)
async def test_cancelling_what_is_dead_or_unknown(clients, name, dead, unknown, clock):
    client = clients[name]
    odno = (await client.order())[1]["output"]["ODNO"]
    clock.advance(5)
    assert (await client.revise(odno))["msg_cd"] == dead
    assert (await client.revise("0000000001"))["msg_cd"] == unknown


async def test_modify_gives_a_new_number_and_the_new_price(real, clock):
    odno = (await real.order(OVRS_ORD_UNPR="10.00"))[1]["output"]["ODNO"]
    assert (await real.revise(odno, "01", ORD_QTY="5", OVRS_ORD_UNPR="15.00"))["msg_cd"] == "APBK1359"
    new = (await real.revise(odno, "01", ORD_QTY="3", OVRS_ORD_UNPR="15.00"))["output"]["ODNO"]
    clock.advance(2)
    first, second = (await real.history())[1]["output"]
    assert (first["odno"], first["ft_ccld_qty"], first["nccs_qty"]) == (odno, "0", "0")
    assert (second["odno"], second["orgn_odno"], second["ft_ccld_qty"]) == (new, odno, "3")
    assert second["rvse_cncl_dvsn_name"] == "정정"


async def test_unfilled_orders_die_with_the_session(real, clock):
    await real.order(OVRS_ORD_UNPR="10.00")
    clock.advance(2 * 3600)
    (row,) = (await real.history())[1]["output"]
    assert (row["rjct_rson_name"], row["nccs_qty"], row["ft_ccld_qty"]) == ("DFD 장종료로 취소", "0", "0")


async def test_balance_shows_the_holding_at_once_and_present_balance_after_the_close(real, clock):
    await real.order()
    clock.advance(2)
    query = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
    held, blank = (await real.inquire("inquire-balance", "TTTS3012R", **query))["output1"]
    assert (held["ovrs_pdno"], held["ovrs_cblc_qty"], held["ord_psbl_qty"]) == ("HELI", "3", "3")
    assert held["ovrs_item_name"] == "헬리오스 로보틱스"
    assert (blank["ovrs_pdno"], blank["ovrs_cblc_qty"]) == ("", "0")
    present = {"WCRC_FRCR_DVSN_CD": "02", "NATN_CD": "840", "TR_MKET_CD": "00", "INQR_DVSN_CD": "00"}
    assert (await real.inquire("inquire-present-balance", "CTRP6504R", **present))["output1"] == []
    clock.advance(2.1 * 3600)
    (row,) = (await real.inquire("inquire-present-balance", "CTRP6504R", **present))["output1"]
    assert row["ccld_qty_smtl1"] == "3.00000000"


async def test_paper_balance_is_per_exchange_and_present_balance_has_totals_only(paper, clock):
    await paper.order()
    clock.advance(2)
    query = {"TR_CRCY_CD": "USD", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
    rows = {
        exchange: (await paper.inquire("inquire-balance", "VTTS3012R", OVRS_EXCG_CD=exchange, **query))["output1"]
        for exchange in ("NASD", "NYSE", "AMEX")
    }
    assert [len(rows[exchange]) for exchange in ("NASD", "NYSE", "AMEX")] == [1, 0, 0]
    present = {"WCRC_FRCR_DVSN_CD": "02", "NATN_CD": "840", "TR_MKET_CD": "00", "INQR_DVSN_CD": "00"}
    reply = await paper.inquire("inquire-present-balance", "VTRP6504R", **present)
    assert (reply["output1"], reply["output2"]) == ([], [])
    assert reply["output3"]["tot_asst_amt"]


async def test_paper_has_no_open_orders_and_no_margin(paper):
    query = {"OVRS_EXCG_CD": "NASD", "SORT_SQN": "DS", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
    assert (await paper.inquire("inquire-nccs", "VTTS3018R", **query))["msg_cd"] == "90000000"
    assert (await paper.inquire("foreign-margin", "TTTC2101R"))["msg_cd"] == "EGW02006"


async def test_buying_power_is_integrated_and_shrinks_with_open_orders(real):
    query = {"OVRS_EXCG_CD": "NASD", "OVRS_ORD_UNPR": "10.00", "ITEM_CD": "HELI"}
    before = (await real.inquire("inquire-psamount", "TTTS3007R", **query))["output"]
    assert (before["ovrs_ord_psbl_amt"], before["max_ord_psbl_qty"]) == ("0.00", "0")
    assert before["exrt"] == "1450.0000000000"
    most = before["ovrs_max_ord_psbl_qty"]
    assert 1360 <= int(most) <= 1372
    assert (await real.order(OVRS_ORD_UNPR="10.00", ORD_QTY=most))[1]["rt_cd"] == "0"
    after = (await real.inquire("inquire-psamount", "TTTS3007R", **query))["output"]
    assert int(after["ovrs_max_ord_psbl_qty"]) == 0


async def test_margin_row_of_the_united_states(real):
    rows = (await real.inquire("foreign-margin", "TTTC2101R"))["output"]
    us = next(row for row in rows if row["natn_name"] == "미국")
    assert float(us["itgr_ord_psbl_amt"]) == pytest.approx(20_000_000 / 1450 * 0.9945, abs=0.02)
    assert sum(row["crcy_cd"] == "USD" for row in rows) > 1
    assert sum(row["natn_name"] == "" for row in rows) == 40


async def test_quote_of_the_wrong_exchange_is_blank(real):
    _, reply, _ = await real.send("GET", PRICE, "HHDFS00000300", QUOTE | {"EXCD": "NYS"})
    assert (reply["rt_cd"], reply["output"]["last"]) == ("0", "")
    _, reply, _ = await real.send("GET", PRICE, "HHDFS00000300", QUOTE)
    assert float(reply["output"]["last"]) == pytest.approx(14.18, abs=0.05)


@pytest.mark.parametrize(
    ("name", "tr_id", "field"),
    [("price-detail", "HHDFS76200200", "e_hogau"), ("inquire-asking-price", "HHDFS76200100", "pask10")],
)
async def test_other_quotes(real, name, tr_id, field):
    _, reply, _ = await real.send("GET", f"/uapi/overseas-price/v1/quotations/{name}", tr_id, QUOTE)
    assert field in reply.get("output", {}) | reply.get("output2", {})


async def test_lost_reply_leaves_the_order_in_the_book(real, faults):
    faults.add(parse({"link": "kis", "action": "drop_reply", "match": {"path_contains": "/order"}}))
    with pytest.raises(aiohttp.ClientError):
        await real.order()
    assert len(real.kis.host.engine.orders) == 1


async def test_reset_comes_before_processing(real, faults):
    faults.add(parse({"link": "kis", "action": "reset", "match": {"tr_id": "TTTT1002U"}}))
    with pytest.raises(aiohttp.ClientError):
        await real.order()
    assert real.kis.host.engine.orders == {}


async def test_injected_error_has_kis_shape(real, faults):
    words = "초당 거래건수를 초과하였습니다."
    faults.add(parse({"link": "kis", "action": "error", "status": 500, "code": "EGW00201", "message": words}))
    assert await real.order() == (500, {"rt_cd": "1", "msg_cd": "EGW00201", "msg1": words})


async def test_revoked_token_hashkey_and_approval(real):
    base, keys = f"http://{real.kis.address}", real.kis.keys
    token = real.authorization.removeprefix("Bearer ")
    async with aiohttp.ClientSession() as http:
        async with http.post(base + "/uapi/hashkey", json={"A": "1"}) as reply:
            assert set(await reply.json()) == {"BODY", "HASH"}
        body = {"grant_type": "client_credentials", "appkey": keys.appkey, "secretkey": keys.appsecret}
        async with http.post(base + "/oauth2/Approval", json=body) as reply:
            assert (await reply.json())["approval_key"]
        body = {"appkey": keys.appkey, "appsecret": keys.appsecret, "token": token}
        async with http.post(base + "/oauth2/revokeP", json=body) as reply:
            assert await reply.json() == {"code": 200, "message": "접근토큰 폐기에 성공하였습니다"}
    assert (await real.send("GET", PRICE, "HHDFS00000300", QUOTE))[1]["msg_cd"] == "EGW00121"


async def test_shares_in_an_open_sale_cannot_be_sold_twice(real, clock):
    await real.order()
    clock.advance(2)
    first = (await real.order("sell", ORD_QTY="2", OVRS_ORD_UNPR="20.00"))[1]
    assert first["msg_cd"] == "APBK0013"
    assert (await real.order("sell", ORD_QTY="2"))[1]["msg_cd"] == "APBK0988"
    assert (await real.order("sell", ORD_QTY="1", OVRS_ORD_UNPR="14.00"))[1]["rt_cd"] == "0"
    clock.advance(2)
    query = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD"}
    held = (await real.inquire("inquire-balance", "TTTS3012R", **query))["output1"][0]
    assert (held["ovrs_cblc_qty"], held["ord_psbl_qty"]) == ("2", "0")


@pytest.mark.parametrize(
    ("side", "division", "price"), [("buy", "34", "15.00"), ("sell", "33", "0"), ("sell", "31", "0")]
)
async def test_on_open_and_on_close_orders_are_taken(real, clock, side, division, price):
    await real.order()
    clock.advance(2)
    assert (await real.order(side, ORD_DVSN=division, OVRS_ORD_UNPR=price))[1]["msg_cd"] == "APBK0013"


async def test_delayed_reply_is_the_same_reply(real, faults):
    faults.add(parse({"link": "kis_real", "action": "delay", "delay_s": 0.01, "match": {"path_contains": "price"}}))
    status, reply, _ = await real.send("GET", PRICE, "HHDFS00000300", QUOTE)
    assert (status, reply["rt_cd"]) == (200, "0")
    assert faults.active() == []

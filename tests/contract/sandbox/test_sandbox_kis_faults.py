"""Faults of the exchange with KIS and of its orders: each takes effect, is counted, and ends."""

import json
from datetime import timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from sandbox.faults import parse
from tests.contract.sandbox.sandbox_calls import PRICE, QUOTE, Client

ORDER_BOOK = {"OVRS_EXCG_CD": "NASD", "SORT_SQN": "DS", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
BALANCE = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}


@pytest.fixture
def fault(faults):
    def put(action: str, link: str = "kis", **options):
        return faults.add(parse({"link": link, "action": action} | options))

    return put


async def raw(client: Client, path: str = PRICE, tr_id: str = "HHDFS00000300", fields=QUOTE):
    """(status, Content-Type, Date, body) as they come over the socket."""
    client.kis.clock.advance(1.1)
    url, headers = f"http://{client.kis.address}{path}", client.headers(tr_id)
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers, params=fields) as reply:
        return reply.status, reply.headers["Content-Type"], reply.headers["Date"], await reply.read()


async def book(client: Client) -> list[dict]:
    return (await client.inquire("inquire-nccs", "TTTS3018R", **ORDER_BOOK))["output"]


async def rows(client: Client) -> list[dict]:
    found = (await client.history())[1]["output"]
    return found if isinstance(found, list) else []


async def held(client: Client) -> dict[str, str]:
    found = (await client.inquire("inquire-balance", "TTTS3012R", **BALANCE))["output1"]
    return {row["ovrs_pdno"]: row["ovrs_cblc_qty"] for row in found if row["ovrs_pdno"]}


# -- the exchange ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("EGW00201", 500, "초당 거래건수를 초과하였습니다."),
        ("EGW00215", 500, "원장에서 허용 가능한 초당 거래건수를 초과하였습니다."),
        ("EGW00121", 500, "유효하지 않은 token 입니다."),
        ("EGW00122", 500, "token을 찾을 수 없습니다"),
        ("EGW00123", 500, "기간이 만료된 token 입니다."),
        ("EGW00301", 500, "연결 시간이 초과되었습니다.직전 거래를 반드시 확인하세요"),
        ("EGW00302", 500, "거래시간이 초과되었습니다.직전 거래를 반드시 확인하세요"),
    ],
)
async def test_known_codes_bring_their_words_and_status(real, fault, faults, code, status, says):
    fault("error", code=code)
    got, body, _ = await real.send("GET", PRICE, "HHDFS00000300", QUOTE)
    assert (got, body) == (status, {"rt_cd": "1", "msg_cd": code, "msg1": says})
    assert (await real.send("GET", PRICE, "HHDFS00000300", QUOTE))[0] == 200
    assert faults.hits["kis.error"] == 1


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
async def test_a_gateway_time_out_hits_before_or_after_the_order_was_processed(real, fault, when, orders):
    fault("error", code="EGW00301", when=when, match={"tr_id": "TTTT1002U"})
    assert (await real.order())[1]["msg_cd"] == "EGW00301"
    assert len(real.kis.host.engine.orders) == orders


async def test_too_many_token_requests_have_the_oauth_shape(real, fault):
    fault("error", code="EGW00133")
    keys = real.kis.keys
    body = {"grant_type": "client_credentials", "appkey": keys.appkey, "appsecret": keys.appsecret}
    real.kis.clock.advance(120)
    url = f"http://{real.kis.address}/oauth2/tokenP"
    async with aiohttp.ClientSession() as http:
        async with http.post(url, json=body) as reply:
            assert (reply.status, (await reply.json())["error_code"]) == (403, "EGW00133")
        async with http.post(url, json=body) as reply:
            assert reply.status == 200


async def test_a_dead_token_can_come_as_plain_text_with_http_500(real, fault):
    fault("error", code="EGW00123", shape="plain")
    status, kind, _, body = await raw(real)
    assert (status, kind.split(";")[0], body.decode()) == (500, "text/plain", "기간이 만료된 token 입니다.")


@pytest.mark.parametrize(("options", "expected"), [({}, 502), ({"status": 500}, 500)])
async def test_maintenance_is_a_page_of_html(real, fault, options, expected):
    fault("html", **options)
    status, kind, _, body = await raw(real)
    assert (status, kind) == (expected, "text/html; charset=utf-8")
    assert "시스템 점검" in body.decode()
    assert (await raw(real))[0] == 200


async def test_half_of_the_json_is_a_whole_http_answer(real, fault):
    fault("half_json")
    status, _, _, body = await raw(real)
    assert status == 200
    with pytest.raises(ValueError):
        json.loads(body.decode(errors="replace"))
    assert json.loads((await raw(real))[3])["rt_cd"] == "0"


async def test_a_wrong_content_type_comes_with_the_right_body(real, fault):
    fault("content_type", content_type="text/plain")
    _, kind, _, body = await raw(real)
    assert (kind, json.loads(body)["rt_cd"]) == ("text/plain", "0")
    assert (await raw(real))[1].startswith("application/json")


async def test_the_date_is_the_sandbox_clocks(real, clock):
    clock.advance(86_400.7)
    _, _, date, _ = await raw(real, "/uapi/nothing")
    assert parsedate_to_datetime(date) == clock.now().replace(microsecond=0)


@pytest.mark.parametrize("seconds", [7, -90])
async def test_the_date_can_be_skewed_until_that_is_cleared(real, fault, faults, clock, seconds):
    fault("clock_skew", seconds=seconds)
    for _ in range(2):
        _, _, date, _ = await raw(real)
        assert parsedate_to_datetime(date) - clock.now().replace(microsecond=0) == timedelta(seconds=seconds)
    assert faults.hits["kis.clock_skew"] == 2
    faults.clear()
    _, _, date, _ = await raw(real)
    assert parsedate_to_datetime(date) == clock.now().replace(microsecond=0)


async def test_a_skewed_clock_leaves_room_for_another_fault(real, fault):
    fault("clock_skew", seconds=30)
    fault("error", code="EGW00201")
    assert (await raw(real))[0] == 500


async def test_a_slow_answer_may_belong_to_a_processed_order(real, fault):
    fault("delay", delay_s=0.4, when="after", match={"path_contains": "/order"})
    client = aiohttp.ClientTimeout(total=0.15)
    real.kis.clock.advance(1)
    async with aiohttp.ClientSession(timeout=client) as http:
        body = real.account() | {
            "OVRS_EXCG_CD": "NASD", "PDNO": "HELI", "ORD_QTY": "3", "OVRS_ORD_UNPR": "15.00",
            "ORD_SVR_DVSN_CD": "0", "ORD_DVSN": "00",
        }  # fmt: skip
        url = f"http://{real.kis.address}/uapi/overseas-stock/v1/trading/order"
        with pytest.raises(TimeoutError):
            await http.post(url, json=body, headers=real.headers("TTTT1002U"))
    assert len(real.kis.host.engine.orders) == 1


@pytest.mark.parametrize(
    ("match", "meets"),
    [
        ({"symbol": "HELI"}, True),
        ({"symbol": "QBIT"}, False),
        ({"side": "buy"}, True),
        ({"side": "sell"}, False),
        ({"symbol": "HELI", "side": "buy", "path_contains": "/trading/order"}, True),
    ],
)
async def test_a_match_names_symbol_and_side_of_the_order(real, fault, match, meets):
    fault("error", code="EGW00201", match=match)
    assert ((await real.order())[1]["msg_cd"] == "EGW00201") is meets


async def test_a_cancel_has_the_side_of_its_order(real, fault):
    odno = (await real.order(OVRS_ORD_UNPR="10.00"))[1]["output"]["ODNO"]
    fault("error", code="EGW00302", match={"side": "sell"})
    fault("error", code="EGW00301", match={"side": "buy", "path_contains": "rvsecncl"})
    assert (await real.revise(odno))["msg_cd"] == "EGW00301"


async def test_a_fault_of_one_host_leaves_the_other_alone(real, paper, fault):
    fault("error", "kis_paper", code="EGW00201")
    assert (await real.send("GET", PRICE, "HHDFS00000300", QUOTE))[0] == 200
    assert (await paper.send("GET", PRICE, "HHDFS00000300", QUOTE))[0] == 500


# -- orders ----------------------------------------------------------------------------------------


async def test_an_order_accepted_late_shows_nowhere_until_it_arrives(real, fault, faults, clock):
    fault("accept_late", seconds=30)
    odno = (await real.order(OVRS_ORD_UNPR="10.00"))[1]["output"]["ODNO"]
    clock.advance(25)
    assert (await book(real), await rows(real)) == ([], [])
    assert (await real.revise(odno))["msg_cd"] == "APBK0344"
    clock.advance(6)
    (row,) = await book(real)
    assert (row["odno"], row["ord_tmd"]) == (odno, "043000")
    assert faults.hits["kis.accept_late"] == 1
    assert (await real.order(OVRS_ORD_UNPR="10.00"))[1]["rt_cd"] == "0"
    assert len(await book(real)) == 2


async def test_a_late_order_whose_reply_is_lost_carries_the_ledgers_time(real, fault, clock):
    fault("accept_late", seconds=60, reply="lost", match={"side": "buy"})
    with pytest.raises(aiohttp.ClientError):
        await real.order()
    clock.advance(65)
    (row,) = await rows(real)
    assert (row["pdno"], row["ft_ccld_qty"], row["ord_tmd"]) == ("HELI", "3", "043101")


async def test_a_late_order_is_checked_again_when_it_arrives(real, fault, clock):
    fault("accept_late", seconds=20)
    odno = (await real.order(ORD_QTY="600"))[1]["output"]["ODNO"]
    assert (await real.order(ORD_QTY="600", OVRS_ORD_UNPR="10.00"))[1]["rt_cd"] == "0"
    clock.advance(25)
    late = next(row for row in await rows(real) if row["odno"] == odno)
    assert (late["prcs_stat_name"], late["rjct_rson_name"]) == ("거부", "주문가능금액을 초과 했습니다")


async def test_a_late_refusal_is_accepted_first_and_never_fills(real, fault, faults, clock):
    fault("reject_late", seconds=20, message="호가 오류")
    assert (await real.order())[1]["rt_cd"] == "0"
    clock.advance(15)
    (row,) = await rows(real)
    assert (row["prcs_stat_name"], row["ft_ccld_qty"], row["nccs_qty"]) == ("전송", "0", "3")
    clock.advance(6)
    (row,) = await rows(real)
    assert (row["prcs_stat_name"], row["rjct_rson_name"], row["nccs_qty"]) == ("거부", "호가 오류", "0")
    assert await held(real) == {}
    assert faults.hits["kis.reject_late"] == 1


async def test_a_cancel_may_be_acknowledged_long_before_it_works(real, fault, faults, clock):
    fault("cancel_late", seconds=60)
    odno = (await real.order(OVRS_ORD_UNPR="10.00"))[1]["output"]["ODNO"]
    assert (await real.revise(odno))["rt_cd"] == "0"
    clock.advance(50)
    assert [row["odno"] for row in await book(real)] == [odno]
    clock.advance(11)
    assert await book(real) == []
    assert faults.hits["kis.cancel_late"] == 1


@pytest.mark.parametrize(("options", "filled", "state"), [({}, "3", "거부"), ({"qty": 1}, "1", "완료")])
async def test_an_order_may_fill_after_its_cancel_was_acknowledged(real, fault, faults, clock, options, filled, state):
    fault("fill_after_cancel", seconds=5, **options)
    odno = (await real.order(OVRS_ORD_UNPR="10.00"))[1]["output"]["ODNO"]
    assert (await real.revise(odno))["rt_cd"] == "0"
    assert (await rows(real))[0]["ft_ccld_qty"] == "0"
    clock.advance(6)
    order, cancel = await rows(real)
    assert (order["odno"], order["ft_ccld_qty"], order["nccs_qty"]) == (odno, filled, "0")
    assert float(order["ft_ccld_unpr3"]) == 10
    assert cancel["prcs_stat_name"] == state
    assert await held(real) == {"HELI": filled}
    assert faults.hits["kis.fill_after_cancel"] == 1


# -- the registry ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"action": "accept_late"}, "accept_late needs seconds"),
        ({"action": "accept_late", "seconds": "x"}, "seconds must lie between 0"),
        ({"action": "accept_late", "seconds": 1, "reply": "late"}, "reply must be given or lost"),
        ({"action": "cancel_late", "seconds": -1}, "seconds must lie between 0"),
        ({"action": "fill_after_cancel", "seconds": 1, "qty": 0}, "qty must be a whole number from 1"),
        ({"action": "reset", "seconds": 1}, "seconds does not go with reset"),
        ({"action": "error", "when": "later"}, "when must be before or after"),
        ({"action": "error", "shape": "round"}, "shape must be kis or oauth or plain"),
        ({"action": "error", "status": "500"}, "status"),
        ({"action": "content_type", "content_type": "a\r\nb"}, "content_type must be printable"),
        ({"action": "truncate", "rows": 1.5}, "rows must be a whole number"),
        ({"action": "orders_late", "seconds": 5, "match": {"side": "both"}}, "side must be buy or sell"),
        ({"action": "clock_skew", "seconds": 5, "match": {"symbol": "HELI"}}, "match knows path_contains and tr_id"),
        ({"action": "reset", "times": True}, "times must be a whole number"),
        ({"action": "reset", "hits": 3}, "unknown field hits"),
        ({"link": "polygon", "action": "accept_late", "seconds": 1}, "action on polygon must be one of"),
        ({"link": "polygon", "action": "reset", "match": {"symbol": "HELI"}}, "match knows path_contains and tr_id"),
    ],
)
def test_a_fault_that_makes_no_sense_says_why(body, says):
    with pytest.raises(ValueError, match=says):
        parse({"link": "kis"} | body)


async def test_a_fault_that_nobody_meets_stays_and_counts_nothing(real, fault, faults):
    waiting = fault("reject_late", seconds=1, match={"symbol": "QBIT"})
    assert (await real.order())[1]["rt_cd"] == "0"
    assert (faults.active(), waiting.hits, faults.hits.total()) == ([waiting], 0, 0)


async def test_spent_faults_are_remembered_with_their_hits(real, fault, faults):
    fault("error", code="EGW00201", times=2)
    for _ in range(3):
        real.kis.clock.advance(1)
        await real.send("GET", PRICE, "HHDFS00000300", QUOTE)
    (spent,) = faults.spent()
    assert (spent.hits, spent.times, faults.active()) == (2, 0, [])

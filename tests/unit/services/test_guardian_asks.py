"""What the guardian asks KIS for, against a scripted server on loopback: pages, odd rows, refusals."""

import threading
from decimal import Decimal
from pathlib import Path

import pytest

from services import guardian_broker, guardian_session
from services.guardian_broker import GuardianBroker, GuardianRefused, GuardianTrouble, OpenOrder
from tests.unit.services.guardian_kis import APPKEY, SECRET, TOKEN, Asked, Clock, Kis, Reply, connect, page

# -- prices --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exchange", "code"), [("NASD", "NAS"), ("NYSE", "NYS"), ("AMEX", "AMS")])
def test_a_price_is_asked_with_the_quotation_services_codes(
    kis: Kis, broker: GuardianBroker, exchange: str, code: str
) -> None:
    kis.on("price", {"output": {"last": " 80.1234 "}})
    assert broker.price("BRK.B", exchange) == Decimal("80.1234")
    (asked,) = [a for a in kis.asked if a.name == "price"]
    assert asked.fields == {"AUTH": "", "EXCD": code, "SYMB": "BRK/B"}
    assert asked.path == "/uapi/overseas-price/v1/quotations/price"
    assert {k: asked.headers[k] for k in ("authorization", "appkey", "appsecret", "tr_id", "custtype")} == {
        "authorization": f"Bearer {TOKEN}",
        "appkey": APPKEY,
        "appsecret": SECRET,
        "tr_id": "HHDFS00000300",
        "custtype": "P",
    }
    assert "tr_cont" not in asked.headers


@pytest.mark.parametrize(
    "output", [{"last": ""}, {"last": "0"}, {"last": "-1"}, {"last": "NaN"}, {"last": "x"}, {}, [], "", None, [None], 5]
)
def test_a_price_that_is_none_is_trouble(kis: Kis, broker: GuardianBroker, output: object) -> None:
    kis.on("price", {"output": output})
    with pytest.raises(GuardianTrouble, match="no price of NVDA"):
        broker.price("NVDA", "NASD")


@pytest.mark.parametrize(
    "reply",
    [
        None,
        (500, b"<html>maintenance</html>"),
        (502, b""),
        b"{half",
        b"[1]",
        (200, {"rt_cd": "1", "msg_cd": "EGW00201"}),
        (404, {"output": {"last": "1"}}),
        (302, {"output": {"last": "1"}}),
        b"[" * 100_000,
    ],
)
def test_a_query_that_fails_is_trouble(kis: Kis, broker: GuardianBroker, reply: Reply) -> None:
    kis.on("price", reply)
    with pytest.raises(GuardianTrouble):
        broker.price("NVDA", "NASD")


def test_an_answer_without_end_is_cut_off(kis: Kis, broker: GuardianBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    kis.on("price", {"output": {"last": "1"}, "pad": "x" * 1000})
    monkeypatch.setattr(guardian_session, "MOST_BYTES", 500)
    broker._kis._token = TOKEN
    with pytest.raises(GuardianTrouble, match="price: TimeoutError"):
        broker.price("NVDA", "NASD")


def test_a_broker_that_does_not_answer_is_given_up(
    kis: Kis, broker: GuardianBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    kis.on("price", lambda _: held.wait(5) and None)
    monkeypatch.setattr(guardian_session, "TIMEOUT_S", 0.05)
    broker._kis._token = TOKEN
    with pytest.raises(GuardianTrouble, match="price: TimeoutError"):
        broker.price("NVDA", "NASD")
    held.set()


# -- shares --------------------------------------------------------------------------------------------


def lot(ticker: str, held: object, free: object, **fields: object) -> dict[str, object]:
    return {"ovrs_pdno": ticker, "ovrs_cblc_qty": held, "ord_psbl_qty": free, "ovrs_excg_cd": "NASD", **fields}


def test_shares_of_all_pages_are_added_up(kis: Kis, broker: GuardianBroker) -> None:
    kis.on(
        "inquire-balance",
        page("M", output1=[lot("NVDA", "10", "4")], ctx_area_fk200=" f ", ctx_area_nk200=" n  "),
        page(
            "D", output1=[lot("NVDA", "1", "1", loan_type_cd="10"), lot("BRK/B", "1,000.00", "7.9"), lot("", "0", "0")]
        ),
    )
    assert broker.shares("NYSE") == {"NVDA": (11, 5), "BRK.B": (1000, 7)}
    first, second = [a for a in kis.asked if a.name == "inquire-balance"]
    assert first.headers["tr_id"] == "TTTS3012R"
    assert (first.fields["CANO"], first.fields["ACNT_PRDT_CD"]) == ("87654321", "09")
    assert (first.fields["OVRS_EXCG_CD"], first.fields["TR_CRCY_CD"]) == ("NASD", "USD")
    assert (first.fields["CTX_AREA_FK200"], first.fields["CTX_AREA_NK200"]) == ("", "")
    assert (second.fields["CTX_AREA_FK200"], second.fields["CTX_AREA_NK200"]) == ("f", "n")
    assert second.headers["tr_cont"] == "N"
    assert first.path == "/uapi/overseas-stock/v1/trading/inquire-balance"


@pytest.mark.parametrize("output", [[], {"ovrs_pdno": "", "ovrs_cblc_qty": ""}, "", None, [None, 5, "x"]])
def test_no_shares_come_in_many_shapes(kis: Kis, broker: GuardianBroker, output: object) -> None:
    kis.on("inquire-balance", {"output1": output})
    assert broker.shares("NASD") == {}


def test_the_same_lot_on_two_exchanges_is_one(kis: Kis, broker: GuardianBroker) -> None:
    kis.on("inquire-balance", {"output1": [lot("NVDA", "21", "21"), lot("NVDA", "21", "21", ovrs_excg_cd="NYSE")]})
    assert broker.shares("NASD") == {"NVDA": (21, 21)}


@pytest.mark.parametrize("bad", ["x", "NaN", "Infinity", "1e99"])
def test_an_unreadable_line_costs_only_its_own_ticker(kis: Kis, broker: GuardianBroker, bad: str) -> None:
    rows = [lot("AMD", bad, "1"), lot("AMD", "1", "1", loan_type_cd="10"), lot("TSLA", "1", bad), lot("NVDA", "1", "1")]
    kis.on("inquire-balance", {"output1": rows})
    assert broker.shares("NASD") == {"AMD": None, "TSLA": None, "NVDA": (1, 1)}


@pytest.mark.parametrize(("held", "free", "expected"), [("5", "9", (5, 5)), ("5", "-1", (5, 0)), ("5", "", (5, 0))])
def test_sellable_is_between_nothing_and_what_is_held(
    kis: Kis, broker: GuardianBroker, held: str, free: str, expected: tuple[int, int]
) -> None:
    kis.on("inquire-balance", {"output1": lot("NVDA", held, free)})
    assert broker.shares("NASD") == {"NVDA": expected}


def test_shares_given_in_part_are_trouble(kis: Kis, broker: GuardianBroker) -> None:
    kis.on("inquire-balance", page("M", output1=[lot("NVDA", "1", "1")]))
    with pytest.raises(GuardianTrouble, match="in part"):
        broker.shares("NASD")
    kis.on("inquire-balance", page("F", output1=[lot("NVDA", "1", "1")]), (500, b""))
    with pytest.raises(GuardianTrouble):
        broker.shares("NASD")


def test_pages_without_end_are_given_up(kis: Kis, paper: GuardianBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(1000))
    monkeypatch.setattr(guardian_broker, "MOST_PAGES", 3)

    def another(asked: Asked) -> Reply:
        asked.more = "M"
        return {"output1": [lot(f"T{next(numbers)}", "1", "1")]}

    kis.on("inquire-balance", another)
    with pytest.raises(GuardianTrouble, match="in part"):
        paper.shares("NASD")
    assert next(numbers) == 3


def test_paper_asks_by_exchange(kis: Kis, paper: GuardianBroker) -> None:
    kis.on("inquire-balance", {"output1": []})
    paper.shares("NYSE")
    assert kis.asked[-1].fields["OVRS_EXCG_CD"] == "NYSE"
    assert kis.asked[-1].headers["tr_id"] == "VTTS3012R"


# -- open orders ---------------------------------------------------------------------------------------


def order(odno: str, side: str = "01", left: object = "3", **fields: object) -> dict[str, object]:
    return {"odno": odno, "pdno": "NVDA", "sll_buy_dvsn_cd": side, "nccs_qty": left, "ovrs_excg_cd": "NYSE", **fields}


def test_open_orders_of_the_real_host_and_who_placed_them(kis: Kis, broker: GuardianBroker) -> None:
    kis.on("inquire-nccs", page("F", output=[order("0000000012")]), page("D", output=[order("0000000013", "02", "5")]))
    rows = [
        order("13", mdia_dvsn_name="모바일"),
        order("12", mdia_dvsn_name="Open API"),
        order("14", mdia_dvsn_name="HTS"),
    ]
    kis.on("inquire-ccnl", {"output": rows})
    assert broker.open_orders() == [
        OpenOrder("12", "NVDA", "NYSE", "sell", 3),
        OpenOrder("13", "NVDA", "NYSE", "buy", 5, by_hand=True),
    ]
    open_asked, _, history = kis.asked[1:]
    assert (open_asked.headers["tr_id"], history.headers["tr_id"]) == ("TTTS3018R", "TTTS3035R")
    assert (open_asked.fields["OVRS_EXCG_CD"], open_asked.fields["SORT_SQN"]) == ("NASD", "DS")
    assert {k: history.fields[k] for k in ("PDNO", "ORD_STRT_DT", "ORD_END_DT", "OVRS_EXCG_CD")} == {
        "PDNO": "%",
        "ORD_STRT_DT": "20261116",
        "ORD_END_DT": "20261117",
        "OVRS_EXCG_CD": "NASD",
    }


def test_without_open_orders_nobody_is_asked_who_placed_them(kis: Kis, broker: GuardianBroker) -> None:
    kis.on("inquire-nccs", {"output": {"odno": "", "pdno": ""}})
    assert broker.open_orders() == []
    assert kis.names() == ["tokenP", "inquire-nccs"]


def test_orders_of_unknown_origin_are_the_traders(kis: Kis, broker: GuardianBroker) -> None:
    kis.on("inquire-nccs", {"output": [order("12")]})
    kis.on("inquire-ccnl", (500, b""))
    assert broker.open_orders() == [OpenOrder("12", "NVDA", "NYSE", "sell", 3)]


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        (order("12"), True),
        (order("12", left="0"), False),
        (order("12", left=""), False),
        (order("12", left="-1"), False),
        (order("12", left="x"), True),
        (order("0000"), False),
        (order(""), False),
        (order("12", side="03"), False),
        (order("12", pdno=""), False),
        (order("12", rvse_cncl_dvsn="02"), False),
        (order("12", rvse_cncl_dvsn_cd="02"), False),
        (order("12", rvse_cncl_dvsn="00"), True),
        (order("12", prcs_stat_name="거부"), False),
        (order("12", prcs_stat_name="전송"), True),
        (order("12", mdia_dvsn_name=""), True),
    ],
)
def test_paper_tells_open_orders_by_its_history(kis: Kis, paper: GuardianBroker, row: Reply, kept: bool) -> None:
    kis.on("inquire-ccnl", {"output": [row]})
    assert bool(paper.open_orders()) is kept
    asked = kis.asked[-1]
    assert (asked.fields["PDNO"], asked.fields["OVRS_EXCG_CD"], asked.headers["tr_id"]) == ("", "", "VTTS3035R")
    assert (asked.fields["SLL_BUY_DVSN"], asked.fields["CCLD_NCCS_DVSN"], asked.fields["SORT_SQN"]) == (
        "00",
        "00",
        "DS",
    )
    assert "inquire-nccs" not in kis.names()


def test_a_page_that_comes_again_ends_the_list(kis: Kis, paper: GuardianBroker) -> None:
    kis.on("inquire-ccnl", page("M", output=[order("12")]))
    assert [o.odno for o in paper.open_orders()] == ["12"]
    assert kis.names().count("inquire-ccnl") == 2


def test_an_order_that_an_unreadable_rest_leaves_open_counts_as_one_share(kis: Kis, paper: GuardianBroker) -> None:
    kis.on("inquire-ccnl", {"output": order("12", left="?", mdia_dvsn_name="HTS")})
    assert paper.open_orders() == [OpenOrder("12", "NVDA", "NYSE", "sell", 1, by_hand=True)]


# -- orders --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_paper", "sells", "cancels"), [(False, "TTTT1006U", "TTTT1004U"), (True, "VTTT1001U", "VTTT1004U")]
)
def test_orders_speak_kis(kis: Kis, tmp_path: Path, clock: Clock, is_paper: bool, sells: str, cancels: str) -> None:
    broker = connect(kis, tmp_path, clock, paper=is_paper)
    kis.on("order", {"output": {"ODNO": "0000037508"}})
    assert broker.sell("BRK.B", "NYSE", 3, "79.60") == "37508"
    broker.cancel("BRK.B", "NYSE", "37508")
    sale, cancel = kis.asked[-2:]
    account = {"CANO": "87654321", "ACNT_PRDT_CD": "09"}
    assert (sale.method, sale.path, sale.headers["tr_id"]) == ("POST", "/uapi/overseas-stock/v1/trading/order", sells)
    assert sale.fields == account | {
        "OVRS_EXCG_CD": "NYSE",
        "PDNO": "BRK/B",
        "ORD_QTY": "3",
        "OVRS_ORD_UNPR": "79.60",
        "CTAC_TLNO": "",
        "MGCO_APTM_ODNO": "",
        "SLL_TYPE": "00",
        "ORD_SVR_DVSN_CD": "0",
        "ORD_DVSN": "00",
    }
    assert (cancel.path.rsplit("/", 1)[1], cancel.headers["tr_id"]) == ("order-rvsecncl", cancels)
    assert cancel.fields == account | {
        "OVRS_EXCG_CD": "NYSE",
        "PDNO": "BRK/B",
        "ORGN_ODNO": "0000037508",
        "RVSE_CNCL_DVSN_CD": "02",
        "ORD_QTY": "0",
        "OVRS_ORD_UNPR": "0",
        "MGCO_APTM_ODNO": "",
        "ORD_SVR_DVSN_CD": "0",
    }


@pytest.mark.parametrize(
    ("reply", "soon"),
    [
        ((200, {"rt_cd": "7", "msg_cd": "APBK0918"}), False),
        ((200, {"rt_cd": "1", "msg_cd": "40240000"}), False),
        ((500, {"rt_cd": "1", "msg_cd": "EGW00201"}), True),
        ((500, {"rt_cd": "1", "msg_cd": "EGW00215"}), True),
        ((500, {"rt_cd": "1", "msg_cd": "EGW00123"}), True),
    ],
)
def test_what_kis_certainly_did_not_take_is_refused(kis: Kis, broker: GuardianBroker, reply: Reply, soon: bool) -> None:
    kis.on("order", reply)
    with pytest.raises(GuardianRefused) as caught:
        broker.sell("NVDA", "NASD", 1, "1.00")
    assert caught.value.soon is soon
    assert kis.names().count("order") == 1, "an order is sent once"


@pytest.mark.parametrize(
    "reply",
    [
        None,
        (500, b""),
        (502, b"<html>"),
        (500, {"rt_cd": "1", "msg_cd": "EGW00301"}),
        (500, {"rt_cd": "1", "msg_cd": "APBK0918"}),
        (200, {"rt_cd": "1", "msg_cd": "NEW00001"}),
        b"{half",
        {"output": {"ODNO": ""}},
        {"output": {}},
        {"output": []},
        {"output": {"ODNO": "0000"}},
        (500, {"rt_cd": "1", "msg1": "token expired"}),
    ],
)
def test_whatever_else_comes_is_unknown(kis: Kis, broker: GuardianBroker, reply: Reply) -> None:
    kis.on("order", reply)
    with pytest.raises(GuardianTrouble) as caught:
        broker.sell("NVDA", "NASD", 1, "1.00")
    assert not isinstance(caught.value, GuardianRefused)
    assert kis.names().count("order") == 1


def test_an_order_that_never_left_is_refused(tmp_path: Path, clock: Clock, kis: Kis) -> None:
    broker = connect(kis, tmp_path, clock, url="http://127.0.0.1:1")
    broker._kis._token = TOKEN
    with pytest.raises(GuardianRefused) as caught:
        broker.sell("NVDA", "NASD", 1, "1.00")
    assert (caught.value.code, caught.value.soon) == ("NOT_SENT", True)

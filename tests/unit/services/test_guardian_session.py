"""The guardian's KIS client against a scripted server on loopback: pages, odd rows, refusals, tokens, secrets."""

import contextlib
import datetime as dt
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from adapters.kis.auth import Token
from adapters.kis.ratefile import fingerprint
from core.model.instrument import Exchange
from services import guardian_broker, guardian_session
from services.guardian_broker import Access, GuardianBroker, GuardianRefused, GuardianTrouble, OpenOrder

APPKEY, SECRET, ACCOUNT, TOKEN = "APPKEYCANARY", "SECRETCANARY", "87654321-09", "TOKENCANARY"
CANARIES = (APPKEY, SECRET, ACCOUNT, "8765432109", "87654321", TOKEN)
WALL = dt.datetime(2026, 11, 17, 15, 30, tzinfo=dt.UTC).timestamp()
Reply = dict[str, object] | tuple[int, object] | bytes | None
Handler = Callable[["Asked"], Reply]


class Asked:
    """One request as the server got it."""

    def __init__(self, method: str, path: str, headers: dict[str, str], fields: dict[str, str]) -> None:
        self.method, self.path, self.headers, self.fields = method, path, headers, fields
        self.name = path.rsplit("/", 1)[1]
        self.more = ""


class Kis:
    """Answers by the last part of the path; a list gives one answer after the other, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: dict[str, list[Reply | Handler]] = {"tokenP": [{"access_token": TOKEN, "expires_in": 86_400}]}
        self.url = ""

    def on(self, name: str, *replies: Reply | Handler) -> None:
        self.script[name] = list(replies)

    def names(self) -> list[str]:
        return [a.name for a in self.asked]

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        replies = self.script.get(asked.name, [{}])
        found = replies.pop(0) if len(replies) > 1 else replies[0]
        return found(asked) if callable(found) else found


@contextlib.contextmanager
def serving(kis: Kis) -> Iterator[Kis]:
    class Connection(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            fields = dict(parse_qsl(address.query, keep_blank_values=True)) or json.loads(raw or b"{}")
            headers = {k.lower(): v for k, v in self.headers.items()}
            asked = Asked(self.command, address.path, headers, fields)
            reply = kis.reply(asked)
            if reply is None:
                return
            status, body = reply if isinstance(reply, tuple) else (200, reply)
            if isinstance(body, dict):
                body = json.dumps({"rt_cd": "0", **body}).encode()
            assert isinstance(body, bytes)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            if asked.more:
                self.send_header("tr_cont", asked.more)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    kis.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield kis
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def kis() -> Iterator[Kis]:
    with serving(Kis()) as kis:
        yield kis


class Clock:
    def __init__(self) -> None:
        self.now = WALL

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def connect(
    kis: Kis, folder: Path, clock: Callable[[], float], *, paper: bool = False, url: str = ""
) -> GuardianBroker:
    access = Access(url or kis.url, url or kis.url, APPKEY, SECRET, ACCOUNT, paper=paper, rate_per_s=18.0)
    broker = GuardianBroker(access, folder, wall=clock)
    if paper:
        broker._kis._window.rate = 60
    return broker


@pytest.fixture
def broker(kis: Kis, tmp_path: Path, clock: Clock) -> GuardianBroker:
    return connect(kis, tmp_path, clock)


@pytest.fixture
def paper(kis: Kis, tmp_path: Path, clock: Clock) -> GuardianBroker:
    return connect(kis, tmp_path, clock, paper=True)


def page(more: str, **body: object) -> Handler:
    def answer(asked: Asked) -> Reply:
        asked.more = more
        return body

    return answer


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


def test_an_order_beyond_the_limit_of_requests_is_refused(
    kis: Kis, broker: GuardianBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker._kis._token = TOKEN
    monkeypatch.setattr(broker._kis._window, "acquire", lambda _: False)
    with pytest.raises(GuardianRefused, match="limit"):
        broker.sell("NVDA", "NASD", 1, "1.00")
    assert kis.asked == []


@pytest.mark.parametrize(
    ("is_paper", "rate_per_s", "speed", "rate", "period_s"),
    [
        (False, 15.0, "1", 15, 1.11),
        (False, 99.0, "1", 18, 1.11),
        (True, 15.0, "1", 1, 1.11),
        (False, 0.5, "1", 1, 2.21),
        (False, 15.0, "2", 15, 0.56),
    ],
)
def test_the_limit_is_the_traders(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_paper: bool,
    rate_per_s: float,
    speed: str,
    rate: int,
    period_s: float,
) -> None:
    monkeypatch.setenv("SEOHAK_CLOCK_SPEED", speed)
    access = Access("http://h", "http://h", "k", "s", "1", paper=is_paper, rate_per_s=rate_per_s)
    window = GuardianBroker(access, tmp_path)._kis._window
    assert (window.rate, window.period_s) == (rate, pytest.approx(period_s))


# -- the token -----------------------------------------------------------------------------------------


def token_file(kis: Kis, folder: Path) -> Path:
    return folder / f"kis-token-{fingerprint(kis.url, APPKEY)}.json"


def test_the_traders_token_is_used_and_none_is_asked_for(kis: Kis, broker: GuardianBroker, tmp_path: Path) -> None:
    token_file(kis, tmp_path).write_text(json.dumps({"text": "TRADERS", "scheme": "Bearer", "expires_at": "x"}))
    kis.on("price", {"output": {"last": "1"}})
    broker.price("NVDA", "NASD")
    assert kis.names() == ["price"]
    assert kis.asked[0].headers["authorization"] == "Bearer TRADERS"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"text": 5}', '{"text": ""}', '{"text": "a\\nb"}', '{"text": "토큰"}']
)
def test_a_token_file_that_makes_no_sense_is_replaced(
    kis: Kis, broker: GuardianBroker, tmp_path: Path, content: str
) -> None:
    path = token_file(kis, tmp_path)
    path.write_text(content)
    kis.on("price", {"output": {"last": "1"}})
    broker.price("NVDA", "NASD")
    assert kis.names() == ["tokenP", "price"]
    assert kis.asked[0].fields == {"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": SECRET}
    kept = msgspec.json.decode(path.read_bytes(), type=Token)
    assert (kept.text, kept.header, kept.expires_at.timestamp()) == (TOKEN, f"Bearer {TOKEN}", WALL + 86_400)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "dead", [{"msg_cd": "EGW00123"}, {"msg_cd": "EGW00121"}, {"msg1": "기간이 만료된 token 입니다."}]
)
def test_a_dead_token_is_replaced_and_a_query_asked_again_once(
    kis: Kis, broker: GuardianBroker, tmp_path: Path, dead: dict[str, str]
) -> None:
    token_file(kis, tmp_path).write_text(json.dumps({"text": "DEAD"}))
    kis.on("price", (500, {"rt_cd": "1", **dead}), {"output": {"last": "1"}})
    assert broker.price("NVDA", "NASD") == 1
    assert kis.names() == ["price", "tokenP", "price"]
    assert kis.asked[2].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_token_is_asked_for_once_a_minute_across_restarts(kis: Kis, tmp_path: Path, clock: Clock) -> None:
    kis.on("price", (500, {"rt_cd": "1", "msg_cd": "EGW00123"}))
    with pytest.raises(GuardianTrouble):
        connect(kis, tmp_path, clock).price("NVDA", "NASD")
    assert kis.names().count("tokenP") == 1
    token_file(kis, tmp_path).unlink()
    for seconds, issues in [(0, 1), (60.9, 1), (0.2, 2)]:
        clock.now += seconds
        with pytest.raises(GuardianTrouble):
            connect(kis, tmp_path, clock).price("NVDA", "NASD")
        assert kis.names().count("tokenP") == issues
        token_file(kis, tmp_path).unlink(missing_ok=True)


def test_a_restarted_guardian_uses_the_token_it_was_given(kis: Kis, tmp_path: Path, clock: Clock) -> None:
    kis.on("price", {"output": {"last": "1"}})
    connect(kis, tmp_path, clock).price("NVDA", "NASD")
    connect(kis, tmp_path, clock).price("NVDA", "NASD")
    assert kis.names() == ["tokenP", "price", "price"]


@pytest.mark.parametrize(
    ("reply", "pause_s"),
    [
        (None, 10.0),
        ((403, {"rt_cd": "1", "error_code": "EGW00133"}), 61.0),
        ((500, b""), 10.0),
        ({"access_token": 5}, 10.0),
        ({"access_token": ""}, 10.0),
    ],
)
def test_a_failed_issue_is_a_refusal_and_waits(
    kis: Kis, broker: GuardianBroker, clock: Clock, reply: Reply, pause_s: float
) -> None:
    kis.on("tokenP", reply)
    for seconds, issues in [(0.0, 1), (pause_s - 0.1, 1), (0.2, 2)]:
        clock.now += seconds
        with pytest.raises(GuardianRefused):
            broker.sell("NVDA", "NASD", 1, "1.00")
        assert kis.names() == ["tokenP"] * issues


@pytest.mark.parametrize(
    ("known", "waits"),
    [
        ({"not_before": WALL + 30}, True),
        ({"busy_until": WALL + 15}, True),
        ({"not_before": WALL + 62}, False),
        ({"busy_until": WALL + 21}, False),
        ({"not_before": WALL - 1, "busy_until": WALL}, False),
        ({"not_before": "x", "busy_until": None}, False),
        ([], False),
    ],
)
def test_what_the_trader_knows_of_the_minute_counts(
    kis: Kis, broker: GuardianBroker, tmp_path: Path, known: object, waits: bool
) -> None:
    token_file(kis, tmp_path).with_suffix(".lock").write_text(json.dumps(known))
    kis.on("price", {"output": {"last": "1"}})
    if waits:
        with pytest.raises(GuardianRefused, match="waiting"):
            broker.price("NVDA", "NASD")
    else:
        broker.price("NVDA", "NASD")
    assert (kis.names() == []) is waits


def test_a_disk_that_keeps_nothing_does_not_break_the_minute(kis: Kis, tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    broker = connect(kis, tmp_path / "file", clock)
    kis.on("price", {"output": {"last": "1"}})
    broker.price("NVDA", "NASD")
    broker.price("NVDA", "NASD")
    assert kis.names() == ["tokenP", "price", "price"]
    kis.on("price", (500, {"rt_cd": "1", "msg_cd": "EGW00123"}))
    for _ in range(3):
        with pytest.raises(GuardianTrouble):
            broker.price("NVDA", "NASD")
    assert kis.names().count("tokenP") == 1


def test_the_same_token_given_again_is_used_again(kis: Kis, broker: GuardianBroker, clock: Clock) -> None:
    """KIS gives the same token again within six hours, even one that it has refused."""
    kis.on("price", (500, {"rt_cd": "1", "msg_cd": "EGW00123"}))
    with pytest.raises(GuardianTrouble):
        broker.price("NVDA", "NASD")
    clock.now += 62
    kis.on("price", {"output": {"last": "1"}})
    broker.price("NVDA", "NASD")
    broker.price("NVDA", "NASD")
    assert kis.names().count("tokenP") == 2


# -- secrets -------------------------------------------------------------------------------------------


def echoes(asked: Asked) -> Reply:
    words = f"{asked.headers.get('authorization')} {APPKEY} {SECRET} {ACCOUNT} 8765432109 87654321"
    return (500, {"rt_cd": "1", "msg_cd": TOKEN, "msg1": words, "error_code": APPKEY, "error_description": words})


@pytest.mark.parametrize("reply", [echoes, None, (500, b""), b"{", {"output": {}}])
def test_no_secret_is_in_any_text(
    kis: Kis, broker: GuardianBroker, caplog: pytest.LogCaptureFixture, reply: Reply | Handler
) -> None:
    caplog.set_level(logging.DEBUG)
    calls: list[Callable[[], object]] = [
        lambda: broker.price("NVDA", "NASD"),
        lambda: broker.shares("NASD"),
        broker.open_orders,
        lambda: broker.sell("NVDA", "NASD", 1, "1.00"),
        lambda: broker.cancel("NVDA", "NASD", "1"),
    ]
    texts = [repr(broker._access), str(vars(broker)["_access"])]
    for name in ("price", "inquire-balance", "inquire-nccs", "order", "order-rvsecncl"):
        kis.on(name, reply)
    for call in calls:
        try:
            call()
        except GuardianTrouble as trouble:
            texts += [str(trouble), repr(trouble), str(trouble.__cause__)]
    kis.on("tokenP", reply)
    other = connect(kis, Path(broker._kis._token_file).parent / "other", lambda: WALL)
    with pytest.raises(GuardianTrouble) as caught:
        other.price("NVDA", "NASD")
    texts += [str(caught.value), caplog.text]
    assert [c for c in CANARIES for text in texts if c in text] == []


def test_all_exchanges_of_the_product_are_known() -> None:
    assert {e.value: e.quote_code for e in Exchange} == guardian_broker.QUOTE_CODES


def test_an_order_is_timed_by_the_clock_of_the_machine(kis: Kis, broker: GuardianBroker) -> None:
    began = time.monotonic()
    kis.on("price", {"output": {"last": "1"}})
    for _ in range(5):
        broker.price("NVDA", "NASD")
    assert time.monotonic() - began < 5

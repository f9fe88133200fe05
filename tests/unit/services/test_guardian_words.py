"""What the guardian asks of KIS to the letter, what it repeats of KIS's words, and what its journal keeps."""

import json
import ssl
from decimal import Decimal
from pathlib import Path

import pytest

from services import guardian_broker, guardian_files, guardian_session
from services.guardian_broker import Access, GuardianBroker
from services.guardian_files import MOST_USD, Journal
from services.guardian_rules import REFUSED_MOST_S, Watch
from services.guardian_session import Answer, GuardianRefused, GuardianTrouble, Row
from tests.unit.services.guardian_kis import APPKEY, SECRET, TOKEN, WALL

NO_PAGE = {"CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
ACCOUNT = {"CANO": "87654321", "ACNT_PRDT_CD": "09"}


class Broker(GuardianBroker):
    """A broker whose calls are answered here."""

    def __init__(self, folder: Path, *, paper: bool = False) -> None:
        access = Access("http://host", "http://quotes", APPKEY, SECRET, "87654321-09", paper=paper)
        super().__init__(access, folder, wall=lambda: WALL)
        self.asked: list[tuple[object, ...]] = []
        self.replies: list[Row | Answer] = []
        self._kis.call = self.answer

    def answer(
        self, method: str, base: str, path: str, tr_id: str, fields: dict[str, str], *, more: bool = False
    ) -> Answer:
        self.asked.append((method, base, path.rsplit("/", 1)[1], tr_id, fields))
        reply = self.replies.pop(0) if self.replies else {}
        return reply if isinstance(reply, Answer) else Answer(200, {"rt_cd": "0", **reply}, more=False)


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    return Broker(tmp_path)


@pytest.fixture
def paper(tmp_path: Path) -> Broker:
    return Broker(tmp_path, paper=True)


def lot(ticker: str, held: str, free: str, **more: str) -> Row:
    return {"ovrs_pdno": ticker, "ovrs_cblc_qty": held, "ord_psbl_qty": free, **more}


# -- what it asks ----------------------------------------------------------------------------------------------------


def history(market: str, exchange: str) -> dict[str, str]:
    """The fields of a list of the orders of yesterday and today."""
    days = {"ORD_STRT_DT": "20261116", "ORD_END_DT": "20261117", "ORD_DT": ""}
    every = {"SLL_BUY_DVSN": "00", "CCLD_NCCS_DVSN": "00", "SORT_SQN": "DS", "ORD_GNO_BRNO": "", "ODNO": ""}
    return {"PDNO": market, "OVRS_EXCG_CD": exchange, **days, **every, **ACCOUNT, **NO_PAGE}


def test_the_history_of_the_real_host_is_asked_for_by_two_dates(broker: Broker) -> None:
    broker._history()
    assert broker.asked == [("GET", "http://host", "inquire-ccnl", "TTTS3035R", history("%", "NASD"))]


def test_the_history_in_paper_is_asked_for_without_a_market(paper: Broker) -> None:
    assert paper.open_orders() == []
    assert paper.asked == [("GET", "http://host", "inquire-ccnl", "VTTS3035R", history("", ""))]


def test_shares_are_asked_for_in_dollars(broker: Broker) -> None:
    broker.shares("NYSE")
    fields = {**ACCOUNT, "OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD", **NO_PAGE}
    assert broker.asked == [("GET", "http://host", "inquire-balance", "TTTS3012R", fields)]


def test_a_price_is_asked_of_the_host_of_quotes(broker: Broker) -> None:
    broker.replies = [{"output": {"last": "0.0001"}}]
    assert broker.price("NVDA", "NASD") == Decimal("0.0001")
    assert broker.asked[0][:3] == ("GET", "http://quotes", "price")


@pytest.mark.parametrize(
    ("is_paper", "sells", "cancels"), [(False, "TTTT1006U", "TTTT1004U"), (True, "VTTT1001U", "VTTT1004U")]
)
def test_a_sale_and_its_cancel_to_the_letter(tmp_path: Path, is_paper: bool, sells: str, cancels: str) -> None:
    broker = Broker(tmp_path, paper=is_paper)
    broker.replies = [{"output": {"ODNO": "0000012340"}}, {}]
    assert broker.sell("BRK.B", "NYSE", 7, "79.60") == "12340"
    broker.cancel("BRK.B", "NYSE", "12340")
    sale, cancel = broker.asked
    assert sale == (
        "POST",
        "http://host",
        "order",
        sells,
        {
            **ACCOUNT,
            "OVRS_EXCG_CD": "NYSE",
            "PDNO": "BRK/B",
            "ORD_QTY": "7",
            "OVRS_ORD_UNPR": "79.60",
            "CTAC_TLNO": "",
            "MGCO_APTM_ODNO": "",
            "SLL_TYPE": "00",
            "ORD_SVR_DVSN_CD": "0",
            "ORD_DVSN": "00",
        },
    )
    assert cancel == (
        "POST",
        "http://host",
        "order-rvsecncl",
        cancels,
        {
            **ACCOUNT,
            "OVRS_EXCG_CD": "NYSE",
            "PDNO": "BRK/B",
            "ORGN_ODNO": "0000012340",
            "ORD_QTY": "0",
            "RVSE_CNCL_DVSN_CD": "02",
            "OVRS_ORD_UNPR": "0",
            "MGCO_APTM_ODNO": "",
            "ORD_SVR_DVSN_CD": "0",
        },
    )


def test_lots_on_credit_of_two_days_are_two_lots(broker: Broker) -> None:
    rows = [lot("NVDA", "3", "3", loan_type_cd="10", loan_dt=day) for day in ("20261101", "20261102", "20261102")]
    broker.replies = [{"output1": [*rows, lot("", "1", "1"), lot("AMD", "2", "1")]}]
    assert broker.shares("NASD") == {"NVDA": (6, 6), "AMD": (2, 1)}


def test_shares_that_are_all_sold_are_known_to_be_none(broker: Broker) -> None:
    broker.replies = [{"output1": [lot("NVDA", "0", "0"), lot("AMD", "0.00", "0")]}]
    assert broker.shares("NASD") == {"NVDA": (0, 0), "AMD": (0, 0)}


# -- what it says ----------------------------------------------------------------------------------------------------


def test_kis_words_are_told_with_their_code_and_without_secrets(broker: Broker) -> None:
    broker._kis._secrets.append(TOKEN)
    said = Answer(200, {"msg_cd": "APBK0919", "msg1": f"  {APPKEY} of 8765432109 may not {TOKEN} "}, more=False)
    assert broker._kis.words(said) == "APBK0919 *** of *** may not ***"


def test_long_words_are_cut_and_missing_ones_are_none(broker: Broker) -> None:
    long = broker._kis.words(Answer(500, {"msg1": "x" * 500}, more=False))
    assert long.startswith("HTTP500 xxx")
    assert len(long) <= 208
    assert broker._kis.words(Answer(500, {}, more=False)).strip() == "HTTP500"


def test_a_refusal_says_its_code_first() -> None:
    assert str(GuardianRefused("APBK0919", "no")) == "APBK0919 no"
    assert str(GuardianRefused("APBK0919")) == "APBK0919"


def test_access_does_not_show_what_it_holds(broker: Broker) -> None:
    assert repr(broker._access) == "Access(***)"


def no(code: str, words: str, *, status: int = 200, done: str = "1") -> Answer:
    return Answer(status, {"rt_cd": done, "msg_cd": code, "msg1": words}, more=False)


def test_a_definite_refusal_of_a_sale_is_told_in_kis_words(broker: Broker) -> None:
    broker.replies = [no("APBK0988", f"{APPKEY} has no shares")]
    with pytest.raises(GuardianRefused, match=r"^APBK0988 APBK0988 \*\*\* has no shares$") as caught:
        broker.sell("NVDA", "NASD", 1, "79.60")
    assert (caught.value.code, caught.value.soon) == ("APBK0988", False)


@pytest.mark.parametrize(
    "reply",
    [
        no("APBK9999", "who knows"),
        no("APBK0988", "who knows", status=500, done="0"),
        no("EGW00101", "who knows", status=500, done="0"),
        no("EGW00101", "who knows", status=500, done=" 0 "),
    ],
    ids=["unknown-code", "said-done", "gateway-said-done", "said-done-with-blanks"],
)
def test_what_is_no_definite_refusal_is_unknown(broker: Broker, reply: Answer) -> None:
    broker.replies = [reply]
    with pytest.raises(GuardianTrouble, match=r"^order: (APBK|EGW0)\d{4} who knows$") as caught:
        broker.sell("NVDA", "NASD", 1, "79.60")
    assert not isinstance(caught.value, GuardianRefused)


def test_a_sale_that_is_taken_without_a_number_is_unknown(broker: Broker) -> None:
    broker.replies = [{"output": {"ODNO": " 000 "}}]
    with pytest.raises(GuardianTrouble, match=r"^order: taken without a number$") as caught:
        broker.sell("NVDA", "NASD", 1, "79.60")
    assert not isinstance(caught.value, GuardianRefused)


def test_a_number_is_the_same_with_and_without_zeros_before_it_and_not_behind_it(broker: Broker) -> None:
    row = {"pdno": "NVDA", "sll_buy_dvsn_cd": "02", "nccs_qty": "3", "ovrs_excg_cd": "NASD"}
    broker.replies = [
        {"output": [{**row, "odno": "0000000120"}, {**row, "odno": "12"}]},
        {"output": [{**row, "odno": "0000000120", "mdia_dvsn_name": "HTS"}]},
    ]
    assert [(o.odno, o.by_hand) for o in broker.open_orders()] == [("120", True), ("12", False)]


def test_a_gateway_that_refused_an_order_without_saying_done_refused_it(broker: Broker) -> None:
    broker.replies = [no("EGW00101", "format", status=500)]
    with pytest.raises(GuardianRefused, match=r"^EGW00101 EGW00101 format$"):
        broker.sell("NVDA", "NASD", 1, "79.60")


def test_a_query_that_fails_is_told_by_its_name_and_kis_words(broker: Broker) -> None:
    broker.replies = [no("EGW00201", "too many")]
    with pytest.raises(GuardianTrouble, match=r"^price: EGW00201 too many$"):
        broker.price("NVDA", "NASD")


def test_a_next_page_is_asked_for_as_one_also_with_another_token(broker: Broker) -> None:
    asked: list[bool] = []
    replies = [
        Answer(200, {"rt_cd": "0", "output1": [lot("NVDA", "1", "1")]}, more=True),
        no("EGW00123", "dead", status=500),
        Answer(200, {"rt_cd": "0", "output1": []}, more=False),
    ]

    def answer(*_: object, more: bool = False) -> Answer:
        asked.append(more)
        return replies[len(asked) - 1]

    broker._kis.call = answer
    assert broker.shares("NASD") == {"NVDA": (1, 1)}
    assert asked == [False, True, True]


def test_the_dearest_price_is_one(broker: Broker) -> None:
    broker.replies = [{"output": {"last": str(MOST_USD)}}, {"output": {"last": str(MOST_USD + 1)}}]
    assert broker.price("NVDA", "NASD") == MOST_USD
    with pytest.raises(GuardianTrouble, match=r"^no price of NVDA$"):
        broker.price("NVDA", "NASD")


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (None, 0),
        ("9,999,999,999", 9_999_999_999),
        ("10000000000", None),
        ("-9999999999", -9_999_999_999),
        ("-10000000000", None),
        (".", None),
        ("-", None),
        ("1x", None),
    ],
)
def test_a_number_has_digits_and_bounds(written: str | None, number: int | None) -> None:
    assert guardian_broker._number({"a": written}, "a") == number


def test_a_secure_host_is_asked_securely_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        "http.client.HTTPSConnection", lambda host, *, timeout, context: made.append((host, timeout, context))
    )
    guardian_session._connection("https://openapi.koreainvestment.com:9443")
    ((host, timeout, context),) = made
    assert (host, timeout) == ("openapi.koreainvestment.com:9443", guardian_session.TIMEOUT_S)
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


# -- what its journal keeps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("takeovers", "first"), [(1, 0), (2, 0), (3, 1), (4, 2)])
def test_the_last_two_takeovers_are_remembered(tmp_path: Path, takeovers: int, first: int) -> None:
    book = Journal(tmp_path, lambda: WALL)
    for n in range(takeovers):
        book.record(event="took_over", n=n)
        book.record(event="handed_back", n=n)
    book.compact(frozenset())
    kept = [json.loads(line) for line in (tmp_path / "guardian.ndjson").read_text().splitlines()]
    assert [fields["n"] for fields in kept] == [n for n in range(first, takeovers) for _ in range(2)]


def test_a_journal_that_can_not_be_made_shorter_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    book = Journal(tmp_path, lambda: WALL)
    book.record(event="took_over")
    caplog.clear()
    monkeypatch.setattr(guardian_files, "replace", full)
    book.compact(frozenset())
    assert caplog.messages == ["the journal can't be made shorter: No space left on device"]


def test_shares_that_may_be_sold_are_added_up_over_all_sales() -> None:
    watch = Watch(left=10)
    watch.sold(4, 10, 10, 100.0, 10.0)
    watch.sold(3, 10, 6, 101.0, 10.0)
    assert (watch.sent, watch.live) == (7, 7)


def test_one_share_that_was_sent_may_be_missing() -> None:
    watch = Watch(left=1, held=1)
    assert not watch.missing(0)
    watch.sold(1, 1, 1, 100.0, 10.0)
    assert watch.missing(0)
    assert not watch.missing(1)


def test_what_is_gone_does_not_live_any_more() -> None:
    watch = Watch(left=4)
    watch.sold(4, 4, 4, 100.0, 10.0)
    assert [watch.account(0, 0, now) for now in (101.0, 102.0)] == [0, 4]
    assert (watch.left, watch.live, watch.sent) == (0, 0, 0)


def test_what_others_had_bound_before_a_sale_is_not_ours() -> None:
    """The list has not shown our first sale yet: what it shows as bound is somebody else's."""
    watch = Watch(left=10)
    watch.sold(4, 10, 7, 100.0, 10.0)
    assert watch.bound_before == 3
    watch.sold(2, 10, 7, 101.0, 10.0)
    assert watch.bound_before == 3
    watch.settle(10, 1, 102.0)
    assert watch.reflected
    watch.sold(1, 10, 1, 103.0, 10.0)
    assert watch.bound_before == 3


def test_refusals_wait_longer_and_longer_but_never_too_long() -> None:
    watch = Watch(left=10)
    waits = []
    for _ in range(2000):
        watch.refused(100.0, soon=False)
        waits.append(watch.not_before - 100.0)
    assert waits[:4] == [4.0, 8.0, 16.0, 30.0]
    assert set(waits[4:]) == {REFUSED_MOST_S}

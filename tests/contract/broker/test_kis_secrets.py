"""Marked keys, tokens and account numbers through every way of failing: none in a message, a log, a name or a picture."""

import asyncio
import gc
import io
import logging
import threading
import traceback
import warnings
from decimal import Decimal
from urllib.parse import quote

import pytest

from adapters.kis.auth import KisCredentials
from core.model.instrument import Exchange
from core.model.order import BrokerRef, OrderRequest, Side
from ports.broker import BrokerError, Urgency
from tests.contract.broker.scripted_kis import ACCOUNT, APPKEY, SECRET, TOKEN, refusal, reply
from tests.contract.broker.test_kis_line import BROKEN, http, redirect

SALE = OrderRequest(ticker="NVDA", exchange=Exchange.NASD, side=Side.SELL, qty=1, limit=Decimal(100))
CANARIES = (
    APPKEY,
    SECRET,
    TOKEN,
    ACCOUNT,
    ACCOUNT.replace("-", ""),
    ACCOUNT[:8],
    quote(SECRET, safe=""),
    quote(APPKEY, safe=""),
)
WORDS = " ".join((TOKEN + "1", APPKEY, SECRET, *CANARIES[3:]))
HTML = f"<html>{WORDS}</html>"
OAUTH = {"error_code": "EGW00103", "error_description": WORDS}
SHARDS = {
    "business": lambda: refusal("APBK0918", WORDS, 200),
    "unknown business": lambda: refusal("X", WORDS, 200),
    "gateway": lambda: refusal("EGW00302", WORDS),
    "rate": lambda: refusal("EGW00201", WORDS),
    "token": lambda: refusal("EGW00123", WORDS),
    "token in words": lambda: refusal("Y", "token " + WORDS),
    "exchange": lambda: refusal("APBK0656", WORDS, 200),
    "in the code": lambda: refusal(ACCOUNT[:8], WORDS, 200),
    "as the code": lambda: refusal(WORDS, WORDS),
    "oauth": lambda: reply(OAUTH, 401),
    "page": lambda: reply(HTML, 503),
    "in a header": lambda: reply(HTML, 200, **{"X-Echo": WORDS}),
    "in rows": lambda: reply({"rt_cd": "0", "msg_cd": WORDS, "output": [{"odno": WORDS, "pdno": WORDS}], "output1": [{
        "ovrs_pdno": WORDS, "ovrs_cblc_qty": WORDS}]}),
    "no number": lambda: reply({"rt_cd": "0", "msg_cd": ACCOUNT[:8], "output": {"ODNO": WORDS}}),
}  # fmt: skip


class Ear:
    """Everything that is said: log records of all levels with their tracebacks, warnings, errors, names, output."""

    def __init__(self) -> None:
        self.said = io.StringIO()
        self.handler = logging.StreamHandler(self.said)
        self.handler.addFilter(lambda record: record.name != "aiohttp.access")  # the server's own
        self.handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s %(threadName)s"))

    def hear(self, *things: object) -> None:
        for thing in things:
            if isinstance(thing, BaseException):
                self.said.write("".join(traceback.format_exception(thing)))
                self.said.write(f"{thing!r} {thing} {vars(thing)}")
            else:
                self.said.write(repr(thing))

    def leaks(self) -> list[str]:
        return [canary for canary in CANARIES if canary in self.said.getvalue()]


@pytest.fixture
def ear(capsys, monkeypatch):
    monkeypatch.setattr("adapters.kis.client.PAUSE_S", 0.0)
    found, root = Ear(), logging.getLogger()
    names = [
        "",
        "urllib3",
        "urllib3.connectionpool",
        "urllib3.util.retry",
        "requests",
        "adapters.kis",
        "pykis",
        "asyncio",
    ]
    levels = {name: logging.getLogger(name).level for name in names}
    root.addHandler(found.handler)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield found
        gc.collect()
        found.hear(*(str(w.message) for w in warned), *capsys.readouterr())
    root.removeHandler(found.handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    assert found.leaks() == []
    assert found.said.getvalue(), "the ear hears"


def listen_closely() -> None:
    """As a curious operator would: after the gateway was made, everything at DEBUG."""
    for name in ("", "urllib3", "urllib3.connectionpool", "urllib3.util.retry", "requests", "adapters.kis", "asyncio"):
        logging.getLogger(name).setLevel(logging.DEBUG)


def calls(broker):
    ref = BrokerRef(ord_dt="20261118", branch="", odno="1")
    return {
        "place": lambda: broker.place(SALE),
        "cancel": lambda: broker.cancel(ref, SALE),
        "orders": broker.order_book,
        "holdings": broker.holdings,
        "power": lambda: broker.buying_power("NVDA", Exchange.NASD, "100.00"),
        "quote": lambda: broker.quote("NVDA", Exchange.NASD, Urgency.EXIT),
    }


async def all_fail(broker, ear) -> int:
    """Make every call and keep what it says."""
    failed = 0
    for call in calls(broker).values():
        (result,) = await asyncio.gather(call(), return_exceptions=True)
        ear.hear(result, *(thread.name for thread in threading.enumerate()))
        if isinstance(result, BaseException):
            assert isinstance(result, BrokerError)
            failed += 1
    return failed


@pytest.mark.parametrize("answer", SHARDS.values(), ids=SHARDS)
async def test_what_kis_echoes_is_not_repeated(kis, ear, answer):
    broker = kis.connect()
    listen_closely()
    await broker.order_book()
    for end in ("order", "rvsecncl", "ccnl", "nccs", "balance", "psamount", "price"):
        kis.answers(end, answer)
    assert await all_fail(broker, ear) >= 4
    ear.hear(broker, broker._gateway, broker._gateway.scrub, broker._gateway._tokens, kis.opened)


@pytest.mark.parametrize("answer", [SHARDS["oauth"], SHARDS["page"], SHARDS["business"], SHARDS["as the code"]])
async def test_a_token_that_is_refused_says_nothing(kis, ear, answer):
    kis.answers("tokenP", answer)
    broker = kis.connect()
    # a token that this key was never given is nobody's secret
    broker._gateway._learn(TOKEN + "1")
    listen_closely()
    assert await all_fail(broker, ear) == 6


@pytest.mark.parametrize("payload", [b"", BROKEN["half the body"], BROKEN["a broken chunk"], BROKEN["deeply nested"],
                                     http(more=f"X-Echo: {ACCOUNT[:8]}\r\n bad\r\nno colon {ACCOUNT[:8]}\r\n"),
                                     f"HTTP/1.1 abc {ACCOUNT[:8]}\r\n\r\n".encode()],
                         ids=["nothing", "half", "chunk", "nested", "headers", "status line"])  # fmt: skip
async def test_a_broken_line_says_nothing(kis, line, ear, payload):
    broker = kis.connect(timeout_s=1.0)
    listen_closely()
    await broker.order_book()
    redirect(broker, line.url)
    line.payload = payload
    assert await all_fail(broker, ear) >= 3


async def test_a_deadline_says_nothing(kis, line, ear):
    broker = kis.connect(timeout_s=0.05)
    listen_closely()
    await broker.order_book()
    redirect(broker, line.url)
    line.payload, line.drip = http(b"{", 10_000), asyncio.Event()
    broker._gateway._deadline_s = 0.1
    assert await all_fail(broker, ear) == 6


async def test_files_hold_the_token_and_nothing_else_that_is_secret(kis):
    await kis.connect().order_book()
    text = {path.name: path.read_text() for path in kis.token_dir.iterdir()}
    assert [name for name, content in text.items() if TOKEN in content] == [
        n for n in text if n.endswith(".json") and "token" in n
    ]
    keys = [canary for canary in CANARIES if canary != TOKEN]
    assert [key for key in keys for name, content in text.items() if key in content or key in name] == []


async def test_credentials_that_are_refused_are_not_repeated(kis, ear):
    wrong = KisCredentials(hts_id="me", appkey=APPKEY + "x", appsecret=SECRET, account=ACCOUNT)
    with pytest.raises(ValueError, match="KIS credentials") as refused:
        kis.connect(credentials=wrong)
    ear.hear(refused.value, wrong)


async def test_python_kis_writes_nothing_of_its_own(kis, capsys):
    kis.connect()
    logging.getLogger("pykis").warning("API 호출 횟수를 초과하였습니다.")
    logging.getLogger("pykis").error("%s", ACCOUNT)
    assert capsys.readouterr() == ("", "")


async def test_no_other_host_can_be_reached(kis):
    gateway = kis.connect()._gateway
    with pytest.raises(Exception, match="No connection adapters"):
        gateway._session(gateway._domain).get("https://openapi.koreainvestment.com:9443/", timeout=1)


def test_the_ear_would_hear_a_leak():
    ear = Ear()
    ear.hear(ValueError(f"GET /?CANO={ACCOUNT[:8]}"))
    assert ear.leaks() == [ACCOUNT[:8]]

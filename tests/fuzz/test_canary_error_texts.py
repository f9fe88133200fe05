"""Every error of the KIS broker under every fault of the line: no secret in its words, its causes or its traceback."""

import asyncio
import datetime as dt
import json
import logging
import socketserver
import threading
import traceback
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.kis import client
from adapters.kis.auth import KisCredentials
from adapters.kis.broker import KisBroker
from adapters.kis.client import KisGateway
from core.model.instrument import Exchange
from core.model.order import BrokerRef, OrderRequest, Side
from ports.broker import BrokerError, BrokerUnavailable, OrderRefused, OrderUnknown
from services.guardian_broker import Access, GuardianBroker, GuardianTrouble
from tests.unit.sandbox.manual_clock import ManualClock

AT = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)
KEYS = KisCredentials(
    hts_id="canaryHTS4711x",
    appkey="PScanaryKEY" + "k" * 25,
    appsecret="canarySECRET" + "s" * 168,
    account="50987654-01",
)
TOKEN = "eyJ0eXAiOiJKV1QifQ.canaryTOKENcanaryTOKENcanary.x1y2z3"
SECRETS = (KEYS.appkey, KEYS.appsecret, KEYS.appsecret[:24], "50987654", "canaryTOKENcanaryTOKEN", KEYS.hts_id)
WORDS = f"계좌 50987654-01 {TOKEN} {KEYS.appkey} {KEYS.appsecret} {KEYS.hts_id}"
REQUEST = OrderRequest(ticker="TSLL", exchange=Exchange.NASD, side=Side.BUY, qty=5, limit=Decimal("19.16"))


def reply(status: int, body: str, content_type: str = "application/json") -> bytes:
    data = body.encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    return head.encode() + data


def failure(status: int, code: str) -> bytes:
    return reply(status, json.dumps({"rt_cd": "1", "msg_cd": code, "msg1": WORDS}, ensure_ascii=False))


FAULTS: dict[str, bytes] = {
    "500 with token text": failure(500, "EGW00001"),
    "500 plain": reply(500, f"token {WORDS}", "text/plain"),
    "expired token": failure(500, "EGW00123"),
    "invalid token": failure(401, "EGW00121"),
    "one token a minute": reply(403, json.dumps({"error_code": "EGW00133", "error_description": WORDS})),
    "rate": failure(500, "EGW00201"),
    "gateway timed out": failure(500, "EGW00301"),
    "business refusal": failure(200, "APBK0918"),
    "refusal of the symbol": failure(200, "APBK0656"),
    "code with secrets": failure(500, WORDS),
    "html": reply(502, f"<html>{WORDS}</html>", "text/html"),
    "half of the JSON": reply(200, '{"rt_cd": "0", "msg1": "' + WORDS),
    "not UTF-8": b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a":"\xc3\x28"',
    "shorter than said": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + WORDS.encode(),
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz" + WORDS.encode() + b"\r\n",
    "bad header": b"HTTP/1.1 200 OK\r\n" + TOKEN.encode() + b"\r\nContent-Length: 2\r\n\r\n{}",
    "no HTTP": TOKEN.encode() + b"\r\n\r\n",
    "redirect": b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/" + TOKEN.encode() + b"\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
    "success of nonsense": reply(200, json.dumps({"rt_cd": "0", "msg1": WORDS, "output": [{"odno": WORDS, "pdno": WORDS, "ft_ord_qty": WORDS, "last": WORDS, "exrt": WORDS}], "output1": [{"ovrs_pdno": WORDS, "ovrs_cblc_qty": WORDS}]})),
}  # fmt: skip


class Line(socketserver.ThreadingTCPServer):
    """Answers every request with the bytes of the present fault; tokens are issued unless the fault is theirs."""

    allow_reuse_address = True
    daemon_threads = True
    answer = b""
    issues = True


class Talk(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with_body = 0
        first = self.rfile.readline()
        while (line := self.rfile.readline().strip()) and line:
            if line.lower().startswith(b"content-length:"):
                with_body = int(line.split(b":")[1])
        self.rfile.read(with_body)
        assert isinstance(self.server, Line)
        token = {"access_token": TOKEN, "access_token_token_expired": "2026-11-19 23:00:00", "token_type": "Bearer"}
        asked = b"tokenP" in first
        self.wfile.write(reply(200, json.dumps(token)) if asked and self.server.issues else self.server.answer)


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with Line(("127.0.0.1", 0), Talk) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def texts_of(error: BaseException) -> str:
    """Everything that a log or a debugger would print of an error."""
    chain = "".join(traceback.format_exception(error))
    found, seen = [chain], error
    while seen is not None:
        found += [str(seen), repr(seen), repr(seen.args), getattr(seen, "code", "")]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\n".join(found)


async def errors_of(broker: KisBroker) -> dict[str, BaseException]:
    """What each call of the port raises."""
    calls = {
        "place": broker.place(REQUEST),
        "cancel": broker.cancel(BrokerRef("20261118", "", "1"), REQUEST),
        "order_book": broker.order_book(),
        "holdings": broker.holdings(),
        "buying_power": broker.buying_power("TSLL", Exchange.NASD, "19.16"),
        "quote": broker.quote("TSLL", Exchange.NASD),
    }
    found = {}
    for name, call in calls.items():
        try:
            await call
        except BaseException as error:
            found[name] = error
    return found


@pytest.mark.parametrize("issues", [True, False], ids=["on calls", "on tokens"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_under_any_fault_shows_a_secret(
    line: Line,
    fault: str,
    issues: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All of them are errors of the port, too."""
    monkeypatch.setattr(client, "PAUSE_S", 0.0)
    caplog.set_level(logging.DEBUG)
    line.answer, line.issues = FAULTS[fault], issues

    async def run() -> dict[str, BaseException]:
        address = f"http://127.0.0.1:{line.server_address[1]}"
        clock = ManualClock(AT)
        gateway = KisGateway(KEYS, address, paper=False, clock=clock, token_dir=tmp_path, timeout_s=1.0, speed=1e6)
        broker = KisBroker(gateway, clock)
        try:
            return await errors_of(broker)
        finally:
            await broker.close()

    errors = asyncio.run(run())
    assert "place" in errors
    for name, error in errors.items():
        kinds = (OrderRefused, OrderUnknown) if name in {"place", "cancel"} else (BrokerUnavailable,)
        assert isinstance(error, BrokerError)
        assert isinstance(error, kinds), f"{name} raised {type(error).__name__}"
    logged = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records)
    everything = logged + "\n".join(texts_of(error) for error in errors.values())
    # a token that was never issued can't be known
    known = [secret for secret in SECRETS if issues or secret not in TOKEN]
    assert [secret for secret in known if secret in everything] == []


@pytest.mark.parametrize("issues", [True, False], ids=["on calls", "on tokens"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_guardian_says_no_secret_under_any_fault_either(
    line: Line,
    fault: str,
    issues: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its only errors are its own."""
    monkeypatch.setenv("SEOHAK_CLOCK_SPEED", "1e6")
    caplog.set_level(logging.DEBUG)
    line.answer, line.issues = FAULTS[fault], issues
    address = f"http://127.0.0.1:{line.server_address[1]}"
    access = Access(address, address, KEYS.appkey, KEYS.appsecret, KEYS.account, paper=False)
    broker = GuardianBroker(access, tmp_path, wall=AT.timestamp)
    calls = (
        lambda: broker.price("TSLL", "NASD"),
        lambda: broker.shares("NASD"),
        broker.open_orders,
        lambda: broker.sell("TSLL", "NASD", 5, "19.16"),
        lambda: broker.cancel("TSLL", "NASD", "31"),
    )
    said = []
    for call in calls:
        try:
            call()
        except GuardianTrouble as error:
            said.append(texts_of(error))
    assert said
    everything = "\n".join([*said, *(record.getMessage() for record in caplog.records)])
    # it never has the HTS id, and a token that was never issued can't be known
    known = [secret for secret in SECRETS if secret != KEYS.hts_id and (issues or secret not in TOKEN)]
    assert [secret for secret in known if secret in everything] == []


def test_the_texts_of_an_error_are_searched_to_the_last_cause() -> None:
    """The search has teeth: a secret in a cause, in arguments or in a code is found."""
    try:
        try:
            raise ValueError(TOKEN)
        except ValueError as cause:
            raise BrokerUnavailable("no answer", code=KEYS.appkey) from cause
    except BrokerUnavailable as error:
        found = texts_of(error)
    assert [secret for secret in SECRETS if secret in found] == [KEYS.appkey, "canaryTOKENcanaryTOKEN"]

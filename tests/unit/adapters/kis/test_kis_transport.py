"""The ticket, the scrubber of texts and logs, and what may show of credentials, without any network."""

import datetime as dt
import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from adapters.kis.answer import Answer
from adapters.kis.auth import KisCredentials, TokenReply, token_of
from adapters.kis.client import KisGateway
from adapters.kis.transport import (
    URLLIB3_LOGGERS,
    NotSent,
    OrderAdapter,
    Scrubber,
    Ticket,
    hush_libraries,
    never_connected,
)
from tests.unit.sandbox.manual_clock import ManualClock

NOW = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)


def test_a_ticket_is_spent_once():
    ticket = Ticket()
    ticket.spend()
    with pytest.raises(NotSent):
        ticket.spend()
    assert not ticket.void()


def test_a_void_ticket_sends_nothing():
    ticket = Ticket()
    assert ticket.void()
    with pytest.raises(NotSent):
        ticket.spend()


def test_of_many_threads_one_gets_the_ticket():
    ticket = Ticket()

    def try_it(_: int) -> bool:
        try:
            ticket.spend()
        except NotSent:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_it, range(64))) == 1


def test_an_order_endpoint_needs_this_threads_ticket():
    adapter = OrderAdapter(1.0)
    request = requests.Request("POST", "http://127.0.0.1:1/order").prepare()
    with pytest.raises(NotSent):
        adapter.send(request)
    adapter.arm(Ticket())
    with pytest.raises(requests.ConnectionError) as refused:
        adapter.send(request)
    assert never_connected(refused.value)
    with pytest.raises(NotSent):
        adapter.send(request)


def test_only_a_connection_that_was_never_made_proves_that_nothing_left():
    assert never_connected(requests.ConnectTimeout())
    for error in (
        requests.ReadTimeout(),
        requests.ConnectionError("reset"),
        requests.ConnectionError(),
        requests.exceptions.ChunkedEncodingError(),
    ):
        assert not never_connected(error)


def test_the_scrubber_hides_and_shortens():
    scrub = Scrubber(["50012345", "", "abc"])
    scrub.add("a-long-token")
    assert scrub("abc 50012345-01\n a-long-token") == "abc ***-01 ***"
    assert len(scrub("x" * 999)) == 200
    scrub.add("with/slash+plus")
    assert scrub("a=with%2Fslash%2Bplus&b=with/slash+plus") == "a=***&b=***"


@pytest.mark.parametrize("name", URLLIB3_LOGGERS)
def test_urllib3_warns_without_secrets_or_tracebacks_and_says_nothing_else(name, caplog):
    hush_libraries(["canary-account-50099999"])
    logger = logging.getLogger(name)
    caplog.set_level(logging.DEBUG, logger=name)
    logger.debug("GET /?CANO=%s", "canary-account-50099999")
    try:
        raise ValueError("canary-account-50099999")
    except ValueError:
        logger.warning("Failed to parse headers (url=/?CANO=%s)", "canary-account-50099999", exc_info=sys.exc_info())
    assert [record.getMessage() for record in caplog.records] == ["Failed to parse headers (url=/?CANO=***)"]
    assert caplog.records[0].exc_info is None
    hush_libraries()
    hush_libraries()
    assert len(logger.filters) == 1


def test_an_answer_shows_its_status_and_code_alone():
    answer = Answer(status=200, body={"cano": "50012345", "msg_cd": "KIOK0510"}, code="KIOK0510")
    assert repr(answer) == "Answer(status=200, code='KIOK0510')"


def test_credentials_know_every_form_of_the_account_number():
    for written in ("50012345-01", "5001234501", "50012345"):
        secrets = KisCredentials(hts_id="me", appkey="k", appsecret="s", account=written).secrets
        assert {"50012345-01", "50012345"} <= set(secrets)


def test_nothing_secret_in_representations(tmp_path):
    credentials = KisCredentials(hts_id="me", appkey="k" * 36, appsecret="s" * 180, account="50012345-01")
    shown = repr(
        [credentials, TokenReply("secret-token", ""), token_of(TokenReply("secret-token", "2026-11-20 00:00:00"), NOW)]
    )
    assert not any(secret in shown for secret in ("kkk", "sss", "50012345", "secret-token"))


@pytest.mark.parametrize(
    "changes", [{"appkey": "short"}, {"appsecret": "short"}, {"account": "50012345678901"}, {"hts_id": ""}]
)
@pytest.mark.parametrize("paper", [True, False])
def test_credentials_of_the_wrong_shape_are_refused_without_repeating_them(tmp_path, changes, paper):
    fields = {"hts_id": "me", "appkey": "k" * 36, "appsecret": "s" * 180, "account": "50012345-01"} | changes
    with pytest.raises(ValueError, match="KIS credentials") as wrong:
        KisGateway(
            KisCredentials(**fields), "http://127.0.0.1:1", paper=paper, clock=ManualClock(NOW), token_dir=tmp_path
        )
    assert "5001" not in str(wrong.value)

"""The ticket, the limiter, the scrubber and the token keeper, without any network."""

import datetime as dt
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from adapters.kis.auth import KisCredentials, TokenKeeper, TokenReply, token_of
from adapters.kis.client import KisGateway
from adapters.kis.transport import NotSent, OrderAdapter, Scrubber, SlidingLimiter, Ticket, never_connected
from ports.broker import BrokerUnavailable
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


def test_no_window_of_a_second_ever_holds_more_than_the_rate():
    at, times = [0.0], []

    def sleep(seconds: float) -> None:
        at[0] += seconds

    limiter = SlidingLimiter(18, 1.05, monotonic=lambda: at[0], sleep=sleep)
    for number in range(200):
        at[0] += 0.9 if number == 10 else 0.001
        limiter.acquire()
        times.append(at[0])
    assert all(b - a > 1.0 for a, b in zip(times, times[18:], strict=False))
    assert not limiter.acquire(blocking=False)


def test_the_scrubber_hides_and_shortens():
    scrub = Scrubber(["50012345", "", "abc"])
    scrub.add("a-long-token")
    assert scrub("abc 50012345-01\n a-long-token") == "abc ***-01 ***"
    assert len(scrub("x" * 999)) == 200


class Office:
    def __init__(self) -> None:
        self.count, self.fails = 0, False

    def __call__(self) -> TokenReply:
        if self.fails:
            raise BrokerUnavailable("no", code="EGW00133")
        self.count += 1
        return TokenReply(f"token-{self.count}", "2026-11-20 00:00:00")


@pytest.fixture
def keeper(tmp_path):
    clock, office = ManualClock(NOW), Office()
    keeper = TokenKeeper(tmp_path / "state" / "token.json", clock, office)
    return keeper, clock, office


def test_a_token_is_kept_and_its_file_is_private(keeper, tmp_path):
    tokens, clock, office = keeper
    assert tokens.token().text == tokens.token().text == "token-1"
    path = tmp_path / "state" / "token.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert TokenKeeper(path, clock, office).token().text == "token-1"
    path.write_text("{broken")
    clock.advance(62)
    assert TokenKeeper(path, clock, office).token().text == "token-2"


def test_a_dropped_token_is_not_read_back_from_the_file(keeper):
    tokens, clock, _ = keeper
    tokens.drop(tokens.token().text)
    with pytest.raises(BrokerUnavailable):
        tokens.token()
    clock.advance(62)
    assert tokens.token().text == "token-2"
    tokens.drop("token-1")
    assert tokens.token().text == "token-2"


def test_after_a_failure_the_next_attempt_waits(keeper):
    tokens, clock, office = keeper
    office.fails = True
    with pytest.raises(BrokerUnavailable):
        tokens.token()
    office.fails = False
    with pytest.raises(BrokerUnavailable):
        tokens.token()
    clock.advance(11)
    assert tokens.token().text == "token-1"


def test_a_token_ends_at_the_earlier_of_its_two_expiries():
    reply = TokenReply("t", "2026-11-20 00:00:00", expires_in=3600)
    assert token_of(reply, NOW).expires_at == NOW + dt.timedelta(hours=1)
    assert token_of(TokenReply("t", "2026-11-19 00:30:00"), NOW).expires_at == NOW + dt.timedelta(minutes=30)


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

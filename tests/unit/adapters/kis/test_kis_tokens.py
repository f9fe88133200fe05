"""The token: one private file, one issue a minute and one at a time for all processes, renewed early."""

import datetime as dt
import json
import logging
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.kis import codes
from adapters.kis.auth import EARLY_AGAIN, TokenKeeper, TokenReply, token_of
from adapters.kis.pace import Rank, Turn
from ports.broker import BrokerUnavailable
from tests.unit.sandbox.manual_clock import ManualClock

NOW = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)
HOUR_S = 3600


def soon(left_s: float = 20.0, rank: Rank = Rank.RECONCILE) -> Turn:
    return Turn(rank, time.monotonic() + left_s)


class Office:
    """KIS's side: tokens for 24 hours by the test's clock, or a failure."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.count, self.code = clock, 0, ""
        self.asked: list[Turn] = []
        self.gate: threading.Event | None = None

    def __call__(self, turn: Turn) -> TokenReply:
        self.asked.append(turn)
        if self.gate is not None:
            assert self.gate.wait(20)
        if self.code:
            raise BrokerUnavailable("no", code=self.code)
        self.count += 1
        until = self.clock.now() + dt.timedelta(hours=24 + 9)
        return TokenReply(f"token-{self.count}", until.strftime("%Y-%m-%d %H:%M:%S"))


class Keepers:
    """Any number of processes on one folder."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(NOW)
        self.office = Office(self.clock)
        self.path = folder / "state" / "token.json"

    def one(self, **changes) -> TokenKeeper:
        return TokenKeeper(self.path, self.clock, self.office, **changes)

    @property
    def lock(self) -> Path:
        return self.path.with_suffix(".lock")


@pytest.fixture
def keepers(tmp_path) -> Keepers:
    return Keepers(tmp_path)


def refused(keeper: TokenKeeper) -> str:
    with pytest.raises(BrokerUnavailable) as unavailable:
        keeper.token(soon())
    return unavailable.value.code


def test_a_token_is_kept_and_its_files_are_private(keepers):
    tokens = keepers.one()
    assert tokens.token(soon()).text == tokens.token(soon()).text == "token-1"
    for path in (keepers.path, keepers.lock):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keepers.path.parent.stat().st_mode) == 0o700
    assert sorted(p.name for p in keepers.path.parent.iterdir()) == ["token.json", "token.lock"]
    assert keepers.one().token(soon()).text == "token-1"


def test_the_guardian_finds_the_token_under_its_name(keepers):
    keepers.one().token(soon())
    assert json.loads(keepers.path.read_bytes())["text"] == "token-1"


@pytest.mark.parametrize(
    "content", [b"{broken", b"", b"[]", b'{"text":"a\\nb","scheme":"Bearer","expires_at":"2027-01-01T00:00:00Z"}',
                b'{"text":"t","scheme":"Bearer","expires_at":"2027-01-01T00:00:00"}', b'{"text":"\xed\x95\x9c"}'],
    ids=["broken", "empty", "list", "no header", "no zone", "korean"],
)  # fmt: skip
def test_a_file_that_holds_no_token_is_replaced(keepers, content):
    keepers.path.parent.mkdir()
    keepers.path.write_bytes(content)
    assert keepers.one().token(soon()).text == "token-1"
    assert json.loads(keepers.path.read_bytes())["text"] == "token-1"


def test_a_dropped_token_is_not_read_back_from_the_file(keepers):
    tokens = keepers.one()
    tokens.drop(tokens.token(soon()).text)
    assert refused(tokens) == codes.TOKEN_TOO_SOON
    keepers.clock.advance(62)
    assert tokens.token(soon()).text == "token-2"
    tokens.drop("token-1")
    assert tokens.token(soon()).text == "token-2"


def test_a_token_that_another_process_renewed_is_taken_over(keepers):
    mine, theirs = keepers.one(), keepers.one()
    mine.token(soon())
    theirs.drop(theirs.token(soon()).text)
    keepers.clock.advance(62)
    assert theirs.token(soon()).text == "token-2"
    mine.drop("token-1")
    assert mine.token(soon()).text == "token-2"
    assert keepers.office.count == 2


def test_the_minute_counts_for_all_processes_and_across_a_restart(keepers):
    first = keepers.one()
    first.token(soon())
    keepers.path.unlink()
    assert refused(keepers.one()) == codes.TOKEN_TOO_SOON
    keepers.clock.advance(60)
    assert refused(keepers.one()) == codes.TOKEN_TOO_SOON
    keepers.clock.advance(2)
    assert keepers.one().token(soon()).text == "token-2"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"not_before": 1e12, "busy_until": 1e12, "asked_at": 1e12}'])
def test_a_broken_or_future_dated_lock_file_heals_itself(keepers, content):
    keepers.path.parent.mkdir()
    keepers.lock.write_bytes(content)
    assert keepers.one().token(soon()).text == "token-1"


def test_without_a_disk_the_minute_is_kept_in_the_process(tmp_path):
    keepers = Keepers(tmp_path / "file")
    (tmp_path / "file").write_text("in the way")
    tokens = keepers.one()
    tokens.drop(tokens.token(soon()).text)
    assert refused(tokens) == codes.TOKEN_TOO_SOON
    keepers.clock.advance(62)
    assert tokens.token(soon()).text == "token-2"


@pytest.mark.parametrize(
    ("code", "wait_s"), [("EGW00103", 10), (codes.LOST, 10), (codes.BAD_ANSWER, 10), (codes.TOKEN_TOO_SOON, 61)]
)
def test_after_a_failure_the_next_attempt_waits(keepers, code, wait_s):
    tokens = keepers.one()
    keepers.office.code = code
    assert refused(tokens) == code
    keepers.office.code = ""
    keepers.clock.advance(wait_s - 1)
    assert refused(tokens) == refused(keepers.one()) == codes.TOKEN_TOO_SOON
    keepers.clock.advance(2)
    assert tokens.token(soon()).text == "token-1"
    assert len(keepers.office.asked) == 2


def test_too_soon_after_a_lost_answer_means_a_minute_from_that_answer(keepers):
    tokens = keepers.one()
    keepers.office.code = codes.LOST
    refused(tokens)
    keepers.clock.advance(11)
    keepers.office.code = codes.TOKEN_TOO_SOON
    refused(tokens)
    keepers.office.code = ""
    keepers.clock.advance(49)
    assert refused(tokens) == codes.TOKEN_TOO_SOON
    keepers.clock.advance(2)
    assert tokens.token(soon()).text == "token-1"


def test_many_threads_make_one_issue(keepers):
    tokens = keepers.one()
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: tokens.token(soon()).text, range(32)))
    assert (found, keepers.office.count) == ({"token-1"}, 1)


def test_a_process_waits_for_the_one_that_is_asking(keepers):
    """One flight: the second keeper neither asks nor fails, it takes what the first one brings."""
    keepers.office.gate = threading.Event()
    polls = threading.Semaphore(0)

    def poll(_: float) -> None:
        polls.release()
        keepers.office.gate.wait(0.005)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(keepers.one().token, soon())
        while not keepers.office.asked:
            time.sleep(0.001)
        second = pool.submit(keepers.one(sleep=poll).token, soon())
        assert polls.acquire(timeout=20)
        keepers.office.gate.set()
        assert first.result(20).text == second.result(20).text == "token-1"
    assert keepers.office.count == 1


def test_whoever_asked_and_died_holds_nobody_up_for_long(keepers):
    keepers.office.code = "EGW00001"
    with pytest.raises(BrokerUnavailable):
        keepers.one().token(soon())
    now = keepers.clock.now().timestamp()
    keepers.lock.write_text(json.dumps({"not_before": now + 10, "asked_at": 0.0, "busy_until": now + 20}))
    keepers.office.code = ""
    with pytest.raises(BrokerUnavailable):
        keepers.one().token(soon(0.01))
    keepers.clock.advance(21)
    assert keepers.one().token(soon()).text == "token-1"


def test_an_ageing_token_is_renewed_by_a_call_that_can_wait(keepers):
    tokens = keepers.one()
    tokens.token(soon())
    keepers.clock.advance(23 * HOUR_S + 60)
    assert tokens.token(soon()).text == "token-1", "a sale does not wait for a renewal"
    assert tokens.token(soon(), patient=True).text == "token-2"
    assert keepers.office.asked[-1].left_s <= 4
    assert keepers.one().token(soon(), patient=True).text == "token-2"
    assert keepers.office.count == 2


def test_a_renewal_that_fails_fails_nobody_and_rests_a_while(keepers, caplog):
    caplog.set_level(logging.WARNING)
    tokens = keepers.one()
    tokens.token(soon())
    keepers.clock.advance(23 * HOUR_S + 60)
    keepers.office.code = "EGW00001"
    for _ in range(3):
        assert tokens.token(soon(), patient=True).text == "token-1"
        keepers.clock.advance(11)
    assert len(keepers.office.asked) == 2
    assert "EGW00001" in caplog.text
    keepers.office.code = ""
    keepers.clock.advance(EARLY_AGAIN.total_seconds())
    assert tokens.token(soon(), patient=True).text == "token-2"


def test_a_token_serves_to_its_last_minute_when_none_is_to_be_had(keepers):
    tokens = keepers.one()
    tokens.token(soon())
    keepers.office.code = "EGW00001"
    keepers.clock.advance(24 * HOUR_S - 90)
    assert tokens.token(soon(), patient=True).text == "token-1"
    keepers.clock.advance(31)
    assert refused(tokens) in {"EGW00001", codes.TOKEN_TOO_SOON}


def test_others_go_on_with_the_old_token_while_one_renews(keepers):
    tokens = keepers.one()
    tokens.token(soon())
    keepers.clock.advance(23 * HOUR_S + 60)
    keepers.office.gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(tokens.token, soon(), patient=True)
        while len(keepers.office.asked) < 2:
            time.sleep(0.001)
        assert tokens.token(soon(0.0)).text == tokens.token(soon(), patient=True).text == "token-1"
        keepers.office.gate.set()
        assert renewing.result(20).text == "token-2"


def test_a_call_with_no_time_left_does_not_wait_for_another_ones_token(keepers):
    tokens = keepers.one()
    keepers.office.gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tokens.token, soon())
        while not keepers.office.asked:
            time.sleep(0.001)
        with pytest.raises(BrokerUnavailable):
            tokens.token(soon(0.01))
        keepers.office.gate.set()
        assert first.result(20).text == "token-1"


@pytest.mark.parametrize(
    "reply",
    [
        TokenReply("t", "tomorrow"),
        TokenReply("t", "2026-11-18 23:59:00"),
        TokenReply("t", "2026-11-19 23:59:00", expires_in=10**12),
        TokenReply("two\nlines", "2026-11-19 23:59:00"),
        TokenReply("토큰", "2026-11-19 23:59:00"),
    ],
    ids=["no time", "already over", "overflow", "two lines", "korean"],
)
def test_a_token_that_cannot_be_used_is_not_kept(keepers, reply):
    tokens = TokenKeeper(keepers.path, keepers.clock, lambda _: reply)
    assert refused(tokens) == codes.BAD_ANSWER
    assert not keepers.path.exists()


def test_a_token_ends_at_the_earlier_of_its_two_expiries_in_korean_time():
    reply = TokenReply("t", "2026-11-20 00:00:00", expires_in=HOUR_S)
    assert token_of(reply, NOW).expires_at == NOW + dt.timedelta(hours=1)
    assert token_of(TokenReply("t", "2026-11-19 00:30:00"), NOW).expires_at == NOW + dt.timedelta(minutes=30)

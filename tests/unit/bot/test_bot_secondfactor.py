"""Codes: each good once, wrong ones lock, the lock and the used step survive a restart and a database that is away."""

import datetime as dt

import pyotp
import pytest

from bot.challenges import LIFETIME_S, Challenges
from bot.secondfactor import HIDDEN, SecondFactor, Verdict, masked
from ports.store import StoreUnavailable

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOW = dt.datetime(2026, 11, 20, 15, 31, tzinfo=dt.UTC)


class Clock:
    at = NOW

    def now(self):
        return self.at


class Chat:
    def __init__(self):
        self.kept, self.down = {}, False

    async def preference(self, user_id, key):
        if self.down:
            raise StoreUnavailable("down")
        return self.kept.get((user_id, key))

    async def set_preference(self, user_id, key, value):
        if self.down:
            raise StoreUnavailable("down")
        self.kept[(user_id, key)] = value


async def secret():
    return SECRET


@pytest.fixture
def chat():
    return Chat()


@pytest.fixture
def clock():
    return Clock()


def code(clock, shift=0):
    return pyotp.TOTP(SECRET).at(clock.at + dt.timedelta(seconds=30 * shift))


async def test_a_code_is_good_once_also_after_a_restart(chat, clock):
    assert await SecondFactor(secret, chat, clock).check(code(clock)) is Verdict.GOOD
    assert await SecondFactor(secret, chat, clock).check(code(clock)) is Verdict.WRONG
    assert await SecondFactor(secret, chat, clock).check(code(clock, 1)) is Verdict.GOOD
    assert await SecondFactor(secret, chat, clock).check(code(clock)) is Verdict.WRONG, "earlier than the last"


@pytest.mark.parametrize(("shift", "verdict"), [(-2, "wrong"), (-1, "good"), (1, "good"), (2, "wrong")])
async def test_one_step_of_clock_skew_is_forgiven(chat, clock, shift, verdict):
    assert (await SecondFactor(secret, chat, clock).check(code(clock, shift))).value == verdict


async def test_a_code_is_good_once_without_the_database(chat, clock):
    chat.down = True
    second = SecondFactor(secret, chat, clock)
    assert await second.check(code(clock)) is Verdict.GOOD
    assert await second.check(code(clock)) is Verdict.WRONG


async def test_five_wrong_codes_close_for_fifteen_minutes_and_restarts_do_not_help(chat, clock):
    said = [await SecondFactor(secret, chat, clock).check("000000") for _ in range(5)]
    assert said == [Verdict.WRONG] * 4 + [Verdict.LOCKED]
    assert await SecondFactor(secret, chat, clock).check(code(clock)) is Verdict.CLOSED
    clock.at = NOW + dt.timedelta(minutes=15)
    assert await SecondFactor(secret, chat, clock).check(code(clock)) is Verdict.GOOD


@pytest.mark.parametrize("text", ["", "abc", "12345", "١٢٣٤٥٦", "1234567", "청산"])
async def test_what_is_no_code_is_wrong(chat, clock, text):
    assert await SecondFactor(secret, chat, clock).check(text) is Verdict.WRONG


async def test_a_secret_that_cannot_be_read_keeps_the_door_closed(chat, clock):
    async def unreadable():
        raise PermissionError("no")

    second = SecondFactor(unreadable, chat, clock)
    assert await second.enrolled()
    with pytest.raises(OSError, match="no"):
        await second.check("123456")


def test_a_code_is_never_recorded():
    assert masked(" 123 456 ") == HIDDEN
    assert masked("/buy NVDA 500000") == "/buy NVDA 500000"


def test_a_question_is_one_persons_and_lasts_a_minute():
    now = [0.0]
    asked = Challenges(lambda: now[0])
    asked.ask(1, None, "청산")
    assert asked.pending(2) is None
    now[0] = LIFETIME_S
    assert asked.pending(1).words == {"청산"}
    now[0] += 0.1
    assert asked.pending(1) is None

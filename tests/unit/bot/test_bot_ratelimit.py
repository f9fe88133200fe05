"""Flood control on a fake clock: pace, bursts, newest edit wins, a lane that never waits, bounded retries."""

import asyncio

import pytest
from telegram.error import RetryAfter, TimedOut

from bot.ratelimit import PRIORITY, RETRIES, AppRateLimiter


class FakeTime:
    def __init__(self):
        self.now = 100.0

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def limiter(time):
    return AppRateLimiter(lambda: time.now, time.sleep)


async def ask(limiter, calls, name, *, endpoint="sendMessage", lane=None, trouble=None, **data):
    async def callback(*args, **kwargs):
        if trouble:
            raise trouble.pop(0)
        calls.append(name)
        return {"name": name}

    return await limiter.process_request(callback, (), {}, endpoint, data, lane)


async def test_three_at_once_then_one_a_second_in_order(limiter, time):
    calls, times = [], []
    for i in range(6):
        await ask(limiter, calls, i, chat_id=1)
        times.append(round(time.now - 100, 6))
    assert calls == list(range(6))
    assert times == [0, 0, 0, 1, 2, 3]


async def test_chats_do_not_wait_for_each_other_but_the_whole_is_bounded(limiter, time):
    calls = []
    for chat in range(25):
        await ask(limiter, calls, chat, chat_id=chat)
    assert time.now == 100
    await ask(limiter, calls, 25, chat_id=25)
    assert time.now == pytest.approx(100.04)


async def test_priority_and_answers_never_wait(limiter, time):
    calls = []
    for i in range(3):
        await ask(limiter, calls, i, chat_id=1)
    await ask(limiter, calls, "panic", lane=PRIORITY, chat_id=1)
    await ask(limiter, calls, "answer", endpoint="answerCallbackQuery", callback_query_id="x")
    assert time.now == 100
    assert calls[-2:] == ["panic", "answer"]


async def test_of_waiting_edits_of_one_message_only_the_newest_is_sent(limiter):
    calls = []
    for i in range(3):
        await ask(limiter, calls, i, chat_id=1)
    edits = [ask(limiter, calls, f"edit{i}", endpoint="editMessageText", chat_id=1, message_id=7) for i in range(5)]
    other = ask(limiter, calls, "other", endpoint="editMessageText", chat_id=1, message_id=8)
    results = await asyncio.gather(*edits, other)
    assert calls == [0, 1, 2, "edit4", "other"]
    assert [r["name"] for r in results] == ["edit4"] * 5 + ["other"]


async def test_an_overtaken_edit_shares_the_newer_ones_failure(limiter):
    calls = []
    for i in range(3):
        await ask(limiter, calls, i, chat_id=1)
    old = ask(limiter, calls, "old", endpoint="editMessageText", chat_id=1, message_id=7)
    new = ask(limiter, calls, "new", endpoint="editMessageText", chat_id=1, message_id=7, trouble=[TimedOut()])
    results = await asyncio.gather(old, new, return_exceptions=True)
    assert all(isinstance(r, TimedOut) for r in results)
    assert (await ask(limiter, calls, "next", endpoint="editMessageText", chat_id=1, message_id=7))["name"] == "next"


async def test_telegrams_own_limit_is_waited_out_and_holds_the_chat_back(limiter, time):
    calls = []
    await ask(limiter, calls, "a", chat_id=1, trouble=[RetryAfter(5)])
    assert time.now == 105
    assert calls == ["a"]


async def test_retries_are_bounded(limiter):
    with pytest.raises(RetryAfter):
        await ask(limiter, [], "a", chat_id=1, trouble=[RetryAfter(1) for _ in range(RETRIES + 1)])
    with pytest.raises(RetryAfter):
        await ask(limiter, [], "b", chat_id=2, trouble=[RetryAfter(9_999)])


async def test_a_cancelled_edit_leaves_nothing_behind(limiter):
    hang = asyncio.Event()

    async def callback():
        await hang.wait()

    data = {"chat_id": 1, "message_id": 7}
    task = asyncio.create_task(limiter.process_request(callback, (), {}, "editMessageText", data, None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    calls = []
    await ask(limiter, calls, "next", endpoint="editMessageText", **data)
    assert calls == ["next"]

"""getUpdates without sockets: confirmation, allowed kinds, one poller."""

import asyncio

import pytest

from sandbox.telegram.errors import ApiError
from sandbox.telegram.updates import FIRST_UPDATE_ID, Pollers, UpdateQueue


def filled(count: int) -> UpdateQueue:
    queue = UpdateQueue()
    for number in range(count):
        queue.add("message", {"n": number})
    return queue


def test_updates_stay_until_a_higher_offset_confirms_them():
    queue = filled(3)
    assert len(queue.batch(100)) == len(queue.batch(100)) == 3
    queue.confirm(FIRST_UPDATE_ID + 2)
    assert [u["update_id"] for u in queue.batch(100)] == [FIRST_UPDATE_ID + 2]
    queue.confirm(0)
    assert len(queue.pending) == 1


def test_a_negative_offset_keeps_the_newest():
    queue = filled(5)
    queue.confirm(-2)
    assert [u["message"]["n"] for u in queue.batch(100)] == [3, 4]


def test_the_limit_is_between_one_and_a_hundred():
    queue = filled(150)
    assert (len(queue.batch(0)), len(queue.batch(7)), len(queue.batch(1000))) == (1, 7, 100)


def test_allowed_kinds_are_remembered_and_apply_when_an_update_is_made():
    queue = UpdateQueue()
    assert queue.add("chat_member", {}) is None
    queue.allow(["message"])
    queue.allow(None)
    assert queue.add("callback_query", {}) is None
    assert queue.add("message", {}) == FIRST_UPDATE_ID
    queue.allow([])
    assert queue.add("callback_query", {}) == FIRST_UPDATE_ID + 1


async def test_a_new_poller_ends_the_old_one():
    pollers = Pollers()
    first = pollers.enter()
    second = pollers.enter()
    with pytest.raises(ApiError, match="Conflict: terminated by other getUpdates request"):
        await first.wait(10)
    pollers.leave(first)
    assert pollers.active
    pollers.wake()
    await second.wait(10)
    pollers.leave(second)
    assert not pollers.active


async def test_a_poll_without_news_ends_by_itself():
    poll = Pollers().enter()
    async with asyncio.timeout(5):
        await poll.wait(0.001)

"""The steered clock: pause, speed and jumps keep time going forward, and wake whoever sleeps."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.clock import ClockError, SandboxClock, SteeredClock, clock_from

START = datetime(2026, 11, 18, 19, 30, tzinfo=UTC)


def clock(speed: float = 1.0) -> SteeredClock:
    return SteeredClock(START, time.time(), speed)


def test_a_paused_clock_stands_still_and_goes_on_from_there():
    steered = clock(1e6)
    steered.pause(True)
    at = steered.now()
    assert steered.now() == at > START
    steered.pause(False)
    assert steered.now() >= at
    assert steered.speed == 1e6


def test_a_change_of_speed_keeps_the_instant():
    steered = clock(600.0)
    before = steered.now()
    steered.run(1.0)
    assert before <= steered.now() < before + timedelta(minutes=10)


def test_a_jump_goes_ahead_only():
    steered = clock()
    steered.jump(START + timedelta(hours=2))
    assert steered.now() >= START + timedelta(hours=2)
    for to in (START, steered.now() + timedelta(days=2)):
        with pytest.raises(ClockError, match="forward"):
            steered.jump(to)
    assert steered.now() < START + timedelta(hours=3)


@pytest.mark.parametrize("speed", [0, -1, 601, float("nan")])
def test_impossible_speeds_are_refused(speed):
    with pytest.raises(ClockError, match="speed"):
        clock().run(speed)


async def test_a_jump_and_a_new_speed_wake_who_sleeps():
    steered = clock()
    steered.pause(True)
    asleep = asyncio.create_task(steered.sleep(3600))
    await asyncio.sleep(0)
    steered.jump(START + timedelta(hours=3))
    async with asyncio.timeout(20):
        await asleep
    assert steered.now() >= START + timedelta(hours=1)


def test_a_clock_whose_start_was_told_to_others_cannot_be_steered():
    assert isinstance(clock_from({}), SteeredClock)
    shared = {"SEOHAK_CLOCK_ORIGIN": START.isoformat(), "SEOHAK_CLOCK_STARTED": "1000"}
    assert type(clock_from(shared)) is SandboxClock
    assert not clock_from(shared).adjustable

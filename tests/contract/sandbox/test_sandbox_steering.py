"""The clock by request: every server of a sandbox of its own follows; a shared clock is left alone."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from sandbox import scenarios, servers
from sandbox.clock import SandboxClock, SteeredClock
from sandbox.world import create_world
from tests.contract.conftest import DAY
from tests.contract.sandbox.sandbox_calls import call

START = datetime(2026, 11, 18, 13, 0, tzinfo=UTC)


async def ask(kind, *bodies):
    """Start a world with this kind of clock, send the bodies, and return the answers."""
    world = create_world(scenarios.build("calm", DAY, 1, 3), kind(START, time.time(), 1.0))
    running = await servers.start(world, {})
    try:
        answers = [await call(running.addresses["control"], "POST", "/control/clock", body) for body in bodies]
        return [*answers, await call(running.addresses["control"], "GET", "/control/clock", None)]
    finally:
        await running.stop()


async def test_the_clock_pauses_speeds_up_and_jumps():
    paused, fast, ahead, opened, reported, now = await ask(
        SteeredClock, {"paused": True}, {"speed": 20}, {"by_s": 600}, {"to": "open"}, {"to": "report"}
    )
    assert paused[1]["paused"] is True
    assert (fast[1]["speed"], fast[1]["paused"]) == (20, False)
    assert datetime.fromisoformat(ahead[1]["now"]) >= START + timedelta(minutes=10)
    assert opened[1]["now"].startswith("2026-11-18T14:30")
    assert reported[1]["now"].startswith("2026-11-18T21:30")
    assert now[1]["adjustable"] is True


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"by_s": -1}, "forward"),
        ({"by_s": 1e9}, "forward"),
        ({"by_s": 1e300}, "at most a day"),
        ({"speed": 0}, "speed"),
        ({"to": "yesterday"}, "to must be"),
        ({"to": "2026-11-18T14:30:00"}, "offset"),
        ({}, "send one of"),
        ({"speed": 2, "by_s": 2}, "send one of"),
    ],
)
async def test_what_the_clock_cannot_do_is_explained(body, words):
    (status, reply), _ = [answer[:2] for answer in await ask(SteeredClock, body)]
    assert status == 400
    assert re.search(words, reply["error"])


async def test_a_shared_clock_is_left_alone():
    (status, reply), now = [answer[:2] for answer in await ask(SandboxClock, {"speed": 20})]
    assert status == 400
    assert "share this clock" in reply["error"]
    assert (now[1]["speed"], now[1]["adjustable"]) == (1.0, False)

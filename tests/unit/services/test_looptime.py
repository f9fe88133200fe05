"""How long one round of callbacks holds the event loop."""

import asyncio
import time

from services.looptime import LoopTime

HELD_S = 0.03


def burn(seconds: float) -> None:
    """Work, as far as the processor's own clock can tell."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def hold() -> None:
    await asyncio.sleep(0)
    burn(HELD_S)
    await asyncio.sleep(0)


def test_what_holds_the_loop_is_seen_and_what_came_before_the_beginning_is_not() -> None:
    timed = LoopTime()
    with asyncio.Runner(loop_factory=timed.loop) as runner:
        runner.run(hold())
        assert timed.busiest_ms >= HELD_S * 1000
        assert timed.longest_ms >= HELD_S * 1000
        timed.forget()
        assert (timed.busiest_ms, timed.longest_ms) == (0.0, 0.0)
        runner.run(asyncio.sleep(0))
        assert 0 < timed.busiest_ms < HELD_S * 1000


def test_waiting_is_not_holding() -> None:
    timed = LoopTime()
    with asyncio.Runner(loop_factory=timed.loop) as runner:
        runner.run(asyncio.sleep(2 * HELD_S))
    assert timed.busiest_ms < HELD_S * 1000
    assert set(timed.facts()) == {"loop_longest_ms", "loop_busiest_ms"}

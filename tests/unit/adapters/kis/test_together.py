"""Equal questions at the same time are one call, and nobody's answer depends on who else waits for it."""

import asyncio

import pytest

from adapters.kis.together import Together
from ports.broker import Urgency


class Desk:
    """Counts its calls and answers when it is told to."""

    def __init__(self) -> None:
        self.calls, self.answer = 0, asyncio.Event()
        self.trouble: Exception | None = None

    async def ask(self) -> int:
        self.calls += 1
        number = self.calls
        await self.answer.wait()
        if self.trouble:
            raise self.trouble
        return number


async def asked(together: Together[int], desk: Desk, *urgencies: Urgency) -> list[asyncio.Task[int]]:
    """Tasks that wait for the answer."""
    tasks = [asyncio.create_task(together.ask(urgency, desk.ask)) for urgency in urgencies]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_equal_questions_on_their_way_are_one_call_and_the_next_is_a_new_one() -> None:
    desk, together = Desk(), Together[int]()
    tasks = await asked(together, desk, Urgency.ENTRY, Urgency.ENTRY, Urgency.ENTRY)
    desk.answer.set()
    assert await asyncio.gather(*tasks) == [1, 1, 1]
    assert await together.ask(Urgency.ENTRY, desk.ask) == 2


async def test_who_is_in_a_hurry_does_not_wait_for_a_call_that_is_less_urgent() -> None:
    desk, together = Desk(), Together[int]()
    tasks = await asked(together, desk, Urgency.ENTRY, Urgency.EXIT, Urgency.RECONCILE, Urgency.ENTRY)
    assert desk.calls == 2
    desk.answer.set()
    first, hurried, *others = await asyncio.gather(*tasks)
    assert (first, hurried) == (1, 2)
    assert others[0] == 2, "a reconcile joins the more urgent call, never the entry's"


async def test_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    desk, together = Desk(), Together[int]()
    first, second = await asked(together, desk, Urgency.ENTRY, Urgency.ENTRY)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    desk.answer.set()
    assert await second == 1


async def test_a_failure_is_everybodys_and_over_afterwards() -> None:
    desk, together = Desk(), Together[int]()
    desk.trouble = OSError("away")
    tasks = await asked(together, desk, Urgency.ENTRY, Urgency.ENTRY)
    desk.answer.set()
    for task in tasks:
        with pytest.raises(OSError, match="away"):
            await task
    desk.trouble = None
    assert await together.ask(Urgency.ENTRY, desk.ask) == 2

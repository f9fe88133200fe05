"""Virtual time: nothing waits, processes freeze and die as real ones do."""

import asyncio
import time

import pytest

from simulation.loop import Killed, Process, Stuck, VirtualLoop


@pytest.fixture
def loop() -> VirtualLoop:
    found = VirtualLoop()
    yield found
    found.close()


async def every_second(loop: VirtualLoop, seen: list[float]) -> None:
    while True:
        seen.append(loop.time())
        await asyncio.sleep(1)


def test_an_hour_passes_without_waiting(loop: VirtualLoop) -> None:
    seen: list[float] = []
    process = Process("p", loop)
    process.spawn(every_second(loop, seen))
    loop.later(3600.5, loop.stop)
    began = time.perf_counter()
    loop.run()
    process.bury()
    assert len(seen) == 3601
    assert time.perf_counter() - began < 5


def test_a_frozen_process_goes_on_where_it_was(loop: VirtualLoop) -> None:
    seen: list[float] = []
    process = Process("p", loop)
    process.spawn(every_second(loop, seen))
    loop.later(2.5, process.freeze)
    loop.later(9.5, process.thaw)
    loop.later(11.0, loop.stop)
    loop.run()
    process.bury()
    assert seen == [0.0, 1.0, 2.0, 9.5, 10.5]


def test_a_dead_process_does_nothing_any_more_not_even_its_finally(loop: VirtualLoop) -> None:
    done: list[str] = []
    process = Process("p", loop)

    async def work() -> None:
        try:
            await asyncio.sleep(10)
            done.append("woke")
        finally:
            process.check()
            done.append("wrote")

    process.spawn(work())
    loop.later(5.0, process.die)
    loop.later(20.0, loop.stop)
    loop.run()
    assert not done
    process.bury()
    assert not done, "its ports are dead"


def test_tasks_of_a_process_belong_to_it_and_the_worlds_timers_do_not(loop: VirtualLoop) -> None:
    seen: list[str] = []
    process = Process("p", loop)

    async def parent() -> None:
        loop.later(6.0, seen.append, "world")
        child = asyncio.create_task(asyncio.sleep(6.0))
        child.add_done_callback(lambda _: seen.append("child"))
        await child

    process.spawn(parent())
    loop.later(5.0, process.die)
    loop.later(7.0, loop.stop)
    loop.run()
    process.bury()
    assert seen == ["world"]


def test_a_death_inside_a_call_unwinds_without_touching_the_loop(loop: VirtualLoop) -> None:
    process = Process("p", loop)
    caught: list[str] = []

    async def work() -> None:
        try:
            process.die()
            process.check()
        except Exception:
            caught.append("an ordinary handler")

    task = process.spawn(work())
    loop.later(1.0, loop.stop)
    loop.run()
    assert not caught
    assert isinstance(task.exception(), Killed)


def test_it_dies_behind_the_step_it_was_told(loop: VirtualLoop) -> None:
    seen: list[float] = []
    process = Process("p", loop)
    process.die_at_step = 4
    process.spawn(every_second(loop, seen))
    loop.later(30.0, loop.stop)
    loop.run()
    process.bury()
    assert process.steps == 4
    # a sleep takes two steps: the timer and the task that it wakes
    assert seen == [0.0, 1.0]


def test_a_failing_callback_of_the_world_is_no_accident(loop: VirtualLoop) -> None:
    loop.later(1.0, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        loop.run()


def test_a_world_without_timers_is_a_mistake(loop: VirtualLoop) -> None:
    with pytest.raises(Stuck):
        loop.run()


def test_sets_of_tasks_have_one_order_in_every_run() -> None:
    orders = []
    for _ in range(2):
        loop = VirtualLoop()
        process = Process("p", loop)
        tasks = {process.spawn(asyncio.sleep(0)) for _ in range(50)}
        orders.append([task.number for task in tasks])
        loop.later(1.0, loop.stop)
        loop.run()
        loop.close()
    assert orders[0] == orders[1]

"""Bounded threads: the urgent first, never more than allowed, nothing forgotten."""

import threading
from concurrent.futures import wait

import pytest

from adapters.kis.lanes import Busy, Lane

PATIENCE_S = 20.0


@pytest.fixture
def gate():
    event = threading.Event()
    yield event
    event.set()


def blocked(lane: Lane, gate: threading.Event, count: int = 1) -> list:
    """Occupy `count` threads until the gate opens."""
    started = threading.Semaphore(0)

    def hold() -> bool:
        started.release()
        return gate.wait(PATIENCE_S)

    running = [lane.submit(0, hold) for _ in range(count)]
    for _ in range(count):
        assert started.acquire(timeout=PATIENCE_S)
    return running


def test_the_urgent_go_first_and_equals_in_their_order(gate):
    lane, done = Lane("test", 1), []
    blocked(lane, gate)
    calls = [lane.submit(urgency, lambda name=name: done.append(name)) for urgency, name in
             [(2, "entry 1"), (2, "entry 2"), (1, "fills"), (0, "price")]]  # fmt: skip
    gate.set()
    wait(calls, PATIENCE_S)
    assert done == ["price", "fills", "entry 1", "entry 2"]
    lane.close()


def test_a_result_and_an_error_reach_whoever_asked():
    lane = Lane("test", 1)
    assert lane.submit(0, lambda: 7).result(PATIENCE_S) == 7
    with pytest.raises(ZeroDivisionError):
        lane.submit(0, lambda: 1 // 0).result(PATIENCE_S)
    assert lane.submit(0, lambda: 8).result(PATIENCE_S) == 8
    lane.close()


def test_never_more_at_a_time_than_threads(gate):
    lane, at_once, most = Lane("test", 2), [0], [0]
    lock = threading.Lock()

    def count() -> None:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        gate.wait(0.002)
        with lock:
            at_once[0] -= 1

    wait([lane.submit(n % 3, count) for n in range(40)], PATIENCE_S)
    assert most == [2]
    lane.close()


def test_a_full_queue_refuses_equals_and_makes_room_for_the_urgent(gate):
    lane = Lane("test", 1, waiting=2)
    blocked(lane, gate)
    first, second = lane.submit(2, lambda: 1), lane.submit(2, lambda: 2)
    with pytest.raises(Busy):
        lane.submit(2, lambda: 3)
    urgent = lane.submit(0, lambda: 4)
    with pytest.raises(Busy):
        second.result(PATIENCE_S)
    gate.set()
    assert (urgent.result(PATIENCE_S), first.result(PATIENCE_S)) == (4, 1)
    lane.close()


def test_a_call_that_nobody_waits_for_any_more_is_not_started_and_takes_no_room(gate):
    lane, done = Lane("test", 1, waiting=1), []
    blocked(lane, gate)
    assert lane.submit(0, lambda: done.append("given up")).cancel()
    last = lane.submit(2, lambda: done.append("last"))
    gate.set()
    last.result(PATIENCE_S)
    assert done == ["last"]
    lane.close()


def test_closing_ends_what_waits_and_lets_what_runs_finish(gate):
    lane = Lane("test", 1)
    (running,) = blocked(lane, gate)
    waiting = lane.submit(0, lambda: 1)
    closing = threading.Thread(target=lane.close)
    closing.start()
    with pytest.raises(Busy):
        waiting.result(PATIENCE_S)
    gate.set()
    closing.join(PATIENCE_S)
    assert running.result(PATIENCE_S) is True
    with pytest.raises(Busy):
        lane.submit(0, lambda: 1)


def test_threads_are_named_without_anything_secret():
    lane = Lane("order", 1)
    assert lane.submit(0, lambda: threading.current_thread().name).result(PATIENCE_S) == "kis-order_0"
    lane.close()

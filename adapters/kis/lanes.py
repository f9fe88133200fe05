"""Bounded threads for blocking calls, started in order of urgency."""

import concurrent.futures
import itertools
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
WAITING = 64


class Busy(Exception):
    """The call was not started and never will be: too many wait, or the lane is closed."""


class _Job(msgspec.Struct, Generic[T], eq=False):
    urgency: int
    number: int
    run: Callable[[], T]
    future: "concurrent.futures.Future[T]"


class Lane:
    """At most `threads` calls at a time and `waiting` behind them; a more urgent call may take a waiting one's place."""

    def __init__(self, name: str, threads: int, waiting: int = WAITING) -> None:
        self._threads, self._limit = threads, waiting
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix=f"kis-{name}")
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        # object instead of the result's type: each job keeps its own
        self._jobs: list[_Job[object]] = []
        self._running = 0
        self._closed = False

    def submit(self, urgency: int, run: Callable[[], T]) -> "concurrent.futures.Future[T]":
        """Queue a call; lower `urgency` goes first. The future fails with Busy where another call took its place.

        Raises Busy where the queue is full of calls at least as urgent. A waiting call can be cancelled.
        """
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        job = _Job(urgency, next(self._numbers), run, future)
        with self._lock:
            if self._closed:
                raise Busy("the gateway is closed")
            self._jobs = [waiting for waiting in self._jobs if not waiting.future.cancelled()]
            displaced = self._room_for(urgency)
            self._jobs.append(job)  # type: ignore[arg-type] # the queue does not care what a job returns
            self._start()
        if displaced is not None:
            _fail(displaced)
        return future

    def _room_for(self, urgency: int) -> "_Job[object] | None":
        """The waiting call that makes room, if one has to. Raises Busy."""
        if self._running < self._threads or len(self._jobs) < self._limit:
            return None
        last = max(self._jobs, key=lambda job: (job.urgency, job.number))
        if last.urgency <= urgency:
            raise Busy("too many calls wait")
        self._jobs.remove(last)
        return last

    def _start(self) -> None:
        while self._jobs and self._running < self._threads:
            job = min(self._jobs, key=lambda job: (job.urgency, job.number))
            self._jobs.remove(job)
            if job.future.set_running_or_notify_cancel():
                self._running += 1
                self._pool.submit(self._work, job)

    def _work(self, job: _Job[object]) -> None:
        try:
            result = job.run()
        except BaseException as error:
            self._next()
            job.future.set_exception(error)
        else:
            self._next()
            job.future.set_result(result)

    def _next(self) -> None:
        with self._lock:
            self._running -= 1
            if not self._closed:
                self._start()

    def close(self) -> None:
        """Fail what waits, and wait for what runs."""
        with self._lock:
            self._closed = True
            waiting, self._jobs = self._jobs, []
        for job in waiting:
            _fail(job)
        self._pool.shutdown()


def _fail(job: _Job[object]) -> None:
    if job.future.set_running_or_notify_cancel():
        job.future.set_exception(Busy("too many calls wait"))

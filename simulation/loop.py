"""Virtual time: an event loop whose clock jumps to the next timer, and processes that can freeze or die on it.

Nothing here opens a socket, starts a thread or waits. A process is a `contextvars` mark that its tasks inherit: what
runs under the mark belongs to the process, what the world schedules belongs to nobody and never dies.
"""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
CURRENT: ContextVar["Process | None"] = ContextVar("process", default=None)
CANCELLED_TIMERS = 256


class Killed(BaseException):
    """The process died here; nothing that it does while it falls may have an effect."""


class Stuck(RuntimeError):
    """Nobody will ever do anything again, which the world's own timers should make impossible."""


class OrderedTask(asyncio.Task[Any]):
    """A task whose hash is a running number, so that sets of tasks have the same order in every run."""

    numbers = 0

    def __init__(self, coro: Coroutine[Any, Any, Any], **options: Any) -> None:
        OrderedTask.numbers += 1
        self.number = OrderedTask.numbers
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        """The running number."""
        return self.number

    def __eq__(self, other: object) -> bool:
        """Identity, as for every task."""
        return self is other


class Process:
    """What dies or freezes as one. `after` is called behind each step of it, `fell` when its main task ends alive."""

    def __init__(self, name: str, loop: "VirtualLoop") -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self.steps = 0
        self.die_at_step = -1
        self.after: Callable[[asyncio.Handle], None] | None = None
        self.on_death: Callable[[], None] | None = None
        self._loop = loop
        self._held: list[asyncio.Handle] = []
        self._tasks: dict[int, OrderedTask] = {}
        self._context = contextvars.copy_context()
        self._context.run(CURRENT.set, self)

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start a task of this process."""
        return self._loop.create_task(work, context=self._context)

    def call(self, function: Callable[..., T], *values: object) -> T:
        """Run code as this process."""
        return self._context.run(function, *values)

    def born(self, task: OrderedTask) -> None:
        """Remember a task until it is done, so that a death does not leave its remains to the garbage collector."""
        self._tasks[task.number] = task
        if len(self._tasks) > 64:
            self._tasks = {n: t for n, t in self._tasks.items() if not t.done()}

    def step(self, handle: asyncio.Handle) -> None:
        """Run one step, unless the process is dead or frozen."""
        if not self.alive:
            return
        if self.frozen:
            self._held.append(handle)
            return
        handle._run()
        self.steps += 1
        if self.after is not None:
            self.after(handle)
        if self.steps == self.die_at_step:
            self.die()

    def check(self) -> None:
        """Called by every port: a dead process has no effects."""
        if not self.alive:
            raise Killed

    def die(self) -> None:
        """SIGKILL: from here on no step of it runs and every port raises."""
        if self.alive:
            self.alive = False
            self._held.clear()
            if self.on_death is not None:
                self.on_death()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT: all that became due meanwhile is due now."""
        self.frozen = False
        if self.alive:
            self._loop.due(self._held)
        self._held = []

    def bury(self) -> None:
        """Close what a dead process left suspended. Its ports raise, so that nothing can come of it."""
        self.alive = False
        for task in self._tasks.values():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            if not task.done():
                work = task.get_coro()
                try:
                    work.close()
                except (RuntimeError, Killed):
                    continue
            elif not task.cancelled():
                task.exception()
        self._tasks.clear()


def _task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> OrderedTask:
    task = OrderedTask(coro, loop=loop, **options)
    context: Context | None = options.get("context")
    process = context.get(CURRENT) if context is not None else CURRENT.get()
    if process is not None:
        process.born(task)
    return task


class VirtualLoop(asyncio.BaseEventLoop):
    """The standard loop's scheduling with another `_run_once`: no selector, and time passes only between steps."""

    def __init__(self) -> None:
        super().__init__()
        OrderedTask.numbers = 0
        self._now = 0.0
        self.world = contextvars.copy_context()
        self.world.run(CURRENT.set, None)
        self.set_task_factory(_task)
        self.set_exception_handler(self._trouble)
        self.error: BaseException | None = None

    def _trouble(self, _loop: object, context: dict[str, Any]) -> None:
        """A callback failed: the world's own code is wrong. (What tasks raise is their process's business.)"""
        if "handle" in context and self.error is None:
            self.error = context.get("exception")
            self.stop()

    def run(self) -> None:
        """Run until somebody stops it; raises what the world's own callbacks raised."""
        self.run_forever()
        if self.error is not None:
            raise self.error

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._now

    def later(self, seconds: float, function: Callable[..., object], *values: object) -> asyncio.TimerHandle:
        """Schedule something of the world's, whoever asks for it."""
        return self.call_at(self._now + seconds, function, *values, context=self.world)

    def due(self, handles: list[asyncio.Handle]) -> None:
        """Put handles at the end of what is ready."""
        self._ready.extend(handles)  # type: ignore[attr-defined]

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled  # type: ignore[attr-defined]
        if not ready:
            while timers and timers[0]._cancelled:
                heapq.heappop(timers)._scheduled = False
                self._timer_cancelled_count -= 1
            if not timers:
                raise Stuck
            self._now = max(self._now, timers[0]._when)
        if self._timer_cancelled_count > CANCELLED_TIMERS:
            self._forget_cancelled()
        while timers and timers[0]._when <= self._now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if timer._cancelled:
                self._timer_cancelled_count -= 1
            else:
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(CURRENT)
            if process is None:
                handle._run()
            else:
                process.step(handle)

    def _forget_cancelled(self) -> None:
        timers = self._scheduled  # type: ignore[attr-defined]
        for timer in timers:
            timer._scheduled = not timer._cancelled
        # the list object itself stays: _run_once holds it
        timers[:] = [timer for timer in timers if not timer._cancelled]
        heapq.heapify(timers)
        self._timer_cancelled_count = 0

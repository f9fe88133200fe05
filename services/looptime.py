"""How long the event loop is held by one round of its callbacks: what makes everybody else wait."""

import asyncio
import gc
import selectors
import time
from typing import Any


class LoopTime(selectors.DefaultSelector):
    """A selector that times what the loop does between two waits.

    `longest_ms` is the longest round in milliseconds of real time, `busiest_ms` the most processor time of this
    thread in one round: on a machine that does other things as well a round lasts longer than it works.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Begin anew, now: what came before, the start of the process, held up nobody."""
        self.longest_ms = self.busiest_ms = 0.0
        self._returned = time.perf_counter(), time.thread_time()

    def settle(self) -> None:
        """The start is over. What it has made stays: no later collection of garbage has to walk through it."""
        gc.collect()
        gc.freeze()
        self.forget()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as every selector does; called once per round of the loop."""
        wall, thread = self._returned
        self.longest_ms = max(self.longest_ms, (time.perf_counter() - wall) * 1000)
        self.busiest_ms = max(self.busiest_ms, (time.thread_time() - thread) * 1000)
        found = super().select(timeout)
        self._returned = time.perf_counter(), time.thread_time()
        return found

    def loop(self) -> asyncio.AbstractEventLoop:
        """An event loop on this selector."""
        return asyncio.SelectorEventLoop(self)

    def facts(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {"loop_longest_ms": f"{self.longest_ms:.1f}", "loop_busiest_ms": f"{self.busiest_ms:.1f}"}

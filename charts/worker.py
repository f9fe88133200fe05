"""One thread that draws: matplotlib is not thread-safe, so every chart of a process goes through one worker."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from charts.equity import ReportSpec, render_report
from charts.overlays import overlay
from charts.render import render
from charts.spec import ChartBars, ChartSpec, OverlayLine

MAX_WAITING = 64
T = TypeVar("T")


class ChartBusyError(RuntimeError):
    """Too many charts are waiting already; ask again later."""


class ChartWorker:
    """Draws away from the event loop, one chart at a time, in the order asked."""

    def __init__(self, *, max_waiting: int = MAX_WAITING) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="charts")
        self._max_waiting = max_waiting
        self._waiting = 0

    async def render(self, spec: ChartSpec | ReportSpec) -> bytes:
        """The PNG of a price chart or a daily report; raises ChartBusyError instead of queueing without end."""
        if isinstance(spec, ReportSpec):
            return await self._run(partial(render_report, spec))
        return await self._run(partial(render, spec))

    async def overlay(self, name: str, bars: ChartBars) -> tuple[OverlayLine, ...]:
        """Overlay lines by pandas-ta name; the first call imports pandas-ta (seconds), hence in the worker too."""
        return await self._run(partial(overlay, name, bars))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._max_waiting:
            raise ChartBusyError(f"{self._waiting} charts are waiting already")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Drop what waits, let the chart being drawn finish, end the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

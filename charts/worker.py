"""One process that draws: matplotlib is not thread-safe, and it holds the interpreter longer than a chat may wait."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from charts.equity import ReportSpec
from charts.process import read_frame, write_frame
from charts.spec import ChartBars, ChartSpec, OverlayLine

log = logging.getLogger(__name__)
MAX_WAITING = 64
DEADLINE_S = 30.0
# pandas-ta and what it imports take 200 MB: a process that has drawn overlays ends when nobody asks for more
OVERLAYS_IDLE_S = 300.0
ROOT = Path(__file__).resolve().parent.parent
# the drawing process needs a few words of the environment and none of its secrets
ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "MPLCONFIGDIR", "PYTHONPATH", "NUMBA_CACHE_DIR")


class ChartError(RuntimeError):
    """There is no picture."""


class ChartBusyError(ChartError):
    """Too many charts are waiting already; ask again later."""


class ChartFailedError(ChartError):
    """The drawing process died or took too long; the next chart gets a new one."""


class ChartWorker:
    """Draws in a process of its own, one chart at a time, in the order asked; usable from any event loop.

    The process starts with the first chart or `warm`, is replaced when it dies or hangs for `deadline_s`, and ends with
    `close` or with this process, however that ends.
    """

    def __init__(
        self,
        *,
        max_waiting: int = MAX_WAITING,
        deadline_s: float = DEADLINE_S,
        overlays_idle_s: float = OVERLAYS_IDLE_S,
    ) -> None:
        # the thread only waits for the process
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="charts")
        self._max_waiting = max_waiting
        self._deadline_s = deadline_s
        self._overlays_idle_s = overlays_idle_s
        self._waiting = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._idle: threading.Timer | None = None
        self._heavy = False

    @property
    def pid(self) -> int | None:
        """The drawing process, None where none runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    async def warm(self) -> None:
        """Pay for imports, fonts and the first picture before somebody waits for one. Raises ChartError."""
        await self._run("warm")

    async def render(self, spec: ChartSpec | ReportSpec) -> bytes:
        """The PNG of a price chart or a daily report; raises ChartError instead of queueing or waiting without end."""
        return cast(bytes, await self._run("report" if isinstance(spec, ReportSpec) else "render", spec))

    async def overlay(self, name: str, bars: ChartBars) -> tuple[OverlayLine, ...]:
        """Overlay lines by pandas-ta name; the first call imports pandas-ta (seconds). ValueError as `overlay` has it."""
        return cast("tuple[OverlayLine, ...]", await self._run("overlay", name, bars))

    async def _run(self, kind: str, *arguments: object) -> object:
        if self._waiting >= self._max_waiting:
            raise ChartBusyError(f"{self._waiting} charts are waiting already")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, kind, arguments)
        finally:
            self._waiting -= 1

    def _ask(self, kind: str, arguments: tuple[object, ...]) -> object:
        """In the one thread: send a job and wait for its answer."""
        if self._idle is not None:
            self._idle.cancel()
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(self._deadline_s, process.kill)
        watch.daemon = True
        watch.start()
        try:
            write_frame(cast(Any, process.stdin), (kind, arguments))
            good, answer = read_frame(cast(Any, process.stdout))
        except (EOFError, OSError) as trouble:
            self._end()
            raise ChartFailedError(f"the drawing process ended while it did {kind}") from trouble
        finally:
            watch.cancel()
        self._heavy = self._heavy or kind == "overlay"
        if self._heavy:
            self._idle = threading.Timer(self._overlays_idle_s, self._lighten)
            self._idle.daemon = True
            self._idle.start()
        if not good:
            raise ValueError(answer)
        return answer

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            env = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "charts.process"],
                cwd=ROOT,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._heavy = False
        return self._process

    def _lighten(self) -> None:
        """Give pandas-ta's memory back; the fresh process is warm before it is needed."""
        try:
            self._pool.submit(self._renew)
        except RuntimeError:
            return

    def _renew(self) -> None:
        self._end()
        try:
            self._ask("warm", ())
        except (ChartError, ValueError) as trouble:
            log.warning("no drawing process is ready: %s", trouble)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
        process.wait()

    def close(self) -> None:
        """Drop what waits, let the chart being drawn finish, end the process and the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._idle is not None:
            self._idle.cancel()
        self._end()

"""`ports.research.Backtests`: each run is a process of its own, without secrets, that yields to everything else."""

import asyncio
import contextlib
import datetime as dt
import os
import resource
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from backtest.data.manifest import DataProblem, decode
from backtest.report.names import PICTURE, SUMMARY
from config.environment import ROOT
from core.model.backtested import RunSummary
from core.model.messages import Value
from ports.research import Ran, RunFailed, StoreDamaged, Why

PATIENCE_S = 900.0
NICE = 15
# of a process that takes too much memory: before anything that trades
FIRST_TO_GO = "800"
MOST_MEMORY = 4 * 1024**3
# what a Python process needs of the environment; tokens and keys are none of it
PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "SEOHAK_CONFIG")
MOST_WORDS = 300


class ChildBacktests:
    """One run at a time, of the bars in the state directory."""

    def __init__(self, state_dir: Path, config_path: Path, *, patience_s: float = PATIENCE_S) -> None:
        self._state_dir = state_dir
        self._config_path = config_path
        self._patience_s = patience_s
        self._busy = False
        self._stopped = False
        self._process: Process | None = None

    async def days(self) -> Sequence[dt.date]:
        """The stored days, oldest first; raises StoreDamaged."""
        return await asyncio.to_thread(self._days)

    def _days(self) -> Sequence[dt.date]:
        path = self._state_dir / "bars" / "manifest.json"
        try:
            return decode(path.read_bytes(), str(path)).between(None, None)
        except FileNotFoundError:
            return ()
        except (OSError, DataProblem) as trouble:
            raise StoreDamaged(str(trouble)) from None

    async def run(self, first: dt.date, last: dt.date, settings: Mapping[str, Value], *, language: str = "") -> Ran:
        """Run with these settings on top of config.yaml; raises RunFailed."""
        if self._busy:
            raise RunFailed(Why.BUSY)
        self._busy, self._stopped = True, False
        try:
            with tempfile.TemporaryDirectory(prefix="seohak-backtest-") as folder:
                words = ["--first", str(first), "--last", str(last), "--brief", folder]
                words += ["--language", language] if language else []
                await self._perform(words, msgspec.json.encode(settings))
                return await asyncio.to_thread(_result, Path(folder), pictured=bool(language))
        finally:
            self._busy = False

    async def stop(self) -> None:
        """End what runs; it raises RunFailed with STOPPED."""
        self._stopped = True
        if self._process is not None:
            _kill(self._process)

    async def _perform(self, words: Sequence[str], settings: bytes) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cli", "backtest", "run", "--config", str(self._config_path), "--overrides", "-"),
            *words,
            cwd=ROOT,
            env=self._environment(),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=PIPE,
            # its own group, so that nothing of it is left behind
            start_new_session=True,
        )
        self._process = process
        _yield_to_others(process.pid)
        try:
            if self._stopped:
                _kill(process)
            async with asyncio.timeout(self._patience_s):
                _, said = await process.communicate(settings)
        except TimeoutError:
            raise RunFailed(Why.SLOW, f"{self._patience_s / 60:.0f}") from None
        finally:
            self._process = None
            _kill(process)
            await process.wait()
        if self._stopped:
            raise RunFailed(Why.STOPPED)
        if process.returncode:
            why = Why.REFUSED if process.returncode == 2 else Why.FAILED
            raise RunFailed(why, _last_line(said, process.returncode))

    def _environment(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in PASSED if name in os.environ}
        return passed | {
            "SEOHAK_STATE_DIR": str(self._state_dir),
            # .env holds every secret there is
            "SEOHAK_ENV_FILE": os.devnull,
            "SEOHAK_DIE_WITH_PARENT": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }


def _yield_to_others(pid: int) -> None:
    """Lowest priority for the processor, first to go where memory runs out, a bound on its own."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, NICE)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))


def _kill(process: Process) -> None:
    # once it is reaped its number may be somebody else's
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _last_line(said: bytes, code: int) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return f"exit {code}" if code > 0 else f"signal {-code}"
    return lines[-1].removeprefix("seohak backtest: ")[:MOST_WORDS]


def _result(folder: Path, *, pictured: bool) -> Ran:
    try:
        summary = msgspec.json.decode((folder / SUMMARY).read_bytes(), type=RunSummary)
        return Ran(summary=summary, picture=(folder / PICTURE).read_bytes() if pictured else b"")
    except (OSError, msgspec.DecodeError) as trouble:
        raise RunFailed(Why.FAILED, str(trouble)[:MOST_WORDS]) from None

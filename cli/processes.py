"""A family of child processes: started in order, logged to files, restarted when they die, stopped together."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from cli.programs import ROOT, environment_of

GRACE_S = 12.0
RESTART_PAUSE_S = (1.0, 2.0, 5.0, 10.0, 30.0)
STABLE_S = 30.0


class Child(msgspec.Struct, kw_only=True):
    """One process and its history."""

    name: str
    argv: list[str]
    process: asyncio.subprocess.Process | None = None
    started: float = 0.0
    restarts: int = 0
    quick_deaths: int = 0


class Family:
    """Children share one environment; each writes to `logs/NAME.log` in the state directory."""

    def __init__(self, state_dir: Path, env: dict[str, str]) -> None:
        self._logs = state_dir / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._env = {
            **env,
            "SEOHAK_STATE_DIR": str(state_dir),
            "SEOHAK_DIE_WITH_PARENT": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")])),
            "PYTHONUNBUFFERED": "1",
        }
        self.children: dict[str, Child] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self, name: str, module: str, *arguments: str) -> Child:
        """Start `python -m module arguments…` and keep it running."""
        child = self.children[name] = Child(name=name, argv=[sys.executable, "-m", module, *arguments])
        await self._spawn(child)
        task = asyncio.create_task(self._keep(child))
        self._watchers.add(task)
        return child

    async def _spawn(self, child: Child) -> None:
        with (self._logs / f"{child.name}.log").open("ab") as output:
            child.process = await asyncio.create_subprocess_exec(
                *child.argv,
                cwd=ROOT,
                env=environment_of(child.name, self._env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        child.started = time.monotonic()

    async def _keep(self, child: Child) -> None:
        while True:
            assert child.process is not None
            code = await child.process.wait()
            if self._stopping or code == 2:
                # 2 is a configuration that will not get better by itself
                return
            stable = time.monotonic() - child.started >= STABLE_S
            child.quick_deaths = 0 if stable else child.quick_deaths + 1
            child.restarts += 1
            await asyncio.sleep(RESTART_PAUSE_S[min(child.quick_deaths, len(RESTART_PAUSE_S) - 1)] if not stable else 0)
            if self._stopping:
                return
            await self._spawn(child)

    def share(self, variables: dict[str, str]) -> None:
        """Add to the environment of the children started from now on."""
        self._env |= variables

    def log_lines(self, name: str) -> list[str]:
        """What a child has written so far."""
        try:
            return (self._logs / f"{name}.log").read_text(errors="replace").splitlines()
        except OSError:
            return []

    def refused(self) -> Child | None:
        """A child that ended with exit code 2, if any."""
        for child in self.children.values():
            if child.process is not None and child.process.returncode == 2:
                return child
        return None

    def last_words(self, name: str) -> str:
        """The last line of a child's log."""
        lines = self.log_lines(name)
        return lines[-1] if lines else ""

    def kill(self, name: str) -> None:
        """Send SIGKILL to one child (it is started again)."""
        process = self.children[name].process
        if process is not None and process.returncode is None:
            process.kill()

    async def stop(self) -> None:
        """SIGTERM in reverse order of the start; the first child serves the others, so it goes when they are gone."""
        self._stopping = True
        children = list(self.children.values())
        await _end(children[:0:-1])
        await _end(children[:1])
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)


async def _end(children: list[Child]) -> None:
    """Ask, wait, and kill those that do not listen."""
    running = [c.process for c in children if c.process and c.process.returncode is None]
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    for process in running:
        try:
            async with asyncio.timeout(GRACE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

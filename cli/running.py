"""Which of our processes run on a state directory, by the kernel's word, and how they are all stopped. Standard library only."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from cli.programs import PROGRAM, RUN_FILE, STATE_DIR, SUPERVISED, Run
from services.fence import process_started

PROC = Path("/proc")
STEP_S = 0.05
GUARDIAN_STOP_S = 30.0
SUPERVISORD_STOP_S = 15.0 + sum(p.stop_s for p in SUPERVISED)
PAGE_KB = 1024


class Process(NamedTuple):
    """One process: its program's name, id and start, which together are its identity."""

    name: str
    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return process_started(self.pid) == self.started and not _zombie(self.pid)


def _zombie(pid: int) -> bool:
    try:
        return (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0] in {b"Z", b"X"}
    except (OSError, IndexError):
        return True


def running(state_dir: Path) -> list[Process]:
    """Every process of ours on this state directory, oldest first; pid files can't go stale where there are none."""
    mark, name_mark = f"{STATE_DIR}={state_dir}".encode(), f"{PROGRAM}=".encode()
    redis_dir = state_dir / "redis"
    found = []
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            # redis-server writes its title over its environment; it works in a folder of ours
            redis = (folder / "comm").read_bytes() == b"redis-server\n" and (folder / "cwd").readlink() == redis_dir
        except OSError:
            continue
        names = (
            ["redis"] if redis else [v.removeprefix(name_mark).decode() for v in variables if v.startswith(name_mark)]
        )
        if (redis or mark in variables) and names and (started := process_started(int(folder.name))):
            found.append(Process(names[0], int(folder.name), started))
    return sorted((p for p in found if p.alive), key=lambda p: (int(p.started), p.pid))


def by_name(processes: Iterable[Process]) -> dict[str, Process]:
    """The oldest of each name: a younger one is a child that has not become its own program yet."""
    found: dict[str, Process] = {}
    for process in processes:
        found.setdefault(process.name, process)
    return found


def memory_mb(pid: int, *, children: bool) -> float:
    """Proportional memory (PSS) of a process, with its children or alone, in MB; 0 where it can't be read."""
    total = 0.0
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) / PAGE_KB
        if children:
            born = (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
            total += sum(memory_mb(int(child), children=True) for child in born)
    return total


def uptime_s(process: Process) -> float:
    """How long a process has been running."""
    up_s = float((PROC / "uptime").read_text().split()[0])
    return max(0.0, up_s - int(process.started) / os.sysconf("SC_CLK_TCK"))


def send(process: Process, number: int) -> None:
    """Send a signal, if it is still the same process."""
    if process.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def wait_gone(processes: list[Process], seconds: float, reap: Callable[[], object] = lambda: None) -> list[Process]:
    """Wait until none of them runs; returns those that still do."""
    deadline = time.monotonic() + seconds
    while left := [p for p in processes if p.alive]:
        if time.monotonic() > deadline:
            return left
        time.sleep(STEP_S)
        reap()
    return []


def stop_all(
    state_dir: Path,
    *,
    spare: frozenset[str] = frozenset(),
    say: Callable[[str], object] = lambda _: None,
    reap: Callable[[], object] = lambda: None,
) -> None:
    """Supervisord first (it stops bot, trader, analyzer, collector, Redis in this order), the guardian last, then what is left."""
    for name, seconds in (("supervisord", SUPERVISORD_STOP_S), ("guardian", GUARDIAN_STOP_S)):
        if name in spare:
            continue
        found = [p for p in running(state_dir) if p.name == name]
        for process in found:
            send(process, signal.SIGTERM)
            # one that somebody has stopped would not hear it
            send(process, signal.SIGCONT)
        for process in wait_gone(found, seconds, reap):
            say(f"{name}: SIGKILL after {seconds:.0f} s")
            send(process, signal.SIGKILL)
    mine = os.getpid()
    left = [p for p in running(state_dir) if p.pid != mine and p.name not in spare]
    for process in left:
        say(f"{process.name}: left over, SIGKILL")
        send(process, signal.SIGKILL)
    wait_gone(left, 5.0, reap)


def sweep(state_dir: Path, run: Run | None) -> None:
    """Remove what only running processes need."""
    paths = [state_dir / RUN_FILE, state_dir / "supervisord.pid"]
    if run is not None:
        paths.append(Path(run.socket))
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

"""The keeper: starts supervisord and the guardian again when they die; few lines, standard library only, so that little can fail."""

import contextlib
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from cli.beats import beat_age_s, show_beat
from cli.programs import GUARDIAN, KEEPER, PROGRAM, STATE_DIR, SUPERVISORD, Run, log_path, read_run
from cli.running import Process, by_name, running, stop_all, sweep, uptime_s
from services.fence import hold_alone, process_started

log = logging.getLogger("keeper")
ROUND_S = 1.0
PAUSES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
STABLE_S = 30.0
MOST_LOG_BYTES, LOG_BACKUPS = 10_000_000, 3
AWAITED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


class Kept:
    """One process that must run: its present identity, and when the next one may be started."""

    def __init__(self, name: str, process: Process | None) -> None:
        self.name, self.process = name, process
        self.quick_deaths, self.not_before, self.died = 0, 0.0, 0

    def gone(self, now: float, lived_s: float) -> None:
        """It died: the pause before the next start grows with each quick death."""
        self.process = None
        self.died += 1
        self.quick_deaths = 0 if lived_s >= STABLE_S else min(self.quick_deaths + 1, len(PAUSES_S) - 1)
        self.not_before = now + PAUSES_S[max(0, self.quick_deaths - 1)]


class Keeper:
    """Holds the lock of the state directory, so that there is one."""

    def __init__(self, state_dir: Path, run: Run, env: Mapping[str, str]) -> None:
        self._state_dir, self._run = state_dir, run
        self._env = {k: v for k, v in env.items() if k not in {PROGRAM, "SEOHAK_KEEPER_LOCK"}}
        # what a killed keeper has left running is kept on
        found = by_name(running(state_dir))
        names = [SUPERVISORD.name, *([GUARDIAN.name] if run.keeps_guardian else [])]
        self._kept = [Kept(name, found.get(name)) for name in names]
        self._began: dict[str, float] = {}

    def run(self) -> None:
        """Keep until SIGTERM or SIGINT, then stop everything in order."""
        signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
        while True:
            _reap()
            for kept in self._kept:
                self._look(kept)
            show_beat(self._state_dir, KEEPER.name, time.monotonic(), **{f"{k.name}_died": k.died for k in self._kept})
            number = signal.sigtimedwait(AWAITED, ROUND_S)
            if number is not None and number.si_signo != signal.SIGCHLD:
                break
        log.info("stopping everything")
        spare = frozenset({KEEPER.name}) | (frozenset({GUARDIAN.name}) if self._run.guardian_apart else frozenset())
        stop_all(self._state_dir, spare=spare, say=log.warning, reap=_reap)
        sweep(self._state_dir, self._run)
        log.info("stopped")

    def _look(self, kept: Kept) -> None:
        now = time.monotonic()
        if kept.process is not None and not kept.process.alive:
            kept.gone(now, now - self._began.get(kept.name, now))
            log.error("%s died", kept.name)
        if kept.process is None and now >= kept.not_before:
            self._start(kept)
        elif kept.process is not None and kept.name == GUARDIAN.name and self._hung(kept.process, now):
            log.error("the guardian stands still; SIGKILL")
            with contextlib.suppress(OSError):
                os.kill(kept.process.pid, signal.SIGKILL)

    def _start(self, kept: Kept) -> None:
        self._began[kept.name] = time.monotonic()
        path = log_path(self._state_dir, kept.name)
        if kept.name == GUARDIAN.name:
            rotate(path)
        else:
            # it writes its own log; what it says before belongs to ours
            path = log_path(self._state_dir, KEEPER.name)
        actions: list[tuple[object, ...]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "cli.launch", kept.name],
                self._env,
                file_actions=actions,
                setsid=True,
                setsigmask=[],
            )
        except OSError as error:
            log.error("%s can't be started: %s", kept.name, error.strerror)
            kept.gone(time.monotonic(), 0.0)
            return
        kept.process = Process(kept.name, pid, process_started(pid))
        log.info("%s started, process %d", kept.name, pid)

    def _hung(self, process: Process, now: float) -> bool:
        """Whether the guardian, long alive, has not finished a round for too long. Killed, it starts from its journal."""
        age_s = beat_age_s(self._state_dir, GUARDIAN.name, process.pid, now)
        return age_s > GUARDIAN.hung_s and uptime_s(process) > GUARDIAN.hung_s


def _reap() -> None:
    """Take leave of dead children, also of those that a container's first process inherits."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def rotate(path: Path) -> None:
    """Begin a new log where the old one has grown; whoever writes appends, so nothing must be told."""
    with contextlib.suppress(OSError):
        if path.stat().st_size <= MOST_LOG_BYTES:
            return
        for number in range(LOG_BACKUPS - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(f"{path.name}.{number}").replace(path.with_name(f"{path.name}.{number + 1}"))
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        os.truncate(path, 0)


def _lock(state_dir: Path) -> BinaryIO | int | None:
    """The one that `up` took for us, else our own; None where another keeper has it."""
    handed = os.environ.get("SEOHAK_KEEPER_LOCK", "")
    if handed.isdigit():
        os.set_inheritable(int(handed), False)
        return int(handed)
    return hold_alone(state_dir, KEEPER.name)


def main() -> int:
    """Keep what `up` asked for; 1 where another keeper does."""
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    state_dir = Path(os.environ[STATE_DIR])
    rotate(log_path(state_dir, KEEPER.name))
    lock = _lock(state_dir)
    run = read_run(state_dir)
    if lock is None or run is None:
        log.error("another keeper works on %s" if lock is None else "nothing was asked to run on %s", state_dir)
        return 1
    Keeper(state_dir, run, os.environ).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

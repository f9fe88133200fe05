"""The watch: supervisord's event listener. Alarms what dies too often, kills what stands still, asks for a keeper where there is none."""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from adapters.redis.server import EmbeddedRedis
from cli.alarms import Deaths, Telegram
from cli.beats import beat, beat_age_s, show_beat
from cli.programs import KEEPER, PROGRAMS, STATE_DIR, WATCH, Program, Run, last_line, log_path, read_run
from cli.running import by_name, running, uptime_s
from cli.supervision import Supervisor, SupervisorTrouble
from services.fence import hold_alone

log = logging.getLogger("watch")
# supervisord's own pause would grow without end
MOST_TRIES = 30
# without a heartbeat so long after its start a program has not begun to work
START_S = 90.0


class Watch:
    """One event at a time; nothing in the world makes it raise."""

    def __init__(
        self,
        state_dir: Path,
        run: Run,
        telegram: Telegram,
        supervisor: Supervisor,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state_dir, self._run = state_dir, run
        self._telegram, self._supervisor, self._monotonic = telegram, supervisor, monotonic
        self._deaths = Deaths()
        self._answered: dict[str, float] = {}

    def event(self, kind: str, fields: Mapping[str, str]) -> None:
        """Handle one event of supervisord's."""
        try:
            if kind.startswith("TICK"):
                self._tick()
            else:
                self._changed(kind, fields)
        except (SupervisorTrouble, OSError, ValueError) as error:
            log.error("%s: %s", kind, error)
        self._telegram.send(self._monotonic())

    def restarted(self) -> None:
        """Tell that supervisord itself died."""
        self._telegram.say(
            "⚠️ supervisord가 죽어 모든 프로그램을 다시 시작했어요. / supervisord died; every program was started again."
        )
        self._telegram.send(self._monotonic())

    def _changed(self, kind: str, fields: Mapping[str, str]) -> None:
        name, now = fields.get("processname", ""), self._monotonic()
        if name == KEEPER.name:
            return
        if kind == "PROCESS_STATE_FATAL":
            # never for ever, whatever made it so
            if self._deaths.may_tell(name, now):
                self._tell(name, "시작되지 않아요", "can't be started")
            self._supervisor.start(name)
            return
        if count := self._deaths.died(name, now):
            self._tell(name, f"10분에 {count}번 죽었어요", f"died {count} times in 10 minutes")
        tries = fields.get("tries", "")
        if kind == "PROCESS_STATE_BACKOFF" and tries.isdigit() and int(tries) >= MOST_TRIES:
            self._supervisor.stop(name)
            self._supervisor.start(name)

    def _tell(self, name: str, korean: str, english: str) -> None:
        words = last_line(log_path(self._state_dir, name), 300)
        self._telegram.say(
            f"🚨 {name}: {korean}. 계속 다시 시작하고 있어요. / {english}; it is started again and again.\n"
            f"{words}\n./seohak logs {name}"
        )

    def _tick(self) -> None:
        now = self._monotonic()
        self._judge(now)
        for name in self._deaths.steady(now):
            self._telegram.say(f"✅ {name}: 다시 정상이에요. / steady again.")
        show_beat(self._state_dir, WATCH.name, now, supervisord=os.getppid())
        if not self._run.foreground:
            lock = hold_alone(self._state_dir, KEEPER.name)
            if lock is not None:
                lock.close()
                log.error("the keeper is gone; starting another")
                self._supervisor.start(KEEPER.name)

    def _judge(self, now: float) -> None:
        """Health is progress: who stands still is killed, and supervisord starts it again."""
        present = by_name(running(self._state_dir))
        for name in self._run.programs:
            program, process = PROGRAMS[name], present.get(name)
            if process is None or not program.hung_s or name == "guardian" or uptime_s(process) < START_S:
                continue
            still_s = self._still_s(program, process.pid, now)
            if still_s <= program.hung_s:
                continue
            log.error("%s stands still for %.0f s; SIGKILL", name, still_s)
            if self._deaths.may_tell(name, now):
                self._telegram.say(
                    f"🚨 {name}: {still_s:.0f}초 동안 멈춰 있어서 다시 시작했어요. / stood still for {still_s:.0f} s; restarted."
                )
            self._answered.pop(name, None)
            self._supervisor.kill(name)

    def _still_s(self, program: Program, pid: int, now: float) -> float:
        """Seconds since the program showed progress; infinite where this process never did."""
        if program.module:
            return beat_age_s(self._state_dir, program.name, pid, now)
        if EmbeddedRedis(self._state_dir).answers():
            self._answered[program.name] = now
        return now - self._answered.setdefault(program.name, now)


def listen(watch: Watch, source: TextIO, sink: TextIO) -> None:
    """Supervisord's event listener protocol (docs: Events), until it closes our input."""
    while True:
        sink.write("READY\n")
        sink.flush()
        head = source.readline()
        if not head:
            return
        header = _fields(head)
        payload = source.read(int(header.get("len", "0")))
        watch.event(header.get("eventname", ""), _fields(payload.partition("\n")[0]))
        sink.write("RESULT 2\nOK")
        sink.flush()


def _fields(line: str) -> dict[str, str]:
    return dict(part.split(":", 1) for part in line.split() if ":" in part)


def main() -> int:
    """Listen until supervisord ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    state_dir = Path(os.environ[STATE_DIR])
    run = read_run(state_dir)
    if run is None:
        return 1
    watch = Watch(state_dir, run, Telegram(os.environ), Supervisor(run.socket, timeout_s=20.0))
    before = beat(state_dir, WATCH.name).get("supervisord")
    show_beat(state_dir, WATCH.name, time.monotonic(), supervisord=os.getppid())
    if before is not None and before != str(os.getppid()):
        watch.restarted()
    listen(watch, sys.stdin, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

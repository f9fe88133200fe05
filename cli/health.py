"""How the processes of a state directory are: one row each, judged by progress, not by being there."""

import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from adapters.redis.server import EmbeddedRedis
from cli.beats import beat, beat_age_s, starts
from cli.programs import GUARDIAN, KEEPER, SUPERVISED, SUPERVISORD, WATCH, Run, last_line, log_path
from cli.running import Process, by_name, memory_mb, running, uptime_s
from cli.supervision import Supervisor, SupervisorTrouble
from services.guardian_files import read_protection

# a machine that is busy is not a machine that hangs
# and a round of the guardian's may wait for a slow broker
FRESH_S, GUARDIAN_FRESH_S, STARTING_S, ANSWER_S = 20.0, 60.0, 60.0, 5.0
# what a program tells of itself, in this order; the rest of its heartbeat is for machines
TOLD = (
    *("standby", "in_charge", "keeps", "protected", "market_open", "positions", "plans", "broker_failures"),
    *("feed", "bars", "delay_s", "lost", "signals", "unsaved"),
)
WAIT_S, STEP_S = 90.0, 0.2
FAILED = frozenset({"BACKOFF", "FATAL", "EXITED"})
HEALTHY, STARTING, HUNG, DOWN, REFUSED = "healthy", "starting", "hung", "down", "refused"


class Health(msgspec.Struct, kw_only=True):
    """One program. `state` is healthy, starting, hung, down or refused (a configuration that it can't work with)."""

    name: str
    state: str = DOWN
    pid: int | None = None
    uptime_s: float | None = None
    restarts: int = 0
    heartbeat_age_s: float | None = None
    memory_mb: float | None = None
    says: str = ""


def gather(state_dir: Path, run: Run, *, memory: bool = True) -> list[Health]:
    """Every program that was asked to run, with what keeps it."""
    present = by_name(running(state_dir))
    names = [p.name for p in (*SUPERVISED, GUARDIAN) if p.name in run.programs]
    try:
        states = Supervisor(run.socket, timeout_s=ANSWER_S).states()
    except SupervisorTrouble:
        states = {}
    return [
        _row(state_dir, name, present.get(name), states, memory=memory)
        for name in (*names, WATCH.name, SUPERVISORD.name, KEEPER.name)
    ]


def _row(state_dir: Path, name: str, process: Process | None, states: Mapping[str, str], *, memory: bool) -> Health:
    row = Health(name=name, restarts=max(0, starts(state_dir, name) - 1))
    if process is None or not process.alive:
        state, words = states.get(name, ""), last_line(log_path(state_dir, name), 300)
        # how our programs say that their configuration is wrong (services.runtime, cli.launch); while the next one
        # starts, these words are the last one's
        refused = words.startswith(f"seohak {name}: ") and state in FAILED
        row.state = REFUSED if refused else STARTING if state == "STARTING" else DOWN
        row.says = words if refused else state
        return row
    row.pid, row.uptime_s = process.pid, round(uptime_s(process), 1)
    if memory:
        row.memory_mb = round(memory_mb(process.pid, children=name not in {SUPERVISORD.name, KEEPER.name}), 1)
    if name == SUPERVISORD.name:
        row.state = HEALTHY if states else _young(row, HUNG)
    elif name == "redis":
        row.state = HEALTHY if EmbeddedRedis(state_dir).answers() else _young(row, HUNG)
    else:
        age_s = beat_age_s(state_dir, name, process.pid, time.monotonic())
        row.heartbeat_age_s = None if age_s == float("inf") else round(age_s, 1)
        limit_s = GUARDIAN_FRESH_S if name == GUARDIAN.name else FRESH_S
        row.state = HEALTHY if age_s <= limit_s else _young(row, HUNG)
        row.says = says(beat(state_dir, name)) if row.heartbeat_age_s is not None else ""
    return row


def _young(row: Health, otherwise: str) -> str:
    return STARTING if (row.uptime_s or 0.0) < STARTING_S else otherwise


def says(fields: Mapping[str, object]) -> str:
    """What a heartbeat tells, in a few words."""
    return " ".join(f"{key}={fields[key]}" for key in TOLD if fields.get(key) not in {None, ""})


def wait_healthy(state_dir: Path, asked: Run, seconds: float, only: Collection[str] = ()) -> bool | None:
    """Tell each program (or `only` these) once it works. False: not in time; None: one refuses its configuration."""
    began, told = time.monotonic(), set[str]()
    while True:
        rows = [row for row in gather(state_dir, asked, memory=False) if not only or row.name in only]
        passed_s = time.monotonic() - began
        for row in rows:
            if row.state == HEALTHY and row.name not in told:
                told.add(row.name)
                print(f"✓ {row.name:<12} 정상 / healthy   {passed_s:4.1f} s", flush=True)
        if len(told) == len(rows):
            return True
        refusals = [row for row in rows if row.state == REFUSED]
        for row in refusals:
            print(f"✗ {row.name:<12} {row.says.removeprefix(f'seohak {row.name}: ')}", file=sys.stderr, flush=True)
        if refusals:
            return None
        if passed_s > seconds:
            for row in rows:
                if row.name not in told:
                    print(_late(state_dir, row), file=sys.stderr, flush=True)
            return False
        time.sleep(STEP_S)


def _late(state_dir: Path, row: Health) -> str:
    words = row.says or last_line(log_path(state_dir, row.name), 300)
    return f"✗ {row.name:<12} {row.state}: {words}\n  계속 시도합니다 / it keeps trying: ./seohak logs {row.name}"


def protected_positions(state_dir: Path) -> list[str]:
    """Tickers whose stops somebody must watch, as the trader wrote down last; the paper account's count as well."""
    found = read_protection(state_dir)
    return [f"{row.ticker} {row.qty}" for row in found.rows] if found is not None else []

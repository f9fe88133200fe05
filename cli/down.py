"""`./seohak down`: stop everything in order, the guardian last, and leave nothing behind."""

import argparse
import signal
import sys
import time
from pathlib import Path

from cli.health import protected_positions
from cli.programs import GUARDIAN, KEEPER, SUPERVISED, read_run
from cli.running import GUARDIAN_STOP_S, SUPERVISORD_STOP_S, Process, by_name, running, send, stop_all, sweep
from config.environment import base, environment
from services.fence import hold_alone

SHOWN = (*(p.name for p in reversed(SUPERVISED)), GUARDIAN.name)
STEP_S = 0.1
STOP_S = SUPERVISORD_STOP_S + GUARDIAN_STOP_S + 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--yes", action="store_true", help="보유 종목이 있어도 묻지 않습니다 / do not ask")


def run(options: argparse.Namespace) -> int:
    """Stop; 0 also where nothing runs, 1 where a person does not want it."""
    settings = base(environment())
    state_dir = settings.state_dir
    found = running(state_dir)
    if not found:
        sweep(state_dir, read_run(state_dir))
        print(f"실행 중이 아닙니다 / nothing runs on {state_dir}")
        return 0
    asked = read_run(state_dir)
    if asked is not None and asked.guardian_apart:
        print(
            "systemd가 지키고 있습니다 / systemd keeps it: sudo systemctl stop seohak seohak-guardian", file=sys.stderr
        )
        return 1
    if not (options.yes or _agreed(protected_positions(state_dir))):
        print("멈추지 않았습니다 / nothing was stopped", file=sys.stderr)
        return 1
    stop(state_dir)
    settings.socket("trader").unlink(missing_ok=True)
    print("멈췄습니다 / stopped")
    return 0


def _agreed(held: list[str]) -> bool:
    """Nobody watches a stop when everything is down."""
    if not held:
        return True
    print(
        f"⚠️ 보유 종목이 있습니다 / positions are open: {', '.join(held)}\n"
        "   멈추면 아무도 손절을 지키지 않습니다 / when all is down NOBODY watches their stops",
        file=sys.stderr,
    )
    if not sys.stdin.isatty():
        print("   그래도 멈추려면 / to stop all the same: ./seohak down --yes", file=sys.stderr)
        return False
    return input("   그래도 멈출까요? 'down' 입력 / type 'down' to stop: ").strip() == "down"


def stop(state_dir: Path) -> None:
    """The keeper stops everything; where it is dead, we do. Tells each process that ends."""
    asked = read_run(state_dir)
    found = by_name(running(state_dir))
    keeper = found.get(KEEPER.name)
    if keeper is not None:
        send(keeper, signal.SIGTERM)
        _tell(list(found.values()), keeper)
    # no other keeper may be started meanwhile
    lock = hold_alone(state_dir, KEEPER.name)
    try:
        stop_all(state_dir, say=lambda words: print(f"  {words}", file=sys.stderr))
        sweep(state_dir, asked)
    finally:
        if lock is not None:
            lock.close()


def _tell(found: list[Process], keeper: Process) -> None:
    """Wait for the keeper's end, and say meanwhile who has gone."""
    deadline = time.monotonic() + STOP_S
    ended = False
    while not ended and time.monotonic() < deadline:
        # asked first: who has gone before the keeper is then seen
        ended = not keeper.alive
        gone = [p for p in found if not p.alive]
        found = [p for p in found if p not in gone]
        for name in SHOWN:
            if any(p.name == name for p in gone):
                print(f"  {name:<12} 멈춤 / stopped", flush=True)
        time.sleep(STEP_S)

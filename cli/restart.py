"""`./seohak restart PROGRAM …`: stop a program in order and start it again, with .env and config.yaml read anew."""

import argparse
import signal
import sys

from cli.health import WAIT_S, wait_healthy
from cli.programs import GUARDIAN, SUPERVISED, read_run
from cli.running import running, send, wait_gone
from cli.supervision import Supervisor, SupervisorTrouble
from config.environment import base, environment

NAMES = (*(p.name for p in SUPERVISED), GUARDIAN.name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("programs", nargs="+", choices=NAMES, metavar="PROGRAM", help=", ".join(NAMES))


def run(options: argparse.Namespace) -> int:
    """Restart and wait until they are healthy; 1 where that fails."""
    state_dir = base(environment()).state_dir
    asked = read_run(state_dir)
    if asked is None:
        print(f"실행 중이 아닙니다 / not running on {state_dir}: ./seohak up", file=sys.stderr)
        return 1
    supervisor = Supervisor(asked.socket)
    for name in dict.fromkeys(options.programs):
        if name not in asked.programs:
            print(f"{name}: 함께 시작되지 않았습니다 / was not started with the others", file=sys.stderr)
            return 1
        if name == GUARDIAN.name:
            # whoever keeps it starts it again
            found = [p for p in running(state_dir) if p.name == name]
            for process in found:
                send(process, signal.SIGTERM)
            wait_gone(found, GUARDIAN.stop_s * 2)
            continue
        try:
            supervisor.stop(name)
            supervisor.start(name)
        except SupervisorTrouble as trouble:
            print(f"{name}: {trouble}", file=sys.stderr)
            return 1
    return 0 if wait_healthy(state_dir, asked, WAIT_S, options.programs) else 1

"""`./seohak status`: every process, by progress. Exit code 0 where all are healthy."""

import argparse
import sys

import msgspec

from cli.health import HEALTHY, Health, gather, wait_healthy
from cli.programs import read_run
from config.environment import base, environment

MARKS = {"healthy": "✓", "starting": "…"}
KOREAN = {"healthy": "정상", "starting": "시작 중", "hung": "멈춤", "down": "꺼짐", "refused": "설정 오류"}
MINUTE, HOUR, DAY = 60, 3600, 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--json", action="store_true", help="기계용 출력 / for machines")
    parser.add_argument(
        "--wait", type=float, metavar="SECONDS", help="건강해질 때까지 기다립니다 / until all are healthy"
    )


def run(options: argparse.Namespace) -> int:
    """Show the table, or with --wait each program once it works."""
    state_dir = base(environment()).state_dir
    asked = read_run(state_dir)
    if asked is None:
        if options.json:
            print(msgspec.json.encode({"healthy": False, "running": False, "programs": []}).decode())
        else:
            print(f"실행 중이 아닙니다 / not running on {state_dir}: ./seohak up", file=sys.stderr)
        return 1
    if options.wait is not None:
        return 0 if wait_healthy(state_dir, asked, options.wait) else 1
    rows = gather(state_dir, asked)
    healthy = all(row.state == HEALTHY for row in rows)
    if options.json:
        print(msgspec.json.encode({"healthy": healthy, "running": True, "programs": rows}).decode())
    else:
        print(table(rows))
    return 0 if healthy else 1


def table(rows: list[Health]) -> str:
    """The rows for a terminal."""
    lines = [f"  {'program':<12} {'state':<9} {'pid':>7} {'uptime':>8} {'restarts':>8} {'beat':>7} {'memory':>8}  says"]
    for row in rows:
        beat = "" if row.heartbeat_age_s is None else f"{row.heartbeat_age_s:.1f} s"
        memory = "" if row.memory_mb is None else f"{row.memory_mb:.0f} MB"
        lines.append(
            f"{MARKS.get(row.state, '✗')} {row.name:<12} {row.state:<9} {row.pid or '':>7} {duration(row.uptime_s):>8}"
            f" {row.restarts:>8} {beat:>7} {memory:>8}  {row.says}"
        )
    trouble = [f"{row.name} {KOREAN[row.state]} / {row.state}" for row in rows if row.state != HEALTHY]
    total = sum(row.memory_mb or 0.0 for row in rows)
    lines.append(f"{'모두 정상 / all healthy' if not trouble else ' · '.join(trouble)}   ({total:.0f} MB)")
    return "\n".join(lines)


def duration(seconds: float | None) -> str:
    """Seconds as people read them: 12 s, 5 m 3 s, 4 h 2 m, 3 d 4 h."""
    if seconds is None:
        return ""
    whole = int(seconds)
    for unit, small, name, small_name in ((DAY, HOUR, "d", "h"), (HOUR, MINUTE, "h", "m"), (MINUTE, 1, "m", "s")):
        if whole >= unit:
            return f"{whole // unit}{name} {whole % unit // small}{small_name}"
    return f"{whole}s"

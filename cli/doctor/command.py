"""`./seohak doctor`: what is well, what is not, and what to do; exit code 1 where something does not work."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence

from cli.doctor.checkup import checkup
from cli.doctor.examine import Result, examine, verdict
from cli.doctor.lines import Level
from cli.doctor.programs import UP
from cli.doctor.registry import BY_NAME, CHECKS
from config.environment import env_file, environment

MARKS = {Level.OK: "✓", Level.SKIPPED: "-", Level.WARNING: "!", Level.ERROR: "✗"}
COLOURS = {Level.OK: "32", Level.SKIPPED: "2", Level.WARNING: "33", Level.ERROR: "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "checks", nargs="*", metavar="CHECK", help=f"이것만 / only these: {', '.join(BY_NAME)} (기본 전부 / all)"
    )
    parser.add_argument("--offline", action="store_true", help="네트워크가 필요한 것은 건너뜀 / skip what asks outside")
    parser.add_argument("--json", action="store_true", help="기계용 출력 / for machines")


def run(options: argparse.Namespace) -> int:
    """0 all well or warnings only, 1 an error, 2 a check that does not exist."""
    if unknown := [name for name in options.checks if name not in BY_NAME]:
        print(f"seohak doctor: {unknown[0]}: 없는 검사 / no such check: {', '.join(BY_NAME)}", file=sys.stderr)
        return 2
    chosen = [check for check in CHECKS if not options.checks or check.name in options.checks]
    results = asyncio.run(examine(checkup(_environment(), env_file()), chosen, offline=options.offline))
    print(as_json(results) if options.json else as_text(results, colour=_colour()))
    return verdict(results)


def _environment() -> dict[str, str]:
    """Without a .env that can't be read, of which the check of it tells."""
    try:
        return environment()
    except (OSError, UnicodeDecodeError):
        return dict(os.environ)


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def as_text(results: Sequence[Result], *, colour: bool = False) -> str:
    """One line for each check, what to do below it, and how many are not well."""
    lines = []
    for result in results:
        level, mark = result.line.level, MARKS[result.line.level]
        shown = f"\033[{COLOURS[level]}m{mark}\033[0m" if colour else mark
        lines.append(f"{shown} {result.words}: {result.line.text}")
        if result.line.remedy:
            lines.append(f"    → {result.line.remedy}")
    errors, warnings = _count(results, Level.ERROR), _count(results, Level.WARNING)
    lines.append(f"\n오류 {errors}, 경고 {warnings} / {errors} errors, {warnings} warnings")
    if not errors and any(UP in result.line.text for result in results):
        lines.append(f"시작할 수 있습니다 / ready: {UP}")
    return "\n".join(lines)


def as_json(results: Sequence[Result]) -> str:
    """The same for machines."""
    return json.dumps(
        {
            "ok": verdict(results) == 0,
            "errors": _count(results, Level.ERROR),
            "warnings": _count(results, Level.WARNING),
            "checks": [
                {"name": r.name, "level": r.line.level.value, "text": r.line.text, "remedy": r.line.remedy}
                for r in results
            ],
        },
        ensure_ascii=False,
        indent=2,
    )


def _count(results: Sequence[Result], level: Level) -> int:
    return sum(result.line.level is level for result in results)

"""`./seohak test`: formatting, lint, types, import contracts and every test that this machine can run."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# three times what everything takes on two cores; pytest-timeout ends a single test, but not a run whose worker was killed
LIMIT_S = 30 * 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--unit", action="store_true", help="only the tests without servers or processes")
    parser.add_argument("--no-lint", action="store_true", help="tests only")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest (after --)")


def run(options: argparse.Namespace) -> int:
    """Run each check; the first that fails ends the run with its own output."""
    checks: list[tuple[str, list[str]]] = []
    if not options.no_lint:
        checks += [
            ("format", [str(BIN / "ruff"), "format", "--check", "--quiet", "."]),
            ("lint", [str(BIN / "ruff"), "check", "--quiet", "."]),
            ("imports", [str(BIN / "lint-imports")]),
            ("types", [str(BIN / "mypy"), "--no-error-summary", "."]),
        ]
    paths = ["tests/unit", "tests/tidy"] if options.unit else ["tests"]
    # two more than cores, because tests with real processes wait most of the time; tests/conftest.py has the order
    count = str(min((os.cpu_count() or 1) + 2, 4))
    workers = [] if options.pytest else ["-n", count, "--dist", "loadgroup", "--no-loadscope-reorder"]
    checks.append(("tests", [sys.executable, "-m", "pytest", "-q", *workers, *(options.pytest or paths)]))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name, command in checks:
        began = time.monotonic()
        print(f"── {name}", flush=True)
        said = _said(command, env)
        print(f"── {name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
        if said != "ok":
            return 1
    return 0


def _said(command: list[str], env: dict[str, str]) -> str:
    """Run one check; pytest's workers end by themselves when the one that leads them is killed."""
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, check=False, timeout=LIMIT_S)  # noqa: S603  (our own commands)
    except subprocess.TimeoutExpired:
        return "FAILED, it did not end"
    return "FAILED" if done.returncode else "ok"

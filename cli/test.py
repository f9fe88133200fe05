"""`./seohak test`: formatting, lint, types, import contracts and every test that this machine can run."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


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
    workers = [] if options.pytest else ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadgroup"]
    checks.append(("tests", [sys.executable, "-m", "pytest", "-q", *workers, *(options.pytest or paths)]))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name, command in checks:
        began = time.monotonic()
        print(f"── {name}", flush=True)
        code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode  # noqa: S603  (our own commands)
        print(f"── {name}: {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - began:.0f} s)", flush=True)
        if code:
            return 1
    return 0

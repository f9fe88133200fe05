"""`./seohak test`: the first check that fails ends it, and one that does not end is a failure."""

import argparse
import sys

import pytest

from cli import test as checks

OPTIONS = argparse.Namespace(unit=False, no_lint=False, pytest=[])


def test_the_first_check_that_fails_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(command: list[str], _env: dict[str, str]) -> str:
        asked.append(command[0].rsplit("/", 1)[-1])
        return "FAILED" if "lint-imports" in command[0] else "ok"

    monkeypatch.setattr(checks, "_said", answer)
    assert checks.run(OPTIONS) == 1
    assert asked == ["ruff", "ruff", "lint-imports"]


def test_a_check_that_does_not_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks._said([sys.executable, "-c", ""], {}) == "ok"
    assert checks._said([sys.executable, "-c", "raise SystemExit(3)"], {}) == "FAILED"
    monkeypatch.setattr(checks, "LIMIT_S", 0.2)
    assert "did not end" in checks._said(["/bin/sleep", "1000"], {})

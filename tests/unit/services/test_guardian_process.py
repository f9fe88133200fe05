"""The guardian as a process: the standard library alone, one at a time, and its daily drill."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.kis.client import PAPER_RATE, PERIOD_S, REAL_RATE, SLACK_S
from services import guardian, guardian_session
from services.fence import hold_alone, process_started
from services.guardian import kill_trader
from services.guardian_drill import FakeKis, drill

ROOT = Path(guardian.__file__).parents[1]
OURS = {
    "services",
    "services.deadman",
    "services.fence",
    "services.guardian",
    "services.guardian_broker",
    "services.guardian_drill",
    "services.guardian_files",
    "services.guardian_rules",
    "services.guardian_seller",
    "services.guardian_session",
    "services.memory",
    "adapters",
    "adapters.kis",
    "adapters.kis.codes",
    "adapters.kis.ratefile",
}
STEPS = [
    "leaves_a_working_trader_alone",
    "takes_over_after_silence",
    "cancels_purchases",
    "one_price_is_not_enough",
    "sells_what_is_protected",
    "leaves_the_owners_shares",
    "writes_before_it_sends",
    "hands_back",
]


def python(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**{k: v for k, v in os.environ.items() if not k.startswith(("KIS_", "SEOHAK_"))}, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_needs_nothing_but_the_standard_library() -> None:
    done = python("-c", "import sys, services.guardian, services.guardian_drill; print(*sys.modules)")
    # what a distribution puts into every interpreter (Debian: sitecustomize) is not ours
    bare = set(python("-c", "import sys; print(*sys.modules)").stdout.split())
    strangers = {m for m in done.stdout.split() if m.split(".")[0] not in sys.stdlib_module_names and m[0] != "_"}
    assert strangers - bare == OURS


def test_it_counts_requests_as_the_trader_does() -> None:
    assert (guardian_session.REAL_RATE, guardian_session.PAPER_RATE) == (REAL_RATE, PAPER_RATE)
    assert (guardian_session.PERIOD_S, guardian_session.SLACK_S) == (PERIOD_S, SLACK_S)


def test_the_drill_passes_every_step_in_seconds() -> None:
    report = drill()
    assert report["checks"] == dict.fromkeys(STEPS, True)
    assert report["ok"] is True
    assert isinstance(report["seconds"], float)


def test_the_drill_notices_a_guardian_that_sells_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.guardian_rules.Watch.wanted", lambda *_: 15)
    report = drill()
    assert report["ok"] is False
    checks = report["checks"]
    assert isinstance(checks, dict)
    assert (checks["sells_what_is_protected"], checks["leaves_the_owners_shares"]) == (False, False)


def test_the_drill_notices_a_guardian_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> dict[str, object]:
        raise ZeroDivisionError

    monkeypatch.setattr(FakeKis, "answer", broken)
    monkeypatch.setattr("services.guardian_drill._leave", broken)
    report = drill()
    assert report["ok"] is False
    assert report["checks"] == {"ends_without_ZeroDivisionError": False}


def test_the_drill_leaves_nothing_behind(tmp_path: Path) -> None:
    done = python("-m", "services.guardian", "--drill", TMPDIR=str(tmp_path), SEOHAK_STATE_DIR=str(tmp_path / "state"))
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] is True
    assert list(tmp_path.iterdir()) == []


def started(*arguments: str, **env: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def until(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def test_it_shows_itself_and_ends_when_asked(tmp_path: Path) -> None:
    with started("-m", "services.guardian", SEOHAK_STATE_DIR=str(tmp_path)) as process:
        until(tmp_path / "beats" / "guardian")
        assert json.loads((tmp_path / "beats" / "guardian").read_text())["pid"] == str(process.pid)
        assert hold_alone(tmp_path, "guardian") is None
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_a_second_one_waits_for_the_end_of_the_first(tmp_path: Path) -> None:
    first = hold_alone(tmp_path, "guardian")
    assert first is not None
    with started("-m", "services.guardian", SEOHAK_STATE_DIR=str(tmp_path)) as process:
        assert not (tmp_path / "beats").exists()
        first.close()
        until(tmp_path / "beats" / "guardian")
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_a_lock_that_cannot_be_opened_is_no_reason_not_to_watch(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("")
    with started("-m", "services.guardian", SEOHAK_STATE_DIR=str(tmp_path)) as process:
        until(tmp_path / "beats" / "guardian")
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_only_a_traders_process_is_killed() -> None:
    with started("-c", "input()") as stranger, started("-c", "input()", "services.trader") as trader:
        deadline = time.monotonic() + 30
        while b"services.trader" not in Path(f"/proc/{trader.pid}/cmdline").read_bytes():
            assert time.monotonic() < deadline
        kill_trader(stranger.pid)
        kill_trader(trader.pid)
        assert trader.wait(timeout=30) == -9
        assert stranger.poll() is None
        assert process_started(stranger.pid)
        stranger.kill()
    with pytest.raises(OSError, match="No such process"):
        kill_trader(trader.pid)

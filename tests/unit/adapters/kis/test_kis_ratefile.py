"""The window that processes share: never more than the rate, whatever happens to the file."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.kis.ratefile import KEPT, SIZE, LockedFile, SharedWindow, fingerprint, rate_path

ROOT = Path(__file__).parents[4]


class Hand:
    """A monotonic clock moved by sleeping."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


@pytest.fixture
def hand() -> Hand:
    return Hand()


def window(path: Path, hand: Hand, rate: int = 3, period_s: float = 1.0) -> SharedWindow:
    return SharedWindow(path, rate, period_s, monotonic=hand.now, sleep=hand.sleep)


def fill(path: Path, hand: Hand, count: int = 3) -> None:
    other = window(path, hand)
    for _ in range(count):
        assert other.take() == 0.0


@pytest.mark.parametrize("rate", [1, 3, 18])
def test_no_window_ever_holds_more_than_the_rate_over_two_users(tmp_path, hand, rate):
    users = [window(tmp_path / "rate", hand, rate) for _ in range(2)]
    times = []
    for number in range(100):
        hand.at += 0.9 if number == 10 else 0.001
        assert users[number % 2].acquire(60.0)
        times.append(hand.at)
    assert all(b - a >= 1.0 - 1e-6 for a, b in zip(times, times[rate:], strict=False))
    assert hand.slept


def test_a_full_window_tells_when_to_ask_again_and_counts_nothing(tmp_path, hand):
    path = tmp_path / "rate"
    fill(path, hand)
    hand.at += 0.25
    fresh = window(path, hand)
    assert fresh.take() == pytest.approx(0.75)
    assert not fresh.acquire(0.5)
    assert hand.slept == []
    hand.at += 0.76
    assert [fresh.take() > 0 for _ in range(4)] == [False, False, False, True]


def test_what_is_not_urgent_leaves_room(tmp_path, hand):
    shared = window(tmp_path / "rate", hand)
    assert shared.take(1) == shared.take(1) == 0.0
    assert shared.take(1) == pytest.approx(1.0)
    assert shared.take() == 0.0
    assert shared.take() > 0
    assert window(tmp_path / "one", hand, 1).take(5) == 0.0, "one slot is always left"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1000.0, 10",
        b"\x00" * 300,
        b'{"not": "ours"}',
        b'["a", "b", "c"]',
        b"[1000, 1000, 1000]",
        b"[NaN, Infinity, 1000.0]",
        b"[1e400, 1000.0, 1000.0]",
        b"[99999.0, 99999.5, 100000.0]",
        b"[" * 3000,
        b"x" * 100_000,
    ],
    ids=["empty", "torn", "zeros", "object", "texts", "integers", "NaN", "overflow", "future", "deep", "long"],
)
def test_a_torn_foreign_or_future_dated_file_heals_itself(tmp_path, hand, content):
    path = tmp_path / "rate"
    path.write_bytes(content)
    assert window(path, hand).take() == 0.0
    assert json.loads(path.read_bytes()) == [1000.0]
    assert path.stat().st_size == SIZE
    fill(path, hand, 2)
    assert window(path, hand).take() > 0


def test_a_removed_file_does_not_make_a_process_forget_its_own(tmp_path, hand):
    path = tmp_path / "rate"
    mine = window(path, hand)
    for _ in range(3):
        mine.take()
    path.unlink()
    assert mine.take() > 0
    assert path.exists()


@pytest.mark.parametrize("kind", ["folder", "link", "pipe", "under a file"])
def test_without_a_usable_file_the_process_keeps_to_its_own_window(tmp_path, hand, kind):
    path = tmp_path / "rate"
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
        case "pipe":
            os.mkfifo(path)
        case _:
            path.write_text("in the way")
            path /= "rate"
    alone = window(path, hand)
    assert [alone.take() > 0 for _ in range(4)] == [False, False, False, True]
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("call", ["open", "pwrite", "pread", "ftruncate"])
def test_a_disk_that_refuses_is_no_reason_to_stop(tmp_path, hand, monkeypatch, call):
    def refuse(*args: object, **kwargs: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"adapters.kis.ratefile.os.{call}", refuse)
    alone = window(tmp_path / "rate", hand)
    assert [alone.take() > 0 for _ in range(4)] == [False, False, False, True]


def test_a_process_that_holds_the_lock_and_never_lets_go_does_not_hold_up_a_sale(tmp_path, hand):
    path = tmp_path / "rate"
    fill(path, hand)
    with path.open("rb") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        began = time.monotonic()
        assert window(path, hand).take() == 0.0
        assert time.monotonic() - began < 5
    assert window(path, hand).take() > 0


def test_the_kernel_takes_the_lock_of_a_dead_process_back(tmp_path, hand):
    path = tmp_path / "rate"
    fill(path, hand)
    script = (
        f"import fcntl,sys,time; f=open({str(path)!r}); fcntl.flock(f, 2); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert window(path, hand).take() > 0, "the file was read: the lock was free"


USER = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from adapters.kis.ratefile import SharedWindow
read = []
window = SharedWindow(Path({path!r}), 3, 0.05, monotonic=lambda: read.append(time.monotonic()) or read[-1])
for _ in range(12):
    assert window.acquire(20.0)
    print(read[-1])
foreign = {{m.split(".")[0] for m in sys.modules}} - set(sys.stdlib_module_names) - {{"adapters"}}
assert not {{m for m in foreign if not m.startswith("_")}}, foreign
"""


def test_two_processes_keep_one_limit_and_need_the_standard_library_alone(tmp_path):
    script = USER.format(root=str(ROOT), path=str(tmp_path / "rate"))
    command = [sys.executable, "-I", "-S", "-c", script]
    users = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    times = sorted(float(line) for user in users for line in user.communicate(timeout=60)[0].splitlines())
    assert [user.returncode for user in users] == [0, 0]
    assert len(times) == 24
    assert all(b - a > 0.049 for a, b in zip(times, times[3:], strict=False))


def test_the_file_is_private_and_named_after_host_and_key(tmp_path, hand):
    path = rate_path(tmp_path / "tokens", "http://host:1/", "key")
    window(path, hand).take()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    # hashlib.sha256(b"http://host:1 key").hexdigest()[:16]
    assert path.name == f"kis-rate-{fingerprint('http://host:1', 'key')}.json" == "kis-rate-02eff12d66ecd8e2.json"


@pytest.mark.parametrize(("rate", "period_s"), [(0, 1.0), (KEPT + 1, 1.0), (1, 0.0), (1, float("nan"))])
def test_a_window_without_a_limit_is_refused(tmp_path, rate, period_s):
    with pytest.raises(ValueError, match="rate from 1"):
        SharedWindow(tmp_path / "rate", rate, period_s)


def test_a_locked_file_is_one_users_at_a_time(tmp_path):
    file = LockedFile(tmp_path / "locked")
    with file.hold() as held:
        assert held.read() is None
        assert held.write({"a": 1})
        with file.hold(0.0) as second:
            assert second is None
        assert held.read() == {"a": 1}
    with file.hold() as again:
        assert again.read() == {"a": 1}

"""Who may send orders: one lock that the kernel keeps, one epoch that only grows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services import fence
from services.fence import (
    OrdersLock,
    bump_epoch,
    hold_alone,
    lock_holder,
    process_started,
    read_epoch,
    read_some,
    replace,
    request_handback,
)


def lock(state: Path, who: str = "trader") -> OrdersLock:
    return OrdersLock(state, who, monotonic=lambda: 7.5)


def test_only_one_holds_the_orders(tmp_path: Path) -> None:
    trader, guardian = lock(tmp_path), lock(tmp_path, "guardian")
    assert trader.take()
    assert trader.held
    assert trader.take(), "taking it again changes nothing"
    assert not guardian.take()
    assert not guardian.held
    trader.release()
    assert not trader.held
    assert guardian.take()
    trader.release()
    assert not lock(tmp_path).take()


def test_a_holder_that_is_forgotten_does_not_keep_it(tmp_path: Path) -> None:
    assert lock(tmp_path).take()
    assert lock(tmp_path).take()


def test_the_lock_tells_who_holds_it(tmp_path: Path) -> None:
    assert lock_holder(tmp_path) == {}
    held = lock(tmp_path)
    held.take()
    assert lock_holder(tmp_path) == {
        "who": "trader",
        "pid": os.getpid(),
        "started": process_started(os.getpid()),
        "mono": 7.5,
        "epoch": "1 trader",
    }
    held.release()
    after = lock(tmp_path, "g")
    after.take("9 a shorter record than before")
    assert lock_holder(tmp_path)["epoch"] == "9 a shorter record than before"


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b"[" * 4000, b" " * 5000])
def test_a_lock_file_of_someone_else_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "orders.lock").write_bytes(content)
    assert lock_holder(tmp_path) == {}
    held = lock(tmp_path)
    assert held.take()
    assert lock_holder(tmp_path)["who"] == "trader"


def test_every_holder_begins_an_epoch_of_its_own(tmp_path: Path) -> None:
    first = lock(tmp_path)
    first.take()
    assert first.epoch == read_epoch(tmp_path) == "1 trader"
    assert first.may_send(selling=False)
    assert bump_epoch(tmp_path, "guardian") == "2 guardian"
    assert not first.may_send(selling=False)
    assert not first.may_send(selling=True), "someone else is in charge of sales too"
    first.release()
    second = lock(tmp_path, "guardian")
    second.take("2 guardian")
    assert second.epoch == read_epoch(tmp_path) == "2 guardian"
    assert second.may_send(selling=True)


def test_without_the_lock_nothing_may_be_sent(tmp_path: Path) -> None:
    held = lock(tmp_path)
    assert not held.may_send(selling=True)
    held.take()
    held.release()
    assert not held.may_send(selling=True)


def test_an_epoch_that_is_gone_stops_purchases_and_not_sales(tmp_path: Path) -> None:
    held = lock(tmp_path)
    held.take()
    (tmp_path / "epoch").unlink()
    assert not held.may_send(selling=False)
    assert held.may_send(selling=True)


@pytest.mark.parametrize(
    ("content", "following"),
    [
        (b"41 trader\n", "42"),
        (b"", "1"),
        (b"-3 x", "1"),
        (b"\xff", "1"),
        ("٣".encode(), "1"),
        (b"9" * 17, str(10**17)),
        (b"9" * 18, "1"),
        (b"1" * 5000, "1"),
    ],
)
def test_an_epoch_that_makes_no_sense_begins_again(tmp_path: Path, content: bytes, following: str) -> None:
    (tmp_path / "epoch").write_bytes(content)
    assert bump_epoch(tmp_path, "g") == f"{following} g"


def test_an_epoch_that_cannot_be_written_still_leaves_the_lock(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "full")

    (tmp_path / "epoch").write_text("5 guardian")
    monkeypatch.setattr(fence, "replace", full)
    held = lock(tmp_path)
    assert held.take()
    assert held.epoch == "5 guardian"
    assert "the epoch can't be written" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_lock(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "locks").write_text("")
    assert not lock(tmp_path).take()
    assert "can't be opened" in caplog.text


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace(path, b"one")
    replace(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    replace(path, b"one")

    def full(_: int) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        replace(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("length", "found"), [(10, b"x" * 10), (11, None)])
def test_a_file_is_read_up_to_its_limit(tmp_path: Path, length: int, found: bytes | None) -> None:
    (tmp_path / "file").write_bytes(b"x" * length)
    assert read_some(tmp_path / "file", 10) == found
    assert read_some(tmp_path / "none") is None


def test_a_process_is_known_by_its_start() -> None:
    ours = process_started(os.getpid())
    assert ours.isdigit()
    assert ours == process_started(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert process_started(child.pid) not in {"", ours}
        child.kill()
    assert process_started(child.pid) == ""
    assert process_started(0) == ""


def test_a_killed_process_loses_the_lock_and_a_stopped_one_keeps_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from services.fence import OrdersLock\n"
        "lock = OrdersLock(Path(sys.argv[1]), 'trader'); print(lock.take(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        assert lock_holder(tmp_path)["pid"] == child.pid
        child.send_signal(19)
        assert not lock(tmp_path).take()
        child.kill()
    assert lock(tmp_path).take()


def test_a_process_name_is_held_alone(tmp_path: Path) -> None:
    first = hold_alone(tmp_path, "guardian")
    assert first is not None
    assert hold_alone(tmp_path, "guardian") is None
    other = hold_alone(tmp_path, "collector")
    assert other is not None
    other.close()
    first.close()
    again = hold_alone(tmp_path, "guardian")
    assert again is not None
    again.close()


def test_a_person_asks_by_a_file(tmp_path: Path) -> None:
    request_handback(tmp_path)
    request_handback(tmp_path)
    assert (tmp_path / "HANDBACK").exists()


def test_the_fence_is_json_that_people_can_read(tmp_path: Path) -> None:
    held = lock(tmp_path)
    held.take()
    assert json.loads((tmp_path / "locks" / "orders.lock").read_text())["who"] == "trader"
    assert (tmp_path / "epoch").read_text() == "1 trader\n"

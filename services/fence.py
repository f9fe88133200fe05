"""The fence between trader and guardian: who may send orders. One kernel lock, one epoch. Standard library only."""

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)
LOCK, EPOCH, HANDBACK = Path("locks") / "orders.lock", "epoch", "HANDBACK"
MOST_BYTES = 4096


def replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put `content` in place of a file, whole or not at all, also after a power cut. Raises OSError."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_some(path: Path, most: int = MOST_BYTES) -> bytes | None:
    """A file's content; None where there is none or where it is too long to be ours."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError:
        return None
    return content if len(content) <= most else None


def process_started(pid: int) -> str:
    """When a process started, in the kernel's ticks since boot; empty where that can't be told. With its id, its identity."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    # the name before the last bracket may hold anything, brackets and spaces included
    fields = stat.rpartition(b")")[2].split()
    return fields[19].decode() if len(fields) > 19 else ""


def read_epoch(state_dir: Path) -> str:
    """Number and name of who was put in charge of orders last; empty where nobody was."""
    return (read_some(state_dir / EPOCH) or b"").decode(errors="replace").strip()


def bump_epoch(state_dir: Path, who: str) -> str:
    """Put `who` in charge: whoever was before must not send any more. Raises OSError where the disk does not take it."""
    number = read_epoch(state_dir).split(" ")[0]
    # a damaged file starts again; only equality counts
    following = int(number) + 1 if number.isascii() and number.isdigit() and len(number) < 18 else 1
    replace(state_dir / EPOCH, f"{following} {who}\n".encode())
    return f"{following} {who}"


def request_handback(state_dir: Path) -> None:
    """Ask a guardian that keeps the watch to give the orders back; it removes the file when it has obeyed."""
    (state_dir / HANDBACK).touch()


def lock_holder(state_dir: Path) -> dict[str, object]:
    """What the last holder of the order lock wrote: who, pid, started, mono, epoch. It may be gone."""
    try:
        found = json.loads(read_some(state_dir / LOCK) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def hold_alone(state_dir: Path, name: str) -> BinaryIO | None:
    """The kernel's lock of a process name on a state directory, for as long as the file is open; None where it is taken."""
    folder = state_dir / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / f"{name}.lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


class OrdersLock:
    """Whoever holds it may send orders. A stopped process keeps it, a killed one loses it at once."""

    def __init__(self, state_dir: Path, who: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._state_dir, self._who, self._monotonic = state_dir, who, monotonic
        self._descriptor: int | None = None
        self.epoch = ""

    @property
    def held(self) -> bool:
        """Whether this process holds the lock."""
        return self._descriptor is not None

    def take(self, epoch: str = "") -> bool:
        """Take the lock if it is free now; `epoch` where one has been begun already, else a new one begins."""
        if self.held:
            return True
        path = self._state_dir / LOCK
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.error("the order lock can't be opened: %s", type(error).__name__)
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self._begin(descriptor, epoch)
        return True

    def _begin(self, descriptor: int, epoch: str) -> None:
        try:
            self.epoch = epoch or bump_epoch(self._state_dir, self._who)
        except OSError as error:
            # the lock alone fences as well; the next one in charge will try again
            log.error("the epoch can't be written: %s", type(error).__name__)
            self.epoch = read_epoch(self._state_dir)
        pid = os.getpid()
        facts = {"who": self._who, "pid": pid, "started": process_started(pid), "mono": self._monotonic()}
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({**facts, "epoch": self.epoch}).encode(), 0)

    def may_send(self, *, selling: bool) -> bool:
        """Whether an order may leave, to be asked right before its first byte.

        Another epoch means that someone else is in charge. An epoch that can't be read stops purchases, not sales.
        """
        if not self.held:
            return False
        present = read_epoch(self._state_dir)
        return present == self.epoch if present else selling

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.release()

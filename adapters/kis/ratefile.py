"""What processes with one app key share on disk: a locked file and the window of request instants; standard library only.

The guardian imports this module, so nothing outside the standard library may be imported here. Both files lie in the
folder of tokens and carry the name of their host and key (`fingerprint`):

- `kis-rate-<16 hex digits>.json`, the instants of the last requests (`rate_path`, `SharedWindow`)
- `kis-token-<16 hex digits>.json` and `.lock`, the token and when it may be asked for (adapters.kis.auth)
"""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SIZE = 2048
KEPT = 64
# A process that was stopped while it held the lock must not hold up a sale.
LOCK_WAIT_S = 0.2
LOCK_STEP_S = 0.002
LEAST_S = 0.0005
APART_S = 1e-6
FUTURE_S = 1e-3


def fingerprint(base_url: str, appkey: str) -> str:
    """Names the files of one host and key: the first 16 hex digits of SHA-256 over "base_url appkey", no slash at the end."""
    return hashlib.sha256(f"{base_url.rstrip('/')} {appkey}".encode()).hexdigest()[:16]


def rate_path(folder: Path, base_url: str, appkey: str) -> Path:
    """The window's file: `kis-rate-<fingerprint>.json` in the folder of tokens."""
    return folder / f"kis-rate-{fingerprint(base_url, appkey)}.json"


class Held:
    """The content of a locked file, as long as it is locked; at most `SIZE` bytes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> object:
        """The JSON in the file, or None where there is none: a torn or foreign file counts as empty."""
        try:
            found: object = json.loads(os.pread(self._descriptor, 2 * SIZE, 0))
        except (OSError, ValueError, RecursionError):
            return None
        return found

    def write(self, value: object) -> bool:
        """Replace the content; False where the disk does not take it. One write of one size, so it is hardly ever torn."""
        data = json.dumps(value).encode().ljust(SIZE)
        try:
            written = os.pwrite(self._descriptor, data, 0)
            if os.fstat(self._descriptor).st_size != len(data):
                os.ftruncate(self._descriptor, len(data))
        except OSError:
            return False
        return written == len(data)


class LockedFile:
    """A small private file under flock. The kernel takes the lock back from a process that dies."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def hold(self, wait_s: float = LOCK_WAIT_S) -> Iterator[Held | None]:
        """The locked file, or None where it can't be opened or is still locked after `wait_s`; never raises OSError."""
        descriptor = self._open()
        try:
            yield Held(descriptor) if descriptor is not None and _locked(descriptor, wait_s) else None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _open(self) -> int | None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, flags, 0o600)
        except OSError:
            return None


def _locked(descriptor: int, wait_s: float) -> bool:
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= until:
                return False
            time.sleep(LOCK_STEP_S)
        else:
            return True


class SharedWindow:
    """At most `rate` requests in any `period_s`, counted over all processes that use the same file.

    The instants are those of the monotonic clock, which the processes of one boot share. What the file can't tell
    (missing, torn, foreign, from another boot, locked, disk full or read-only) is left to this process's own instants.
    """

    def __init__(
        self,
        path: Path,
        rate: int,
        period_s: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not 1 <= rate <= KEPT or not period_s > 0:
            raise ValueError(f"a window needs a rate from 1 to {KEPT} and a positive period, not {rate} and {period_s}")
        self.rate, self.period_s = rate, period_s
        self._file = LockedFile(path)
        self._time, self._sleep = monotonic, sleep
        self._gate = threading.Lock()
        self._own: list[float] = []

    def take(self, spare: int = 0) -> float:
        """0.0 when a request may leave now (and is counted), else the seconds after which to ask again.

        `spare` slots of the window are left to others: what is not urgent leaves room for what is.
        """
        with self._gate, self._file.hold() as held:
            now = float(self._time())
            shared = _instants(held.read(), now) if held else []
            taken = sorted({t for t in (*shared, *self._own) if t > now - self.period_s})
            usable = max(1, self.rate - spare)
            if len(taken) >= usable:
                return max(LEAST_S, taken[-usable] + self.period_s - now)
            # no two instants are alike, as copies of one instant are one request
            mine = max(now, taken[-1] + APART_S) if taken else now
            self._own = [*self._own, mine][-self.rate :]
            if held:
                held.write(sorted({*shared, *self._own})[-KEPT:])
            return 0.0

    def acquire(self, deadline_s: float, spare: int = 0) -> bool:
        """Wait at most `deadline_s` for a slot; False, and nothing counted, where there is none by then."""
        until = self._time() + deadline_s
        while (wait := self.take(spare)) > 0:
            if self._time() + wait > until:
                return False
            self._sleep(wait)
        return True


def _instants(found: object, now: float) -> list[float]:
    """The instants of a file that we wrote; nothing of any other, and nothing from the future (another boot)."""
    if not isinstance(found, list) or not all(type(t) is float and math.isfinite(t) for t in found):
        return []
    return [t for t in found if t < now + FUTURE_S]

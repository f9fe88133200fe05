"""One process on one core: what it printed, how long it took and how much memory it held at most."""

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

LOOK_S = 0.02


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A process that has ended; `peak_mb` is its resident memory at most, 0 where /proc has no answer."""

    code: int
    out: str
    trouble: str
    wall_s: float
    peak_mb: float


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """What is started inside runs on the last core that we may use; elsewhere than on Linux wherever it likes."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def run_process(command: Sequence[str], cwd: Path, env: Mapping[str, str], limit_s: float) -> Ended:
    """Run to the end, or kill after `limit_s`, which is an exit code below 0."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as trouble:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=cwd, env={**env}, stdout=out, stderr=trouble)  # noqa: S603  (our own commands)
        killer = threading.Timer(limit_s, process.kill)
        killer.start()
        peak_kb = 0
        try:
            # the kernel's own high-water mark: the usage that wait() tells counts what the parent held before exec
            while process.poll() is None:
                peak_kb = max(peak_kb, _high_water_kb(process.pid))
                time.sleep(LOOK_S)
        finally:
            killer.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
        wall_s = time.monotonic() - began
        texts = []
        for file in (out, trouble):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return Ended(code=process.returncode, out=texts[0], trouble=texts[1], wall_s=wall_s, peak_mb=peak_kb / 1024)


def _high_water_kb(pid: int) -> int:
    try:
        words = Path(f"/proc/{pid}/status").read_text("utf-8").split("VmHWM:")
        return int(words[1].split()[0])
    except (OSError, IndexError, ValueError):
        return 0


def last_line(text: str) -> str:
    """What a program said last, which is where errors are."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"

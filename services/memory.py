"""How much memory this process costs the machine, and how little it keeps. Standard library only: the guardian imports this."""

import contextlib
import ctypes
from pathlib import Path

ROLLUP = Path("/proc/self/smaps_rollup")
# parameters of glibc's mallopt(3)
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE = 1 << 20


def keep_little() -> None:
    """One heap for all threads, and large blocks back to the machine as soon as they are free. Elsewhere than on glibc:
    nothing.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGE)


def give_back() -> None:
    """Free memory that lies between what is used goes back to the machine; a few milliseconds at most. Elsewhere than on
    glibc: nothing.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def pss_mb(path: Path = ROLLUP) -> float | None:
    """Megabytes, with shared pages counted in proportion (PSS); None where the kernel does not tell."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        number = value.split()
        if name == "Pss" and number and number[0].isdecimal():
            return round(int(number[0]) / 1000, 1)
    return None

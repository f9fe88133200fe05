"""How much memory this process costs the machine. Standard library only: the guardian imports this module."""

from pathlib import Path

ROLLUP = Path("/proc/self/smaps_rollup")


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

"""Heartbeats and counts of starts, as files of the state directory. Standard library only."""

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from services.fence import replace


def beat(state_dir: Path, name: str) -> Mapping[str, object]:
    """What a program wrote into its heartbeat last; empty where it never did."""
    try:
        found = json.loads((state_dir / "beats" / name).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def beat_age_s(state_dir: Path, name: str, pid: int, now: float) -> float:
    """Seconds (monotonic) since the last heartbeat of this very process; infinite where it has none."""
    fields = beat(state_dir, name)
    try:
        ours, age_s = int(str(fields["pid"])) == pid, now - float(str(fields["mono"]))
    except (KeyError, ValueError):
        return math.inf
    return age_s if ours and age_s >= 0 else math.inf


def show_beat(state_dir: Path, name: str, now: float, **facts: object) -> None:
    """Write our own heartbeat; a disk that does not take it shows by its age."""
    path = state_dir / "beats" / name
    fields = {"pid": os.getpid(), "mono": now, **facts}
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        partial = path.with_suffix(".tmp")
        partial.write_text(json.dumps({key: str(value) for key, value in fields.items()}))
        partial.replace(path)


def starts(state_dir: Path, name: str) -> int:
    """How often a program was started since `up`."""
    try:
        return int((state_dir / "starts" / name).read_text())
    except (OSError, ValueError):
        return 0


def count_start(state_dir: Path, name: str) -> None:
    """Count a start."""
    folder = state_dir / "starts"
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        replace(folder / name, str(starts(state_dir, name) + 1).encode())

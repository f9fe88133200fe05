"""Where the past results of signals lie: one JSON file of the state directory, made by a backtest."""

import logging
import os
from pathlib import Path

import msgspec

from core.model.calibration import Calibration

log = logging.getLogger(__name__)
FILE = "calibration.json"


def read_calibration(state_dir: Path) -> Calibration | None:
    """The installed table; None without one, and with a word in the log where the file is broken."""
    path = state_dir / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Calibration)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as trouble:
        log.warning("past results of signals are not shown: %s can't be used: %s", path, trouble)
        return None


class Installed:
    """The table as it is in the state directory now: a look at the file per question, a reading per new file."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._seen: tuple[int, int, int] | None = None
        self._table: Calibration | None = None

    def now(self) -> Calibration | None:
        """None without a table that can be used."""
        try:
            found = (self._state_dir / FILE).stat()
        except OSError:
            self._seen, self._table = None, None
            return None
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            self._seen, self._table = seen, read_calibration(self._state_dir)
        return self._table


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Replace the folder's table in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return path

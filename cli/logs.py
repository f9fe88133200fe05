"""`./seohak logs [PROGRAM] [-f] [-n N]`: what the programs wrote; secrets were left out when it was written (config/logs.py)."""

import argparse
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from cli.programs import PROGRAMS, log_path
from config.environment import base, environment

POLL_S, BLOCK = 0.25, 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("program", nargs="?", choices=list(PROGRAMS), metavar="PROGRAM", help=", ".join(PROGRAMS))
    parser.add_argument("-f", "--follow", action="store_true", help="이어서 봅니다 / go on as it grows")
    parser.add_argument("-n", "--lines", type=int, default=20, metavar="N", help="마지막 N줄 / the last N lines")


def run(options: argparse.Namespace) -> int:
    """Show the end of one log, or of all, each line with its program's name."""
    state_dir = base(environment()).state_dir
    names = [options.program] if options.program else [n for n in PROGRAMS if log_path(state_dir, n).exists()]
    paths = {name: log_path(state_dir, name) for name in names}
    if not any(path.exists() for path in paths.values()):
        what = paths[options.program] if options.program else state_dir / "logs"
        print(f"로그가 없습니다 / no log yet: {what}", file=sys.stderr)
        return 1
    tails = {name: Tail(path, max(0, options.lines)) for name, path in paths.items()}
    for name, tail in tails.items():
        _show(name, tail.last(), alone=len(names) == 1)
    while options.follow:
        for name, tail in tails.items():
            _show(name, tail.grown(), alone=len(names) == 1)
        time.sleep(POLL_S)
    return 0


def _show(name: str, lines: list[str], *, alone: bool) -> None:
    for line in lines:
        print(line if alone else f"{name:<11} {line}", flush=True)


class Tail:
    """The end of a file that grows and is replaced or begun anew by rotation."""

    def __init__(self, path: Path, lines: int) -> None:
        self._path, self._lines = path, lines
        self._inode, self._offset, self._rest = 0, 0, b""

    def last(self) -> list[str]:
        """The last lines; what follows is for `grown`."""
        kept: deque[bytes] = deque(maxlen=self._lines)
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            kept.extend(file)
            self._inode, self._offset = os.fstat(file.fileno()).st_ino, file.tell()
        return [line.decode(errors="replace").rstrip("\n") for line in kept]

    def grown(self) -> list[str]:
        """Whole lines that have come since."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            now = os.fstat(file.fileno())
            if now.st_ino != self._inode or now.st_size < self._offset:
                self._inode, self._offset, self._rest = now.st_ino, 0, b""
            file.seek(self._offset)
            *lines, self._rest = (self._rest + b"".join(_blocks(file.fileno()))).split(b"\n")
            self._offset = os.lseek(file.fileno(), 0, os.SEEK_CUR)
            return [line.decode(errors="replace") for line in lines]
        return []


def _blocks(descriptor: int) -> Iterator[bytes]:
    while block := os.read(descriptor, BLOCK):
        yield block

"""What happened, in order: a digest that two runs of one seed must share, and the lines for people."""

import hashlib
from collections.abc import Callable
from typing import TextIO


class Trace:
    """Each line is hashed; it is also kept or written only when somebody wants to read it."""

    def __init__(self, now: Callable[[], float], *, keep: bool = False, out: TextIO | None = None) -> None:
        self._now = now
        self._hash = hashlib.sha256()
        self._out = out
        self.kept: list[str] | None = [] if keep else None

    def say(self, who: str, *what: object) -> None:
        """One thing that happened."""
        line = f"{self._now():9.3f} {who:<9} {' '.join(map(str, what))}"
        self._hash.update(line.encode())
        if self.kept is not None:
            self.kept.append(line)
        if self._out is not None:
            self._out.write(line + "\n")

    @property
    def digest(self) -> str:
        """The history in 16 hex digits."""
        return self._hash.hexdigest()[:16]

"""Running a backtest beside the bot, and where candidates of a search are kept."""

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from core.model.backtested import RunSummary
from core.model.candidate import Candidate, Stance
from core.model.messages import Value


class Why(enum.StrEnum):
    """Why a run came to nothing."""

    BUSY = "busy"
    STOPPED = "stopped"
    SLOW = "slow"
    REFUSED = "refused"
    FAILED = "failed"


class RunFailed(Exception):
    """No result. `detail` is what the process said, one line, for people."""

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(f"{why}: {detail}" if detail else why)
        self.why = why
        self.detail = detail


class StoreDamaged(Exception):
    """The stored bars can't be read; the text says what to do."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A finished run; `picture` is a PNG in the language asked for, empty where none was."""

    summary: RunSummary
    picture: bytes = b""


class Backtests(Protocol):
    """Runs in a process of their own, one at a time, at the lowest priority."""

    async def days(self) -> Sequence[dt.date]:
        """The stored days, oldest first; raises StoreDamaged."""
        ...

    async def run(self, first: dt.date, last: dt.date, settings: Mapping[str, Value], *, language: str = "") -> Ran:
        """Run with these settings by dotted key on top of config.yaml; raises RunFailed."""
        ...

    async def stop(self) -> None:
        """End what runs; it raises RunFailed with STOPPED."""
        ...


class CandidateStore(Protocol):
    """Candidates and what became of them. All methods raise OSError."""

    async def all(self) -> Sequence[tuple[Candidate, Stance]]:
        """Newest first."""
        ...

    async def keep(self, candidate_id: str, stance: Stance) -> None:
        """Replace what the owners made of it."""
        ...

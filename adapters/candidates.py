"""`ports.research.CandidateStore` in the state directory: a search writes a file, the bot another one beside it.

Each file has one writer and is replaced in one step, so neither waits for the other nor for a database.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from core.model.candidate import Candidate, Stance

log = logging.getLogger(__name__)
FOLDER = "candidates"
KEPT = 50
T = TypeVar("T")


def propose(state_dir: Path, candidate: Candidate) -> Path:
    """Put a candidate where the running bot finds it; the same one again changes nothing else. Raises OSError."""
    return _put(state_dir / FOLDER / f"{candidate.id}.json", candidate)


class FileCandidates:
    """The newest candidates; a broken file is named in the log and left out."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER

    async def all(self) -> Sequence[tuple[Candidate, Stance]]:
        """Newest first."""
        return await asyncio.to_thread(self._all)

    async def keep(self, candidate_id: str, stance: Stance) -> None:
        """Replace what the owners made of it."""
        await asyncio.to_thread(_put, self._folder / f"{candidate_id}.stance", stance)

    def _all(self) -> list[tuple[Candidate, Stance]]:
        found = [candidate for path in self._folder.glob("*.json") if (candidate := _read(path, Candidate))]
        newest = sorted(found, key=lambda c: (c.made_at, c.id), reverse=True)[:KEPT]
        return [(c, _read(self._folder / f"{c.id}.stance", Stance) or Stance()) for c in newest]


def _read(path: Path, shape: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=shape)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as trouble:
        log.warning("%s can't be used: %s", path, trouble)
        return None


def _put(path: Path, content: msgspec.Struct) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return path

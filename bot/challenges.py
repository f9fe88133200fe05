"""Typed confirmations in memory: one action per person, bound to that action alone, good once, for a minute."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telegram import Update

if TYPE_CHECKING:
    from bot.context import AppContext

LIFETIME_S = 60.0
Run = Callable[[Update, "AppContext"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Challenge:
    """What must be typed: one of `words`, or a code of the second factor where there are none."""

    run: Run
    words: frozenset[str]
    until: float


class Challenges:
    """A restart forgets what was asked, which is the safe side: the person asks again."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._asked: dict[int, Challenge] = {}

    def ask(self, user_id: int, run: Run, *words: str) -> None:
        """Replace whatever was asked before; without words a code is expected."""
        typed = frozenset(word.casefold() for word in words)
        self._asked[user_id] = Challenge(run, typed, self._now() + LIFETIME_S)

    def pending(self, user_id: int) -> Challenge | None:
        """What is asked of a person now."""
        found = self._asked.get(user_id)
        if found is not None and self._now() > found.until:
            del self._asked[user_id]
            return None
        return found

    def drop(self, user_id: int) -> None:
        """The action was confirmed, refused or left."""
        self._asked.pop(user_id, None)

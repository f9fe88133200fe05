"""The queue behind getUpdates: growing ids, confirmation by offset, allowed kinds, one poller at a time."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.telegram.errors import OTHER_POLLER, ApiError, conflict
from sandbox.telegram.model import Json

MAX_PENDING = 10_000
MAX_BATCH = 100
MAX_TIMEOUT_S = 50
FIRST_UPDATE_ID = 100_000_001
# Telegram sends these only to bots that ask for them by name.
ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


@dataclass(slots=True)
class UpdateQueue:
    """Pending updates; ids only grow, also across resets."""

    next_id: int = FIRST_UPDATE_ID
    allowed: frozenset[str] = frozenset()
    pending: deque[Json] = field(default_factory=lambda: deque(maxlen=MAX_PENDING))

    def wants(self, kind: str) -> bool:
        """Whether the bot asked for this kind when the update is made."""
        return kind in self.allowed if self.allowed else kind not in ON_REQUEST

    def add(self, kind: str, payload: Json) -> int | None:
        """Queue an update; None when the bot did not ask for the kind."""
        if not self.wants(kind):
            return None
        update_id = self.next_id
        self.next_id += 1
        self.pending.append({"update_id": update_id, kind: payload})
        return update_id

    def allow(self, kinds: list[Any] | None) -> None:
        """None keeps the earlier choice; an empty list returns to the default."""
        if kinds is not None:
            self.allowed = frozenset(str(kind) for kind in kinds)

    def confirm(self, offset: int) -> None:
        """Forget what lies below a positive offset; a negative one keeps only the newest."""
        if offset < 0:
            while len(self.pending) > -offset:
                self.pending.popleft()
        while offset > 0 and self.pending and self.pending[0]["update_id"] < offset:
            self.pending.popleft()

    def batch(self, limit: int) -> list[Json]:
        """The oldest updates; they stay queued until confirmed."""
        return list(self.pending)[: min(max(limit, 1), MAX_BATCH)]


class Poll:
    """One getUpdates request that waits for the next update."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self._woken = asyncio.Event()
        self._failure: ApiError | None = None
        self.closed = False

    def close(self) -> None:
        """The server stops: answer with what there is."""
        self.closed = True
        self._woken.set()

    def wake(self, failure: ApiError | None = None) -> None:
        """Something came, or the poll has to end with an error."""
        self._failure = failure or self._failure
        self._woken.set()

    async def wait(self, timeout_s: float) -> None:
        """Return at an update or after the time; raise what ended the poll."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()
        if self._failure is not None:
            raise self._failure


class Pollers:
    """At most one open poll: a new one ends the old with 409, as Telegram does."""

    def __init__(self) -> None:
        """Nobody polls."""
        self._current: Poll | None = None

    @property
    def active(self) -> bool:
        """A poll is open now."""
        return self._current is not None

    def enter(self) -> Poll:
        """Take the place of the present poller."""
        if self._current is not None:
            self._current.wake(conflict(OTHER_POLLER))
        self._current = Poll()
        return self._current

    def leave(self, poll: Poll) -> None:
        """The poll is over."""
        if self._current is poll:
            self._current = None

    def close(self) -> None:
        """The server stops."""
        if self._current is not None:
            self._current.close()

    def wake(self) -> None:
        """An update was queued."""
        if self._current is not None:
            self._current.wake()

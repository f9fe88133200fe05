"""Which update is handled when: one after another per person, except what is urgent, which never waits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from telegram import Update
from telegram.ext import BaseUpdateProcessor

# An update that waits for its person's lock holds a slot too: were they few, /panic would wait behind a backlog. PTB
# makes a task of every update anyway, so this bounds nothing else.
MOST = 100_000


class PriorityUpdateProcessor(BaseUpdateProcessor):
    """A known person's updates run in order (conversations rely on it); strangers and urgent updates hold no one up."""

    def __init__(self, people: frozenset[int], urgent: Callable[[Update], bool]) -> None:
        super().__init__(MOST)
        self._urgent = urgent
        self._locks = {person: asyncio.Lock() for person in people}

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Await the handlers, behind the person's earlier updates unless this one is urgent."""
        lock = self._lock_of(update)
        if lock is None:
            await coroutine
            return
        async with lock:
            await coroutine

    def _lock_of(self, update: object) -> asyncio.Lock | None:
        if not isinstance(update, Update) or update.effective_user is None or self._urgent(update):
            return None
        return self._locks.get(update.effective_user.id)

    async def initialize(self) -> None:
        """Nothing to acquire."""

    async def shutdown(self) -> None:
        """Nothing to release."""

"""Another process polls with this bot's token: noticed, shown in /health, told to the owners once per episode."""

import asyncio
import datetime as dt
import logging

from telegram.error import Conflict, TelegramError

from bot.desk import Desk
from bot.views.alarms import token_shared

log = logging.getLogger(__name__)
# An episode is over after so many times the age of a stale message without a conflict.
OVER = 60


class ConflictWatch:
    """Takes every trouble of polling; polling itself goes on and tries again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()

    def trouble(self, error: TelegramError) -> None:
        """PTB's error callback of the updater, which has to be a plain function."""
        if not isinstance(error, Conflict):
            log.warning("polling: %s", type(error).__name__)
            return
        log.critical("another process polls with this bot's token: %s", error.message)
        desk, now = self._desk, self._desk.deps.clock.now()
        before, desk.conflict_at = desk.conflict_at, now
        if before is not None and now - before <= OVER * desk.deps.stale_after:
            return
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        # sending works with a token that somebody else polls with
        for owner in sorted(self._desk.deps.owners):
            try:
                await self._desk.messenger.send(owner, token_shared(self._desk.speak(owner)), urgent=True)
            except TelegramError as trouble:
                log.warning("the conflict could not be told to %s: %s", owner, type(trouble).__name__)


def recent(at: dt.datetime | None, now: dt.datetime, stale_after: dt.timedelta) -> bool:
    """Whether a conflict is part of the present state."""
    return at is not None and now - at <= stale_after

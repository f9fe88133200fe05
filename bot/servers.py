"""Watches Redis and the database: what stays wrong is told once, and once more when it is over."""

import enum
import logging
import time
from collections.abc import Callable

from bot.alerts import Topic
from bot.context import AppContext
from bot.desk import Desk
from bot.outbox import out_message
from bot.views import servers as views
from core.model.messages import message_id
from ports.bus import BusUnavailable
from ports.store import StoreUnavailable

log = logging.getLogger(__name__)
# a restart of a server is nobody's business
PATIENCE_S = 60.0


class Trouble(enum.StrEnum):
    """What may be wrong with a server."""

    REDIS_AWAY = "redis_away"
    REDIS_FULL = "redis_full"
    DATABASE_AWAY = "database_away"


class ServerWatch:
    """Looks every few seconds; the loss of Redis's data is told each time it happens."""

    def __init__(self, desk: Desk, now: Callable[[], float] = time.monotonic, patience_s: float = PATIENCE_S) -> None:
        self._desk = desk
        self._now = now
        self._patience_s = patience_s
        self._life = ""
        self._since: dict[Trouble, float] = {}
        self._told: set[Trouble] = set()

    async def look(self, _context: AppContext | None = None) -> None:
        """One look at both."""
        found: set[Trouble] = set()
        lost = False
        try:
            state = await self._desk.deps.bus.look()
        except BusUnavailable:
            found.add(Trouble.REDIS_AWAY)
        else:
            if state.full:
                found.add(Trouble.REDIS_FULL)
            # a full server without a life can't be given a new one
            lost = bool(self._life and state.life != self._life)
            self._life = state.life
        try:
            await self._desk.deps.chat.last_run("health")
        except StoreUnavailable:
            found.add(Trouble.DATABASE_AWAY)
        if lost:
            log.warning("Redis has lost its data")
            await self._tell(views.LOST, over=False)
        for trouble in Trouble:
            await self._judge(trouble, wrong=trouble in found)

    async def _judge(self, trouble: Trouble, *, wrong: bool) -> None:
        if wrong:
            since = self._since.setdefault(trouble, self._now())
            if trouble not in self._told and self._now() - since >= self._patience_s:
                self._told.add(trouble)
                await self._tell(trouble, over=False)
            return
        self._since.pop(trouble, None)
        if trouble in self._told:
            self._told.discard(trouble)
            await self._tell(trouble, over=True)

    async def _tell(self, what: str, *, over: bool) -> None:
        desk = self._desk
        if not desk.params.notification.telegram_enabled:
            return
        at = desk.deps.clock.now()
        messages = [
            out_message(
                views.told(what, over=over, t=desk.speak(owner)),
                key=message_id("server", what, over, at.isoformat(), self._now()),
                chat_id=owner,
                topic=Topic.CONNECTION if over else Topic.ALARM,
                at=at,
                quiet=over,
                urgent=not over,
            )
            for owner in sorted(desk.deps.owners)
        ]
        await desk.outbox.put([kept for m in messages for kept in desk.wanted(m)])

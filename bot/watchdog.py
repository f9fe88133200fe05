"""Watches the watchers: who guards the stops now, and what people must hear when that changes."""

import logging
import time
from collections.abc import Callable

from bot.alerts import Topic
from bot.beats import Beats, Guard
from bot.context import AppContext
from bot.desk import Desk
from bot.outbox import out_message
from bot.views import guardian as views
from bot.views.pinned import Standing
from core.model.messages import message_id
from ports.store import StoreUnavailable

log = logging.getLogger(__name__)
KEPT = "guard"
TRADER_SILENT_S, GUARDIAN_SILENT_S = 15.0, 10.0
# A living guardian takes over within seconds; where it has not after this long, it can't.
NOT_TAKEN_S = 30.0
REPEAT_S = 300.0


def guard_of(beats: Beats) -> Guard | None:
    """Who guards the stops; None in the seconds in which that can't be told yet."""
    trader_silent = beats.trader_age_s is None or beats.trader_age_s > TRADER_SILENT_S
    guardian_silent = beats.guardian_age_s is None or beats.guardian_age_s > GUARDIAN_SILENT_S
    if guardian_silent:
        if beats.guardian_age_s is not None and beats.guardian_age_s <= TRADER_SILENT_S:
            return None
        return Guard.NOBODY if trader_silent else Guard.TRADER_ALONE
    if beats.keeps:
        return Guard.GUARDIAN_KEEPS
    if beats.in_charge:
        return Guard.GUARDIAN
    if not trader_silent:
        return Guard.TRADER
    waited = beats.trader_age_s is None or beats.trader_age_s > NOT_TAKEN_S
    return Guard.NOT_TAKEN if waited else None


LOUD = frozenset({Guard.GUARDIAN, Guard.GUARDIAN_KEEPS, Guard.TRADER_ALONE, Guard.NOT_TAKEN, Guard.NOBODY})
UNGUARDED = frozenset({Guard.NOT_TAKEN, Guard.NOBODY})
MISSING = UNGUARDED | {Guard.TRADER_ALONE}


def changed(last: Guard, now: Guard) -> bool:
    """Whether people must hear; a guardian that stops keeping the watch is still in charge for a moment."""
    return now is not last and not (last is Guard.GUARDIAN_KEEPS and now is Guard.GUARDIAN)


class Watchdog:
    """Looks every few seconds; what was told last is kept in the store, so that a restart repeats nothing."""

    def __init__(self, desk: Desk, now: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._now = now
        self._began_at = now()
        self._last: Guard | None = None
        self._told_at = now()

    async def look(self, _context: AppContext | None = None) -> None:
        """One look at the files."""
        deps = self._desk.deps
        if deps.beats is None:
            return
        found = guard_of(await deps.beats())
        last = self._last if self._last is not None else await self._load()
        # right after a start of everything nobody has had time to beat
        starting = self._now() - self._began_at < deps.beats_grace_s
        if found is None or (starting and found in MISSING):
            return
        self._last = found
        repeat = found in UNGUARDED and self._now() - self._told_at >= REPEAT_S
        if not changed(last, found) and not repeat:
            return
        self._told_at = self._now()
        standing = await self._desk.pinned.last_known()
        held = standing is None or bool(standing.held)
        if held or changed(last, found):
            await self._tell(last, found, standing)
        await self._keep(found)

    async def _load(self) -> Guard:
        try:
            kept = await self._desk.deps.chat.preference(0, KEPT)
        except StoreUnavailable:
            return Guard.TRADER
        return next((known for known in Guard if known.value == kept), Guard.TRADER)

    async def _keep(self, guard: Guard) -> None:
        try:
            await self._desk.deps.chat.set_preference(0, KEPT, guard.value)
        except StoreUnavailable as trouble:
            log.warning("who guards the stops is not kept: %s", trouble)

    async def _tell(self, last: Guard, now: Guard, standing: Standing | None) -> None:
        desk = self._desk
        if not desk.params.notification.telegram_enabled:
            return
        at, loud = desk.deps.clock.now(), now in LOUD
        messages = [
            out_message(
                views.changed(last, now, standing, at, desk.speak(owner)),
                key=message_id("guard", now, at.isoformat(), self._now()),
                chat_id=owner,
                topic=Topic.ALARM if loud else Topic.STATE,
                at=at,
                quiet=not loud,
                urgent=loud,
            )
            for owner in sorted(desk.deps.owners)
        ]
        await desk.outbox.put([kept for m in messages for kept in desk.wanted(m)])

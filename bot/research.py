"""Backtests beside the bot: the run somebody asked for, candidates that came, shadows that are replayed at night."""

import asyncio
import datetime as dt
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from bot.alerts import Topic
from bot.candidates import in_force, refused, typed
from bot.deps import BotDeps
from bot.i18n import Translator
from bot.jobs import report_at
from bot.messenger import Messenger, Picture, Sent
from bot.outbox import Outbox, out_message
from bot.views import backtest as views
from bot.views import candidates as candidate_views
from bot.views.base import View
from core.model.candidate import Candidate, Shadow, Stage, Stance
from core.model.messages import Value
from core.model.params import Params
from core.rules.candidates import moved
from ports.research import Ran, RunFailed, StoreDamaged, Why
from ports.store import OutMessage, StoreUnavailable

log = logging.getLogger(__name__)
GOODBYE_S = 5.0
LATER = frozenset({Why.BUSY, Why.STOPPED})
Known = Sequence[tuple[Candidate, Stance]]


class Chat(Protocol):
    """What is needed of the desk."""

    deps: BotDeps
    messenger: Messenger
    outbox: Outbox
    overrides: dict[str, Value]
    loaded: bool

    @property
    def params(self) -> Params: ...

    def speak(self, user_id: int) -> Translator: ...

    def wanted(self, message: OutMessage) -> list[OutMessage]: ...


class Research:
    """One per bot. What is decided about candidates is in their store; a run lives as long as the bot."""

    def __init__(self, desk: Chat) -> None:
        self._desk = desk
        # the button of the run that goes on
        self._token = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._changing = asyncio.Lock()

    # -- a run that somebody asked for -------------------------------------------------------------

    def settings(self, candidate: Candidate | None = None) -> Mapping[str, Value]:
        """What differs from config.yaml: the chat's changes, and a candidate's above them."""
        mine = {key: value for key, value in self._desk.overrides.items() if value is not None}
        return mine | ({change.key: typed(change) for change in candidate.changes} if candidate else {})

    def start(self, who: int, days: Sequence[dt.date]) -> None:
        """Run over these stored days and tell it in the person's chat. The bot goes on meanwhile."""
        task = asyncio.create_task(self._told(who, days))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, who: int, days: Sequence[dt.date]) -> None:
        try:
            await self._run(who, days)
        except Exception:
            log.exception("a backtest could not be told")

    async def _run(self, who: int, days: Sequence[dt.date]) -> None:
        desk, t = self._desk, self._desk.speak(who)
        if self._token:
            await desk.messenger.send(who, views.failed(Why.BUSY, "", t))
            return
        self._token = token = secrets.token_hex(6)
        sent = None
        try:
            sent = await desk.messenger.send(who, views.running(days[0], days[-1], len(days), token, t))
            ran = await self._played(days[0], days[-1], self.settings(), t.locale)
        except RunFailed as trouble:
            await self._rewrite(sent, views.failed(trouble.why, trouble.detail, t))
            return
        finally:
            self._token = ""
        await self._rewrite(sent, views.finished(days[0], days[-1], t))
        picture = Picture(ran.picture, "backtest.png")
        told = partial(desk.messenger.send, who, views.result(ran.summary, t), picture=picture)
        await desk.messenger.patiently(told)

    async def _played(self, first: dt.date, last: dt.date, settings: Mapping[str, Value], language: str = "") -> Ran:
        """No run begins while the bot ends."""
        backtests = self._desk.deps.backtests
        if backtests is None or self._closing:
            raise RunFailed(Why.STOPPED)
        return await backtests.run(first, last, settings, language=language)

    async def _rewrite(self, sent: Sent | None, view: View) -> None:
        if sent is not None:
            await self._desk.messenger.patiently(partial(self._desk.messenger.edit, sent, view))

    async def stop(self, token: str) -> bool:
        """End the run of this button; False where it is over already."""
        backtests = self._desk.deps.backtests
        if backtests is None or not token or token != self._token:
            return False
        await backtests.stop()
        return True

    async def close(self) -> None:
        """End what runs, and give it a moment to say so."""
        self._closing = True
        if self._desk.deps.backtests is not None:
            await self._desk.deps.backtests.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=GOODBYE_S)
            for task in late:
                task.cancel()

    # -- candidates --------------------------------------------------------------------------------

    async def known(self) -> Known:
        """Newest first; raises OSError."""
        store = self._desk.deps.candidates
        return await store.all() if store is not None else ()

    async def find(self, candidate_id: str) -> tuple[Candidate, Stance] | None:
        """One of them; raises OSError."""
        return next(((c, s) for c, s in await self.known() if c.id == candidate_id), None)

    async def change(self, candidate_id: str, change: Callable[[Stance], Stance]) -> tuple[Candidate, Stance] | None:
        """Read, change and keep, with nobody between; how it stands then, None where it is gone. Raises OSError."""
        store = self._desk.deps.candidates
        async with self._changing:
            found = await self.find(candidate_id)
            if found is None or store is None:
                return None
            candidate, stance = found
            fresh = change(stance)
            if fresh != stance:
                await store.keep(candidate.id, fresh)
            return candidate, fresh

    def card(self, candidate: Candidate, stance: Stance, person: int) -> View:
        """The candidate as it stands now; buttons for owners only."""
        desk = self._desk
        return candidate_views.card(
            candidate,
            stance,
            desk.speak(person),
            moved=moved(candidate, in_force(desk.params)),
            refused=refused(candidate, desk.deps.params, desk.overrides, desk.deps.caps),
            acting=person in desk.deps.owners,
        )

    def shadowed(self) -> Shadow:
        """A shadow that begins now: with the first session that has not opened yet."""
        desk = self._desk
        now = desk.deps.clock.now()
        session = desk.deps.calendar.current_or_next(now)
        if now >= session.open_at:
            session = desk.deps.calendar.current_or_next(session.post_close_at)
        return Shadow(since=session.on)

    async def announce(self, _context: object = None) -> None:
        """Cards of candidates that are new, and the shadows' reports where they are due."""
        desk = self._desk
        if not desk.loaded or not desk.params.notification.telegram_enabled:
            return
        try:
            for candidate, stance in await self.known():
                if not stance.told:
                    await self._tell(candidate, stance, f"candidate:{candidate.id}")
                    await self.change(candidate.id, lambda now: msgspec.structs.replace(now, told=True))
                elif stance.shadow is not None and self._due(stance):
                    on = stance.shadow.tried_on
                    await self._tell(candidate, stance, f"shadow:{candidate.id}:{on}")
                    await self.change(candidate.id, partial(_shadow_with, since=stance.shadow.since, told_on=on))
        except (OSError, StoreUnavailable) as trouble:
            log.warning("candidates wait: %s", trouble)

    def _due(self, stance: Stance) -> bool:
        shadow, deps = stance.shadow, self._desk.deps
        if stance.stage is not Stage.SHADOW or shadow is None or shadow.tried_on in {None, shadow.told_on}:
            return False
        assert shadow.tried_on is not None
        session = deps.calendar.session_on(shadow.tried_on)
        return session is None or deps.clock.now() >= report_at(session, self._desk.params)

    async def _tell(self, candidate: Candidate, stance: Stance, key: str) -> None:
        desk, now = self._desk, self._desk.deps.clock.now()
        messages = []
        for owner in sorted(desk.deps.owners):
            view = self.card(candidate, stance, owner)
            message = out_message(view, key=key, chat_id=owner, topic=Topic.REPORT, at=now, quiet=True)
            messages += desk.wanted(message)
        await desk.outbox.keep(messages)

    # -- shadows -----------------------------------------------------------------------------------

    async def replay(self, _context: object = None) -> None:
        """Bring every shadow up to the newest stored day; never while the market is open in any way."""
        deps = self._desk.deps
        now = deps.clock.now()
        session = deps.calendar.current_or_next(now)
        if deps.backtests is None or not self._desk.loaded or now >= session.pre_open_at:
            return
        try:
            for candidate, stance in await self.known():
                if stance.stage is Stage.SHADOW and stance.shadow is not None and not self._closing:
                    await self._replayed(candidate, stance.shadow)
        except (OSError, StoreDamaged) as trouble:
            log.warning("shadows wait: %s", trouble)

    async def _replayed(self, candidate: Candidate, shadow: Shadow) -> None:
        backtests = self._desk.deps.backtests
        assert backtests is not None
        days = [on for on in await backtests.days() if on >= shadow.since]
        if not days or days[-1] == shadow.tried_on:
            return
        first, last = days[0], days[-1]
        try:
            present = await self._played(first, last, self.settings())
            found = await self._played(first, last, self.settings(candidate))
        except RunFailed as trouble:
            if trouble.why in LATER:
                return
            log.warning("the shadow of %s: %s", candidate.id, trouble)
            news: dict[str, Any] = {"trouble": trouble.why.value}
        else:
            news = {"last_on": last, "present": present.summary, "candidate": found.summary, "trouble": ""}
        await self.change(candidate.id, partial(_shadow_with, since=shadow.since, tried_on=last, **news))


def _shadow_with(stance: Stance, *, since: dt.date, **news: object) -> Stance:
    """The stance with news of the shadow that began then; somebody may have ended it meanwhile."""
    if stance.stage is not Stage.SHADOW or stance.shadow is None or stance.shadow.since != since:
        return stance
    return msgspec.structs.replace(stance, shadow=msgspec.structs.replace(stance.shadow, **news))

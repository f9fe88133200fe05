"""Messages on their way to people: kept in the database, sent in order, surviving outages and restarts."""

import asyncio
import datetime as dt
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx
import msgspec
from telegram import InlineKeyboardMarkup
from telegram.error import InvalidToken, NetworkError, RetryAfter

from bot.alerts import BUDGET_SPAN, CHATTER, Alerts, Topic
from bot.deps import BotDeps
from bot.i18n import Translator
from bot.messenger import Messenger, Picture, Sent
from bot.ratelimit import seconds
from bot.views import alerts as views
from bot.views.base import View
from ports.store import OutMessage, StoreUnavailable

log = logging.getLogger(__name__)
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
LOOK_AGAIN_S = 1.0
IN_DIGEST = 25
# these fail before the first byte of a request: the message is certainly not in the chat
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
Paint = Callable[[OutMessage], Awaitable[Picture | None]]
Root = Callable[[str, int], Awaitable[Sent | None]]


def keyboard_text(view: View) -> str:
    """A view's buttons as they are kept."""
    return view.keyboard.to_json() if view.keyboard is not None else ""


def _keyboard(kept: str) -> InlineKeyboardMarkup | None:
    return InlineKeyboardMarkup.de_json(msgspec.json.decode(kept), None) if kept else None


def chatter(message: OutMessage) -> bool:
    return message.topic in CHATTER and not message.urgent


def choose(waiting: Sequence[OutMessage], room: int) -> Sequence[OutMessage]:
    """What is sent next: one message, several for one digest, or nothing while chatter has to wait.

    `waiting` is in order of arrival; `room` is how many pieces of chatter may still come one by one. What is urgent
    overtakes, and so does what is no chatter, but never a message of its own thread.
    """
    wanted = next((m for m in waiting if m.urgent), None)
    talk = [m for m in waiting if chatter(m)]
    if wanted is None and (room <= 0 or len(talk) > room):
        wanted = next((m for m in waiting if not chatter(m)), None)
    if wanted is not None:
        return [next(m for m in waiting if m is wanted or (m.thread and m.thread == wanted.thread))]
    if room <= 0 or not waiting:
        return []
    return talk[:IN_DIGEST] if len(talk) > room and len(talk) > 1 else waiting[:1]


@dataclass(slots=True)
class _Lane:
    """One chat's messages. `told` are the instants of its newest chatter, `closing` what arrived and is not recorded."""

    waiting: list[OutMessage] = field(default_factory=list)
    closing: deque[tuple[Sequence[int], int | None]] = field(default_factory=deque)
    told: deque[dt.datetime] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, message: OutMessage) -> None:
        if not any(m.key == message.key for m in self.waiting):
            self.waiting.append(message)
            self.changed.set()

    def room(self, budget: int, now: dt.datetime) -> int:
        while self.told and now - self.told[0] >= BUDGET_SPAN:
            self.told.popleft()
        return max(0, budget - len(self.told)) if budget else 1_000_000


class Outbox:
    """One lane per chat. The database is the memory; while it is away, messages wait in this process."""

    def __init__(
        self,
        deps: BotDeps,
        messenger: Messenger,
        speak: Callable[[int], Translator],
        alerts: Callable[[int], Alerts],
        *,
        root: Root,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._deps = deps
        self._messenger = messenger
        self._speak = speak
        self._alerts = alerts
        self._root = root
        # set by whoever knows every picture
        self.paint: Paint | None = None
        self._sleep = sleep
        self._lanes = {owner: _Lane() for owner in deps.owners}
        self._homeless: dict[tuple[str, int], asyncio.Event] = {}
        # what was put before the database answered what a former life left behind
        self._early: set[tuple[str, int]] | None = set()

    async def put(self, messages: Sequence[OutMessage]) -> None:
        """Take messages. Returns once they are safe: in the database, or, while that is away, in the chat."""
        mine = self._mine(messages)
        try:
            await self.keep(mine)
        except StoreUnavailable as trouble:
            log.warning("the database is away, %d messages wait in memory: %s", len(mine), trouble)
            arrivals = [self._homeless.setdefault((m.key, m.chat_id), asyncio.Event()) for m in mine]
            for message in mine:
                self._lanes[message.chat_id].add(message)
            for arrived in arrivals:
                await arrived.wait()

    async def keep(self, messages: Sequence[OutMessage]) -> None:
        """Take messages into the database; raises StoreUnavailable where they must wait for it."""
        for kept in await self._deps.outbox.put(self._mine(messages)):
            self._lanes[kept.chat_id].add(kept)

    def _mine(self, messages: Sequence[OutMessage]) -> list[OutMessage]:
        mine = [m for m in messages if m.chat_id in self._lanes]
        if self._early is not None:
            self._early |= {(m.key, m.chat_id) for m in mine}
        return mine

    def admit(self, chat_id: int) -> bool:
        """Whether one more piece of chatter may come as a message of its own; counts it then."""
        lane, now = self._lanes[chat_id], self._deps.clock.now()
        if lane.room(self._alerts(chat_id).budget, now) <= 0:
            return False
        lane.told.append(now)
        return True

    async def run(self) -> None:
        """Send for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._load())
            for chat_id, lane in self._lanes.items():
                tasks.create_task(self._serve(chat_id, lane))

    async def _load(self) -> None:
        """What a former life of this process left behind comes before what is new."""
        while True:
            try:
                found = await self._deps.outbox.waiting()
            except StoreUnavailable as trouble:
                log.warning("the messages of before can't be read yet: %s", trouble)
                await self._sleep(LONGEST_WAIT_S)
                continue
            early, self._early = self._early or set(), None
            for chat_id, lane in self._lanes.items():
                lane.waiting[:0] = [m for m in found if m.chat_id == chat_id and (m.key, chat_id) not in early]
                lane.changed.set()
            return

    async def _serve(self, chat_id: int, lane: _Lane) -> None:
        while True:
            lane.changed.clear()
            budget = self._alerts(chat_id).budget
            batch = choose(lane.waiting, lane.room(budget, self._deps.clock.now()))
            if batch:
                await self._deliver(chat_id, lane, batch)
                continue
            try:
                # chatter that has to wait is looked at again by itself
                async with asyncio.timeout(LOOK_AGAIN_S if lane.waiting else None):
                    await lane.changed.wait()
            except TimeoutError:
                continue

    async def _deliver(self, chat_id: int, lane: _Lane, batch: Sequence[OutMessage]) -> None:
        ids = [m.id for m in batch if m.id]
        try:
            await self._deps.outbox.handed_over(ids)
        except StoreUnavailable as trouble:
            log.warning("handing over is not recorded: %s", trouble)
        sent: Sent | None = None
        try:
            sent = await self._until_sent(chat_id, batch)
        except Exception:
            # one message that can't be built must not hold up the others
            log.exception("message %s can't be sent", batch[0].key)
        keys = {m.key for m in batch}
        lane.waiting = [m for m in lane.waiting if m.key not in keys]
        if any(chatter(m) for m in batch):
            lane.told.append(self._deps.clock.now())
        for message in batch:
            arrived = self._homeless.pop((message.key, chat_id), None)
            if arrived is not None:
                arrived.set()
        await self._close(lane, ids, sent)

    async def _until_sent(self, chat_id: int, batch: Sequence[OutMessage]) -> Sent | None:
        """Repeat until Telegram takes it or refuses it; a repetition that may be one says so."""
        first = batch[0]
        unsure = any(m.unsure for m in batch)
        picture = await self._picture(first) if len(batch) == 1 else None
        root = await self._root(first.reply_to, chat_id) if first.reply_to else None
        wait = FIRST_WAIT_S
        while True:
            try:
                return await self._messenger.send(
                    chat_id,
                    self._view(chat_id, batch, unsure=unsure),
                    picture=picture,
                    quiet=all(m.quiet for m in batch),
                    urgent=any(m.urgent for m in batch),
                    reply_to=root.message_id if root else None,
                )
            except InvalidToken:
                raise
            except RetryAfter as busy:
                log.warning("Telegram is busy: %s", busy)
                wait = max(wait, seconds(busy))
            except NetworkError as trouble:
                unsure = unsure or not isinstance(trouble.__cause__, NEVER_SENT)
                log.warning("Telegram can't be reached (%s), again in %.0f s", type(trouble).__name__, wait)
            await self._sleep(wait)
            wait = min(LONGEST_WAIT_S, wait * 2)

    async def _picture(self, message: OutMessage) -> Picture | None:
        """A message that can't be drawn goes out in words."""
        if self.paint is None or not message.picture:
            return None
        try:
            return await self.paint(message)
        except Exception:
            log.exception("no picture of %s", message.key)
            return None

    def _view(self, chat_id: int, batch: Sequence[OutMessage], *, unsure: bool) -> View:
        t = self._speak(chat_id)
        first = batch[0]
        if len(batch) > 1:
            view = views.digest([(m.at, m.text) for m in batch], t)
        else:
            view = View(first.text, _keyboard(first.keyboard))
        return views.repeated(view, t) if unsure else view

    async def _close(self, lane: _Lane, ids: Sequence[int], sent: Sent | None) -> None:
        """Write down what arrived; what can't be written now is written with the chat's next."""
        if ids:
            lane.closing.append((ids, sent.message_id if sent else None))
        try:
            while lane.closing:
                await self._deps.outbox.sent(*lane.closing[0], self._deps.clock.now())
                lane.closing.popleft()
        except StoreUnavailable as trouble:
            log.warning("what arrived is not recorded yet: %s", trouble)


def out_message(
    view: View,
    *,
    key: str,
    chat_id: int,
    topic: Topic,
    at: dt.datetime,
    thread: str = "",
    picture: str = "",
    reply_to: str = "",
    quiet: bool = False,
    urgent: bool = False,
) -> OutMessage:
    """A view as a message that is kept until it is sent."""
    return OutMessage(
        key=key,
        chat_id=chat_id,
        topic=topic,
        thread=thread,
        # a view may be of a marked kind of text, which no codec knows
        text=str(view.text),
        keyboard=keyboard_text(view),
        at=at,
        picture=picture,
        reply_to=reply_to,
        quiet=quiet,
        urgent=urgent,
    )

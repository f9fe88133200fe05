"""Reads the bus: bars into memory, signals and plan events onto the board, everything else into the outbox."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from bot.alerts import Topic
from bot.board import Work
from bot.desk import Desk
from bot.outbox import out_message
from bot.painter import picture_of
from bot.views import pending
from bot.views.notices import Notice, notice
from core.model.messages import BarsClosed, Channel, Event, EventKind, HoldingsChanged, Screened, Signal
from ports.bus import BusUnavailable, Delivery
from ports.store import OutMessage

log = logging.getLogger(__name__)
GROUP = "bot"
CHANNELS = (Channel.SCREENED, Channel.BARS, Channel.SIGNAL, Channel.EVENTS, Channel.CONTROL)
IN_WORK = 64
SEVERAL = 2
RETRY_S = 2.0
ON_BOARD = frozenset(
    {
        EventKind.PROPOSED,
        EventKind.PLAN_STARTED,
        EventKind.PLAN_REFUSED,
        EventKind.PLAN_CHANGED,
        EventKind.PLAN_IGNORED,
        EventKind.PLAN_EXPIRED,
        EventKind.PLAN_STOPPED,
        EventKind.TRANCHE_FILLED,
        EventKind.BUY_COMPLETE,
    }
)


class Consumer:
    """Each message is acknowledged after what it caused has been sent."""

    def __init__(self, desk: Desk, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._desk = desk
        self._sleep = sleep
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(IN_WORK)

    async def run(self) -> None:
        """Consume for ever; a bus that is away is asked again."""
        bus = self._desk.deps.bus
        try:
            while True:
                try:
                    async for delivery in bus.consume(GROUP, CHANNELS):
                        await self._take(delivery)
                except BusUnavailable as trouble:
                    log.warning("the bus is away: %s", trouble)
                await self._sleep(RETRY_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, delivery: Delivery) -> None:
        try:
            work = await self._handle(delivery)
        except Exception:
            log.exception("message %s was not understood", delivery.message.id)
            work = None
        if work is None:
            await self._desk.deps.bus.ack(GROUP, delivery)
            return
        await self._room.acquire()
        task = asyncio.create_task(self._finish(work, delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, work: Work, delivery: Delivery) -> None:
        try:
            await work
        except Exception:
            log.exception("message %s could not be shown", delivery.message.id)
        finally:
            self._room.release()
        try:
            await self._desk.deps.bus.ack(GROUP, delivery)
        except BusUnavailable as trouble:
            log.warning("message %s will come again: %s", delivery.message.id, trouble)

    async def _handle(self, delivery: Delivery) -> Work | None:
        message = delivery.message
        match message:
            case Screened(bars=bars):
                self._desk.bars.add(bars)
            case BarsClosed(bars=bars, past=past):
                self._desk.bars.add((*past, *bars))
            case Signal():
                return await self._desk.board.signal(message)
            case Event():
                return await self._event(message)
            case HoldingsChanged():
                return self._desk.pinned.holdings(message) if self._enabled else None
            case _:
                log.debug("nothing to say about %s", message.id)
        return None

    @property
    def _enabled(self) -> bool:
        return self._desk.params.notification.telegram_enabled

    async def _event(self, event: Event) -> Work | None:
        """Cards and messages in place are brought up to date after the notice went out."""
        desk = self._desk
        works = [await desk.board.event(event) if event.kind in ON_BOARD else None]
        if self._enabled:
            works += [await desk.questions.event(event), await desk.liquidations.event(event), desk.pinned.event(event)]
            await self._notify(event)
            if event.kind is EventKind.PROPOSED:
                await self._several(event)
        found = [work for work in works if work is not None]
        return found[0] if len(found) == 1 else _together(found) if found else None

    async def _notify(self, event: Event) -> None:
        """Tell each owner once: the outbox knows what was told."""
        desk = self._desk
        settings = desk.params.notification
        standing = await desk.pinned.last_known() if event.kind is EventKind.UNWATCHED else None
        messages = []
        for owner in sorted(desk.deps.owners):
            told = notice(event, settings, desk.speak(owner), standing=standing)
            # Whoever gave the command has had the answer to it already.
            if told is not None and event.values.get("by") != str(owner):
                messages += desk.wanted(self._message(event, owner, told))
        await desk.outbox.put(messages)

    async def _several(self, event: Event) -> None:
        """More than one proposal waits: the way to deciding them together, told once per find that made them several."""
        desk, count = self._desk, self._desk.board.waiting()
        if count != SEVERAL:
            return
        await desk.outbox.put(
            [
                kept
                for owner in sorted(desk.deps.owners)
                for kept in desk.wanted(
                    out_message(
                        pending.several(count, desk.speak(owner)),
                        key=f"several:{event.subject}",
                        chat_id=owner,
                        topic=Topic.PROPOSAL,
                        at=event.at,
                        quiet=True,
                    )
                )
            ]
        )

    def _message(self, event: Event, owner: int, told: Notice) -> OutMessage:
        return out_message(
            told.view,
            key=event.id,
            chat_id=owner,
            topic=told.topic,
            at=event.at,
            thread=event.ticker,
            picture=picture_of(event),
            reply_to=plan_of(event),
            quiet=told.quiet,
            urgent=told.urgent,
        )


def plan_of(event: Event) -> str:
    """The plan on whose card a message about an event hangs, so that a position is one thread in the chat."""
    return str(event.values.get("plan_id") or event.subject)


async def _together(works: Sequence[Work]) -> None:
    """All of them, also where one fails; the first failure is raised."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome

"""The discovery board: joins signal, verdict and card record, sends one card per owner and edits it in place."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from bot.alerts import Alerts, Level, Topic
from bot.bars import BarMemory
from bot.card import FINAL, CardModel, Phase, with_event, with_reply, with_signal
from bot.deps import BotDeps
from bot.i18n import Language, Translator
from bot.messenger import Messenger, Picture, Sent
from bot.mutes import MuteList
from bot.outbox import Outbox, out_message
from bot.pictures import draw
from bot.values import text, whole
from bot.views import chart, fills
from bot.views.base import View
from bot.views.discovery import discovery, in_brief
from core.model.calibration import Bin
from core.model.commands import Reply
from core.model.messages import Event, EventKind, Signal
from core.model.params import Params
from core.model.signal import SignalType
from ports.store import Card, StoreUnavailable

log = logging.getLogger(__name__)
PATIENCE_S = 2.0
SLOTS = 1_000
# A find this many times older than a stale message is no news after a restart; its plan, if any, is told all the same.
LATE = 10
CARD, PROGRESS = "discovery", "progress"
RECENT = 200
VERDICTS = frozenset({EventKind.PROPOSED, EventKind.PLAN_STARTED, EventKind.PLAN_REFUSED})
ENDINGS = frozenset({EventKind.BUY_COMPLETE, EventKind.PLAN_STOPPED, EventKind.PLAN_IGNORED})
Work = Coroutine[Any, Any, None]


@dataclass(slots=True)
class Slot:
    """One card while it is on the board. `posted` are its messages, `progress` those of its tranches."""

    model: CardModel
    posted: dict[int, Sent] = field(default_factory=dict)
    progress: dict[int, Sent] = field(default_factory=dict)
    drawn: CardModel | None = None
    signalled: bool = False
    tranche: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Board:
    """All cards of the day; older ones come back from the store when something happens to them."""

    def __init__(
        self,
        deps: BotDeps,
        messenger: Messenger,
        bars: BarMemory,
        speak: Callable[[int], Translator],
        params: Callable[[], Params],
        *,
        alerts: Callable[[int], Alerts],
        outbox: Outbox,
        mutes: MuteList,
        ended: Callable[[CardModel], Awaitable[None]],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._deps = deps
        self._messenger = messenger
        self._bars = bars
        self._speak = speak
        self._params = params
        self._alerts = alerts
        self._outbox = outbox
        self._mutes = mutes
        self._ended = ended
        self.patience_s = patience_s
        self._slots: OrderedDict[str, Slot] = OrderedDict()
        self._plans: OrderedDict[str, str] = OrderedDict()

    async def signal(self, signal: Signal) -> Work | None:
        """Take a signal; the returned work sends or rewrites its card."""
        announced = signal.discovery is not None and signal.discovery.announce
        if signal.verdict.signal not in {SignalType.BUY, SignalType.WATCH}:
            return None
        if signal.verdict.signal is SignalType.WATCH and not announced:
            return None
        slot = await self._find(signal.id)
        late = self._deps.clock.now() - signal.created_at > LATE * self._deps.stale_after
        if late and slot is None:
            return None
        model = with_signal(slot.model if slot else None, signal)
        slot = self._keep(slot or Slot(model))
        slot.model, slot.signalled = model, True
        if model.phase is not Phase.FOUND:
            slot.ready.set()
        return self._publish(slot)

    async def event(self, event: Event) -> Work | None:
        """Take the trader's event about a plan; the returned work sends or rewrites its card."""
        signal_id = text(event.values, "signal_id")
        slot = (await self._find(signal_id) if signal_id else None) or await self._find_plan(event.subject)
        if event.kind in VERDICTS:
            slot = slot or Slot(CardModel(key=signal_id or event.subject, ticker=event.ticker))
        elif slot is None:
            return None
        slot.model = with_event(slot.model, event)
        self._keep(slot)
        if event.kind in VERDICTS:
            if slot.signalled or slot.posted or not signal_id:
                slot.ready.set()
            return self._publish(slot)
        if event.kind is EventKind.TRANCHE_FILLED:
            return self._progress(slot, event)
        return self._finish(slot, event) if event.kind in ENDINGS else self._publish(slot)

    async def replied(self, plan_id: str, reply: Reply, by: str) -> None:
        """Rewrite a card after a press on it was answered."""
        slot = await self._find_plan(plan_id)
        if slot is None:
            return
        slot.model = with_reply(slot.model, reply, by, self._deps.clock.now())
        await self._publish(slot)

    async def model_of(self, plan_id: str) -> CardModel | None:
        slot = await self._find_plan(plan_id)
        return slot.model if slot else None

    def waiting(self) -> int:
        """How many proposals wait for an answer, as far as this process knows."""
        now = self._deps.clock.now()
        plans = (s.model.plan for s in self._slots.values() if s.model.phase is Phase.PROPOSED)
        return sum(plan is not None and plan.expires_at is not None and plan.expires_at > now for plan in plans)

    async def message_of(self, plan_id: str, owner: int) -> Sent | None:
        """The card's message in an owner's chat, to reply to."""
        slot = await self._find_plan(plan_id)
        return slot.posted.get(owner) if slot else None

    async def _publish(self, slot: Slot) -> None:
        if not slot.posted:
            try:
                async with asyncio.timeout(self.patience_s):
                    await slot.ready.wait()
            except TimeoutError:
                slot.ready.set()
        await self._ended(slot.model)
        async with slot.lock:
            if slot.posted:
                await self._redraw(slot)
            elif self._wanted(slot.model):
                await self._post(slot)

    def _wanted(self, model: CardModel) -> bool:
        settings = self._params().notification
        if not settings.telegram_enabled:
            return False
        if self._mutes.covers(model.ticker) and model.phase is not Phase.RUNNING:
            return False
        if model.plan is not None:
            return True
        return model.announce and settings.alert_on_discovery

    async def _post(self, slot: Slot) -> None:
        model = slot.model
        pictures: dict[Language, Picture | None] = {}
        topic = Topic.DISCOVERY if model.plan is None else Topic.PROPOSAL
        for owner in sorted(self._deps.owners):
            t, alerts = self._speak(owner), self._alerts(owner)
            if alerts.level(topic) is Level.OFF:
                continue
            if topic is Topic.DISCOVERY and not self._outbox.admit(owner):
                await self._in_brief(model, owner)
                continue
            if t.locale not in pictures:
                pictures[t.locale] = await self._picture(model, t)
            view = self._card(model, t)
            quiet = model.plan is None or alerts.muffled(topic, self._deps.clock.now())
            sent = await self._patient_send(owner, view, pictures[t.locale], quiet=quiet)
            if sent is not None:
                slot.posted[owner] = sent
        slot.drawn = model
        await self._store(slot)
        if slot.model != model:
            await self._redraw(slot)

    async def _in_brief(self, model: CardModel, owner: int) -> None:
        """One find too many is a line of the next digest; a proposal for it will have a card all the same."""
        view = in_brief(model, self._speak(owner))
        at = model.discovery.bar_end_at if model.discovery else self._deps.clock.now()
        message = out_message(view, key=model.key, chat_id=owner, topic=Topic.DISCOVERY, at=at, quiet=True)
        await self._outbox.put([message])

    def _card(self, model: CardModel, t: Translator) -> View:
        found = model.discovery
        session = self._deps.calendar.current_or_next(found.bar_end_at) if found else None
        return discovery(model, self._params(), t, session, self._past(model))

    def _past(self, model: CardModel) -> Bin | None:
        """Past cases like this signal; only finds with a BUY signal have any."""
        table = self._deps.calibration()
        if table is None or model.discovery is None or model.phase is Phase.WATCH:
            return None
        return table.like(model.confidence) if table.applies_to(self._params()) else None

    async def _picture(self, model: CardModel, t: Translator) -> Picture | None:
        bars = self._bars.of(model.ticker)
        name = (model.name_ko if t.locale == "ko" else "") or model.name
        return await draw(
            self._deps, model.ticker, name, bars, self._params().analyzer, t, levels=chart.plan_levels(model, t)
        )

    async def _patient_send(
        self, owner: int, view: View, picture: Picture | None = None, *, quiet: bool, reply_to: int | None = None
    ) -> Sent | None:
        return await self._messenger.patiently(
            lambda: self._messenger.send(owner, view, picture=picture, quiet=quiet, reply_to=reply_to)
        )

    async def _edit_all(self, messages: dict[int, Sent], view_for: Callable[[Translator], View]) -> None:
        for owner, sent in messages.items():
            view = view_for(self._speak(owner))
            await self._messenger.patiently(partial(self._messenger.edit, sent, view))

    async def _redraw(self, slot: Slot) -> None:
        while slot.drawn != slot.model:
            drawn, model = slot.drawn, slot.model
            for owner, sent in slot.posted.items():
                t = self._speak(owner)
                view = self._card(model, t)
                if drawn is None or view != self._card(drawn, t):
                    await self._messenger.patiently(partial(self._messenger.edit, sent, view))
            slot.drawn = model
            await self._store(slot)

    async def _progress(self, slot: Slot, event: Event) -> None:
        """One message per plan, a reply to the card, edited with each tranche."""
        tranche = whole(event.values, "tranche")
        async with slot.lock:
            late = tranche < slot.tranche or slot.model.phase in FINAL
            if late or not self._params().notification.alert_on_buy:
                return
            slot.tranche = tranche
            await self._edit_all(slot.progress, lambda t: fills.progress(event, t))
            for owner in sorted(self._deps.owners - slot.progress.keys()):
                if self._alerts(owner).level(Topic.PROGRESS) is Level.OFF:
                    continue
                card = slot.posted.get(owner)
                view = fills.progress(event, self._speak(owner))
                sent = await self._patient_send(owner, view, quiet=True, reply_to=card.message_id if card else None)
                if sent is not None:
                    slot.progress[owner] = sent
            await self._store(slot)

    async def _finish(self, slot: Slot, event: Event) -> None:
        await self._publish(slot)
        model = slot.model
        of = model.plan.tranches if model.plan else whole(event.values, "of")
        complete = model.phase is Phase.DONE

        def ended(t: Translator) -> View:
            return fills.progress_end(model.ticker, model.done, of, complete=complete, t=t)

        async with slot.lock:
            await self._edit_all(slot.progress, ended)

    def _keep(self, slot: Slot) -> Slot:
        key = slot.model.key
        self._slots[key] = slot
        self._slots.move_to_end(key)
        if slot.model.plan is not None:
            self._plans[slot.model.plan.plan_id] = key
        for bounded in (self._slots, self._plans):
            while len(bounded) > SLOTS:
                bounded.popitem(last=False)
        return slot

    async def _find(self, key: str) -> Slot | None:
        """The slot of a card's key: in memory, else from its records."""
        known = self._slots.get(key)
        if known is not None:
            return known
        try:
            restored = restore(await self._deps.chat.cards(key))
            if restored is None:
                return None
            if restored.model.plan is not None:
                restored.progress = _messages(await self._deps.chat.cards(restored.model.plan.plan_id), PROGRESS)
        except StoreUnavailable as trouble:
            log.warning("cards can't be read: %s", trouble)
            return None
        # Another delivery may have restored it while the store answered.
        return self._slots.get(key) or self._keep(restored)

    async def _find_plan(self, plan_id: str) -> Slot | None:
        """The slot of a plan; a record carries its signal's key, so after a restart the newest cards are searched."""
        key = self._plans.get(plan_id)
        if key is not None:
            return await self._find(key)
        try:
            recent = await self._deps.chat.recent_cards(CARD, limit=RECENT)
        except StoreUnavailable as trouble:
            log.warning("cards can't be read: %s", trouble)
            return None
        models = (decode(record) for record in recent)
        found = next((m for m in models if m is not None and m.plan is not None and m.plan.plan_id == plan_id), None)
        return await self._find(found.key) if found else None

    async def _store(self, slot: Slot) -> None:
        data = msgspec.json.encode(slot.model).decode()
        records = [(slot.model.key, CARD, sent) for sent in slot.posted.values()]
        if slot.model.plan is not None:
            plan_id = slot.model.plan.plan_id
            records += [(plan_id, PROGRESS, sent) for sent in slot.progress.values()]
        try:
            for key, kind, sent in records:
                await self._deps.chat.put_card(
                    Card(
                        key=key,
                        kind=kind,
                        chat_id=sent.chat_id,
                        message_id=sent.message_id,
                        state=slot.model.phase.value,
                        data={"model": data, "photo": sent.photo, "tranche": slot.tranche},
                    )
                )
        except StoreUnavailable as trouble:
            log.warning("cards can't be kept: %s", trouble)


def _messages(records: Sequence[Card], kind: str) -> dict[int, Sent]:
    return {
        r.chat_id: Sent(r.chat_id, r.message_id, photo=bool(r.data.get("photo"))) for r in records if r.kind == kind
    }


def decode(record: Card) -> CardModel | None:
    """The card of a record; None for one that an older version wrote differently."""
    try:
        return msgspec.json.decode(str(record.data.get("model", "")), type=CardModel)
    except (msgspec.DecodeError, ValueError):
        return None


def restore(records: Sequence[Card]) -> Slot | None:
    """A slot from what was kept of it before a restart."""
    ours = [r for r in records if r.kind == CARD]
    models = [model for r in ours if (model := decode(r)) is not None]
    if not models:
        return None
    slot = Slot(models[-1], posted=_messages(ours, CARD))
    slot.drawn, slot.signalled = models[-1], True
    slot.tranche = max(int(r.data.get("tranche") or 0) for r in ours)
    slot.ready.set()
    return slot

"""What a change of a setting would do right now: asks the trader and the cards, and lets core.rules.preview judge."""

import asyncio

from bot.board import CARD, decode
from bot.desk import Desk
from bot.settings import with_overrides
from core.model.commands import AskStatus, TraderStatus
from core.model.messages import Value
from core.model.signal import Discovery
from core.rules.preview import Fact, World, preview
from ports.control import TraderUnreachable
from ports.store import StoreUnavailable

PATIENCE_S = 3.0
MOST_CARDS = 2_000


async def effects(desk: Desk, who: int, key: str, new: Value) -> list[Fact]:
    """The facts; `new` None means back to config.yaml's value."""
    section = key.split(".", maxsplit=1)[0]
    now = desk.deps.clock.now()
    world = World(
        at=now,
        status=await _status(desk, who) if section == "trading" else None,
        finds=await _finds(desk) if section == "scanner" else None,
        session=desk.deps.calendar.current_or_next(now),
    )
    return preview(key, desk.params, with_overrides(desk.deps.params, {**desk.overrides, key: new}), world)


async def _status(desk: Desk, who: int) -> TraderStatus | None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return (await desk.deps.control.send(AskStatus(by=str(who)))).status
    except (TraderUnreachable, TimeoutError):
        return None


async def _finds(desk: Desk) -> list[Discovery] | None:
    """The finds of the cards, each once though every owner has a card of it."""
    try:
        cards = await desk.deps.chat.recent_cards(CARD, limit=MOST_CARDS)
    except StoreUnavailable:
        return None
    models = {card.key: decode(card) for card in cards}
    return [m.discovery for m in models.values() if m is not None and m.discovery is not None]

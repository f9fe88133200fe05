"""Pictures of messages that waited in the outbox, drawn when they are sent: a sale on its chart, the day's report."""

import datetime as dt

import msgspec

from bot.desk import Desk
from bot.messenger import Picture
from bot.pictures import draw_sale
from bot.reporting import bounds
from bot.reports import draw, model_of
from core.model.messages import Event, EventKind
from core.model.session import MarketSession
from ports.store import OutMessage, StoreUnavailable


class SalePicture(msgspec.Struct, frozen=True, tag="sale"):
    """The sale of an event."""

    event: Event


class ReportPicture(msgspec.Struct, frozen=True, tag="report"):
    """The report of a US session."""

    on: dt.date


AnyPicture = SalePicture | ReportPicture


def picture_of(event: Event) -> str:
    """What to draw for an event's message; nothing for most."""
    return msgspec.json.encode(SalePicture(event)).decode() if event.kind is EventKind.SOLD else ""


def report_picture(session: MarketSession) -> str:
    return msgspec.json.encode(ReportPicture(session.on)).decode()


async def paint(desk: Desk, message: OutMessage) -> Picture | None:
    """None where an older version wrote it differently, or where what it shows can't be read now."""
    try:
        wanted = msgspec.json.decode(message.picture, type=AnyPicture)
    except (msgspec.DecodeError, ValueError):
        return None
    t = desk.speak(message.chat_id)
    if isinstance(wanted, SalePicture):
        return await draw_sale(desk.deps, wanted.event, desk.bars.of(wanted.event.ticker), desk.params.analyzer, t)
    session = desk.deps.calendar.session_on(wanted.on)
    if session is None:
        return None
    try:
        trips = await desk.deps.records.round_trips(*bounds(session, "day"))
    except StoreUnavailable:
        return None
    return await draw(desk, await model_of(desk, session, "day", trips), t)

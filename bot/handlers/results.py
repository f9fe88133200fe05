"""Results as a picture: the report of a day, week or month, and its buttons."""

from collections.abc import Sequence

from telegram import Update

from bot.context import AppContext, answer
from bot.keyboards import decode
from bot.messenger import Picture, Sent
from bot.reporting import PERIODS, WORDS, Period, bounds, latest_session
from bot.reports import compose
from bot.views import accounts as account_views
from bot.views import replies
from bot.views.base import View


def period_of(text: str) -> Period | None:
    """The period a person asked for."""
    found = WORDS.get(text.lower())
    return found if found in PERIODS else None


async def _made(context: AppContext, period: Period) -> tuple[View, Picture | None]:
    deps = context.desk.deps
    session = latest_session(deps.calendar, deps.clock.now())
    trips = await deps.records.round_trips(*bounds(session, period))
    return await compose(context.desk, session, period, trips, context.t)


async def report(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/report [day|week|month]"""
    period = period_of(args[0]) if args else "day"
    if period is None:
        await context.say(update, account_views.report_usage(args[0], context.t))
        return
    view, picture = await _made(context, period)
    await context.say(update, view, picture=picture)


async def pressed(update: Update, context: AppContext) -> None:
    """Another period, or the same again, in the same message."""
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    period = period_of(press.args[0]) if press else None
    if query is None or query.message is None or period is None:
        await answer(query, replies.stale_button(context.t), alert=True)
        return
    await answer(query)
    view, picture = await _made(context, period)
    if picture is None:
        await context.show(update, view)
        return
    sent = Sent(query.message.chat.id, query.message.message_id, photo=True)
    if not await context.desk.messenger.repaint(sent, view, picture):
        await context.say(update, view, picture=picture)

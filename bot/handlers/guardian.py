"""The guardian: its state and promise, and giving the watch back to the trader."""

import logging
from collections.abc import Sequence

from telegram import Update

from bot.beats import Guard
from bot.context import AppContext, answer
from bot.keyboards import decode
from bot.views import guardian as views
from bot.views.base import View
from bot.views.replies import stale_button
from bot.watchdog import guard_of

log = logging.getLogger(__name__)


async def guard_now(context: AppContext) -> Guard | None:
    """Who guards the stops at this moment, as far as files can tell."""
    beats = context.desk.deps.beats
    return guard_of(await beats()) if beats is not None else None


async def guardian_view(context: AppContext) -> View:
    reader = context.desk.deps.beats
    beats = await reader() if reader is not None else None
    return views.guardian(beats, guard_of(beats) if beats is not None else None, context.t)


async def guardian(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """/guardian"""
    await context.say(update, await guardian_view(context))


async def _question(context: AppContext) -> View:
    if await guard_now(context) is not Guard.GUARDIAN_KEEPS:
        return views.nothing_kept(context.t)
    return views.handback_question(context.desk.nonces.issue(context.who, "handback"), context.t)


async def handback(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """/handback: asks first."""
    await context.say(update, await _question(context))


async def ask_pressed(update: Update, context: AppContext) -> None:
    """[감시 돌려주기] under the alarm, which may be hours old: it only asks."""
    await answer(update.callback_query)
    await context.say(update, await _question(context))


async def confirmed(update: Update, context: AppContext) -> None:
    """The second tap: once, within a minute, for the one who asked."""
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    if press is None or context.desk.nonces.take(context.who, press.args[0]) != ("handback",):
        await answer(query, stale_button(context.t), alert=True)
        return
    await answer(query)
    request = context.desk.deps.handback
    try:
        if request is None:
            raise OSError("no way to ask is wired")
        await request()
    except OSError:
        log.exception("the watch could not be asked back")
        await context.show(update, views.handback_failed(context.t))
        return
    await context.show(update, views.handback_asked(context.t))

"""/missed: what became of finds that were not bought."""

from collections.abc import Sequence

from telegram import Update

from bot.context import AppContext
from bot.views import foregone as views
from bot.views.base import View


async def missed_view(context: AppContext) -> View:
    return views.week(await context.desk.ledger.week(context.desk.deps.clock.now()), context.t)


async def missed(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """/missed"""
    await context.say(update, await missed_view(context))

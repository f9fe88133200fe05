"""/lang: the person's own language, for messages and for Telegram's command menu."""

from collections.abc import Sequence

from telegram import BotCommandScopeChat, Update

from bot.context import AppContext, answer
from bot.i18n import Language, language
from bot.keyboards import decode
from bot.menus import commands
from bot.views import help as views
from bot.views.replies import stale_button


async def lang(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/lang [ko|en]"""
    chosen = language(args[0]) if args else None
    if chosen is None:
        await context.say(update, views.language_choice(context.t))
        return
    await _set(update, context, chosen)


async def _set(update: Update, context: AppContext, chosen: Language) -> None:
    await context.desk.set_language(context.who, chosen)
    menu = commands(context.desk.specs_of(context.who), context.t)
    await context.bot.set_my_commands(menu, scope=BotCommandScopeChat(context.who))
    await context.show(update, views.language_set(context.t))


async def pressed(update: Update, context: AppContext) -> None:
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    chosen = language(press.args[0]) if press else None
    if chosen is None:
        await answer(query, stale_button(context.t), alert=True)
        return
    await answer(query)
    await _set(update, context, chosen)

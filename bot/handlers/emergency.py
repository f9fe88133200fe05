"""/panic: everything stops at once; selling it all is a second step with preview and confirmation."""

import logging
from collections.abc import Sequence

from telegram import Update

from bot.context import AppContext, answer
from bot.handlers import ask
from bot.keyboards import decode
from bot.messenger import Sent
from bot.values import whole
from bot.views import liquidation
from bot.views import replies as views
from core.model.commands import Panic
from ports.control import TraderUnreachable

log = logging.getLogger(__name__)


async def panic(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """First the trader, then the words; needs neither database nor bus."""
    try:
        reply = await ask.send(context, Panic(by=str(context.who)))
    except TraderUnreachable:
        halted = await _halt(context)
        await context.say(update, views.panic_unreachable(context.t, halted=halted), urgent=True)
        return
    nonce = context.desk.nonces.issue(context.who, "preview")
    await context.say(update, views.panicked(reply, nonce, context.t), urgent=True)


async def _halt(context: AppContext) -> bool:
    halt = context.desk.deps.halt
    if halt is None:
        return False
    try:
        await halt()
    except OSError:
        log.exception("the HALT file could not be written")
        return False
    return True


async def preview(update: Update, context: AppContext) -> None:
    """What would be sold, with the button that does it."""
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    if press is None:
        await answer(query, views.stale_button(context.t), alert=True)
        return
    await answer(query)
    state = await ask.status(context)
    nonce = context.desk.nonces.issue(context.who, "liquidate")
    await context.show(update, views.panic_preview(state.positions, nonce, context.t))


async def liquidate(update: Update, context: AppContext) -> None:
    """The second confirmation: works once, for a minute, for the one who asked."""
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    if press is None or context.desk.nonces.take(context.who, press.args[0]) != ("liquidate",):
        await answer(query, views.stale_button(context.t), alert=True)
        return
    await answer(query)
    runs, message = context.desk.liquidations, query.message if query else None
    if message is not None:
        runs.claim(context.who, Sent(message.chat.id, message.message_id))
    command = Panic(by=str(context.who), nonce=press.args[0], liquidate=True)
    try:
        reply = await ask.send(context, command)
    except TraderUnreachable:
        runs.forget(context.who)
        raise
    if reply.ok and whole(reply.values, "selling"):
        await runs.begun(context.who, reply)
        return
    runs.forget(context.who)
    await context.show(update, liquidation.nothing_held(context.t) if reply.ok else views.outcome(reply, context.t))

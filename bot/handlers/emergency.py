"""/panic: everything stops at once; selling it all is a second step with preview and typed confirmation."""

import logging
import secrets
from collections.abc import Sequence
from functools import partial

from telegram import Update

from bot.context import AppContext, answer
from bot.handlers import ask, confirm
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
    """What would be sold, and what must be typed for it."""
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    if press is None:
        await answer(query, views.stale_button(context.t), alert=True)
        return
    await answer(query)
    desk = context.desk
    state = await ask.status(context)
    now = desk.deps.clock.now()
    session = desk.deps.calendar.current_or_next(now)
    coded = await confirm.needs_code(context)
    view = views.panic_preview(state, session, now, context.t, coded=coded)
    if not state.positions:
        await context.show(update, view)
        return
    message = query.message if query else None
    shown = Sent(message.chat.id, message.message_id) if message is not None else None
    words = () if coded else views.SELL_ALL
    desk.challenges.ask(context.who, partial(_liquidate, shown=shown, nonce=secrets.token_hex(8)), *words)
    await context.show(update, view)


async def _liquidate(update: Update, context: AppContext, *, shown: Sent | None, nonce: str) -> None:
    """Confirmed: once, within the minute, by the one who asked."""
    runs = context.desk.liquidations
    if shown is not None:
        runs.claim(context.who, shown)
    try:
        reply = await ask.send(context, Panic(by=str(context.who), nonce=nonce, liquidate=True))
    except TraderUnreachable:
        runs.forget(context.who)
        raise
    if reply.ok and whole(reply.values, "selling"):
        await runs.begun(context.who, reply)
        return
    runs.forget(context.who)
    view = liquidation.nothing_held(context.t) if reply.ok else views.outcome(reply, context.t)
    if shown is None or not await context.desk.messenger.edit(shown, view):
        await context.say(update, view, urgent=True)

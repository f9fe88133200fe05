"""Presses on the discovery card: approve, ignore, progress. Every press is checked by the trader, never by the bot."""

from telegram import Update

from bot.context import AppContext, answer
from bot.handlers import ask
from bot.keyboards import Act, decode
from bot.views import replies as views
from bot.views.base import View
from bot.views.discovery import progress_toast
from core.model.commands import Approve, Ignore, Mute


async def decide(update: Update, context: AppContext) -> None:
    """[✅ 매수 승인] and [🚫 무시]: `a|i:<plan>:<nonce>`."""
    query = update.callback_query
    press = decode(query.data if query else None, count=2)
    if press is None:
        await answer(query, views.stale_button(context.t), alert=True)
        return
    plan_id, nonce = press.args
    by = str(context.who)
    kind = Approve if press.act is Act.APPROVE else Ignore
    reply, waiting = await ask.press(update, context, kind(by=by, plan_id=plan_id, nonce=nonce))
    if reply is None:
        return
    if waiting:
        await answer(query, views.toast(reply, context.t), alert=reply.key not in views.QUIET_TOASTS)
    elif reply.key not in views.QUIET_TOASTS:
        await context.say(update, views.outcome(reply, context.t))
    await context.desk.board.replied(plan_id, reply, by)


async def info(update: Update, context: AppContext) -> None:
    """[⏳ 자동매수 진행중]: how far it is."""
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    model = await context.desk.board.model_of(press.args[0]) if press else None
    await answer(query, progress_toast(model, context.t), alert=True)


async def mute_pressed(update: Update, context: AppContext) -> None:
    """[🔇]: nothing of this ticker until the session is over."""
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    if press is None or not press.args[0]:
        await answer(query, views.stale_button(context.t), alert=True)
        return
    mutes, ticker = context.desk.mutes, press.args[0]
    until = mutes.end_of_session()
    reply, waiting = await ask.press(update, context, Mute(by=str(context.who), ticker=ticker, until=until))
    if reply is None:
        return
    if reply.ok:
        await mutes.set(ticker, until)
    said = views.muted(ticker, until, context.t) if reply.ok else views.toast(reply, context.t)
    if waiting:
        await answer(query, said)
    else:
        await context.say(update, View(said))

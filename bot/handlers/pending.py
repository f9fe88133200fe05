"""/pending: proposals decided together. A tap decides exactly what the list showed; each is checked by the trader."""

from collections.abc import Sequence

from telegram import Update

from bot.context import AppContext, answer
from bot.handlers import ask
from bot.keyboards import decode
from bot.views import pending as views
from bot.views import replies
from bot.views.base import View
from core.model.commands import Approve, Ignore, Reply
from core.model.position import PlanState
from ports.control import TraderUnreachable

BATCH = "batch"
# a list may be decided for as long as its proposals live; their own expiry is the trader's
LIFETIME_S = 3_600.0


async def pending_view(context: AppContext) -> View:
    state = await ask.status_or_none(context)
    if state is None:
        return replies.unreachable(context.t)
    board = context.desk.board
    waiting = []
    for plan in state.plans:
        if plan.state is PlanState.PROPOSED:
            model = await board.model_of(plan.id)
            worst = model.plan.worst_case_krw if model and model.plan else None
            waiting.append(views.Waiting(plan=plan, worst_case_krw=worst))
    shown = [part for w in waiting for part in (w.plan.id, w.plan.nonce, w.plan.ticker)]
    nonce = context.desk.nonces.issue(context.who, BATCH, *shown, lifetime_s=LIFETIME_S)
    return views.pending(waiting, nonce, context.t)


async def pending(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """/pending"""
    await context.say(update, await pending_view(context))


async def pressed(update: Update, context: AppContext) -> None:
    """`b:<nonce>:y|n`: once, for the one who asked."""
    query = update.callback_query
    press = decode(query.data if query else None, count=2)
    payload = context.desk.nonces.take(context.who, press.args[0]) if press else None
    if press is None or payload is None or payload[0] != BATCH:
        await answer(query, replies.stale_button(context.t), alert=True)
        return
    await answer(query, replies.checking(context.t))
    kind = Approve if press.args[1] == "y" else Ignore
    by = str(context.who)
    results: list[tuple[str, Reply | None]] = []
    for plan_id, nonce, ticker in zip(*(iter(payload[1:]),) * 3, strict=True):
        try:
            reply = await ask.send(context, kind(by=by, plan_id=plan_id, nonce=nonce))
        except TraderUnreachable:
            # what was decided before stays decided, and is told with the rest
            results.append((ticker, None))
            continue
        results.append((ticker, reply))
        await context.desk.board.replied(plan_id, reply, by)
    await context.show(update, views.decided(results, context.t))

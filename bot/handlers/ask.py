"""Talking to the trader from a handler: sending, and the status with a fallback for when it is out of reach."""

import asyncio

from telegram import Update

from bot.context import AppContext, answer
from bot.views import replies as views
from core.model.commands import AnyCommand, AskStatus, Reply, TraderStatus
from ports.control import TraderUnreachable

# A press must be answered within seconds; the outcome is worth a short wait.
ANSWER_WITHIN_S = 1.5


async def send(context: AppContext, command: AnyCommand) -> Reply:
    """One command; TraderUnreachable goes to the error handler, which says that nothing was done."""
    return await context.desk.deps.control.send(command)


async def press(update: Update, context: AppContext, command: AnyCommand) -> tuple[Reply | None, bool]:
    """The trader's answer to a button, and whether the press still waits for its own answer.

    A trader that is slow or out of reach is told to the person here; the reply is None then.
    """
    query = update.callback_query
    asked = asyncio.create_task(send(context, command))
    in_time, _ = await asyncio.wait({asked}, timeout=ANSWER_WITHIN_S)
    if not in_time:
        await answer(query, views.checking(context.t))
    try:
        return await asked, bool(in_time)
    except TraderUnreachable:
        if in_time:
            await answer(query, views.unreachable_toast(context.t), alert=True)
        else:
            await context.say(update, views.unreachable(context.t))
        return None, False


async def status(context: AppContext) -> TraderStatus:
    """The trader's state; raises TraderUnreachable."""
    reply = await send(context, AskStatus(by=str(context.who)))
    if reply.status is None:
        raise TraderUnreachable("the trader answered without its state")
    return reply.status


async def status_or_none(context: AppContext) -> TraderStatus | None:
    try:
        return await status(context)
    except TraderUnreachable:
        return None


def ticker(text: str) -> str:
    """A ticker as people type it."""
    return text.strip().lstrip("$").upper()[:12]

"""Talking to the trader from a handler, and asking the person which security is meant."""

import asyncio
from collections.abc import Sequence

from telegram import Update

from bot.context import AppContext, answer
from bot.keyboards import decode
from bot.views import replies as views
from bot.views import tickers as views_of_tickers
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


async def ticker(
    update: Update, context: AppContext, args: Sequence[str], command: str
) -> tuple[str, tuple[str, ...]] | None:
    """The ticker that arguments begin with and what follows it; None where the person was asked which one is meant.

    A command that changes something acts on a whole ticker or a whole name only.
    """
    desk = context.desk
    found, rest = await desk.tickers.take(args)
    changes = next(spec.changes for spec in desk.specs if spec.name == command)
    if found.ticker and (found.sure or not changes):
        return found.ticker, rest
    nonce = desk.nonces.issue(context.who, "pick", command, *rest) if found.choices else ""
    await context.say(update, views_of_tickers.choose(args[0], found.choices, nonce, context.t))
    return None


async def picked(update: Update, context: AppContext) -> None:
    """A button of the question: the command goes on with that ticker, once and within a minute."""
    query = update.callback_query
    press = decode(query.data if query else None, count=2)
    payload = context.desk.nonces.take(context.who, press.args[0]) if press else None
    if press is None or payload is None or payload[0] != "pick":
        await answer(query, views.stale_button(context.t), alert=True)
        return
    await answer(query)
    chosen = press.args[1]
    _, command, *rest = payload
    await context.show(update, views_of_tickers.chosen(chosen, context.desk.tickers.known(chosen), context.t))
    spec = next(spec for spec in context.desk.specs if spec.name == command)
    if spec.run is not None:
        # in capitals a ticker is a ticker, whatever else may be called so
        await spec.run(update, context, (f"${chosen}", *rest))

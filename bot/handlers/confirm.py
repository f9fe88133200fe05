"""Confirming by typing: a word, or a code of the second factor; then the action that asked goes on."""

import logging
from collections.abc import Mapping
from functools import partial

from telegram import Update
from telegram.error import TelegramError
from telegram.ext import ApplicationHandlerStop

from bot.access import command_of
from bot.challenges import Challenge, Run
from bot.context import AppContext
from bot.secondfactor import Verdict
from bot.spec import CommandSpec
from bot.views import confirm as views
from core.model.messages import Value
from core.rules.widening import widens

log = logging.getLogger(__name__)


async def needs_code(context: AppContext) -> bool:
    """Whether an action that is held back by a code must ask for one."""
    return await context.desk.second.enrolled()


async def ask_code(update: Update, context: AppContext, run: Run) -> None:
    """Ask for a code in a new message; `run` goes on when it is right."""
    context.desk.challenges.ask(context.who, run)
    await context.say(update, views.code_wanted(context.t), urgent=True)


async def guarded(update: Update, context: AppContext, run: Run, *, key: str, old: Value, new: Value) -> bool:
    """Whether a changed setting has to wait for a code, which is then asked for."""
    if not widens(key, old, new) or not await needs_code(context):
        return False
    await ask_code(update, context, run)
    return True


class Typed:
    """The handler before all commands: takes what was asked for, and leaves everything else alone."""

    def __init__(self, specs: Mapping[str, CommandSpec]) -> None:
        self._specs = specs

    async def __call__(self, update: Update, context: AppContext) -> None:
        """A word or a code, as long as one is asked of this person."""
        message = update.message
        asked = context.desk.challenges.pending(context.who)
        if message is None or not message.text or asked is None or command_of(message, self._specs) is not None:
            return
        try:
            passed = await (_word if asked.words else _code)(update, context, asked, message.text)
            if passed:
                await asked.run(update, context)
        except Exception as trouble:
            await context.application.process_error(update, trouble)
        raise ApplicationHandlerStop


async def _word(update: Update, context: AppContext, asked: Challenge, text: str) -> bool:
    context.desk.challenges.drop(context.who)
    if text.strip().casefold() in asked.words:
        return True
    await context.say(update, views.word_wrong(context.t), urgent=True)
    return False


async def _code(update: Update, context: AppContext, _asked: Challenge, text: str) -> bool:
    desk = context.desk
    # handlers of urgent updates run side by side: while this code is judged, no other counts for the same action
    desk.challenges.drop(context.who)
    context.application.create_task(_delete(update))
    try:
        verdict = await desk.second.check(text)
    except OSError:
        log.exception("the second factor's secret can't be read")
        await context.say(update, views.secret_unreadable(context.t), urgent=True)
        return False
    if verdict is Verdict.GOOD:
        return True
    if verdict is Verdict.WRONG:
        desk.challenges.ask(context.who, _asked.run)
    if verdict is Verdict.LOCKED:
        for owner in sorted(desk.deps.owners):
            told = partial(desk.messenger.send, owner, views.locked(desk.speak(owner)), urgent=True)
            await told()
    else:
        await context.say(update, views.code_refused(verdict, context.t), urgent=True)
    return False


async def _delete(update: Update) -> None:
    """A code does not stay in the chat."""
    if update.message is None:
        return
    try:
        await update.message.delete()
    except TelegramError as trouble:
        log.warning("a typed code could not be deleted: %s", type(trouble).__name__)

"""/settings: section, key, value, confirmation, undo, over every key of config.yaml."""

import datetime as dt
import enum
import warnings
from functools import partial
from typing import Any

from telegram import Message, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, ConversationHandler, MessageHandler, filters
from telegram.warnings import PTBUserWarning

from bot.access import command_of
from bot.context import AppContext, answer
from bot.handlers import confirm
from bot.keyboards import Act, Press, decode, pattern
from bot.settings import Field, Problem, cap_of, check, fields, parse, value_of
from bot.spec import CommandSpec
from bot.views import settings as views
from bot.views.keys import SECTIONS
from bot.views.replies import stale_button
from core.model.messages import Value
from ports.store import Override

TIMEOUT_S = 600
HISTORY = 3
UNDOABLE = 100
PENDING = "settings"
END = ConversationHandler.END


class Step(enum.IntEnum):
    """Where the dialogue is: pressing buttons, or typing a value of the chosen key."""

    CHOOSE = 0
    TYPE = 1


class Pending:
    """The chosen key, and the new value once it was accepted."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.value: Value = None


class CommandWord(filters.MessageFilter):
    """Messages that are a command by name or plain word: they are never taken for a value."""

    def __init__(self, specs: dict[str, CommandSpec], name: str = "") -> None:
        super().__init__("CommandWord")
        self._specs = specs
        self._only = name

    def filter(self, message: Message) -> bool:
        """Whether the message is this command, or any."""
        found = command_of(message, self._specs)
        return found is not None and self._only in {"", found[0].name}


def _pending(context: AppContext) -> Pending | None:
    found = context.user_data.get(PENDING) if context.user_data is not None else None
    return found if isinstance(found, Pending) else None


def _remember(context: AppContext, pending: Pending | None) -> None:
    if context.user_data is not None:
        context.user_data[PENDING] = pending


def _present(context: AppContext, key: str) -> Value:
    return value_of(context.desk.params, key)


async def begin(update: Update, context: AppContext) -> int:
    """The first screen as a new message."""
    _remember(context, None)
    await context.say(update, views.sections(context.t))
    return Step.CHOOSE


async def pressed(update: Update, context: AppContext) -> int | None:
    """Every button of the dialogue."""
    query = update.callback_query
    press = decode(query.data if query else None)
    if press is None or not press.args:
        await answer(query, stale_button(context.t), alert=True)
        return None
    match press.args:
        case ("top",):
            await answer(query)
            await context.show(update, views.sections(context.t))
            return Step.CHOOSE
        case ("sec", section) if section in SECTIONS:
            return await _section(update, context, section)
        case ("key", key) if key in fields():
            return await _key(update, context, fields()[key])
        case ("val", option):
            return await _option(update, context, option)
        case ("ok",):
            return await _apply(update, context)
        case ("undo", stamp):
            return await _undo(update, context, stamp)
        case ("end",):
            return await _close(update, context)
        case _:
            return await _stale(update, context, press)


async def _stale(update: Update, context: AppContext, _press: Press | None = None) -> int | None:
    await answer(update.callback_query, stale_button(context.t), alert=True)
    return None


async def _section(update: Update, context: AppContext, section: str) -> int:
    await answer(update.callback_query)
    mine = [f for f in fields().values() if f.section == section]
    values = {f.key: _present(context, f.key) for f in mine}
    await context.show(update, views.keys(section, mine, values, context.t))
    return Step.CHOOSE


async def _key(update: Update, context: AppContext, field: Field) -> int:
    await answer(update.callback_query)
    _remember(context, Pending(field))
    cap = cap_of(field, context.desk.deps.caps)
    await context.show(update, views.key(field, _present(context, field.key), context.t, cap=cap))
    return Step.CHOOSE if field.elsewhere else Step.TYPE


async def _option(update: Update, context: AppContext, option: str) -> int | None:
    pending = _pending(context)
    if pending is None:
        return await _stale(update, context)
    await answer(update.callback_query)
    return await _consider(update, context, pending, option)


async def typed(update: Update, context: AppContext) -> int | None:
    """A value written by hand."""
    pending = _pending(context)
    text = update.message.text if update.message else None
    if pending is None or not text:
        return END
    return await _consider(update, context, pending, text)


async def _consider(update: Update, context: AppContext, pending: Pending, text: str) -> int:
    """Validate, then ask with before and after."""
    desk, field = context.desk, pending.field
    found = parse(field, text)
    problem = found if isinstance(found, Problem) else None
    if problem is None and not isinstance(found, Problem):
        problem = check(desk.deps.params, desk.overrides, field, found, desk.deps.caps)
        pending.value = found
    before = _present(context, field.key)
    if field.elsewhere or problem is not None:
        pending.value = None
        await context.show(
            update, views.key(field, before, context.t, problem=problem, cap=cap_of(field, desk.deps.caps))
        )
        return Step.TYPE
    await context.show(update, views.confirm(field, before, pending.value, context.t))
    return Step.TYPE


async def _apply(update: Update, context: AppContext) -> int | None:
    pending = _pending(context)
    if pending is None or pending.value is None:
        return await _stale(update, context)
    _remember(context, None)
    await answer(update.callback_query)
    field, value = pending.field, pending.value
    run = partial(_change, field=field, value=value)
    if not await confirm.guarded(update, context, run, key=field.key, old=_present(context, field.key), new=value):
        await run(update, context)
    return Step.CHOOSE


async def _change(update: Update, context: AppContext, *, field: Field, value: Value) -> None:
    override = _override(context, field, value)
    await context.desk.change(override)
    await context.show(update, views.applied(field, override.old, override.new, _stamp(override), context.t))


def _override(context: AppContext, field: Field, value: Value) -> Override:
    now = context.desk.deps.clock.now()
    return Override(key=field.key, old=_present(context, field.key), new=value, by=str(context.who), at=now)


def _stamp(override: Override) -> str:
    """Names one change in a button."""
    return str(int(override.at.astimezone(dt.UTC).timestamp() * 1_000_000))


async def _undo(update: Update, context: AppContext, stamp: str) -> int | None:
    """Back to the value before, unless the key was changed again since."""
    history = await context.desk.deps.chat.override_history(limit=UNDOABLE)
    change = next((entry for entry in history if _stamp(entry) == stamp), None)
    if change is None or change.key not in fields() or _present(context, change.key) != change.new:
        await answer(update.callback_query, views.undo_gone(context.t), alert=True)
        return None
    await answer(update.callback_query)
    field = fields()[change.key]
    run = partial(_change_back, field=field, value=change.old)
    if not await confirm.guarded(update, context, run, key=field.key, old=change.new, new=change.old):
        await run(update, context)
    return Step.CHOOSE


async def _change_back(update: Update, context: AppContext, *, field: Field, value: Value) -> None:
    back = _override(context, field, value)
    await context.desk.change(back)
    await context.show(update, views.undone(field, back.old, back.new, context.t))


async def _close(update: Update, context: AppContext) -> int:
    await answer(update.callback_query)
    await _finished(update, context)
    return END


async def cancelled(update: Update, context: AppContext) -> int:
    """/cancel while the dialogue is open closes it and nothing else."""
    await _finished(update, context)
    return END


async def _finished(update: Update, context: AppContext) -> None:
    _remember(context, None)
    history = await context.desk.deps.chat.override_history(limit=HISTORY)
    await context.show(update, views.closed(history, context.t))


def conversation(specs: dict[str, CommandSpec]) -> ConversationHandler[AppContext]:
    """The handler. Its buttons are entry points too, so that they work after a restart or a time-out."""
    buttons: BaseHandler[Update, AppContext, Any] = CallbackQueryHandler(pressed, pattern(Act.SETTINGS))
    value: BaseHandler[Update, AppContext, Any] = MessageHandler(
        filters.TEXT & ~filters.COMMAND & ~CommandWord(specs), typed
    )
    with warnings.catch_warnings():
        # The dialogue is per person, not per message, on purpose.
        warnings.filterwarnings("ignore", ".*CallbackQueryHandler", PTBUserWarning)
        return ConversationHandler(
            entry_points=[MessageHandler(CommandWord(specs, "settings"), begin), buttons],
            states={Step.CHOOSE: [buttons], Step.TYPE: [buttons, value]},
            fallbacks=[MessageHandler(CommandWord(specs, "cancel"), cancelled)],
            allow_reentry=True,
            conversation_timeout=TIMEOUT_S,
        )

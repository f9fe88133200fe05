"""/settings: search, section, key, value, what it does, confirmation, history, undo, over every key of config.yaml."""

import secrets
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

from telegram import Update
from telegram.ext import (
    BaseHandler,
    CallbackQueryHandler,
    ConversationHandler,
    MessageHandler,
    TypeHandler,
    filters,
)
from telegram.warnings import PTBUserWarning

from bot.context import AppContext, answer
from bot.conversations import candidate, changes
from bot.conversations.pending import END, OPEN, CommandWord, Move, Pending, Step, pending_of, remember, stale
from bot.effects import effects
from bot.handlers import confirm
from bot.history import Refusal, stamp
from bot.keyboards import Act, decode, pattern
from bot.settings import Field, Problem, cap_of, check, fields, parse, search, toggled, value_of
from bot.spec import CommandSpec
from bot.views import history as history_views
from bot.views import settings as views
from bot.views.base import View
from bot.views.keys import LABELS, SECTIONS
from core.model.messages import Value
from core.rules.widening import widens
from ports.bus import BusUnavailable
from ports.store import StoreUnavailable

TIMEOUT_S = 600


def _present(context: AppContext, key: str) -> Value:
    return value_of(context.desk.params, key)


async def begin(update: Update, context: AppContext) -> int:
    """The first screen as a new message, or the key that the words behind the command mean."""
    remember(context, None)
    text = (update.message.text if update.message else None) or ""
    words = " ".join(text.split()[1:])
    names = {
        key: [context.desk.translator(each).plain(label) for each in ("ko", "en")] for key, label in LABELS.items()
    }
    found = search(words, names)
    if len(found) == 1:
        return await _open(update, context, fields()[found[0]])
    if found:
        await context.say(update, views.found(words, [fields()[key] for key in found], context.t))
    else:
        await context.say(update, views.sections(context.t, sought=words))
    return Step.CHOOSE


async def _top(update: Update, context: AppContext) -> int:
    await answer(update.callback_query)
    remember(context, None)
    await context.show(update, views.sections(context.t))
    return Step.CHOOSE


async def _section(update: Update, context: AppContext, section: str) -> int | None:
    if section not in SECTIONS:
        return await stale(update, context)
    await answer(update.callback_query)
    remember(context, None)
    mine = [f for f in fields().values() if f.section == section]
    values = {f.key: _present(context, f.key) for f in mine}
    await context.show(update, views.keys(section, mine, values, context.t))
    return Step.CHOOSE


async def _key(update: Update, context: AppContext, key: str) -> int | None:
    if key not in fields():
        return await stale(update, context)
    await answer(update.callback_query)
    return await _open(update, context, fields()[key])


async def _open(update: Update, context: AppContext, field: Field) -> int:
    pending = Pending(field)
    remember(context, None if field.elsewhere else pending)
    await context.show(update, _screen(context, pending))
    return Step.CHOOSE if field.elsewhere else Step.TYPE


def _screen(context: AppContext, pending: Pending, problem: Problem | None = None) -> View:
    """The key's screen with the present value and, where it was changed in chat, the way back to config.yaml's."""
    desk, field = context.desk, pending.field
    now, written = _present(context, field.key), value_of(desk.deps.params, field.key)
    return views.key(
        field,
        now,
        context.t,
        problem=problem,
        cap=cap_of(field, desk.deps.caps),
        written=written if written != now and not field.elsewhere else None,
        chosen=pending.chosen,
    )


async def _option(update: Update, context: AppContext, key: str, option: str) -> int | None:
    """A choice was pressed. The button carries its key, so that it works after a restart."""
    field = fields().get(key)
    if field is None or field.elsewhere or field.kind not in {"choice", "bool"}:
        return await stale(update, context)
    await answer(update.callback_query)
    return await _read(update, context, Pending(field), option)


async def _tick(update: Update, context: AppContext, key: str, option: str) -> int | None:
    """A tick of a list was pressed; nothing is asked yet."""
    field = fields().get(key)
    if field is None or field.kind != "list" or option not in field.choices:
        return await stale(update, context)
    await answer(update.callback_query)
    pending = pending_of(context)
    if pending is None or pending.field.key != key:
        pending = Pending(field)
    now = str(_present(context, key)) if pending.chosen is None else pending.chosen
    pending.chosen = toggled(field, now, option)
    remember(context, pending)
    await context.show(update, _screen(context, pending))
    return Step.TYPE


async def _ticked(update: Update, context: AppContext, key: str) -> int | None:
    """The ticks are complete."""
    pending = pending_of(context)
    if pending is None or pending.field.key != key or pending.chosen is None:
        return await stale(update, context)
    await answer(update.callback_query)
    return await _consider(update, context, pending, pending.chosen)


async def _default(update: Update, context: AppContext, key: str) -> int | None:
    """Back to what config.yaml says."""
    field = fields().get(key)
    if field is None or field.elsewhere:
        return await stale(update, context)
    await answer(update.callback_query)
    return await _consider(update, context, Pending(field, reset=True), value_of(context.desk.deps.params, key))


async def typed(update: Update, context: AppContext) -> int | None:
    """A value written by hand."""
    pending, message = pending_of(context), update.message
    if pending is None or message is None or not message.text:
        return END
    return await _read(update, context, Pending(pending.field), message.text)


async def _read(update: Update, context: AppContext, pending: Pending, text: str) -> int:
    found = parse(pending.field, text)
    if isinstance(found, Problem):
        return await _refuse(update, context, pending, found)
    return await _consider(update, context, pending, found)


async def _refuse(update: Update, context: AppContext, pending: Pending, problem: Problem) -> int:
    remember(context, Pending(pending.field))
    await context.show(update, _screen(context, pending, problem))
    return Step.TYPE


async def _consider(
    update: Update, context: AppContext, pending: Pending, value: Value, *, moved_from: Value = None
) -> int:
    """Validate, then ask with before, after and what it would do."""
    desk, field = context.desk, pending.field
    problem = check(desk.deps.params, desk.overrides, field, value, desk.deps.caps)
    if problem is not None:
        return await _refuse(update, context, pending, problem)
    before, token = _present(context, field.key), secrets.token_hex(4)
    asked = Pending(field, pending.chosen, value, before, token, reset=pending.reset, candidate=pending.candidate)
    remember(context, asked)
    facts = [] if before == value else await effects(desk, context.who, field.key, _kept(asked))
    risky = widens(field.key, before, value)
    view = views.confirm(
        field,
        before,
        value,
        context.t,
        token=token,
        facts=facts,
        now=desk.deps.clock.now(),
        risky=risky,
        was=moved_from,
    )
    await context.show(update, view)
    return Step.TYPE


def _kept(pending: Pending) -> Value:
    """What the store keeps: nothing where config.yaml decides again."""
    return None if pending.reset else pending.value


async def _agree(update: Update, context: AppContext, token: str) -> int | None:
    """[Apply]: what risks more is asked once more."""
    pending = pending_of(context)
    if pending is None or not token or pending.token != token:
        return await stale(update, context)
    await answer(update.callback_query)
    if not widens(pending.field.key, pending.before, pending.value):
        return await _apply(update, context, pending)
    pending.warned = True
    await context.show(update, views.sure(pending.field, pending.before, pending.value, token, context.t))
    return Step.TYPE


async def _insist(update: Update, context: AppContext, token: str) -> int | None:
    """The second [Apply]; a code of the second factor is asked for where it is enrolled."""
    pending = pending_of(context)
    if pending is None or not pending.warned or pending.token != token:
        return await stale(update, context)
    await answer(update.callback_query)

    async def run(update: Update, context: AppContext) -> None:
        await _apply(update, context, pending)

    field = pending.field
    if not await confirm.guarded(update, context, run, key=field.key, old=pending.before, new=pending.value):
        await run(update, context)
    return Step.CHOOSE


async def _apply(update: Update, context: AppContext, pending: Pending) -> int:
    """Only if the value is still the one that was shown; otherwise ask again."""
    remember(context, None)
    field = pending.field
    override = changes.override(context, field, pending.before, _kept(pending))
    try:
        done = await context.desk.change(override)
    except (BusUnavailable, StoreUnavailable):
        # nothing was changed: the same button may try again
        remember(context, pending)
        raise
    if not done:
        return await _consider(update, context, pending, pending.value, moved_from=pending.before)
    following = await candidate.onward(context, pending.candidate) if pending.candidate else []
    view = views.applied(field, pending.before, pending.value, stamp(override), context.t, following=following)
    await context.show(update, view)
    return Step.CHOOSE


async def _stepped(update: Update, context: AppContext, candidate_id: str, *, agreed: bool) -> int:
    """A candidate's next change, asked about like one that was typed."""
    await answer(update.callback_query)
    remember(context, None)
    asked = await candidate.ask(update, context, candidate_id, agreed=agreed)
    if asked is None:
        return Step.CHOOSE
    return await _consider(update, context, Pending(asked.field, candidate=candidate_id), asked.value)


async def _undo(update: Update, context: AppContext, which: str) -> int | None:
    """Back to the value before, within ten minutes, unless the key was changed again since."""
    desk = context.desk
    change, no = await changes.found(context, which)
    if change is None or no is not None:
        await answer(update.callback_query, history_views.refused(no or Refusal.GONE, context.t), alert=True)
        return None
    field = fields()[change.key]
    if widens(field.key, _present(context, field.key), change.old):
        # what risks more is asked about, whichever way it comes
        await answer(update.callback_query)
        return await _consider(update, context, Pending(field), change.old)
    back = changes.override(context, field, _present(context, field.key), change.old)
    problem = check(desk.deps.params, desk.overrides, field, change.old, desk.deps.caps)
    if problem is not None or not await desk.change(back):
        await answer(update.callback_query, history_views.refused(Refusal.GONE, context.t), alert=True)
        return None
    await answer(update.callback_query)
    await context.show(update, views.undone(field, back.old, back.new, stamp(back), context.t))
    return Step.CHOOSE


async def _close(update: Update, context: AppContext) -> int:
    await answer(update.callback_query)
    return await _closed(update, context)


async def cancelled(update: Update, context: AppContext) -> int:
    """A bare /cancel where a value is asked for takes the question back; elsewhere /cancel is about open buys."""
    return await _closed(update, context, by_command=True)


async def _closed(update: Update, context: AppContext, *, by_command: bool = False) -> int:
    remember(context, None)
    await context.show(update, history_views.closed(await changes.newest(context), context.t, by_command=by_command))
    return END


async def timed_out(update: Update, context: AppContext) -> int:
    """Nobody answered: an open question is taken back, and said so; where none was open there is nothing to say."""
    pending = pending_of(context)
    remember(context, None)
    if pending is not None:
        await context.show(update, views.timed_out(pending.field, context.t))
    return END


BUTTONS: Mapping[str, Move] = {
    "top": Move(_top, (Step.CHOOSE,), 0),
    "sec": Move(_section, (Step.CHOOSE,)),
    "key": Move(_key, OPEN),
    "val": Move(_option, (Step.TYPE,), 2),
    "tick": Move(_tick, (Step.TYPE,), 2),
    "list": Move(_ticked, (Step.TYPE,), where=(Step.TYPE,)),
    "def": Move(_default, (Step.TYPE,)),
    "ok": Move(_agree, OPEN, where=(Step.TYPE,)),
    "sure": Move(_insist, OPEN, where=(Step.TYPE,)),
    "undo": Move(_undo, OPEN),
    "hist": Move(changes.history, (Step.CHOOSE,)),
    "cand": Move(partial(_stepped, agreed=False), OPEN),
    "next": Move(partial(_stepped, agreed=True), OPEN),
    "end": Move(_close, (END,), 0),
}
WORDS: Mapping[str, Move] = {
    "/settings": Move(begin, OPEN),
    "value": Move(typed, (Step.TYPE,), where=(Step.TYPE,)),
    "/cancel": Move(cancelled, (END,), where=(Step.TYPE,)),
    "time-out": Move(timed_out, (END,), where=OPEN),
}


async def pressed(update: Update, context: AppContext) -> int | None:
    """Every button of the dialogue."""
    query = update.callback_query
    press = decode(query.data if query else None)
    name, *args = press.args if press is not None and press.args else ("",)
    move = BUTTONS.get(name)
    if move is None or len(args) != move.args:
        await stale(update, context)
        return None
    to = await move.run(update, context, *args)
    assert to is None or to in move.to, f"{name} leads to {to}"
    return to


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
            states={
                Step.CHOOSE: [buttons],
                Step.TYPE: [buttons, value, MessageHandler(CommandWord(specs, "cancel", bare=True), cancelled)],
                ConversationHandler.TIMEOUT: [TypeHandler(Update, timed_out)],
            },
            fallbacks=[],
            allow_reentry=True,
            conversation_timeout=TIMEOUT_S,
        )

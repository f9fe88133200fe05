"""The settings that were changed in chat: a change made, the last ones, who changed what, and which can be taken back."""

from telegram import Update

from bot.context import AppContext, answer
from bot.conversations.pending import Step, remember, stale
from bot.history import Refusal, kept, refusal, stamp
from bot.settings import Field
from bot.views import history as views
from core.model.messages import Value
from ports.store import Override, StoreUnavailable

NEWEST = 3
HISTORY = 100


def override(context: AppContext, field: Field, before: Value, value: Value) -> Override:
    """A change of this person's, now."""
    return Override(key=field.key, old=before, new=value, by=str(context.who), at=context.desk.deps.clock.now())


async def newest(context: AppContext) -> list[Override]:
    """The last changes; none while the database is away."""
    try:
        return (await _all(context))[:NEWEST]
    except StoreUnavailable:
        return []


async def found(context: AppContext, which: str) -> tuple[Override | None, Refusal | None]:
    """The change that a button names, and why it can't be taken back; None where it can."""
    desk, changes = context.desk, await _all(context)
    change = next((entry for entry in changes if stamp(entry) == which), None)
    return change, refusal(change, changes, desk.overrides, desk.deps.clock.now())


async def history(update: Update, context: AppContext, page: str) -> int | None:
    """Who changed what, when; the young ones can be undone."""
    if not page.isdecimal():
        return await stale(update, context)
    await answer(update.callback_query)
    desk, changes = context.desk, await _all(context)
    now = desk.deps.clock.now()
    undoable = {stamp(c) for c in changes if refusal(c, changes, desk.overrides, now) is None}
    remember(context, None)
    await context.show(update, views.history(changes, int(page), undoable, str(context.who), context.t))
    return Step.CHOOSE


async def _all(context: AppContext) -> list[Override]:
    return kept(await context.desk.deps.chat.override_history(limit=HISTORY))

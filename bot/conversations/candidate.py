"""A candidate's changes in the settings dialogue: each is asked about like one that was typed."""

import msgspec
from telegram import InlineKeyboardButton, Update

from bot.candidates import Ask, in_force, next_ask, refused
from bot.context import AppContext
from bot.views import candidates as views
from core.model.candidate import Candidate, Stage
from core.rules.candidates import moved


async def ask(update: Update, context: AppContext, candidate_id: str, *, agreed: bool) -> Ask | None:
    """The change to ask about next. None where it has been said here why there is none.

    `agreed`: the person knows that the figures were made with other settings than the present ones.
    """
    desk = context.desk
    try:
        found = await desk.research.find(candidate_id)
    except OSError as trouble:
        await context.say(update, views.unreadable(trouble.strerror or str(trouble), context.t))
        return None
    if found is None:
        await context.show(update, views.gone(context.t))
        return None
    candidate, stance = found
    others = moved(candidate, in_force(desk.params))
    impossible = refused(candidate, desk.deps.params, desk.overrides, desk.deps.caps)
    if impossible or stance.stage in {Stage.APPLIED, Stage.DROPPED}:
        await context.show(update, desk.research.card(candidate, stance, context.who))
        return None
    if others and not agreed:
        await context.show(update, views.moved_first(candidate, others, context.t))
        return None
    following = _next(context, candidate)
    if following is None:
        await _finish(context, candidate)
        await context.show(update, views.in_force(candidate, context.t))
    return following


async def onward(context: AppContext, candidate_id: str) -> list[InlineKeyboardButton]:
    """After one of its changes was made: the way to the next. The last one ends the candidate's story."""
    try:
        found = await context.desk.research.find(candidate_id)
        if found is None:
            return []
        following = _next(context, found[0])
        if following is not None:
            return [views.next_button(found[0], following.field, following.left, context.t)]
        await _finish(context, found[0])
    except OSError:
        # the change is made; the card will say how things are
        return []
    return []


def _next(context: AppContext, candidate: Candidate) -> Ask | None:
    desk = context.desk
    return next_ask(candidate, desk.deps.params, desk.overrides, desk.params, desk.deps.caps)


async def _finish(context: AppContext, candidate: Candidate) -> None:
    await context.desk.research.change(
        candidate.id, lambda stance: msgspec.structs.replace(stance, stage=Stage.APPLIED, shadow=None)
    )

"""Backtests and candidates in the chat: /backtest, its stop button, /candidates and what is pressed on a card."""

import datetime as dt
from collections.abc import Sequence
from functools import partial

import msgspec
from telegram import Update

from bot.context import AppContext, answer
from bot.keyboards import decode
from bot.views import backtest as views
from bot.views import candidates as candidate_views
from bot.views.replies import stale_button
from core.model.candidate import Stage, Stance
from ports.research import StoreDamaged
from ports.store import StoreUnavailable

SESSIONS, MOST_SESSIONS = 20, 250
LIVE = frozenset({Stage.OPEN, Stage.SHADOW})


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for: the newest `count` stored days, or those from `first` to `last`."""

    count: int = MOST_SESSIONS
    first: dt.date | None = None
    last: dt.date | None = None

    def of(self, days: Sequence[dt.date]) -> Sequence[dt.date]:
        """Of the stored days, oldest first."""
        inside = [d for d in days if (self.first is None or d >= self.first) and (self.last is None or d <= self.last)]
        return inside[-self.count :]


def span_of(args: Sequence[str]) -> Span | None:
    """Nothing, a number of sessions, a date, or two; None for anything else."""
    if not args:
        return Span(count=SESSIONS)
    if len(args) == 1 and args[0].isascii() and args[0].isdigit() and len(args[0]) < 8:
        count = int(args[0])
        return Span(count=count) if 1 <= count <= MOST_SESSIONS else None
    try:
        dates = [dt.date.fromisoformat(arg) for arg in args]
    except ValueError:
        return None
    if len(dates) > 2 or dates[0] > dates[-1]:
        return None
    return Span(first=dates[0], last=dates[-1])


async def backtest(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/backtest [sessions | day day]"""
    span, t = span_of(args), context.t
    if span is None:
        await context.say(update, views.usage(" ".join(args), MOST_SESSIONS, t))
        return
    backtests = context.desk.deps.backtests
    if backtests is None:
        await context.say(update, views.unavailable(t))
        return
    if not context.desk.loaded and not await context.desk.load():
        # the run would not be of the settings in force
        raise StoreUnavailable("the changes made earlier can't be read")
    try:
        stored = await backtests.days()
    except StoreDamaged as trouble:
        await context.say(update, views.damaged(str(trouble), t))
        return
    days = span.of(stored)
    if not stored:
        await context.say(update, views.no_data(t))
    elif not days:
        await context.say(update, views.no_days(stored[0], stored[-1], len(stored), t))
    else:
        context.desk.research.start(context.who, days)


async def stop_pressed(update: Update, context: AppContext) -> None:
    """[중지]"""
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    if press is None:
        await answer(query, stale_button(context.t), alert=True)
        return
    await answer(query)
    if not await context.desk.research.stop(press.args[0]):
        await context.show(update, views.over(context.t))


async def candidates(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """/candidates: the only one that waits, or the list."""
    research = context.desk.research
    try:
        known = await research.known()
    except OSError as trouble:
        await context.say(update, candidate_views.unreadable(trouble.strerror or str(trouble), context.t))
        return
    live = [(c, s) for c, s in known if s.stage in LIVE]
    if len(live) == 1:
        await context.say(update, research.card(*live[0], context.who))
        return
    acting = context.who in context.desk.deps.owners
    await context.say(update, candidate_views.listed(live, known, context.t, acting=acting))


async def pressed(update: Update, context: AppContext) -> None:
    """A button of a card: show, shadow, end, drop. The card shows how things are afterwards."""
    query, research = update.callback_query, context.desk.research
    press = decode(query.data if query else None, count=2)
    try:
        found = await research.change(press.args[1], partial(_after, press.args[0], context)) if press else None
    except OSError as trouble:
        await answer(query)
        await context.say(update, candidate_views.unreadable(trouble.strerror or str(trouble), context.t))
        return
    if found is None:
        await answer(query, stale_button(context.t), alert=True)
        return
    await answer(query)
    await context.show(update, research.card(*found, context.who))


def _after(action: str, context: AppContext, stance: Stance) -> Stance:
    """What a press makes of it; the same where it makes nothing of it, or somebody else was faster."""
    match action, stance.stage:
        case "shadow", Stage.OPEN:
            return msgspec.structs.replace(stance, stage=Stage.SHADOW, shadow=context.desk.research.shadowed())
        case "end", Stage.SHADOW:
            return msgspec.structs.replace(stance, stage=Stage.OPEN, shadow=None)
        case "drop", Stage.OPEN | Stage.SHADOW:
            return msgspec.structs.replace(stance, stage=Stage.DROPPED, shadow=None)
        case _:
            return stance

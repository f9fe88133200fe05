"""Results: report and trades."""

import datetime as dt
from collections.abc import Sequence

from telegram import Update

from bot.context import AppContext
from bot.pictures import draw_report
from bot.reporting import PERIODS, Period, bounds, latest_session, summarise
from bot.views import report as views

WORDS: dict[str, Period] = {"일": "day", "오늘": "day", "주": "week", "주간": "week", "월": "month", "월간": "month"}


def period_of(text: str) -> Period:
    """The period a person asked for; the day where it is not understood."""
    known: dict[str, Period] = {each: each for each in PERIODS} | WORDS
    return known.get(text.lower(), "day")


async def report(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/report [day|week|month]"""
    desk = context.desk
    period = period_of(args[0]) if args else "day"
    session = latest_session(desk.deps.calendar, desk.deps.clock.now())
    trips = await desk.deps.records.round_trips(*bounds(session, period))
    result = summarise(trips)
    picture = await draw_report(desk.deps, views.picture(period, session.on, trips, result, context.t))
    await context.say(update, views.report(period, session.on, trips, result, context.t), picture=picture)


async def trades(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """The fills of the last 24 hours."""
    now = context.desk.deps.clock.now()
    rows = await context.desk.deps.records.trades(now - dt.timedelta(days=1), now + dt.timedelta(seconds=1))
    await context.say(update, views.trades(rows, context.t))

"""State: start, help, status, positions, orders, balance, health, schedule, version, and their refresh buttons."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from telegram import Update

from bot.conflict import recent
from bot.context import AppContext, answer
from bot.handlers import ask
from bot.handlers.guardian import guard_now, guardian_view
from bot.handlers.missed import missed_view
from bot.handlers.pending import pending_view
from bot.jobs import report_at, window_opens
from bot.keyboards import decode
from bot.views import guardian as guardian_views
from bot.views import help as help_views
from bot.views import replies
from bot.views import schedule as schedule_views
from bot.views import status as views
from bot.views.base import View
from ports.bus import BusUnavailable
from ports.store import StoreUnavailable


async def start(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    await context.say(update, help_views.start(context.t))


async def help_(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    await context.say(update, help_views.help_(context.desk.specs_of(context.who), context.t))


async def version(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    state = await ask.status_or_none(context)
    await context.say(update, views.version(context.desk.deps.version, state.venue if state else None, context.t))


async def schedule(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    desk = context.desk
    now = desk.deps.clock.now()
    session = desk.deps.calendar.current_or_next(now)
    opens, reports = window_opens(session, desk.params), report_at(session, desk.params)
    await context.say(update, schedule_views.schedule(session, opens, reports, now, desk.params, context.t))


async def status_view(context: AppContext) -> View:
    state = await ask.status_or_none(context)
    if state is None:
        return await _fallback(context)
    now = context.desk.deps.clock.now()
    return views.status(state, context.desk.deps.calendar.current_or_next(now), now, context.t)


async def _fallback(context: AppContext) -> View:
    """The positions as the database last knew them, with their age."""
    held = await context.desk.deps.records.positions()
    now = context.desk.deps.clock.now()
    known_at = max((p.priced_at for p in held), default=now)
    return views.positions(held, now, context.t, known_at=known_at)


async def positions_view(context: AppContext) -> View:
    state = await ask.status_or_none(context)
    if state is None:
        return await _fallback(context)
    return views.positions(state.positions, context.desk.deps.clock.now(), context.t)


async def orders_view(context: AppContext) -> View:
    state = await ask.status_or_none(context)
    return views.orders(state, context.desk.deps.clock.now(), context.t) if state else replies.unreachable(context.t)


async def balance_view(context: AppContext) -> View:
    state = await ask.status_or_none(context)
    return views.balance(state, context.t) if state else replies.unreachable(context.t)


async def health_view(context: AppContext) -> View:
    deps = context.desk.deps
    beats: Mapping[str, Mapping[str, str]] | None
    try:
        beats, bus = await deps.bus.heartbeats(), await deps.bus.look()
    except BusUnavailable:
        beats = bus = None
    try:
        await deps.chat.last_run("health")
        database = True
    except StoreUnavailable:
        database = False
    trader = await ask.status_or_none(context)
    guardian = guardian_views.line(await guard_now(context), context.t) if deps.beats is not None else None
    guardian_mb = (await deps.beats()).guardian_mb if deps.beats is not None else None
    now = deps.clock.now()
    # A scaled clock makes beats look old; stale_after is scaled with it.
    return views.health(
        beats,
        trader,
        bus=bus,
        database=database,
        now=now,
        old=deps.stale_after / 2,
        guardian=guardian,
        guardian_mb=guardian_mb,
        t=context.t,
        conflict=recent(context.desk.conflict_at, now, deps.stale_after),
    )


VIEWS: Mapping[str, Callable[[AppContext], Awaitable[View]]] = {
    "status": status_view,
    "positions": positions_view,
    "orders": orders_view,
    "balance": balance_view,
    "health": health_view,
    "guardian": guardian_view,
    "pending": pending_view,
    "missed": missed_view,
}


async def status(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    await context.say(update, await status_view(context))


async def positions(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    await context.say(update, await positions_view(context))


async def orders(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    await context.say(update, await orders_view(context))


async def balance(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    await context.say(update, await balance_view(context))


async def health(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    await context.say(update, await health_view(context))


async def refresh(update: Update, context: AppContext) -> None:
    """The refresh button of a state view."""
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    build = VIEWS.get(press.args[0]) if press else None
    if build is None:
        await answer(query, replies.stale_button(context.t), alert=True)
        return
    await answer(query)
    await context.show(update, await build(context))

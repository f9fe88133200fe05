"""Runs what is due: asked every real second by PTB's JobQueue, whatever the speed of the market's clock."""

import datetime as dt
import logging

from bot.alerts import Topic
from bot.context import AppContext
from bot.desk import Desk
from bot.foregone import Entries
from bot.jobs import Due, Job, due, report_at, switches, window_opens
from bot.outbox import out_message
from bot.painter import report_picture
from bot.reporting import bounds, daily_report
from bot.reports import model_of
from bot.views import foregone as foregone_views
from bot.views import schedule as views
from bot.views.base import View
from bot.views.report import report
from bot.views.words import MODES, plain_word
from core.model.params import Params
from core.model.session import MarketSession
from ports.store import OutMessage, StoreUnavailable

log = logging.getLogger(__name__)
TICK_S = 1.0
QUIET = frozenset(
    {Job.DAILY_REPORT, Job.MORNING, Job.MISSED_WEEK, Job.WATCH_START, Job.WINDOW_OPEN, Job.SESSION_CLOSE, Job.HOLIDAY}
)


class Scheduler:
    """The last run of each job is kept in the store, so that a restart catches up; the outbox tells each date once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last: dict[Job, dt.datetime] | None = None

    async def tick(self, _context: AppContext | None = None) -> None:
        """One look at the clock."""
        try:
            if not self._desk.loaded and not await self._desk.load():
                return
            last = self._last if self._last is not None else await self._load()
            deps = self._desk.deps
            for each in due(last, deps.clock.now(), deps.calendar, self._desk.params):
                await self._perform(each)
                last[each.job] = each.at
                await deps.chat.ran(each.job.value, each.at)
            await self._desk.watched.pay()
        except StoreUnavailable as trouble:
            log.warning("the schedule waits for the database: %s", trouble)

    async def _load(self) -> dict[Job, dt.datetime]:
        """Last runs; a job that never ran starts counting now."""
        deps = self._desk.deps
        found: dict[Job, dt.datetime] = {}
        for job in Job:
            last = await deps.chat.last_run(job.value)
            if last is None:
                last = deps.clock.now()
                await deps.chat.ran(job.value, last)
            found[job] = last
        self._last = found
        return found

    async def _perform(self, each: Due) -> None:
        desk = self._desk
        session = desk.deps.calendar.session_on(each.on)
        if each.job is Job.DAILY_REPORT and session is not None:
            await self._report(each, session)
            return
        if each.job is Job.LEDGER and session is not None:
            await desk.ledger.resolve(session, desk.params.trading)
            return
        if not desk.params.notification.telegram_enabled:
            return
        ledger = await self._ledger(each, session)
        following = desk.deps.calendar.current_or_next(desk.deps.clock.now())
        messages = []
        for owner in sorted(desk.deps.owners):
            view = view_of(each, session, following, desk.params, desk, owner, ledger)
            if view is not None:
                messages += desk.wanted(_message(each, view, owner))
        await desk.outbox.keep(messages)

    async def _ledger(self, each: Due, session: MarketSession | None) -> Entries:
        """The lines that a card of finds not bought is made of."""
        if each.job is Job.MORNING and session is not None:
            return await self._desk.ledger.night(session)
        return await self._desk.ledger.week(each.at) if each.job is Job.MISSED_WEEK else ()

    async def _report(self, each: Due, session: MarketSession) -> None:
        """The day's row of the database, then picture and text for everyone."""
        desk = self._desk
        since, until = bounds(session, "day")
        trips = await desk.deps.records.round_trips(since, until)
        rows = await desk.deps.records.trades(since, until)
        await desk.deps.records.put_report(daily_report(session, trips, rows))
        if not desk.params.notification.telegram_enabled:
            return
        messages = []
        for owner in sorted(desk.deps.owners):
            view = report(await model_of(desk, session, "day", trips), desk.speak(owner))
            told = _message(each, view, owner, Topic.REPORT, report_picture(session))
            messages += desk.wanted(told)
        await desk.outbox.keep(messages)


def _message(each: Due, view: View, owner: int, topic: Topic = Topic.SCHEDULE, picture: str = "") -> OutMessage:
    return out_message(
        view,
        key=f"job:{each.job.value}:{each.on.isoformat()}",
        chat_id=owner,
        topic=topic,
        at=each.at,
        picture=picture,
        quiet=each.job in QUIET,
    )


def view_of(
    each: Due,
    session: MarketSession | None,
    following: MarketSession,
    params: Params,
    desk: Desk,
    owner: int,
    ledger: Entries,
) -> View | None:
    """The words of a scheduled notice."""
    t = desk.speak(owner)
    match each.job:
        case Job.WATCH_START:
            return views.watch_started(session, t) if session else None
        case Job.SESSION_OPEN:
            return views.session_opened(session, window_opens(session, params), t) if session else None
        case Job.WINDOW_OPEN:
            return views.window_opened(plain_word(MODES, params.trading.mode, t), t)
        case Job.SESSION_CLOSE:
            return views.session_closed(report_at(session, params), t) if session else None
        case Job.HOLIDAY:
            return views.holiday(each.on, following, t)
        case Job.DAYLIGHT_SAVING:
            return views.daylight_saving(following, begins=bool(switches(each.on)), t=t)
        case Job.MORNING:
            return foregone_views.morning(ledger, t)
        case Job.MISSED_WEEK:
            return foregone_views.week(ledger, t) if ledger else None
        case Job.DAILY_REPORT | Job.LEDGER:
            return None

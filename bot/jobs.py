"""The day's jobs as pure data: which instants they belong to, and which of them are due."""

import datetime as dt
import enum
import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from bot.i18n import ET, KST
from core.model.params import Params
from core.model.session import MarketSession
from ports.clock import Calendar

DAY = dt.timedelta(days=1)
DST_NOTICE_AT = dt.time(10)
WEEK_AT = dt.time(10)
SATURDAY = 5
# the vendor has the last bars of a session by then
AFTER_CLOSE = dt.timedelta(minutes=5)


class Job(enum.StrEnum):
    """What happens by itself."""

    WATCH_START = "watch_start"
    SESSION_OPEN = "session_open"
    WINDOW_OPEN = "window_open"
    SESSION_CLOSE = "session_close"
    LEDGER = "ledger"
    DAILY_REPORT = "daily_report"
    MORNING = "morning"
    MISSED_WEEK = "missed_week"
    HOLIDAY = "holiday"
    DAYLIGHT_SAVING = "daylight_saving"


# How late a job is still worth doing; the report alone is owed for every missed session.
LATEST: Mapping[Job, dt.timedelta] = {
    Job.WATCH_START: dt.timedelta(hours=2),
    Job.SESSION_OPEN: dt.timedelta(hours=1),
    Job.WINDOW_OPEN: dt.timedelta(hours=1),
    Job.SESSION_CLOSE: dt.timedelta(hours=3),
    Job.LEDGER: dt.timedelta(hours=6),
    Job.DAILY_REPORT: dt.timedelta(days=4),
    Job.MORNING: dt.timedelta(hours=6),
    Job.MISSED_WEEK: dt.timedelta(days=1),
    Job.HOLIDAY: dt.timedelta(hours=12),
    Job.DAYLIGHT_SAVING: dt.timedelta(days=2),
}
OWED = frozenset({Job.DAILY_REPORT})


class Due(msgspec.Struct, frozen=True, order=True):
    """One occurrence of a job; `on` is the US date it belongs to."""

    at: dt.datetime
    job: Job
    on: dt.date


def kst(on: dt.date, text: str) -> dt.datetime:
    """HH:MM in Korea on a date, as UTC."""
    return dt.datetime.combine(on, dt.time.fromisoformat(text), KST).astimezone(dt.UTC)


def first_after(at: dt.datetime, text: str) -> dt.datetime:
    """The first HH:MM in Korea at or after an instant."""
    candidate = kst(at.astimezone(KST).date(), text)
    return candidate if candidate >= at else kst(at.astimezone(KST).date() + DAY, text)


def window_opens(session: MarketSession, params: Params) -> dt.datetime:
    """When the auto-trading window opens: minutes after the open, or a fixed time in Korea not before the open."""
    setting = params.schedule.active_trading_after
    if match := re.fullmatch(r"open\+(\d+)m", setting):
        return session.open_at + dt.timedelta(minutes=int(match[1]))
    return first_after(session.open_at, setting)


def report_at(session: MarketSession, params: Params) -> dt.datetime:
    return first_after(session.close_at, params.notification.report_time)


def switches(on: dt.date, zone: ZoneInfo = ET) -> bool | None:
    """True when daylight saving begins on that date, False when it ends, None on all other days."""
    noon, before = (dt.datetime.combine(d, dt.time(12), zone).utcoffset() for d in (on, on - DAY))
    if noon is None or before is None or noon == before:
        return None
    return noon > before


def occurrences(on: dt.date, calendar: Calendar, params: Params) -> list[Due]:
    """Everything that belongs to one US date."""
    start = kst(on, params.schedule.start_time)
    found: list[Due] = []
    if switches(on + DAY) is not None:
        found.append(Due(dt.datetime.combine(on, DST_NOTICE_AT, KST).astimezone(dt.UTC), Job.DAYLIGHT_SAVING, on + DAY))
    session = calendar.session_on(on)
    if session is not None:
        found += [
            Due(start, Job.WATCH_START, on),
            Due(session.open_at, Job.SESSION_OPEN, on),
            Due(window_opens(session, params), Job.WINDOW_OPEN, on),
            Due(session.close_at, Job.SESSION_CLOSE, on),
            Due(session.close_at + AFTER_CLOSE, Job.LEDGER, on),
            Due(report_at(session, params), Job.DAILY_REPORT, on),
            Due(report_at(session, params), Job.MORNING, on),
        ]
    elif on.weekday() == SATURDAY:
        found.append(Due(dt.datetime.combine(on, WEEK_AT, KST).astimezone(dt.UTC), Job.MISSED_WEEK, on))
    elif on.weekday() < SATURDAY:
        found.append(Due(start, Job.HOLIDAY, on))
    return found


def due(last_runs: Mapping[Job, dt.datetime], now: dt.datetime, calendar: Calendar, params: Params) -> list[Due]:
    """What should happen now, oldest first.

    An occurrence is due from its instant on, once its job's last run lies before it, while it is not too late for it.
    Of several missed occurrences of a job only the newest counts, except reports, which are owed. A job that has no
    last run has never been started and is not due.
    """
    today = now.astimezone(KST).date()
    span = max(LATEST.values()).days + 2
    found = [x for back in range(-1, span) for x in occurrences(today - back * DAY, calendar, params)]
    waiting = sorted(
        x for x in found if x.job in last_runs and last_runs[x.job] < x.at <= now and now - x.at <= LATEST[x.job]
    )
    newest = {x.job: x for x in waiting}
    return [x for x in waiting if x.job in OWED or x == newest[x.job]]

"""What is due, and when: sessions, holidays, half days, daylight saving, missed jobs."""

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.jobs import LATEST, OWED, Due, Job, due, first_after, occurrences, report_at, switches, window_opens
from core.model.params import NotificationParams, Params, ScheduleParams
from core.model.session import MarketSession

ET, KST = ZoneInfo("America/New_York"), ZoneInfo("Asia/Seoul")
PARAMS = Params()
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class RuleCalendar:
    """Weekdays without the holidays given."""

    holidays = frozenset({dt.date(2026, 11, 26)})

    def session_on(self, on):
        if on.weekday() >= 5 or on in self.holidays:
            return None
        half = on == dt.date(2026, 11, 27)

        def at(hour, minute=0):
            return dt.datetime.combine(on, dt.time(hour, minute), ET).astimezone(dt.UTC)

        return MarketSession(
            on=on,
            pre_open_at=at(4),
            open_at=at(9, 30),
            close_at=at(13 if half else 16),
            post_close_at=at(20),
            half_day=half,
        )


CALENDAR = RuleCalendar()


def kst(text):
    return dt.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=KST).astimezone(dt.UTC)


def plan(on):
    found = occurrences(dt.date.fromisoformat(on), CALENDAR, PARAMS)
    return {x.job: f"{x.at.astimezone(KST):%m-%d %H:%M}" for x in found}


def test_a_winter_day():
    assert plan("2026-11-20") == {
        Job.WATCH_START: "11-20 18:00",
        Job.SESSION_OPEN: "11-20 23:30",
        Job.WINDOW_OPEN: "11-21 00:00",
        Job.SESSION_CLOSE: "11-21 06:00",
        Job.LEDGER: "11-21 06:05",
        Job.DAILY_REPORT: "11-21 06:30",
        Job.MORNING: "11-21 06:30",
    }


def test_a_summer_day_moves_with_daylight_saving():
    assert plan("2026-07-20") == {
        Job.WATCH_START: "07-20 18:00",
        Job.SESSION_OPEN: "07-20 22:30",
        Job.WINDOW_OPEN: "07-20 23:00",
        Job.SESSION_CLOSE: "07-21 05:00",
        Job.LEDGER: "07-21 05:05",
        Job.DAILY_REPORT: "07-21 06:30",
        Job.MORNING: "07-21 06:30",
    }


def test_a_half_day_closes_early():
    assert plan("2026-11-27")[Job.SESSION_CLOSE] == "11-28 03:00"


def test_a_holiday_is_said_and_a_weekend_is_not():
    assert plan("2026-11-26") == {Job.HOLIDAY: "11-26 18:00"}
    assert plan("2026-11-22") == {}


def test_the_weeks_finds_not_bought_are_told_on_saturday():
    assert plan("2026-11-21") == {Job.MISSED_WEEK: "11-21 10:00"}


def test_the_saturday_before_a_switch_has_a_notice():
    assert plan("2026-10-31") == {Job.DAYLIGHT_SAVING: "10-31 10:00", Job.MISSED_WEEK: "10-31 10:00"}
    assert plan("2026-03-07")[Job.DAYLIGHT_SAVING] == "03-07 10:00"
    assert (switches(dt.date(2026, 3, 8)), switches(dt.date(2026, 11, 1))) == (True, False)
    assert switches(dt.date(2026, 11, 2)) is None


@pytest.mark.parametrize(("setting", "expected"), [("open+45m", "00:15"), ("00:00", "00:00"), ("01:20", "01:20")])
def test_the_window_opens_minutes_after_the_open_or_at_a_fixed_time(setting, expected):
    params = msgspec.structs.replace(PARAMS, schedule=ScheduleParams(active_trading_after=setting))
    session = CALENDAR.session_on(dt.date(2026, 11, 20))
    assert f"{window_opens(session, params).astimezone(KST):%H:%M}" == expected


def test_a_report_time_before_the_close_means_the_next_day():
    params = msgspec.structs.replace(PARAMS, notification=NotificationParams(report_time="05:30"))
    session = CALENDAR.session_on(dt.date(2026, 11, 20))
    assert report_at(session, params) == kst("2026-11-22 05:30")
    assert first_after(kst("2026-11-20 06:30"), "06:30") == kst("2026-11-20 06:30")


def test_nothing_is_due_before_its_instant_or_twice():
    last = dict.fromkeys(Job, kst("2026-11-20 20:00"))
    assert due(last, kst("2026-11-20 23:29"), CALENDAR, PARAMS) == []
    now = kst("2026-11-20 23:30")
    assert [x.job for x in due(last, now, CALENDAR, PARAMS)] == [Job.SESSION_OPEN]
    last[Job.SESSION_OPEN] = now
    assert due(last, now, CALENDAR, PARAMS) == []


def test_after_three_days_away_reports_are_owed_and_old_notices_are_not():
    last = dict.fromkeys(Job, kst("2026-11-17 20:00"))
    missed = due(last, kst("2026-11-20 23:35"), CALENDAR, PARAMS)
    assert [(x.job, x.on.day) for x in missed] == [
        (Job.DAILY_REPORT, 17),
        (Job.DAILY_REPORT, 18),
        (Job.DAILY_REPORT, 19),
        (Job.SESSION_OPEN, 20),
    ]


def test_a_job_that_never_ran_waits_for_its_first_mark():
    assert due({}, kst("2026-11-20 23:30"), CALENDAR, PARAMS) == []


@given(st.datetimes(dt.datetime(2026, 1, 10), dt.datetime(2027, 3, 1)), st.integers(0, 10 * 24 * 60))
def test_whatever_is_due_is_new_not_late_and_ordered(now, ago):
    now = now.replace(tzinfo=dt.UTC)
    last = dict.fromkeys(Job, now - dt.timedelta(minutes=ago))
    found = due(last, now, CALENDAR, PARAMS)
    assert found == sorted(found)
    for x in found:
        assert last[x.job] < x.at <= now
        assert now - x.at <= LATEST[x.job]
    once = [x.job for x in found if x.job not in OWED]
    assert len(once) == len(set(once))


@given(
    st.datetimes(dt.datetime(2026, 2, 1), dt.datetime(2026, 12, 20)),
    st.lists(st.integers(1, 50), min_size=1, max_size=80),
)
def test_ticking_at_any_pace_within_an_hour_runs_each_job_exactly_once(start, steps):
    """A scaled clock makes ticks minutes apart; no occurrence may be lost or doubled."""
    now = start.replace(tzinfo=dt.UTC)
    last = dict.fromkeys(Job, now)
    ran: list[Due] = []
    for step in steps:
        now += dt.timedelta(minutes=step)
        for x in due(last, now, CALENDAR, PARAMS):
            ran.append(x)
            last[x.job] = x.at
    begin = start.replace(tzinfo=dt.UTC)
    days = [begin.date() + dt.timedelta(days=i) for i in range(-5, 8)]
    expected = sorted(x for d in days for x in occurrences(d, CALENDAR, PARAMS) if begin < x.at <= now)
    assert sorted(ran) == expected

"""Entry windows and the collector's hours on both sides of daylight saving time."""

import datetime as dt

import pytest

from core.model.params import ScheduleParams
from core.model.session import MarketSession, Phase
from core.rules.days import us_date, us_day_bounds_ms
from core.rules.schedule import collecting, entry_window, kst_instant

UTC = dt.UTC


def session(on: str, opens: str, closes: str) -> MarketSession:
    day = dt.date.fromisoformat(on)

    def at(clock: str) -> dt.datetime:
        return dt.datetime.combine(day, dt.time.fromisoformat(clock), UTC)

    start = at(opens)
    hours = dt.timedelta(hours=1)
    return MarketSession(
        on=day,
        pre_open_at=start - 5.5 * hours,
        open_at=start,
        close_at=at(closes),
        post_close_at=at(closes) + 3 * hours,
    )


SUMMER, WINTER = session("2026-10-30", "13:30", "20:00"), session("2026-11-02", "14:30", "21:00")
HALF = session("2026-11-27", "14:30", "18:00")


@pytest.mark.parametrize(
    ("day", "after", "start"),
    [
        (SUMMER, "open+30m", "2026-10-30T14:00+00:00"),
        (WINTER, "open+30m", "2026-11-02T15:00+00:00"),
        (HALF, "open+0m", "2026-11-27T14:30+00:00"),
        (WINTER, "00:00", "2026-11-02T15:00+00:00"),
        (SUMMER, "00:00", "2026-10-30T15:00+00:00"),
        (WINTER, "22:45", "2026-11-02T14:30+00:00"),
        (SUMMER, "22:45", "2026-10-30T13:45+00:00"),
    ],
)
def test_the_window_opens_after_the_open_or_at_a_fixed_kst_time(day: MarketSession, after: str, start: str) -> None:
    found = entry_window(day, ScheduleParams(active_trading_after=after))
    assert found == (dt.datetime.fromisoformat(start), day.close_at)


@pytest.mark.parametrize(
    ("kst", "near", "found"),
    [
        ("00:00", "2026-11-02T14:30+00:00", "2026-11-02T15:00+00:00"),
        ("23:30", "2026-11-02T15:10+00:00", "2026-11-02T14:30+00:00"),
        ("06:30", "2026-11-02T21:00+00:00", "2026-11-02T21:30+00:00"),
    ],
)
def test_a_kst_time_is_the_nearest_one(kst: str, near: str, found: str) -> None:
    assert kst_instant(kst, dt.datetime.fromisoformat(near)) == dt.datetime.fromisoformat(found)


@pytest.mark.parametrize(
    ("kst", "awake"), [("17:59", False), ("18:00", True), ("00:00", True), ("06:29", True), ("06:30", False)]
)
def test_the_collector_is_awake_from_evening_to_the_report(kst: str, awake: bool) -> None:
    at = dt.datetime.fromisoformat(f"2026-11-17T{kst}+09:00")
    assert collecting(at, ScheduleParams(), "06:30") is awake
    assert collecting(at, ScheduleParams(rest_when_closed=False), "06:30")


def test_a_window_inside_one_day_works_too() -> None:
    schedule = ScheduleParams(start_time="01:00")
    assert collecting(dt.datetime.fromisoformat("2026-11-17T02:00+09:00"), schedule, "06:30")
    assert not collecting(dt.datetime.fromisoformat("2026-11-17T00:59+09:00"), schedule, "06:30")


@pytest.mark.parametrize(
    ("instant", "phase"),
    [
        ("08:59", Phase.CLOSED),
        ("09:00", Phase.PRE),
        ("14:30", Phase.REGULAR),
        ("20:59", Phase.REGULAR),
        ("21:00", Phase.POST),
        ("23:59", Phase.POST),
    ],
)
def test_each_phase_includes_its_start(instant: str, phase: Phase) -> None:
    assert WINTER.phase(dt.datetime.fromisoformat(f"2026-11-02T{instant}+00:00")) is phase


def test_a_session_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        session("2026-11-02", "21:00", "14:30")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-11-17", 24)])
def test_a_us_day_has_23_to_25_hours(day: str, hours: int) -> None:
    noon = dt.datetime.fromisoformat(f"{day}T17:00+00:00")
    start, end = us_day_bounds_ms(int(noon.timestamp() * 1000))
    assert (end - start) / 3_600_000 == hours
    assert us_date(dt.datetime.fromtimestamp(start / 1000, UTC)) == us_date(noon) == dt.date.fromisoformat(day)
    assert us_day_bounds_ms(start) == (start, end)
    assert us_day_bounds_ms(end - 1) == (start, end)

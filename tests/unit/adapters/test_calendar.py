"""The XNYS calendar: holidays, half days, daylight saving time, and its cache."""

import datetime as dt
import subprocess
from pathlib import Path

import msgspec
import pytest

from adapters import calendar
from adapters.calendar import CalendarRange, XnysCalendar, load_calendar
from core.model.session import MarketSession

UTC = dt.UTC


def session(on: str, opens: int = 14, closes: int = 21, *, half: bool = False) -> MarketSession:
    """A session by UTC hours: open at `opens`:30."""
    day = dt.date.fromisoformat(on)

    def at(hour: int, minute: int = 0) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(0), UTC) + dt.timedelta(hours=hour, minutes=minute)

    return MarketSession(
        on=day,
        pre_open_at=at(opens - 5),
        open_at=at(opens, 30),
        close_at=at(closes),
        post_close_at=at(closes + 4),
        half_day=half,
    )


WEEK = [session("2026-11-24"), session("2026-11-25"), session("2026-11-27", closes=18, half=True)]


@pytest.fixture
def small() -> XnysCalendar:
    return XnysCalendar(WEEK)


def test_a_holiday_and_a_weekend_have_no_session(small: XnysCalendar) -> None:
    assert small.session_on(dt.date(2026, 11, 26)) is None
    half = small.session_on(dt.date(2026, 11, 27))
    assert half is not None
    assert half.half_day


def test_dates_outside_the_calendar_are_refused_not_guessed(small: XnysCalendar) -> None:
    with pytest.raises(CalendarRange):
        small.session_on(dt.date(2026, 11, 23))
    with pytest.raises(CalendarRange):
        small.current_or_next(WEEK[-1].post_close_at)
    with pytest.raises(CalendarRange):
        small.previous(WEEK[0].open_at)
    with pytest.raises(ValueError, match="sessions"):
        XnysCalendar([])


def test_the_current_session_lasts_until_its_post_market_ends(small: XnysCalendar) -> None:
    second = dt.timedelta(seconds=1)
    assert small.current_or_next(WEEK[0].post_close_at - second) is WEEK[0]
    assert small.current_or_next(WEEK[0].post_close_at) is WEEK[1]
    assert small.current_or_next(dt.datetime(2026, 11, 26, 15, tzinfo=UTC)) is WEEK[2]


def test_the_previous_session_is_over(small: XnysCalendar) -> None:
    assert small.previous(WEEK[1].close_at) is WEEK[1]
    assert small.previous(WEEK[1].close_at - dt.timedelta(seconds=1)) is WEEK[0]


def test_sessions_of_the_exchange_around_holidays_half_days_and_dst(tmp_path: Path) -> None:
    """Computed once in its own process; then the file answers."""
    found = load_calendar(tmp_path, dt.date(2026, 11, 22))
    summer, winter = found.session_on(dt.date(2026, 10, 30)), found.session_on(dt.date(2026, 11, 2))
    assert summer is not None
    assert winter is not None
    assert (summer.open_at.hour, summer.close_at.hour) == (13, 20)
    assert (winter.open_at.hour, winter.close_at.hour) == (14, 21)
    assert winter.pre_open_at.hour == 9
    spring = found.session_on(dt.date(2027, 3, 15))
    assert spring is not None
    assert spring.open_at.hour == 13
    assert found.session_on(dt.date(2026, 11, 26)) is None
    half = found.session_on(dt.date(2026, 11, 27))
    assert half is not None
    assert (half.half_day, half.close_at.hour, half.post_close_at.hour) == (True, 18, 22)
    assert found.session_on(dt.date(2026, 12, 25)) is None
    before = (tmp_path / "calendar.json").stat().st_mtime_ns
    load_calendar(tmp_path, dt.date(2026, 11, 23))
    assert (tmp_path / "calendar.json").stat().st_mtime_ns == before


def test_a_cache_that_reaches_far_enough_is_only_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [session("2026-09-01"), session("2027-02-01")]
    (tmp_path / "calendar.json").write_bytes(msgspec.json.encode(ends))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(subprocess, "run", never)
    assert load_calendar(tmp_path, dt.date(2026, 11, 22)).session_on(dt.date(2026, 9, 1)) is not None


@pytest.mark.parametrize("content", [b"", b"[", b"{}", None], ids=["empty", "torn", "wrong", "absent"])
def test_a_useless_cache_is_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "calendar.json").write_bytes(content)
    runs: list[list[str]] = []

    def compute(command: list[str], **_: object) -> None:
        runs.append(command)
        calendar._write(Path(command[-1]), [session("2026-01-02"), session("2027-06-01")])

    monkeypatch.setattr(subprocess, "run", compute)
    load_calendar(tmp_path, dt.date(2026, 11, 22))
    assert len(runs) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["calendar.json"]

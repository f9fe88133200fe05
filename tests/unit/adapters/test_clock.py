"""Clocks."""

import datetime as dt
import time

import pytest

from adapters.clock import ORIGIN, SPEED, STARTED, ScaledClock, SystemClock, clock_from

BEGIN = dt.datetime(2026, 11, 17, 14, 30, tzinfo=dt.UTC)


def test_without_its_variables_the_clock_is_the_systems() -> None:
    assert isinstance(clock_from({}), SystemClock)
    assert clock_from({}).now().tzinfo is dt.UTC


def test_a_scaled_clock_runs_from_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_010.0)
    clock = clock_from({ORIGIN: BEGIN.isoformat(), STARTED: "1000", SPEED: "60"})
    assert clock.now() == BEGIN + dt.timedelta(minutes=10)
    assert clock.speed == 60


def test_another_zone_is_the_same_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    seoul = BEGIN.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert ScaledClock(seoul, 0.0, 1.0).now() == BEGIN
    assert ScaledClock(seoul, 0.0, 1.0).now().tzinfo is dt.UTC


@pytest.mark.parametrize(("origin", "speed"), [(BEGIN.replace(tzinfo=None), 1.0), (BEGIN, 0.0), (BEGIN, -1.0)])
def test_a_senseless_clock_is_refused(origin: dt.datetime, speed: float) -> None:
    with pytest.raises(ValueError, match="scaled clock"):
        ScaledClock(origin, 0.0, speed)


async def test_sleep_is_scaled() -> None:
    await ScaledClock(BEGIN, 0.0, 1e9).sleep(3600)
    await SystemClock().sleep(0)

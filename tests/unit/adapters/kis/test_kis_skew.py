"""The clock of KIS against ours: whole seconds, slow answers, a clock that runs faster."""

import datetime as dt
from email.utils import format_datetime

import pytest

from adapters.kis.skew import KEPT, SkewMeter

NOON = dt.datetime(2026, 11, 18, 17, 0, 0, tzinfo=dt.UTC)


def see(meter: SkewMeter, ahead_s: float, took_s: float = 0.1, speed: float = 1.0) -> None:
    """KIS's header is written in the middle of a call, and cut to whole seconds."""
    middle = NOON + dt.timedelta(seconds=took_s * speed / 2)
    theirs = (middle + dt.timedelta(seconds=ahead_s * speed)).replace(microsecond=0)
    meter.see(format_datetime(theirs, usegmt=True), NOON, NOON + dt.timedelta(seconds=took_s * speed), took_s)


@pytest.mark.parametrize("ahead_s", [0.0, 2.4, -2.4, 31.0, -3600.0])
def test_the_skew_is_right_to_about_a_second(ahead_s):
    meter = SkewMeter(1.0)
    assert meter.skew_s() is None
    see(meter, ahead_s)
    assert meter.skew_s() == pytest.approx(ahead_s, abs=0.51)


def test_one_wrong_header_does_not_move_the_median():
    meter = SkewMeter(1.0)
    for ahead_s in (0.0, 0.0, 500.0, 0.0, 0.0):
        see(meter, ahead_s)
    assert meter.skew_s() == pytest.approx(0, abs=0.51)


def test_a_step_of_our_clock_shows_after_a_few_answers():
    meter = SkewMeter(1.0)
    for _ in range(KEPT):
        see(meter, 0.0)
    for _ in range(KEPT // 2 + 1):
        see(meter, -60.0)
    assert meter.skew_s() == pytest.approx(-60, abs=0.51)


def test_a_slow_answer_says_nothing():
    meter = SkewMeter(1.0)
    see(meter, 90.0, took_s=1.01)
    assert meter.skew_s() is None
    see(meter, 0.0, took_s=1.0)
    assert meter.skew_s() == pytest.approx(0, abs=0.51)


@pytest.mark.parametrize("speed", [10.0, 60.0])
def test_on_a_faster_clock_the_skew_is_in_real_seconds(speed):
    meter = SkewMeter(speed)
    see(meter, 2.0, speed=speed)
    assert meter.skew_s() == pytest.approx(2.0, abs=0.51 / speed + 0.001)


@pytest.mark.parametrize(
    "header", [None, "", "yesterday", "Wed, 99 Nov 2026 17:00:00 GMT", "Wed, 18 Nov 99999 17:00:00 GMT"]
)
def test_what_is_no_date_says_nothing(header):
    meter = SkewMeter(1.0)
    meter.see(header, NOON, NOON, 0.1)
    assert meter.skew_s() is None


def test_a_date_without_a_zone_is_greenwich():
    meter = SkewMeter(1.0)
    meter.see("Wed, 18 Nov 2026 17:00:00 -0000", NOON, NOON, 0.1)
    assert meter.skew_s() == 0.5

"""Polygon's stream events and answers as pure functions."""

from datetime import UTC, date, datetime, timedelta

import pytest

from sandbox import scenarios
from sandbox.polygon import protocol

DAY = date(2026, 11, 18)
OPEN = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def market():
    return scenarios.build("calm", DAY, 1, 3)


@pytest.mark.parametrize(
    ("topic", "status"),
    [("AM.*", "success"), ("A.HELI", "success"), ("T.*", "error"), ("Q.AAPL", "error"), ("XX.*", None), ("AM", None)],
)
def test_topics_are_acknowledged_refused_or_ignored(topic, status):
    answer = protocol.answer(topic, "subscribe")
    assert (answer and answer["status"]) == status


def test_official_open_is_absent_before_the_open(market):
    series = market.series["AAPL"]
    first_regular = series.rows_before(330)
    before = protocol.minute_event(market, "AAPL", first_regular - 1)
    after = protocol.minute_event(market, "AAPL", first_regular)
    assert "op" not in before
    assert after["op"] == after["o"]
    assert after["av"] > after["v"]


def test_early_bar_is_short_of_volume_and_its_revision_is_whole(market):
    row = market.series["AAPL"].rows_before(400)
    early, whole = (protocol.minute_event(market, "AAPL", row, early=early) for early in (True, False))
    assert early["s"] == whole["s"]
    assert early["v"] < whole["v"]
    assert early["av"] - early["v"] == whole["av"] - whole["v"]


def test_seconds_of_a_minute_add_up(market):
    minute = market.minute_of(OPEN)
    bar = market.bar_of_minute("AAPL", minute)
    events = [protocol.second_event(market, "AAPL", OPEN + timedelta(seconds=second)) for second in range(60)]
    present = [event for event in events if event]
    assert sum(event["v"] for event in present) == bar.volume
    assert max(event["h"] for event in present) == bar.high
    assert min(event["l"] for event in present) == bar.low
    assert present[-1]["av"] == protocol.minute_event(market, "AAPL", market.series["AAPL"].row(minute))["av"]

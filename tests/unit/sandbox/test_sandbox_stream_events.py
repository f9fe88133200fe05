"""Polygon's stream events and answers as pure functions."""

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from sandbox import scenarios
from sandbox.bars import Series
from sandbox.market import Instrument, Market
from sandbox.polygon import protocol
from sandbox.polygon.seconds import SecondFeed

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


@pytest.mark.parametrize("volume", [1, 2, 7, 43, 59, 60, 61, 5_000])
@pytest.mark.parametrize("prices", [(10.0, 10.8, 9.7, 10.5), (10.5, 10.8, 9.7, 10.0), (3.0, 3.0, 3.0, 3.0)])
def test_the_seconds_of_any_minute_are_its_bar_however_few_shares_it_has(volume, prices):
    series = Series(np.array([330]), np.array([prices]), np.array([volume]))
    made = Market(DAY, [(Instrument("THIN", "Thin", "Thin", "XNAS", None, 10.0), series)])
    events = [protocol.second_event(made, "THIN", OPEN + timedelta(seconds=second)) for second in range(60)]
    present = [event for event in events if event]
    assert len(present) == min(volume, 60)
    assert (present[0]["o"], present[-1]["c"]) == (prices[0], prices[3])
    assert max(event["h"] for event in present) == prices[1]
    assert min(event["l"] for event in present) == prices[2]
    assert sum(event["v"] for event in present) == volume


def test_a_second_that_is_revised_comes_short_and_then_whole(market):
    feed = SecondFeed(market, revise_every=2)
    came = {}
    for number in range(80):
        for part in feed.parts(OPEN + timedelta(seconds=number)):
            for symbol, data in part:
                event = json.loads(data)
                came.setdefault((symbol, event["s"]), []).append(event["v"])
    twice = [volumes for volumes in came.values() if len(volumes) == 2]
    assert len(twice) > 5
    assert all(short < whole for short, whole in twice)

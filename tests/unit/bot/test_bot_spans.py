"""Which days /backtest means."""

import datetime as dt

import pytest

from bot.handlers.research import SESSIONS, span_of

STORED = [dt.date(2026, 11, day) for day in (12, 13, 16, 17, 18, 19)]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", STORED),
        ("2", STORED[-2:]),
        ("250", STORED),
        ("2026-11-13 2026-11-17", STORED[1:4]),
        ("2026-11-14 2026-12-24", STORED[2:]),
        ("2026-11-18", STORED[4:5]),
        ("20261118", STORED[4:5]),
        ("2020-01-02 2020-01-03", []),
    ],
)
def test_days_are_named_by_number_or_date(said, meant):
    span = span_of(said.split())
    assert span is not None
    assert list(span.of(STORED)) == meant


@pytest.mark.parametrize(
    "said",
    [
        "0",
        "251",
        "-5",
        "٣",
        "yesterday",
        "2026-13-01",
        "2026-11-20 2026-11-01",
        "2026-11-01 2026-11-02 2026-11-03",
        "5 6",
    ],
)
def test_what_is_no_period_is_none(said):
    assert span_of(said.split()) is None


def test_without_a_word_it_is_the_newest_sessions():
    many = [dt.date(2026, 1, 1) + dt.timedelta(days=n) for n in range(60)]
    span = span_of(())
    assert span is not None
    assert list(span.of(many)) == many[-SESSIONS:]

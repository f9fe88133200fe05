"""A candidate against the settings in force: what moved since the search, what is left to apply."""

import datetime as dt

import msgspec
import pytest

from core.model.candidate import Candidate, Change, Pair
from core.rules.candidates import left, moved

PAIR = Pair(inside=2.0, outside=1.0)
CANDIDATE = Candidate(
    id="0123456789ab",
    made_at=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    study="s",
    goal="return",
    data_hash="d",
    first=dt.date(2025, 1, 2),
    last=dt.date(2026, 11, 13),
    trials=100,
    changes=(
        Change(key="trading.take_profit_pct", old=30.0, new=40.0),
        Change(key="trading.split_count", old=10, new=5),
    ),
    base={"scanner.min_price": 1.0},
    found=PAIR,
    present=PAIR,
    walked=PAIR,
)
THEN = {"trading.take_profit_pct": 30.0, "trading.split_count": 10, "scanner.min_price": 1.0, "tax.rate_pct": 22.0}


@pytest.mark.parametrize(
    ("now", "others", "waiting"),
    [
        ({}, [], [("trading.take_profit_pct", 30.0), ("trading.split_count", 10)]),
        ({"trading.take_profit_pct": 40}, [], [("trading.split_count", 10)]),
        ({"trading.take_profit_pct": 40.0, "trading.split_count": 5}, [], []),
        (
            {"trading.split_count": 7},
            [("trading.split_count", 10, 7)],
            [("trading.take_profit_pct", 30.0), ("trading.split_count", 7)],
        ),
        ({"scanner.min_price": 2.0, "tax.rate_pct": 20.0}, [("scanner.min_price", 1.0, 2.0)], None),
    ],
    ids=["as then", "one applied", "all applied", "one moved elsewhere", "another key moved"],
)
def test_what_moved_and_what_is_left(now, others, waiting) -> None:
    present = THEN | now
    assert [(c.key, c.old, c.new) for c in moved(CANDIDATE, present)] == others
    if waiting is not None:
        assert [(c.key, c.old) for c in left(CANDIDATE, present)] == waiting


def test_a_key_that_is_gone_since_is_no_move() -> None:
    assert moved(msgspec.structs.replace(CANDIDATE, base={"scanner.gone": 1}), THEN) == []

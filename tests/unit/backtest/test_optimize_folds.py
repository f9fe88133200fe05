"""Walk forward: the windows, and what speaks against a find."""

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_days import weekdays

from backtest.optimize.folds import Fold, walk_forward
from backtest.optimize.outcome import Outcome, _ranks, sentences
from backtest.optimize.proposal import proposal
from config.params import ConfigError
from core.model.candidate import Pair

DAYS = weekdays(10)


def test_windows_roll_by_the_days_that_are_checked() -> None:
    found = walk_forward(DAYS, train=4, test=2)
    assert [(fold.train, fold.test) for fold in found] == [
        (tuple(DAYS[0:4]), tuple(DAYS[4:6])),
        (tuple(DAYS[2:6]), tuple(DAYS[6:8])),
        (tuple(DAYS[4:8]), tuple(DAYS[8:10])),
    ]


@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, 20))
def test_no_day_is_checked_twice_or_before_it_was_searched_behind(size, train, test) -> None:
    days = [dt.date(2025, 1, 1) + dt.timedelta(days=i) for i in range(size)]
    if train + test > size:
        with pytest.raises(ConfigError):
            walk_forward(days, train=train, test=test)
        return
    found = walk_forward(days, train=train, test=test)
    checked = [on for fold in found for on in fold.test]
    assert checked == days[len(days) - len(checked) :]
    assert len(checked) == len(found) * test
    for fold in found:
        assert (len(fold.train), len(fold.test)) == (train, test)
        assert list(fold.train + fold.test) == days[days.index(fold.train[0]) :][: train + test]
    # one more would begin before the data
    assert days.index(found[0].train[0]) < test


def test_without_test_days_everything_is_in_sample() -> None:
    assert walk_forward(DAYS, train=3, test=0) == (Fold(train=tuple(DAYS), test=()),)


def test_too_few_days_say_how_many_there_are() -> None:
    with pytest.raises(ConfigError, match=r"60 days .* 20 to check make 80, and there are 10"):
        walk_forward(DAYS, train=60, test=20)


def test_equal_values_share_their_rank() -> None:
    assert _ranks([3.0, 1.0, 3.0, 2.0]).tolist() == [3.5, 1.0, 3.5, 2.0]


SOUND = Outcome(
    study="s", goal="sharpe", complete=100, pruned=0, refused=0, failed=0, values={}, present_values={},
    found=Pair(inside=2.0, outside=1.8, trips_outside=40), present=Pair(inside=1.0, outside=1.0), walked=Pair(inside=2.2, outside=1.7),
    rank_correlation=0.6, folds=(None, None), warnings=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"walked": Pair(inside=2.2, outside=1.0)},
            "out of sample disagrees: 2.2 where it was searched, 1 on the days",
        ),
        ({"walked": Pair(inside=2.2, outside=-3.0)}, "out of sample disagrees"),
        ({"found": Pair(inside=2.0, outside=1.0, trips_outside=40)}, "no reason to change them"),
        ({"found": Pair(inside=2.0, outside=1.8, trips_outside=29)}, "29 round trips out of sample are few"),
        ({"rank_correlation": -0.1}, "rank correlation -0.10"),
        ({"folds": (None,)}, "one window is little"),
        ({"present": Pair(inside=2.0, outside=1.0)}, "nothing better than the present settings"),
        ({"complete": 20}, "20 candidates are few"),
        (
            {"found": Pair(inside=2.0, outside=None), "present": Pair(inside=1.0, outside=None)},
            "nothing was kept out of sample",
        ),
    ],
)
def test_what_speaks_against_a_find_is_said(change, words) -> None:
    assert sentences(SOUND) == []
    (said,) = sentences(msgspec.structs.replace(SOUND, **change))
    assert words in said


def test_the_present_settings_are_no_proposal() -> None:
    same = {"trading.take_profit_pct": 30.0}
    told = msgspec.structs.replace(SOUND, values=same, present_values=same)
    assert proposal(told, None, dt.datetime(2026, 11, 20, tzinfo=dt.UTC)) is None  # type: ignore[arg-type]

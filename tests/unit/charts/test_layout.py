"""Geometry promises: labels never overlap, ticks are round, prices read as prices."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts.layout import change_text, compact, price_text, round_ticks, significant, spread
from charts.timeaxis import time_axis

MINUTE = 60_000
OPEN_MS = 1_735_828_200_000  # 2025-01-02 09:30 in New York, 23:30 in Seoul


@given(st.lists(st.floats(-500, 1500), max_size=30), st.floats(1, 60), st.floats(200, 1000))
def test_spread_labels_never_overlap_keep_their_order_and_stay_inside(wanted, size, height):
    placed = spread(wanted, size, 0.0, height)
    step = min(size, height / max(1, len(wanted)))
    assert len(placed) == len(wanted)
    assert all(step / 2 - 1e-6 <= y <= height - step / 2 + 1e-6 for y in placed)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    assert all(placed[b] - placed[a] >= step - 1e-6 for a, b in itertools.pairwise(order))


def test_spread_leaves_labels_alone_that_have_room():
    assert spread([100.0, 20.0, 300.0], 40, 0, 400) == [100.0, 20.0, 300.0]


def test_spread_moves_two_equal_labels_by_half_each():
    assert spread([200.0, 200.0], 40, 0, 400) == [180.0, 220.0]


@given(st.floats(0.001, 5000), st.floats(0.0001, 1000), st.integers(1, 12))
def test_round_ticks_lie_inside_and_are_told_apart_by_their_decimals(low, height, target):
    ticks, decimals = round_ticks(low, low + height, target)
    slack = height * 1e-6
    assert all(low - slack <= tick <= low + height + slack for tick in ticks)
    texts = [f"{tick:.{decimals}f}" for tick in ticks]
    assert len(set(texts)) == len(texts)
    assert len(ticks) <= 2.6 * target + 2


def test_round_ticks_of_nothing_are_none():
    assert round_ticks(1.0, 1.0, 5) == ([], 0)


@pytest.mark.parametrize(
    ("price", "text"), [(0.0363, "0.0363"), (0.99999, "1.0000"), (1.0, "1.00"), (4012.35, "4,012.35")]
)
def test_prices_have_cents_above_a_dollar_and_four_decimals_below(price, text):
    assert price_text(price) == text


def test_changes_carry_an_arrow_and_a_percentage():
    assert change_text(4.33, 138.2) == "▲ 4.33 (+3.13%)"
    assert change_text(-0.0051, 0.04) == "▼ 0.0051 (-12.75%)"
    assert change_text(0.0, 10.0).startswith("●")


def test_counts_are_compact():
    assert [compact(v) for v in (0, 999, 15_200, 999_999, 3_500_000, 2e9)] == [
        "0",
        "999",
        "15.2K",
        "1.0M",
        "3.5M",
        "2.0B",
    ]


def test_small_numbers_keep_three_digits_without_an_exponent():
    assert [significant(v) for v in (0, 12.3456, 0.23612, -0.0000347, math.nan)] == [
        "0",
        "12.3",
        "0.236",
        "-0.000035",
        "0",
    ]


def test_time_axis_shows_round_seoul_times_and_the_new_date():
    axis = time_axis(OPEN_MS + MINUTE * np.arange(390), "Asia/Seoul", daily=False, gap=50)
    assert [tick.text for tick in axis.ticks] == ["00:00", "01:00", "02:00", "03:00", "04:00", "05:00"]
    assert axis.ticks[0].bar == 30
    assert [(tick.bar, tick.text) for tick in axis.dates] == [(30, "1/3")]
    assert axis.last == "2025-01-03 05:59 KST"


def test_time_axis_in_new_york_has_one_date():
    axis = time_axis(OPEN_MS + MINUTE * np.arange(390), "America/New_York", daily=False, gap=50)
    assert [tick.text for tick in axis.dates] == ["1/2"]
    assert axis.last == "2025-01-02 15:59 ET"


@pytest.mark.parametrize("first", [1_735_603_200_000 - 86_400_000, 1_735_621_200_000 - 86_400_000])
def test_daily_bars_keep_the_us_date_whether_stamped_at_utc_or_new_york_midnight(first):
    axis = time_axis(first + 86_400_000 * np.arange(3), "Asia/Seoul", daily=True, gap=1)
    assert axis.last == "2025-01-01"


@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=300, unique=True), st.floats(1, 80))
def test_time_ticks_keep_their_distance(minutes, gap):
    axis = time_axis(OPEN_MS + MINUTE * np.array(sorted(minutes), dtype=np.int64), "Asia/Seoul", daily=False, gap=gap)
    bars = [tick.bar for tick in axis.ticks]
    assert all(b - a >= gap for a, b in itertools.pairwise(bars))

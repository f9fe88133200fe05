"""The screening rules at their boundaries."""

import msgspec
import pytest

from core.model.bar import Bar
from core.model.params import ScannerParams
from core.rules.screen import (
    Measures,
    ScreenRule,
    cap_rule,
    cheap_rules,
    fake_rule,
    mean_clock_volume,
    measure,
    reference,
    type_rule,
)
from tests.unit.core.builders import bar

PARAMS = ScannerParams()


def day(last: float = 105.0, volume: float = 30_000, *, minutes: range = range(20), each: float = 10_000) -> list[Bar]:
    """Twenty quiet minutes at $100, then the bar to judge."""
    return [*(bar(m, 100.0, each) for m in minutes), bar(20, last, volume)]


def judge(bars: list[Bar], params: ScannerParams = PARAMS) -> Measures | ScreenRule:
    return measure(bars, bars[-1], params, first_ms=bars[0].start_ms)


def test_exactly_five_percent_on_exactly_three_times_the_volume_passes() -> None:
    measured = judge(day())
    assert isinstance(measured, Measures)
    assert measured.change_pct == pytest.approx(5.0)
    assert measured.volume_ratio_pct == pytest.approx(300.0)
    assert (measured.reference_close, measured.average_volume) == (100.0, 10_000.0)


@pytest.mark.parametrize(
    ("bars", "rule"),
    [
        (day(last=104.99), ScreenRule.CHANGE),
        (day(volume=29_999), ScreenRule.VOLUME_GROWTH),
        (day(volume=9_999), ScreenRule.VOLUME),
        (day(last=0.99), ScreenRule.PRICE),
        (day(minutes=range(1, 20)), ScreenRule.SHORT_HISTORY),
        ([bar(20, 105, 30_000)], ScreenRule.NO_REFERENCE),
        ([bar(16, 100, 1), bar(20, 105, 30_000)], ScreenRule.NO_REFERENCE),
        (day(minutes=range(1), each=0), ScreenRule.STALE_REFERENCE),
        (day(each=0), ScreenRule.VOLUME_GROWTH),
    ],
    ids=[
        "below-5-percent",
        "one-share-below-3x",
        "below-min-volume",
        "below-one-dollar",
        "19-minutes-after-the-first-bar",
        "first-bar",
        "reference-too-young",
        "reference-too-old",
        "zero-mean",
    ],
)
def test_each_rule_refuses_just_outside_its_boundary(bars: list[Bar], rule: ScreenRule) -> None:
    assert judge(bars) is rule


def test_price_and_volume_pass_at_their_minimum() -> None:
    assert cheap_rules(bar(0, 1.0, 10_000), PARAMS) is None


def test_an_empty_minute_counts_as_no_volume() -> None:
    sparse = [bar(0, 100, 10_000), bar(10, 100, 10_000), bar(15, 100, 10_000), bar(20, 105, 30_000)]
    assert mean_clock_volume(sparse, sparse[-1].start_ms, 20) == 1_500
    assert isinstance(judge(sparse), Measures)


def test_only_the_twenty_minutes_before_the_bar_are_averaged() -> None:
    bars = [bar(0, 100, 9e9), *(bar(m, 100, 10_000) for m in range(1, 21)), bar(21, 105, 30_000)]
    assert isinstance(judge(bars), Measures)


def test_the_reference_is_the_last_bar_at_least_five_minutes_earlier() -> None:
    bars = [bar(m, 100 + m, 1) for m in (0, 3, 4, 8, 9)]
    assert reference(bars, bars[-1].start_ms, 5) is bars[2]
    assert reference(bars, bars[3].start_ms, 5) is bars[1]


@pytest.mark.parametrize(("limit", "passes"), [(14, False), (15, True), (0, True)])
def test_a_reference_may_be_as_old_as_the_limit(limit: int, passes: bool) -> None:
    bars = [bar(0, 100, 100), bar(5, 100, 100), bar(20, 105, 30_000)]
    params = msgspec.structs.replace(PARAMS, max_reference_age_min=limit)
    assert isinstance(judge(bars, params), Measures) is passes


def test_a_later_bar_never_counts() -> None:
    bars = day()
    assert measure([*bars, bar(21, 200, 1e9)], bars[-1], PARAMS, first_ms=bars[0].start_ms) == judge(bars)


@pytest.mark.parametrize(
    ("cap", "policy", "rule"),
    [
        (50_000_000.0, "reject", None),
        (49_999_999.0, "accept", ScreenRule.MARKET_CAP),
        (None, "reject", ScreenRule.UNKNOWN_CAP),
        (None, "accept", None),
    ],
)
def test_market_cap(cap: float | None, policy: str, rule: ScreenRule | None) -> None:
    assert cap_rule(cap, msgspec.structs.replace(PARAMS, unknown_market_cap=policy)) is rule


def test_security_types() -> None:
    assert type_rule("CS", PARAMS) is type_rule("ADRC", PARAMS) is None
    assert type_rule("ETF", PARAMS) is ScreenRule.SECURITY_TYPE
    assert type_rule("ETF", msgspec.structs.replace(PARAMS, security_types=())) is None


@pytest.mark.parametrize("ticker", ["ZVZZT", "NTEST", "ATEST.B"])
def test_test_symbols_never_pass(ticker: str) -> None:
    assert fake_rule(ticker) is ScreenRule.TEST_TICKER
    assert fake_rule("NVDA") is None

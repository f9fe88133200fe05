"""What became of a find that was not bought."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.bar import MINUTE_MS, Bar
from core.model.foregone import Cause, Ended, Foregone
from core.model.params import TradingParams
from core.rules.asleep import Asleep, policy, size, sleeping
from core.rules.foregone import follow, tally

AT = dt.datetime(2026, 11, 20, 15, 0, tzinfo=dt.UTC)
FOUND = Foregone(
    key="k", ticker="NVDA", name="", name_ko="", cause=Cause.EXPIRED, at=AT, price=Decimal("100.00"), reason=""
)


def bars(*rows: tuple[float, float, float, float], first: int = 0) -> list[Bar]:
    start = int(AT.timestamp() * 1000)
    return [Bar("NVDA", start + (first + i) * MINUTE_MS, o, h, low, c, 1_000) for i, (o, h, low, c) in enumerate(rows)]


def outcome(*rows: tuple[float, float, float, float], first: int = 0):
    return follow(FOUND, bars(*rows, first=first), AT + dt.timedelta(hours=6), target_pct=30.0, stop_pct=-15.0)


def test_until_the_close_when_neither_level_is_reached() -> None:
    found = outcome((100, 106, 99, 105), (105, 110, 98, 103))
    assert (found.ended, found.result_pct, found.high_pct, found.low_pct) == (
        Ended.CLOSE,
        Decimal("3.00"),
        Decimal("10.00"),
        Decimal("-2.00"),
    )


def test_the_target_and_the_stop_end_it_at_their_price() -> None:
    assert outcome((100, 131, 99, 120), (120, 121, 50, 60)).result_pct == Decimal("30.00")
    assert outcome((100, 101, 84, 90), (90, 200, 90, 190)).result_pct == Decimal("-15.00")


def test_a_gap_over_a_level_ends_at_the_open() -> None:
    assert outcome((100, 100, 100, 100), (140, 150, 139, 145)).result_pct == Decimal("40.00")
    assert outcome((100, 100, 100, 100), (70, 75, 69, 72)).result_pct == Decimal("-30.00")


def test_one_bar_that_reaches_both_counts_as_the_stop() -> None:
    assert outcome((100, 140, 80, 130)).ended is Ended.STOP


def test_bars_before_the_decision_and_after_the_close_do_not_count() -> None:
    assert outcome((100, 140, 80, 130), first=-1) is None
    assert outcome((100, 140, 80, 130), first=360) is None
    assert outcome((100, 101, 99, 101), first=359).bars == 1


def test_a_tally_of_several() -> None:
    many = [outcome((100, 131, 99, 120)), outcome((100, 101, 84, 90)), outcome((100, 103, 99, 103))]
    numbers = tally(many)
    assert (numbers.count, numbers.rose, numbers.targets, numbers.stops) == (3, 2, 1, 1)
    assert numbers.mean_pct == Decimal("6.00")
    assert tally([]) is None


@pytest.mark.parametrize(
    ("hours", "kst", "asleep"),
    [("", "03:00", False), ("23:30-07:00", "23:29", False), ("23:30-07:00", "23:30", True),
     ("23:30-07:00", "06:59", True), ("23:30-07:00", "07:00", False), ("01:00-05:00", "00:59", False),
     ("01:00-05:00", "01:00", True), ("05:00-05:00", "05:00", False)],
)  # fmt: skip
def test_hours_of_sleep_are_korean_and_may_pass_midnight(hours: str, kst: str, asleep: bool) -> None:
    assert sleeping(dt.datetime.fromisoformat(f"2026-11-20T{kst}:00+09:00"), hours) is asleep


@pytest.mark.parametrize("chosen", list(Asleep))
def test_the_policy_holds_in_approve_mode_and_by_night_only(chosen: Asleep) -> None:
    params = TradingParams(asleep_hours="23:00-07:00", asleep_policy=chosen.value)
    night, day = (dt.datetime.fromisoformat(f"2026-11-20T{h}:00:00+09:00") for h in ("03", "12"))
    assert policy(night, "approve", params) is chosen
    assert policy(day, "approve", params) is Asleep.ASK
    assert policy(night, "auto", params) is policy(night, "watch", params) is Asleep.ASK


def test_a_small_size_is_a_share_of_the_budget() -> None:
    params = TradingParams(asleep_size_pct=30)
    assert size(Decimal(1_000_000), Asleep.SMALL, params) == 300_000
    assert size(Decimal(1_000_000), Asleep.AUTO, params) == 1_000_000


@pytest.mark.parametrize(
    ("hours", "fits"),
    [("", True), ("23:30-07:00", True), ("23:30-07:00\n", False), ("24:00-07:00", False), ("2３:30-07:00", False)],
)
def test_hours_that_the_trader_could_not_read_are_refused_at_birth(hours: str, fits: bool) -> None:
    if fits:
        assert msgspec.convert({"asleep_hours": hours}, TradingParams).asleep_hours == hours
    else:
        with pytest.raises(msgspec.ValidationError, match="asleep_hours"):
            msgspec.convert({"asleep_hours": hours}, TradingParams)

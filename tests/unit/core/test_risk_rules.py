"""The gate for entries: every reason at its boundary."""

from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Lock
from core.model.params import TradingParams
from core.rules.risk import (
    RefusalReason,
    Refused,
    RiskView,
    allowance_krw,
    budget,
    check_data,
    check_divergence,
    check_entry,
    standing_blocks,
)
from tests.unit.core.builders import NOON, TICKER, seconds

D = Decimal
PARAMS = TradingParams()
CLEAR = RiskView(
    at=NOON,
    mode="approve",
    paused=False,
    panicked=False,
    halted=False,
    reconciled=True,
    broker_ok=True,
    in_window=True,
    held=frozenset(),
    planned=frozenset(),
    locks={},
    bought_today_krw=D(0),
    realized_today_krw=D(0),
    orders_last_minute=0,
    orders_today=0,
    reserved_krw=D(0),
)
LOCK = Lock(ticker=TICKER, reason="cooldown", until=NOON + seconds(1))
FIVE = frozenset("ABCDE")


def view(**changes: object) -> RiskView:
    return msgspec.structs.replace(CLEAR, **changes)


def test_a_clear_view_passes() -> None:
    assert check_entry(CLEAR, TICKER, PARAMS) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"panicked": True}, RefusalReason.PANICKED),
        ({"halted": True}, RefusalReason.HALT_FILE),
        ({"paused": True}, RefusalReason.PAUSED),
        ({"mode": "watch"}, RefusalReason.MODE_WATCH),
        ({"reconciled": False}, RefusalReason.NOT_RECONCILED),
        ({"broker_ok": False}, RefusalReason.BROKER_DOWN),
        ({"in_window": False}, RefusalReason.OUTSIDE_WINDOW),
        ({"realized_today_krw": D(-1_000_000)}, RefusalReason.LOSS_LIMIT),
        ({"orders_today": 300}, RefusalReason.ORDER_COUNT),
        ({"locks": {TICKER: LOCK}}, RefusalReason.LOCKED),
        ({"held": frozenset({TICKER})}, RefusalReason.HELD),
        ({"planned": frozenset({TICKER})}, RefusalReason.OPEN_PLAN),
        ({"held": FIVE}, RefusalReason.MAX_POSITIONS),
        ({"held": frozenset("ABC"), "planned": frozenset("CDE")}, RefusalReason.MAX_POSITIONS),
        ({"bought_today_krw": D(5_000_000)}, RefusalReason.DAILY_LIMIT),
        ({"bought_today_krw": D(4_000_000), "reserved_krw": D(1_000_000)}, RefusalReason.DAILY_LIMIT),
        ({"orders_last_minute": 30}, RefusalReason.ORDER_RATE),
    ],
)
def test_each_reason_refuses(changes: dict[str, object], reason: RefusalReason) -> None:
    refused = check_entry(view(**changes), TICKER, PARAMS)
    assert refused is not None
    assert refused.reason is reason


@pytest.mark.parametrize(
    "changes",
    [
        {"realized_today_krw": D(-999_999)},
        {"orders_today": 299},
        {"orders_last_minute": 29},
        {"locks": {TICKER: msgspec.structs.replace(LOCK, until=NOON)}},
        {"locks": {"ELSE": LOCK}},
        {"held": frozenset("ABCD")},
        {"bought_today_krw": D(4_999_999)},
    ],
)
def test_just_inside_each_limit_passes(changes: dict[str, object]) -> None:
    assert check_entry(view(**changes), TICKER, PARAMS) is None


def test_a_running_plan_does_not_stand_in_its_own_way() -> None:
    own = view(held=FIVE | {TICKER}, planned=frozenset({TICKER}), bought_today_krw=D(9_000_000))
    assert check_entry(own, TICKER, PARAMS, own_plan=True) is None
    locked = view(locks={TICKER: LOCK})
    assert check_entry(locked, TICKER, PARAMS, own_plan=True) == Refused(RefusalReason.LOCKED, "cooldown")


def test_no_loss_limit_when_it_is_zero() -> None:
    params = msgspec.structs.replace(PARAMS, daily_loss_limit=0)
    assert tuple(standing_blocks(view(realized_today_krw=D(-(10**9))), params)) == ()


def test_all_standing_blocks_are_told_worst_first() -> None:
    blocks = tuple(standing_blocks(view(panicked=True, paused=True, in_window=False), PARAMS))
    assert blocks == (RefusalReason.PANICKED, RefusalReason.PAUSED, RefusalReason.OUTSIDE_WINDOW)


@pytest.mark.parametrize(
    ("late_s", "delay_ms", "age_s", "reason"),
    [
        (0, 0, 90, None),
        (1, 0, 0, RefusalReason.EXPIRED_SIGNAL),
        (0, 90_001, 0, RefusalReason.DELAYED_FEED),
        (0, 90_000, 0, None),
        (0, 0, 90.5, RefusalReason.STALE_DATA),
    ],
)
def test_old_data_never_buys(late_s: float, delay_ms: int, age_s: float, reason: RefusalReason | None) -> None:
    refused = check_data(NOON, NOON - seconds(age_s), NOON - seconds(late_s), delay_ms, 90)
    assert (refused.reason if refused else None) is reason


def test_the_budget_is_the_smallest_of_wish_power_and_allowance() -> None:
    wish, rich = D(1_000_000), D(9_000_000)
    assert budget(CLEAR, wish, rich, D(1), PARAMS) == wish
    assert budget(CLEAR, wish, D(400_000), D(1), PARAMS) == 400_000
    assert budget(view(bought_today_krw=D(4_700_000)), wish, rich, D(1), PARAMS) == 300_000
    assert allowance_krw(view(bought_today_krw=D(6_000_000)), PARAMS) == 0


def test_a_stock_dearer_than_the_budget_is_refused_with_that_reason() -> None:
    dear = budget(CLEAR, D(1_000_000), D(9_000_000), D(1_000_001), PARAMS)
    assert isinstance(dear, Refused)
    assert dear.reason is RefusalReason.TOO_EXPENSIVE
    assert budget(CLEAR, D(1_000_000), D(9_000_000), D(1_000_000), PARAMS) == 1_000_000
    poor = budget(CLEAR, D(1_000_000), D(99), D(100), PARAMS)
    assert isinstance(poor, Refused)
    assert poor.reason is RefusalReason.NO_BUYING_POWER


EVERYTHING_WRONG = {
    "panicked": True,
    "halted": True,
    "paused": True,
    "mode": "watch",
    "blocks": ("broker_sick", "stop_streak"),
    "reconciled": False,
    "clock_skewed": True,
    "unwatched": True,
    "broker_ok": False,
    "in_window": False,
    "realized_today_krw": D(-1_000_000),
    "orders_today": 300,
}


def test_with_everything_wrong_all_is_told_and_the_worst_refuses() -> None:
    blocks = tuple(standing_blocks(view(**EVERYTHING_WRONG), PARAMS))
    assert blocks == (
        RefusalReason.PANICKED,
        RefusalReason.HALT_FILE,
        RefusalReason.PAUSED,
        RefusalReason.MODE_WATCH,
        RefusalReason.BROKER_SICK,
        RefusalReason.STOP_STREAK,
        RefusalReason.NOT_RECONCILED,
        RefusalReason.CLOCK_SKEW,
        RefusalReason.UNWATCHED,
        RefusalReason.BROKER_DOWN,
        RefusalReason.OUTSIDE_WINDOW,
        RefusalReason.LOSS_LIMIT,
        RefusalReason.ORDER_COUNT,
    )
    assert check_entry(view(**EVERYTHING_WRONG), TICKER, PARAMS) == Refused(RefusalReason.PANICKED)


def test_the_smallest_loss_limit_counts() -> None:
    params = msgspec.structs.replace(PARAMS, daily_loss_limit=1)
    assert tuple(standing_blocks(view(realized_today_krw=D(-1)), params)) == (RefusalReason.LOSS_LIMIT,)
    assert tuple(standing_blocks(view(realized_today_krw=D(0)), params)) == ()


def test_a_refusal_by_a_limit_tells_the_limit() -> None:
    told = {
        RefusalReason.MAX_POSITIONS: (view(held=FIVE), "5"),
        RefusalReason.DAILY_LIMIT: (view(bought_today_krw=D(5_000_000)), "5000000"),
        RefusalReason.ORDER_RATE: (view(orders_last_minute=30), "30"),
        RefusalReason.LOCKED: (view(locks={TICKER: LOCK}), "cooldown"),
        RefusalReason.HELD: (view(held=frozenset({TICKER})), ""),
    }
    for reason, (seen, detail) in told.items():
        assert check_entry(seen, TICKER, PARAMS) == Refused(reason, detail)


def test_the_mode_is_about_signals_and_does_not_touch_a_running_plan() -> None:
    assert check_entry(view(mode="watch"), TICKER, PARAMS, own_plan=True) is None
    also_paused = view(mode="watch", paused=True)
    assert check_entry(also_paused, TICKER, PARAMS, own_plan=True) == Refused(RefusalReason.PAUSED)


def test_a_running_plan_keeps_the_order_rate() -> None:
    busy = view(orders_last_minute=30)
    assert check_entry(busy, TICKER, PARAMS, own_plan=True) == Refused(RefusalReason.ORDER_RATE, "30")


def test_old_data_is_told_with_its_age() -> None:
    late = NOON - seconds(1)
    assert check_data(NOON, NOON, late, 0, 90) == Refused(RefusalReason.EXPIRED_SIGNAL, str(late))
    assert check_data(NOON, NOON, NOON, 900_500, 90) == Refused(RefusalReason.DELAYED_FEED, "900")
    assert check_data(NOON, NOON - seconds(91.7), NOON, 0, 90) == Refused(RefusalReason.STALE_DATA, "91")


@pytest.mark.parametrize(
    ("feed", "broker", "detail"),
    [("100", "105", None), ("100", "95", None), ("100", "105.06", "5.1"), ("50", "47.4", "5.2"), ("50", "52.5", None)],
)
def test_feed_and_broker_may_differ_by_five_percent_of_the_feed(feed: str, broker: str, detail: str | None) -> None:
    refused = check_divergence(D(feed), D(broker), 5.0)
    assert refused == (None if detail is None else Refused(RefusalReason.DIVERGED, detail))


def test_a_budget_is_refused_with_the_figure_that_was_too_small() -> None:
    wish, rich = D(1_000_000), D(9_000_000)
    assert budget(CLEAR, wish, D("99.9"), D(100), PARAMS) == Refused(RefusalReason.NO_BUYING_POWER, "99")
    spent = view(bought_today_krw=D(4_999_901))
    assert budget(spent, wish, rich, D(100), PARAMS) == Refused(RefusalReason.DAILY_LIMIT, "5000000")
    assert budget(view(bought_today_krw=D(4_999_900)), wish, rich, D(100), PARAMS) == 100
    dear = budget(CLEAR, wish, rich, D("1000001.5"), PARAMS)
    assert dear == Refused(RefusalReason.TOO_EXPENSIVE, "1000001")


def test_a_share_dearer_than_a_whole_day_is_too_expensive_and_not_the_days_fault() -> None:
    rich, wish = D(99_000_000), D(9_000_000)
    assert budget(CLEAR, wish, rich, D(5_000_001), PARAMS) == Refused(RefusalReason.TOO_EXPENSIVE, "5000001")
    spent = view(bought_today_krw=D(1))
    assert budget(spent, wish, rich, D(5_000_000), PARAMS) == Refused(RefusalReason.DAILY_LIMIT, "5000000")
    assert budget(CLEAR, wish, rich, D(5_000_000), PARAMS) == 5_000_000


def test_buying_power_for_exactly_one_share_is_enough() -> None:
    assert budget(CLEAR, D(1_000_000), D(100), D(100), PARAMS) == 100

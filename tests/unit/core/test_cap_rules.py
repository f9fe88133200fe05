"""The owner's hard caps: what is looser than they allow, and what becomes of it."""

import pytest

from core.model.params import TradingParams
from core.model.safety import CAPPED, Caps, exceeds, tightened

CAPS = Caps(
    max_order_krw=100_000,
    max_plan_krw=200_000,
    max_day_krw=300_000,
    max_positions=2,
    max_orders_per_min=3,
    max_orders_per_day=4,
    max_daily_loss_krw=50_000,
    widest_stop_pct=-10.0,
)
LIMITS = {
    "max_order_amount": 100_000,
    "total_buy_amount": 200_000,
    "daily_buy_limit": 300_000,
    "max_positions": 2,
    "max_orders_per_min": 3,
    "max_orders_per_day": 4,
    "daily_loss_limit": 50_000,
    "stop_loss_pct": -10.0,
}


def test_every_capped_key_has_its_own_cap() -> None:
    assert {key: CAPS.limit_of(key) for key in CAPPED} == LIMITS
    assert CAPS.limit_of("split_count") is None


@pytest.mark.parametrize(("key", "limit"), LIMITS.items())
def test_a_value_at_its_cap_is_allowed_and_one_beyond_is_not(key: str, limit: float) -> None:
    beyond = limit - 0.1 if key == "stop_loss_pct" else limit + 1
    tighter = limit + 0.1 if key == "stop_loss_pct" else limit - 1
    assert [exceeds(key, value, CAPS) for value in (tighter, limit, beyond)] == [False, False, True]
    assert not exceeds(key, beyond, Caps()), "without a cap nothing is too much"


def test_no_loss_limit_at_all_is_looser_than_any_cap_and_no_order_at_all_is_not() -> None:
    assert exceeds("daily_loss_limit", 0, CAPS)
    assert not exceeds("daily_loss_limit", 1, CAPS)
    assert not exceeds("daily_buy_limit", 0, CAPS)


def test_what_is_looser_becomes_the_cap_and_the_rest_stays() -> None:
    loose = tightened(TradingParams(split_count=7, max_orders_per_min=1), CAPS)
    assert loose.max_orders_per_min == 1
    assert loose.split_count == 7
    assert {key: getattr(loose, key) for key in LIMITS} == LIMITS | {"max_orders_per_min": 1}
    assert tightened(TradingParams(), Caps()) == TradingParams()

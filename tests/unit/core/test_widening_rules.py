"""Which changes risk more."""

import pytest

from config.params import settings
from core.rules.widening import DOWN, LADDERS, UP, ZERO_IS_NONE, widens


@pytest.mark.parametrize(
    ("key", "old", "new", "more"),
    [
        ("trading.total_buy_amount", 1_000_000, 1_000_001, True),
        ("trading.total_buy_amount", 1_000_000, 999_999, False),
        ("trading.stop_loss_pct", -15.0, -20.0, True),
        ("trading.stop_loss_pct", -15.0, -10.0, False),
        ("trading.daily_loss_limit", 1_000_000, 0, True),
        ("trading.daily_loss_limit", 0, 1_000_000, False),
        ("trading.daily_loss_limit", 0, 0, False),
        ("trading.max_stops_per_day", 3, 0, True),
        ("scanner.max_reference_age_min", 15, 0, True),
        ("trading.stop_cooldown_min", 60, 0, True),
        ("trading.mode", "approve", "auto", True),
        ("trading.mode", "auto", "approve", False),
        ("trading.mode", "auto", "auto", False),
        ("trading.venue", "paper", "kis_real", True),
        ("trading.mode", "auto", "unheard of", True),
        ("scanner.unknown_market_cap", "reject", "accept", True),
        ("scanner.security_types", "CS, ADRC", "CS", False),
        ("scanner.security_types", "CS", "CS, ETF", True),
        ("scanner.security_types", "CS", "", True),
        ("scanner.security_types", "", "CS", False),
        ("trading.take_profit_pct", 30.0, 50.0, False),
        ("notification.alert_on_buy", True, False, False),
        ("analyzer.min_signals_for_buy", 2, 1, True),
        ("analyzer.min_signals_for_sell", 2, 3, True),
    ],
)
def test_a_change_that_risks_more_is_recognised(key: str, old: object, new: object, more: bool) -> None:
    assert widens(key, old, new) is more


def test_the_table_names_real_keys_only() -> None:
    assert set(settings()) >= UP | DOWN | ZERO_IS_NONE | set(LADDERS)
    assert not UP & DOWN
    assert ZERO_IS_NONE <= UP

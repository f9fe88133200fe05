"""Whether a changed setting widens what may be lost; such a change wants a second factor where one is enrolled."""

from core.model.messages import Value

# A larger number risks more.
UP = frozenset(
    {
        "trading.total_buy_amount",
        "trading.max_positions",
        "trading.daily_buy_limit",
        "trading.daily_loss_limit",
        "trading.max_order_amount",
        "trading.max_orders_per_min",
        "trading.max_orders_per_day",
        "trading.price_collar_pct",
        "trading.entry_slippage_pct",
        "trading.max_divergence_pct",
        "trading.max_stops_per_day",
        "trading.unfilled_cancel_sec",
        "trading.approval_ttl_sec",
        "trading.approval_drift_pct",
        "trading.max_data_age_sec",
        "analyzer.signal_valid_sec",
    }
)
# A smaller number risks more; a stop is negative, so a looser one is smaller.
DOWN = frozenset(
    {
        "trading.stop_loss_pct",
        "trading.stop_cooldown_min",
        "trading.split_interval_sec",
        "analyzer.min_signals_for_buy",
        "scanner.min_price",
        "scanner.min_market_cap",
        "scanner.min_volume",
    }
)
# Zero means that there is no limit.
ZERO_IS_NONE = frozenset({"trading.daily_loss_limit", "trading.max_stops_per_day"})
LOOSER = {"trading.mode": "auto", "scanner.unknown_market_cap": "accept"}


def widens(key: str, old: Value, new: Value) -> bool:
    """True where `new` allows more loss than `old`, also where that can't be told for a key that matters."""
    if old == new:
        return False
    if key in LOOSER:
        return new == LOOSER[key]
    if key not in UP | DOWN:
        return False
    if not isinstance(old, int | float) or not isinstance(new, int | float):
        return True
    if key in ZERO_IS_NONE and 0 in {old, new}:
        return new == 0
    return new > old if key in UP else new < old

"""Which changes of a setting let more money be lost than before."""

from collections.abc import Mapping

from core.model.messages import Value
from core.model.params import listed

# a larger value risks more
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
        "trading.approval_drift_pct",
        "trading.approval_ttl_sec",
        "trading.unfilled_cancel_sec",
        "trading.asleep_size_pct",
        "trading.max_data_age_sec",
        "scanner.max_reference_age_min",
        "analyzer.signal_valid_sec",
        "analyzer.min_signals_for_sell",
    }
)
# a smaller value risks more
DOWN = frozenset(
    {
        "trading.stop_loss_pct",
        "trading.stop_cooldown_min",
        "trading.split_interval_sec",
        "scanner.min_price",
        "scanner.min_market_cap",
        "scanner.min_volume",
        "analyzer.min_signals_for_buy",
    }
)
ZERO_IS_NONE = frozenset({"trading.daily_loss_limit", "trading.max_stops_per_day", "scanner.max_reference_age_min"})
# from the careful choice to the bold one
LADDERS: Mapping[str, tuple[Value, ...]] = {
    "trading.venue": ("paper", "kis_virtual", "kis_real"),
    "trading.mode": ("watch", "approve", "auto"),
    "trading.asleep_policy": ("ignore", "ask", "small", "auto"),
    "scanner.unknown_market_cap": ("reject", "accept"),
}


def widens(key: str, old: Value, new: Value) -> bool:
    """Whether the change from `old` to `new`, both values in force and not None, lets more be risked or bought.

    A list of security types widens when it lets through a type that it did not before; the empty list lets all through.
    """
    if key in LADDERS:
        ladder = LADDERS[key]
        # what is not on the ladder is unknown, and the unknown is asked about
        return new != old and (old not in ladder or new not in ladder or ladder.index(new) > ladder.index(old))
    if key == "scanner.security_types":
        return _lets_more_through(listed(str(old)), listed(str(new)))
    if not isinstance(old, int | float) or not isinstance(new, int | float):
        return False
    if key in UP:
        return _size(key, new) > _size(key, old)
    return key in DOWN and new < old


def _size(key: str, value: float) -> float:
    return float("inf") if value == 0 and key in ZERO_IS_NONE else value


def _lets_more_through(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    if not old:
        return False
    return not new or not set(new) <= set(old)

"""Whether the trader may buy: its state, what holds it back, and the owner's hard caps."""

import datetime as dt
import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from core.model.params import TradingParams


class TradingState(enum.StrEnum):
    """ACTIVE: everything. REDUCING: no entries, sales go on. HALTED: the same, and only a person opens it again."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why nothing is bought, kept across restarts; without `until` it lasts until the owner resumes."""

    reason: str
    since: dt.datetime
    until: dt.datetime | None = None
    detail: str = ""


class Caps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The owner's hard limits, from a file that neither chat nor analyzer can write; None: no cap beyond the bounds."""

    max_order_krw: Annotated[int, Meta(ge=10_000)] | None = None
    max_plan_krw: Annotated[int, Meta(ge=10_000)] | None = None
    max_day_krw: Annotated[int, Meta(ge=0)] | None = None
    max_positions: Annotated[int, Meta(ge=1)] | None = None
    max_orders_per_min: Annotated[int, Meta(ge=1)] | None = None
    max_orders_per_day: Annotated[int, Meta(ge=1)] | None = None
    max_daily_loss_krw: Annotated[int, Meta(ge=10_000)] | None = None
    widest_stop_pct: Annotated[float, Meta(ge=-90.0, le=-0.5)] | None = None

    def limit_of(self, key: str) -> float | None:
        """The cap on a key of `trading`, or None."""
        name = CAPPED.get(key)
        return None if name is None else getattr(self, name)


# key of `trading` → the cap that bounds it
CAPPED = {
    "max_order_amount": "max_order_krw",
    "total_buy_amount": "max_plan_krw",
    "daily_buy_limit": "max_day_krw",
    "max_positions": "max_positions",
    "max_orders_per_min": "max_orders_per_min",
    "max_orders_per_day": "max_orders_per_day",
    "daily_loss_limit": "max_daily_loss_krw",
    "stop_loss_pct": "widest_stop_pct",
}


def exceeds(key: str, value: float, caps: Caps) -> bool:
    """Whether a value of `trading.KEY` is looser than the cap allows."""
    cap = caps.limit_of(key)
    if cap is None:
        return False
    if key == "stop_loss_pct":
        return value < cap
    if key == "daily_loss_limit" and value == 0:
        # 0 means: no limit at all
        return True
    return value > cap


def tightened(params: TradingParams, caps: Caps) -> TradingParams:
    """The parameters with every value that is looser than its cap set to the cap."""
    found = {key: caps.limit_of(key) for key in CAPPED if exceeds(key, getattr(params, key), caps)}
    return msgspec.structs.replace(params, **found)

"""One gate for every entry: approved, or refused with a reason."""

import datetime as dt
import enum
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal

import msgspec

from core.model.commands import Lock
from core.model.params import TradingParams


class RefusalReason(enum.StrEnum):
    """Why an entry is refused; machine-readable."""

    MODE_WATCH = "mode_watch"
    PAUSED = "paused"
    PANICKED = "panicked"
    HALT_FILE = "halt_file"
    BROKER_SICK = "broker_sick"
    STOP_STREAK = "stop_streak"
    CLOCK_SKEW = "clock_skew"
    UNWATCHED = "unwatched"
    DIVERGED = "diverged"
    NOT_RECONCILED = "not_reconciled"
    BROKER_DOWN = "broker_down"
    EXPIRED_SIGNAL = "expired_signal"
    STALE_DATA = "stale_data"
    DELAYED_FEED = "delayed_feed"
    OUTSIDE_WINDOW = "outside_window"
    HELD = "held"
    OPEN_PLAN = "open_plan"
    LOCKED = "locked"
    MAX_POSITIONS = "max_positions"
    DAILY_LIMIT = "daily_limit"
    LOSS_LIMIT = "loss_limit"
    ORDER_RATE = "order_rate"
    ORDER_COUNT = "order_count"
    NO_BUYING_POWER = "no_buying_power"
    TOO_EXPENSIVE = "too_expensive"
    COLLAR = "collar"
    ASLEEP = "asleep"
    NOT_LISTED = "not_listed"


class RiskView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the gate looks at; money in KRW unless the name says otherwise."""

    at: dt.datetime
    mode: str
    paused: bool
    panicked: bool
    halted: bool
    reconciled: bool
    broker_ok: bool
    in_window: bool
    blocks: tuple[str, ...] = ()
    clock_skewed: bool = False
    unwatched: bool = False
    held: AbstractSet[str]
    planned: AbstractSet[str]
    locks: Mapping[str, Lock]
    bought_today_krw: Decimal
    realized_today_krw: Decimal
    orders_last_minute: int
    orders_today: int
    reserved_krw: Decimal


class Refused(msgspec.Struct, frozen=True):
    """The gate said no."""

    reason: RefusalReason
    detail: str = ""


def standing_blocks(view: RiskView, params: TradingParams) -> Iterator[RefusalReason]:
    """Reasons why no entry at all is possible now, worst first."""
    if view.panicked:
        yield RefusalReason.PANICKED
    if view.halted:
        yield RefusalReason.HALT_FILE
    if view.paused:
        yield RefusalReason.PAUSED
    if view.mode == "watch":
        yield RefusalReason.MODE_WATCH
    for block in view.blocks:
        yield RefusalReason(block)
    if not view.reconciled:
        yield RefusalReason.NOT_RECONCILED
    if view.clock_skewed:
        yield RefusalReason.CLOCK_SKEW
    if view.unwatched:
        yield RefusalReason.UNWATCHED
    if not view.broker_ok:
        yield RefusalReason.BROKER_DOWN
    if not view.in_window:
        yield RefusalReason.OUTSIDE_WINDOW
    if params.daily_loss_limit > 0 and view.realized_today_krw <= -params.daily_loss_limit:
        yield RefusalReason.LOSS_LIMIT
    if view.orders_today >= params.max_orders_per_day:
        yield RefusalReason.ORDER_COUNT


def allowance_krw(view: RiskView, params: TradingParams) -> Decimal:
    """What today's cap still leaves, after what was bought and what is reserved."""
    return max(Decimal(0), params.daily_buy_limit - view.bought_today_krw - view.reserved_krw)


def check_data(
    at: dt.datetime, bar_end_at: dt.datetime, valid_until: dt.datetime, feed_delay_ms: int, max_age_s: int
) -> Refused | None:
    """Refuse an expired signal, and data older than `max_age_s` seconds: it was late or it is delayed by plan."""
    if at > valid_until:
        return Refused(RefusalReason.EXPIRED_SIGNAL, str(valid_until))
    if feed_delay_ms > max_age_s * 1000:
        return Refused(RefusalReason.DELAYED_FEED, str(feed_delay_ms // 1000))
    age = (at - bar_end_at).total_seconds()
    if age > max_age_s:
        return Refused(RefusalReason.STALE_DATA, str(int(age)))
    return None


def check_divergence(feed_price: Decimal, broker_price: Decimal, max_pct: float) -> Refused | None:
    """Refuse where the feed and the broker disagree: one of them is delayed or wrong."""
    apart_pct = abs(broker_price / feed_price - 1) * 100
    if apart_pct > Decimal(str(max_pct)):
        return Refused(RefusalReason.DIVERGED, f"{apart_pct:.1f}")
    return None


# Obstacles that pass by themselves: a running plan waits for them to go instead of ending.
PASSING = frozenset(
    {
        RefusalReason.ORDER_RATE,
        RefusalReason.BROKER_DOWN,
        RefusalReason.NOT_RECONCILED,
        RefusalReason.CLOCK_SKEW,
        RefusalReason.UNWATCHED,
    }
)


def check_entry(view: RiskView, ticker: str, params: TradingParams, *, own_plan: bool = False) -> Refused | None:
    """Apply every limit that does not need a price.

    `own_plan`: a plan does not stand in its own way, and the mode, which is about signals, does not touch it.
    """
    for block in standing_blocks(view, params):
        if not (own_plan and block is RefusalReason.MODE_WATCH):
            return Refused(block)
    if (lock := view.locks.get(ticker)) and lock.until > view.at:
        return Refused(RefusalReason.LOCKED, lock.reason)
    if not own_plan:
        if ticker in view.held:
            return Refused(RefusalReason.HELD)
        if ticker in view.planned:
            return Refused(RefusalReason.OPEN_PLAN)
        if len(view.held | view.planned) >= params.max_positions:
            return Refused(RefusalReason.MAX_POSITIONS, str(params.max_positions))
        if allowance_krw(view, params) <= 0:
            return Refused(RefusalReason.DAILY_LIMIT, str(params.daily_buy_limit))
    if view.orders_last_minute >= params.max_orders_per_min:
        return Refused(RefusalReason.ORDER_RATE, str(params.max_orders_per_min))
    return None


def budget(
    view: RiskView, wanted_krw: Decimal, buying_power_krw: Decimal, price_krw: Decimal, params: TradingParams
) -> Decimal | Refused:
    """The budget of a plan in KRW: the smallest of wish, buying power and what the day leaves."""
    if buying_power_krw < price_krw:
        return Refused(RefusalReason.NO_BUYING_POWER, str(int(buying_power_krw)))
    left = allowance_krw(view, params)
    if left < price_krw <= params.daily_buy_limit:
        return Refused(RefusalReason.DAILY_LIMIT, str(params.daily_buy_limit))
    granted = min(wanted_krw, buying_power_krw, left)
    if granted < price_krw:
        return Refused(RefusalReason.TOO_EXPENSIVE, str(int(price_krw)))
    return granted

"""What a changed setting would do, as facts: values in, facts out, nothing guessed."""

import datetime as dt
import enum
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from core.model.commands import TraderStatus
from core.model.params import Params, ScannerParams
from core.model.position import PlanState, Position
from core.model.session import MarketSession
from core.model.signal import Discovery
from core.rules.pricing import stop_and_target
from core.rules.schedule import entry_window, kst_instant
from core.rules.screen import ScreenRule, cap_rule
from core.rules.tranches import tranche_qty

EXAMPLE_PRICE = Decimal(143)
DAY = dt.timedelta(days=1)
# A price that was read longer ago than this is told with its age.
OLD_PRICE = dt.timedelta(minutes=2)
LEVELS = frozenset({"trading.stop_loss_pct", "trading.take_profit_pct"})
SIZES = frozenset(
    {
        "trading.total_buy_amount",
        "trading.split_count",
        "trading.split_interval_sec",
        "trading.max_order_amount",
        "trading.daily_buy_limit",
    }
)
TIMES = frozenset({"schedule.start_time", "schedule.active_trading_after", "notification.report_time"})
# read once, when the trader opens its paper account
AT_RESTART = frozenset({"trading.paper_cash", "trading.paper_krw_per_usd"})
COUNTED = frozenset(
    {
        "scanner.min_price",
        "scanner.min_market_cap",
        "scanner.min_volume",
        "scanner.price_change_pct",
        "scanner.volume_spike_pct",
        "scanner.unknown_market_cap",
    }
)


class Unknown(enum.StrEnum):
    """Why something can't be said."""

    TRADER = "trader"
    FINDS = "finds"


class Blind(msgspec.Struct, frozen=True):
    """A part of the effect is not known, because somebody does not answer."""

    what: Unknown


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One held position. `stop` and `target` are in force and stay; `next_stop` and `next_target` come with the next fill
    of its running plan, None where no plan runs. `sells` and `asks`: at the last price those would stop it out, or ask for the
    trend.
    """

    ticker: str
    name: str
    name_ko: str
    last_price: Decimal
    priced_at: dt.datetime
    stop: Decimal
    target: Decimal
    next_stop: Decimal | None = None
    next_target: Decimal | None = None
    sells: bool = False
    asks: bool = False
    old: bool = False


class Levels(msgspec.Struct, frozen=True):
    """What a changed stop or target does to what is held."""

    positions: tuple[Level, ...]


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """An example purchase, in KRW, of a stock at `price_usd`; `buys_a_day` whole budgets fit the daily limit."""

    budget_krw: Decimal
    tranches: int
    tranche_krw: Decimal
    qty: int
    price_usd: Decimal
    krw_per_usd: Decimal
    duration: dt.timedelta
    buys_a_day: int


class Full(msgspec.Struct, frozen=True):
    """More is held or planned than the new limit allows: nothing is sold, nothing new is bought."""

    held: int
    limit: int


class Spent(msgspec.Struct, frozen=True):
    """What was bought today has reached the new limit (`left` is 0), or what it leaves, in KRW."""

    bought: Decimal
    left: Decimal


class Loss(msgspec.Struct, frozen=True):
    """Today's result against the new limit, in KRW: `stops` says that buying would end at once."""

    realized: Decimal
    stops: bool


class Finds(msgspec.Struct, frozen=True):
    """Of `seen` finds of the last 24 hours, those that the new value would have left out."""

    seen: int
    dropped: int


class LooserScreen(msgspec.Struct, frozen=True):
    """More passes from now on; how much more nobody has counted."""


class ScreenChanges(msgspec.Struct, frozen=True):
    """Other bars pass from now on, and the past says nothing about it."""


class SignalsChange(msgspec.Struct, frozen=True):
    """Signals come differently from the next bar."""


class Approvals(msgspec.Struct, frozen=True):
    """Proposals already made, whose expiry stays."""

    open: int


class Next(msgspec.Struct, frozen=True):
    """The next instant at which a changed time of day applies."""

    at: dt.datetime


class OnlyNew(msgspec.Struct, frozen=True):
    """Applies to the next order or purchase."""


class AtRestart(msgspec.Struct, frozen=True):
    """Applies when the trader starts the next time, not before."""


Fact = (
    Blind
    | Levels
    | Sizing
    | Full
    | Spent
    | Loss
    | Finds
    | LooserScreen
    | ScreenChanges
    | SignalsChange
    | Approvals
    | Next
    | OnlyNew
    | AtRestart
)


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when the question is asked; None where nobody answered. `finds` are those of the last 24 hours."""

    at: dt.datetime
    status: TraderStatus | None
    finds: Sequence[Discovery] | None
    session: MarketSession


def preview(key: str, before: Params, after: Params, world: World) -> list[Fact]:
    """The facts that a person should know before changing `key`; empty where there is nothing worth saying."""
    section = key.split(".", maxsplit=1)[0]
    if key in AT_RESTART:
        return [AtRestart()]
    if key in LEVELS:
        return _levels(after, world)
    if key in SIZES:
        return [_sizing(after, world), *(_spent(after, world) if key == "trading.daily_buy_limit" else [])]
    if key in TIMES:
        return [Next(_next(key, after, world))]
    match key:
        case "trading.max_positions":
            return _full(after, world)
        case "trading.daily_loss_limit":
            return _loss(after, world)
        case "trading.approval_ttl_sec":
            return _approvals(world)
        case "scanner.discovery_cooldown_min":
            return []
        case _:
            pass
    if section == "scanner":
        return [_finds(key, before.scanner, after.scanner, world)]
    if section == "analyzer":
        return [SignalsChange()]
    return [OnlyNew()] if section == "trading" else []


def sold_at_next_fill(levels: Levels) -> tuple[str, ...]:
    """Tickers whose next tranche would move the stop to or over the last price."""
    return tuple(level.ticker for level in levels.positions if level.sells)


def _levels(after: Params, world: World) -> list[Fact]:
    """The trader sets stop and target when a fill changes the average, and leaves them alone otherwise."""
    if world.status is None:
        return [Blind(Unknown.TRADER)]
    buying = {plan.ticker for plan in world.status.plans if plan.state is PlanState.RUNNING}
    held = [p for p in world.status.positions if p.qty]
    return [Levels(tuple(_level(p, p.ticker in buying, after, world.at) for p in held))] if held else [OnlyNew()]


def _level(held: Position, buying: bool, after: Params, at: dt.datetime) -> Level:
    fixed = Level(
        ticker=held.ticker,
        name=held.name,
        name_ko=held.name_ko,
        last_price=held.last_price,
        priced_at=held.priced_at,
        stop=held.stop_price,
        target=held.target_price,
        old=at - held.priced_at > OLD_PRICE,
    )
    if not buying:
        return fixed
    average = held.cost_usd / held.qty
    stop, target = stop_and_target(average, after.trading.stop_loss_pct, after.trading.take_profit_pct)
    sells = held.last_price <= stop
    asks = not sells and held.last_price >= target
    return msgspec.structs.replace(fixed, next_stop=stop, next_target=target, sells=sells, asks=asks)


def _sizing(after: Params, world: World) -> Sizing:
    trading = after.trading
    known = world.status.krw_per_usd if world.status else None
    rate = known or Decimal(str(trading.paper_krw_per_usd))
    budget = Decimal(trading.total_buy_amount)
    most = int(Decimal(trading.max_order_amount) / (EXAMPLE_PRICE * rate))
    spent, qty = Decimal(0), 0
    for k in range(1, trading.split_count + 1):
        wanted = tranche_qty(budget / rate, trading.split_count, k, spent, EXAMPLE_PRICE)
        bought = min(wanted, most)
        spent, qty = spent + bought * EXAMPLE_PRICE, qty + bought
    return Sizing(
        budget_krw=budget,
        tranches=trading.split_count,
        tranche_krw=budget / trading.split_count,
        qty=qty,
        price_usd=EXAMPLE_PRICE,
        krw_per_usd=rate,
        duration=dt.timedelta(seconds=trading.split_interval_sec * (trading.split_count - 1)),
        buys_a_day=trading.daily_buy_limit // trading.total_buy_amount,
    )


def _spent(after: Params, world: World) -> list[Fact]:
    if world.status is None:
        return [Blind(Unknown.TRADER)]
    bought = world.status.bought_today_krw
    return [Spent(bought, max(Decimal(0), after.trading.daily_buy_limit - bought))] if bought else []


def _full(after: Params, world: World) -> list[Fact]:
    if world.status is None:
        return [Blind(Unknown.TRADER)]
    planned = {plan.ticker for plan in world.status.plans if plan.open}
    held = {p.ticker for p in world.status.positions if p.qty} | planned
    limit = after.trading.max_positions
    return [Full(len(held), limit)] if len(held) >= limit else [OnlyNew()]


def _loss(after: Params, world: World) -> list[Fact]:
    if world.status is None:
        return [Blind(Unknown.TRADER)]
    realized, limit = world.status.realized_today_krw, after.trading.daily_loss_limit
    return [Loss(realized, stops=limit > 0 and realized <= -limit)]


def _approvals(world: World) -> list[Fact]:
    if world.status is None:
        return [Blind(Unknown.TRADER)]
    return [Approvals(sum(plan.state is PlanState.PROPOSED for plan in world.status.plans))]


def _finds(key: str, before: ScannerParams, after: ScannerParams, world: World) -> Fact:
    if key not in COUNTED:
        return ScreenChanges()
    if not _tightens(key, before, after):
        return LooserScreen()
    if world.finds is None:
        return Blind(Unknown.FINDS)
    recent = [find for find in world.finds if world.at - DAY < find.bar_end_at <= world.at]
    return Finds(len(recent), sum(failed_rule(find, key, after) is not None for find in recent))


def _tightens(key: str, before: ScannerParams, after: ScannerParams) -> bool:
    if key == "scanner.unknown_market_cap":
        return after.unknown_market_cap == "reject"
    name = key.removeprefix("scanner.")
    return bool(getattr(after, name) > getattr(before, name))


def failed_rule(find: Discovery, key: str, params: ScannerParams) -> ScreenRule | None:
    """The rule of `key` applied to the numbers of a find that passed before, None where it passes again."""
    match key:
        case "scanner.min_price" if find.price < params.min_price:
            return ScreenRule.PRICE
        case "scanner.min_volume" if find.volume < params.for_feed().min_volume:
            return ScreenRule.VOLUME
        case "scanner.price_change_pct" if find.change_pct < params.price_change_pct:
            return ScreenRule.CHANGE
        case "scanner.volume_spike_pct" if find.volume_ratio_pct < 100 + params.volume_spike_pct:
            return ScreenRule.VOLUME_GROWTH
        case "scanner.min_market_cap" | "scanner.unknown_market_cap":
            return cap_rule(find.market_cap, params)
        case _:
            return None


def _next(key: str, after: Params, world: World) -> dt.datetime:
    if key == "schedule.active_trading_after":
        return entry_window(world.session, after.schedule)[0]
    time = after.schedule.start_time if key == "schedule.start_time" else after.notification.report_time
    return next_time(time, world.at)


def next_time(kst: str, at: dt.datetime) -> dt.datetime:
    """The first instant after `at` with this wall-clock time in Korea."""
    near = kst_instant(kst, at)
    return near if near > at else near + DAY

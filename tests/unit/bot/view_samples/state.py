"""The board, /status and its kin, the day, the guardian, alarms, notices, /alerts."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import msgspec
from bot_samples import NOW, a_status, event, position

from bot.alerts import Alerts, QuietHours
from bot.beats import Beats, Guard
from bot.i18n import Translator
from bot.views import (
    alarms,
    alerts,
    feed,
    guardian,
    notices,
    pinned,
    schedule,
    servers,
    status,
)
from bot.views.base import View
from bot.views.notices import Notice
from bot.views.pinned import Standing
from bot.views.words import FEED_TROUBLES, MODES, TROUBLES, plain_word
from core.model.commands import Lock
from core.model.instrument import Exchange
from core.model.messages import Channel, Event, EventKind
from core.model.order import Intent, IntentState, OrderRequest, Purpose, Side
from core.model.params import NotificationParams
from core.model.position import PlanState
from core.model.safety import Block, TradingState
from ports.bus import BusState, GroupLag
from view_samples.world import BOUGHT, HELD, PARAMS, PLAN, SESSION, SOLD, SOON, STANDING, Samples

VALUES = {
    "state": "reducing",
    "before": "active",
    "reason": "broker_sick",
    "side": "BUY",
    "qty": 2,
    "ours": 1,
    "left": 1,
    "price": "142.60",
    "limit": "142.60",
    "age_s": 21,
    "name": "NVIDIA Corp",
    "name_ko": "엔비디아",
    "mode": "approve",
    "delay_s": "900",
    "pnl_pct": "31.0",
    "where": "clock",
    "what": "clock_skew",
    "seconds": 25,
    "pct": "7.5",
    "minutes": 4,
}
WINDOW_AT, REPORT_AT = SESSION.open_at + dt.timedelta(minutes=30), SESSION.close_at + dt.timedelta(minutes=30)
HALF_DAY = msgspec.structs.replace(SESSION, close_at=NOW + dt.timedelta(hours=2), half_day=True)
ORDER = Intent(
    id="i",
    dedup_key="d",
    plan_id="plan1",
    request=OrderRequest(ticker="NVDA", exchange=Exchange.NASD, side=Side.BUY, qty=2, limit=Decimal("142.60")),
    purpose=Purpose.ENTRY,
    state=IntentState.WORKING,
    created_at=NOW,
    updated_at=NOW,
)


# what an event of the kind says where that differs
TOLD = {
    EventKind.EXIT_WAITS: {"reason": "STOP"},
    EventKind.SELL_STARTED: {"reason": "STOP"},
    EventKind.GUARDIAN_TOOK_OVER: {"side": "SELL", "reason": "GUARD"},
    EventKind.TICKER_HALTED: {"since_ms": 1_795_188_600_000, "held": False},
    EventKind.SPLIT_TODAY: {"new": 10.0, "old": 1.0},
    EventKind.ORDER_REJECTED: {"code": "APBK0919", "message": "주문가능금액을 초과 했습니다"},
}
ORDERS_LOST = {
    "a_buy": {},
    "a_sale": {"side": "SELL"},
    "at_restart": {"reason": alarms.RESTART},
}
OWN_SALES = {"both": {}, "all_of_ours": {"ours": 2, "left": 0}, "own_only": {"ours": 0}}
STATES = {
    "one_reason": {},
    "stop_streak": {"reason": "stop_streak"},
    "halt_file": {"state": "halted", "reason": "halt_file,broker_sick"},
    "normal_again": {"state": "active", "before": "reducing"},
    "halt_file_gone": {"state": "active", "before": "halted", "reason": "halt_file"},
}
FULL = a_status(
    paused=False,
    entries_open=True,
    entry_blocks=(),
    broker_ok=True,
    broker_checked_at=NOW,
    state=TradingState.ACTIVE,
    plans=(PLAN, msgspec.structs.replace(PLAN, state=PlanState.RUNNING, ticker="AMD", next_tranche=4)),
    buying_power_usd=Decimal("5000.00"),
    krw_per_usd=Decimal(1400),
    positions=(position(own_qty=1, frozen="split", priced_at=NOW - dt.timedelta(minutes=5)),),
)
FEEDS = {
    "on_time": {"feed": "connected", "delay_s": "2.4", "delayed": "False"},
    "late": {"feed": "connected", "delay_s": "902.0", "delayed": "True"},
    "unmeasured": {"feed": "connected", "delay_s": ""},
    "waits": {"feed": "another_collector"},
    "slow_reader": {"feed": "connected", "delay_s": "2.4", "lag_s": "31.2"},
    "gaps": {"feed": "connected", "delay_s": "2.4", "lag_s": "0.0", "gaps": "3"},
}
BUS = BusState(
    life="1",
    used_bytes=31_400_000,
    most_bytes=268_435_456,
    lags=(
        GroupLag(channel=Channel.SIGNAL, group="trader", pending=0, behind_s=0.2),
        GroupLag(channel=Channel.BARS, group="analyzer", pending=2, behind_s=1.5),
    ),
)
BUSES = {
    "full": msgspec.structs.replace(BUS, full=True),
    "filling": msgspec.structs.replace(BUS, used_bytes=230_000_000),
    "evicts": msgspec.structs.replace(BUS, evicts=True),
    "forgets": msgspec.structs.replace(BUS, durable=False),
    "hosted": BusState(life="1"),
    "away": None,
}
WATCHING = {"mono": "1000.5", "stops": '{"NVDA": 999.1, "AMD": 999.9}', "market_open": "True"}
BEATS = {
    "collector": {"at": NOW.isoformat(), **FEEDS["on_time"]},
    "analyzer": {"at": (NOW - dt.timedelta(minutes=1)).isoformat()},
    "trader": {},
}
LIVELY = {
    "collector": {**BEATS["collector"], "pss_mb": "131.2"},
    "analyzer": {"at": NOW.isoformat(), "pss_mb": "80.4"},
    "trader": {"at": NOW.isoformat(), **WATCHING, "outbox": "0", "outbox_waits_for": "", "pss_mb": "61.0"},
    "bot": {"at": NOW.isoformat(), "pss_mb": "102.9"},
}


def said(kind: EventKind, **changes: object) -> Event:
    return event(kind, "NVDA", **(VALUES | changes))


SECURITIES = {
    "one_by_one": {"securities_at": NOW.isoformat(), "instruments": "11204"},
    "counted": {
        "securities_at": (NOW - dt.timedelta(hours=9)).isoformat(),
        "instruments": "11204",
        "counts_at": (NOW - dt.timedelta(hours=9)).isoformat(),
    },
    "old": {"securities_at": (NOW - dt.timedelta(days=3)).isoformat(), "instruments": "11204"},
}


def told(kind: EventKind) -> Callable[[Translator], Notice | None]:
    source = {EventKind.BUY_COMPLETE: BOUGHT, EventKind.SOLD: SOLD}.get(kind) or said(kind, **TOLD.get(kind, {}))
    return lambda t: notices.notice(source, NotificationParams(), t, standing=STANDING)


SAMPLES: Samples = {
    "alarms.token_shared": alarms.token_shared,
    "alarms.watched": lambda t: alarms.watched(said(EventKind.WATCHED), t),
    "alarms.unfrozen": lambda t: alarms.unfrozen(said(EventKind.UNFROZEN), t),
    "alarms.unfrozen-split": lambda t: alarms.unfrozen(said(EventKind.UNFROZEN, qty=12, stop_price="68.00"), t),
    "alarms.guardian_sold": lambda t: alarms.guardian_sold(said(EventKind.GUARDIAN_TOOK_OVER, qty=1), t),
    "alarms.exit_waits": lambda t: alarms.exit_waits(said(EventKind.EXIT_WAITS, reason="STOP"), t),
    "alarms.order_line": lambda t: alarms.order_line(said(EventKind.ORDER_UNKNOWN, qty=1), t),
    "alarms.reasons": lambda t: alarms.reasons(["paused", "outside_window"], t),
    **{
        f"alarms.order_unknown-{name}": (lambda t, v=v: alarms.order_unknown(said(EventKind.ORDER_UNKNOWN, **v), t))
        for name, v in ORDERS_LOST.items()
    },
    **{
        f"alarms.manual_sold-{name}": (lambda t, v=v: alarms.manual_sold(said(EventKind.MANUAL_SOLD, **v), t))
        for name, v in OWN_SALES.items()
    },
    **{
        f"alarms.state_changed-{name}": (lambda t, v=v: alarms.state_changed(said(EventKind.STATE_CHANGED, **v), t))
        for name, v in STATES.items()
    },
    "alarms.how_to_go_on": lambda t: alarms.how_to_go_on(["broker_sick"], t),
    "alarms.unwatched": lambda t: alarms.unwatched(said(EventKind.UNWATCHED), STANDING, t),
    "alarms.unwatched-stop_unknown": lambda t: alarms.unwatched(said(EventKind.UNWATCHED), None, t),
    "alerts.hours": lambda t: alerts.hours(QuietHours(dt.time(23), dt.time(7)), t),
    "alerts.budget_text": lambda t: alerts.budget_text(10, t),
    "alerts.alerts": lambda t: alerts.alerts(Alerts(quiet=QuietHours(dt.time(23), dt.time(7))), t),
    "alerts.quiet_choice": lambda t: alerts.quiet_choice(Alerts(), t),
    "alerts.budget_choice": lambda t: alerts.budget_choice(Alerts(), t),
    "alerts.bad_hours": lambda t: alerts.bad_hours("25-7", t),
    "alerts.digest": lambda t: alerts.digest([(NOW, "NVDA")], t),
    "alerts.repeated": lambda t: alerts.repeated(View("NVDA"), t),
    **{
        f"feed.told-{key}": (lambda t, key=key: feed.told(said(EventKind.FEED_DOWN, key=key), t))
        for key in FEED_TROUBLES
    },
    "feed.told-slow_line": lambda t: feed.told(said(EventKind.FEED_DELAYED, delay_s="140"), t),
    "feed.told-back_at_once": lambda t: feed.told(said(EventKind.FEED_UP, minutes=0), t),
    "feed.split-reverse": lambda t: feed.split(said(EventKind.SPLIT_TODAY, new=1.0, old=25.0), t),
    "feed.halted-held": lambda t: feed.halted(said(EventKind.TICKER_HALTED, since_ms=1_795_188_600_000, held=True), t),
    "feed.resumed-held": lambda t: feed.resumed(said(EventKind.TICKER_RESUMED, held=True), t),
    "feed.split-small": lambda t: feed.split(said(EventKind.SPLIT_TODAY, new=21.0, old=20.0), t),
    **{
        f"feed.securities_line-{name}": (lambda t, b=b: feed.securities_line(b, NOW, t))
        for name, b in SECURITIES.items()
    },
    "feed.minutes": lambda _: str(feed.minutes(Decimal(20))),
    **{f"feed.health_line-{name}": (lambda t, b=b: feed.health_line(b, t)) for name, b in FEEDS.items()},
    "guardian.guardian": lambda t: guardian.guardian(Beats(trader_age_s=1, guardian_age_s=2), Guard.TRADER, t),
    "guardian.guardian-keeps": lambda t: guardian.guardian(
        Beats(trader_age_s=300, guardian_age_s=2, keeps=True, standby=True), Guard.GUARDIAN_KEEPS, t
    ),
    **{f"guardian.line-{g.value}": (lambda t, g=g: guardian.line(g, t)) for g in Guard},
    "guardian.line-changing": lambda t: guardian.line(None, t),
    "guardian.changed-nothing_held": lambda t: guardian.changed(
        Guard.TRADER, Guard.NOBODY, Standing(at=NOW, held=(), state=None), NOW, t
    ),
    "guardian.changed-holdings_unknown": lambda t: guardian.changed(Guard.TRADER, Guard.NOBODY, None, NOW, t),
    "guardian.changed-answers_again": lambda t: guardian.changed(Guard.TRADER_ALONE, Guard.TRADER, STANDING, NOW, t),
    "guardian.changed-guarded_again": lambda t: guardian.changed(Guard.NOBODY, Guard.TRADER, STANDING, NOW, t),
    **{
        f"guardian.changed-{g.value}": (
            lambda t, g=g: guardian.changed(
                Guard.TRADER if g is not Guard.TRADER else Guard.GUARDIAN, g, STANDING, NOW, t
            )
        )
        for g in Guard
    },
    "guardian.handback_question": lambda t: guardian.handback_question("n1", t),
    **{f"guardian.{f.__name__}": f for f in (guardian.handback_asked, guardian.handback_failed, guardian.nothing_kept)},
    **{f"notices.notice-{kind.value}": told(kind) for kind in EventKind if kind not in notices.SILENT},
    **{
        f"notices.notice-trouble_{what}": (
            lambda t, what=what: notices.notice(
                said(EventKind.TROUBLE, what=what, where="reconcile"), NotificationParams(), t
            )
        )
        for what in TROUBLES
        if what not in {"clock_skew", "several_orders_match"}  # the first is told above, the second is a card that asks
    },
    "pinned.row": lambda t: pinned.row(HELD, t),
    "pinned.pinned": lambda t: pinned.pinned(STANDING, t),
    "schedule.schedule": lambda t: schedule.schedule(SESSION, WINDOW_AT, REPORT_AT, NOW, PARAMS, t),
    "schedule.schedule-half_day": lambda t: schedule.schedule(
        HALF_DAY, WINDOW_AT, REPORT_AT, NOW - dt.timedelta(hours=9), PARAMS, t
    ),
    "schedule.watch_started": lambda t: schedule.watch_started(SESSION, t),
    "schedule.session_opened": lambda t: schedule.session_opened(SESSION, WINDOW_AT, t),
    "schedule.window_opened": lambda t: schedule.window_opened(plain_word(MODES, "approve", t), t),
    "schedule.session_closed": lambda t: schedule.session_closed(REPORT_AT, t),
    "schedule.holiday": lambda t: schedule.holiday(NOW.date(), SESSION, t),
    "schedule.session_opened-half_day": lambda t: schedule.session_opened(HALF_DAY, WINDOW_AT, t),
    "schedule.daylight_saving-ends": lambda t: schedule.daylight_saving(SESSION, begins=False, t=t),
    "schedule.daylight_saving": lambda t: schedule.daylight_saving(SESSION, begins=True, t=t),
    "status.clocks": lambda t: status.clocks(SESSION, NOW, t),
    "status.aged": lambda t: status.aged(NOW - dt.timedelta(minutes=5), NOW, t),
    "status.position_lines": lambda t: status.position_lines(position(), NOW, t),
    "status.pnl_usd": lambda t: status.pnl_usd(position(), t),
    "status.block_row": lambda t: status.block_row(Block(reason="broker_sick", since=NOW), NOW, t),
    "status.status": lambda t: status.status(a_status(), SESSION, NOW, t),
    "status.status-active": lambda t: status.status(FULL, SESSION, NOW, t),
    **{
        f"status.clocks-{name}": (lambda t, at=at: status.clocks(SESSION, at, t))
        for name, at in (
            ("pre", SESSION.pre_open_at),
            ("after", SESSION.close_at),
            ("closed", SESSION.pre_open_at - dt.timedelta(hours=2)),
        )
    },
    "status.positions-none": lambda t: status.positions((), NOW, t),
    "status.positions-from_the_database": lambda t: status.positions(
        FULL.positions, NOW, t, known_at=NOW - dt.timedelta(hours=1)
    ),
    "status.orders-none": lambda t: status.orders(a_status(), NOW, t),
    "status.locks-none": lambda t: status.locks((), t),
    "status.balance-known": lambda t: status.balance(FULL, t),
    "status.health-alive": lambda t: status.health(
        BEATS,
        FULL,
        bus=BUS,
        database=True,
        now=NOW,
        old=dt.timedelta(seconds=15),
        guardian=guardian.line(Guard.TRADER, t),
        t=t,
    ),
    "status.health-all_away": lambda t: status.health(
        None, None, bus=None, database=False, now=NOW, old=dt.timedelta(seconds=15), guardian=None, t=t, conflict=True
    ),
    "status.health-figures": lambda t: status.health(
        LIVELY,
        FULL,
        bus=BUS,
        database=True,
        now=NOW,
        old=dt.timedelta(seconds=15),
        guardian=guardian.line(Guard.TRADER, t),
        guardian_mb=22.5,
        t=t,
    ),
    **{
        f"servers.told-{what}{'_over' if over else ''}": (
            lambda t, what=what, over=over: servers.told(what, over=over, t=t)
        )
        for over, texts in ((False, servers.BEGUN), (True, servers.OVER))
        for what in texts
    },
    "servers.redis_line": lambda t: servers.redis_line(BUS, t),
    **{f"servers.redis_line-{name}": (lambda t, b=b: servers.redis_line(b, t)) for name, b in BUSES.items()},
    "servers.readers_line": lambda t: servers.readers_line(BUS, t),
    "servers.readers_line-behind": lambda t: servers.readers_line(
        BusState(life="1", lags=(GroupLag(channel=Channel.SIGNAL, group="trader", pending=3, behind_s=42.0),)), t
    ),
    "servers.stops_line": lambda t: servers.stops_line(WATCHING, t),
    "servers.stops_line-late": lambda t: servers.stops_line({**WATCHING, "mono": "1031.0"}, t),
    "servers.memory_line": lambda t: servers.memory_line(LIVELY, None, t),
    "servers.memory_line-much": lambda t: servers.memory_line({"collector": {"pss_mb": "431"}}, 101.0, t),
    "servers.database_line": lambda t: servers.database_line({}, answers=True, t=t),
    "servers.database_line-away": lambda t: servers.database_line({"outbox": "12"}, answers=False, t=t),
    "servers.database_line-not_to_the_trader": lambda t: servers.database_line(
        {"outbox": "12", "outbox_waits_for": "database"}, answers=True, t=t
    ),
    "status.plan_row-running": lambda t: status.plan_row(FULL.plans[1], t),
    "status.position_row": lambda t: status.position_row(position(), NOW, t),
    "status.plan_row": lambda t: status.plan_row(PLAN, t),
    "status.positions": lambda t: status.positions((position(),), NOW, t),
    "status.order_row": lambda t: status.order_row(ORDER, NOW, t),
    "status.orders": lambda t: status.orders(a_status(orders=(ORDER,)), NOW, t),
    "status.balance": lambda t: status.balance(a_status(), t),
    "status.locks": lambda t: status.locks([Lock(ticker="NVDA", reason="cooldown", until=SOON)], t),
    "status.health": lambda t: status.health(
        {}, a_status(), bus=BUSES["hosted"], database=True, now=NOW, old=dt.timedelta(seconds=15), guardian=None, t=t
    ),
    "status.version": lambda t: status.version("1.0", "paper", t),
}

"""The board, /status and its kin, the day, the guardian, alarms, notices, /alerts."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

from bot_samples import NOW, a_status, event, position

from bot.alerts import Alerts, QuietHours
from bot.beats import Beats, Guard
from bot.i18n import Translator
from bot.views import (
    alarms,
    alerts,
    guardian,
    notices,
    pinned,
    schedule,
    status,
)
from bot.views.base import View
from bot.views.notices import Notice
from core.model.commands import Lock
from core.model.instrument import Exchange
from core.model.messages import EventKind
from core.model.order import Intent, IntentState, OrderRequest, Purpose, Side
from core.model.params import NotificationParams
from core.model.safety import Block
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
}
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


def told(kind: EventKind) -> Callable[[Translator], Notice | None]:
    source = {EventKind.BUY_COMPLETE: BOUGHT, EventKind.SOLD: SOLD}.get(kind, event(kind, "NVDA", **VALUES))
    return lambda t: notices.notice(source, NotificationParams(), t, standing=STANDING)


SAMPLES: Samples = {
    "alarms.token_shared": alarms.token_shared,
    **{
        f"alarms.{name}": (lambda t, name=name: getattr(alarms, name)(event(EventKind.TROUBLE, "NVDA", **VALUES), t))
        for name in ("state_changed", "watched", "order_unknown", "manual_sold", "unfrozen", "guardian_sold")
    },
    "alarms.exit_waits": lambda t: alarms.exit_waits(
        event(EventKind.EXIT_WAITS, "NVDA", **(VALUES | {"reason": "STOP"})), t
    ),
    "alarms.how_to_go_on": lambda t: alarms.how_to_go_on(["broker_sick"], t),
    "alarms.unwatched": lambda t: alarms.unwatched(event(EventKind.UNWATCHED, **VALUES), STANDING, t),
    "alerts.hours": lambda t: alerts.hours(QuietHours(dt.time(23), dt.time(7)), t),
    "alerts.budget_text": lambda t: alerts.budget_text(10, t),
    "alerts.alerts": lambda t: alerts.alerts(Alerts(quiet=QuietHours(dt.time(23), dt.time(7))), t),
    "alerts.quiet_choice": lambda t: alerts.quiet_choice(Alerts(), t),
    "alerts.budget_choice": lambda t: alerts.budget_choice(Alerts(), t),
    "alerts.bad_hours": lambda t: alerts.bad_hours("25-7", t),
    "alerts.digest": lambda t: alerts.digest([(NOW, "NVDA")], t),
    "alerts.repeated": lambda t: alerts.repeated(View("NVDA"), t),
    "guardian.guardian": lambda t: guardian.guardian(Beats(trader_age_s=1, guardian_age_s=2), Guard.TRADER, t),
    "guardian.line": lambda t: guardian.line(Guard.GUARDIAN_KEEPS, t),
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
    "pinned.row": lambda t: pinned.row(HELD, t),
    "pinned.pinned": lambda t: pinned.pinned(STANDING, t),
    "schedule.schedule": lambda t: schedule.schedule(SESSION, NOW, SOON, NOW, PARAMS, t),
    "schedule.watch_started": lambda t: schedule.watch_started(SESSION, t),
    "schedule.session_opened": lambda t: schedule.session_opened(SESSION, NOW, t),
    "schedule.window_opened": lambda t: schedule.window_opened("approve", t),
    "schedule.session_closed": lambda t: schedule.session_closed(SOON, t),
    "schedule.holiday": lambda t: schedule.holiday(NOW.date(), SESSION, t),
    "schedule.daylight_saving": lambda t: schedule.daylight_saving(SESSION, begins=True, t=t),
    "status.clocks": lambda t: status.clocks(SESSION, NOW, t),
    "status.aged": lambda t: status.aged(NOW - dt.timedelta(minutes=5), NOW, t),
    "status.position_lines": lambda t: status.position_lines(position(), NOW, t),
    "status.pnl_usd": lambda t: status.pnl_usd(position(), t),
    "status.block_row": lambda t: status.block_row(Block(reason="broker_sick", since=NOW), NOW, t),
    "status.status": lambda t: status.status(a_status(), SESSION, NOW, t),
    "status.position_row": lambda t: status.position_row(position(), NOW, t),
    "status.plan_row": lambda t: status.plan_row(PLAN, t),
    "status.positions": lambda t: status.positions((position(),), NOW, t),
    "status.order_row": lambda t: status.order_row(ORDER, NOW, t),
    "status.orders": lambda t: status.orders(a_status(orders=(ORDER,)), NOW, t),
    "status.balance": lambda t: status.balance(a_status(), t),
    "status.locks": lambda t: status.locks([Lock(ticker="NVDA", reason="cooldown", until=SOON)], t),
    "status.health": lambda t: status.health(
        {}, a_status(), database=True, now=NOW, old=dt.timedelta(seconds=15), guardian=None, t=t
    ),
    "status.version": lambda t: status.version("1.0", "paper", t),
}

"""One example or more of every view: `module.function` or `module.function-variant` to what it shows in a language."""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec
from bot_samples import NOW, a_status, card, event, found, position, proposed, signal, trip

from bot import reporting
from bot.alerts import Alerts, QuietHours
from bot.beats import Beats, Guard
from bot.card import with_signal
from bot.i18n import Translator
from bot.question import Kind, Question, Stage
from bot.registry import COMMANDS
from bot.secondfactor import Verdict
from bot.views import (
    accounts,
    alarms,
    alerts,
    chart,
    confirm,
    discovery,
    export,
    fills,
    foregone,
    guardian,
    liquidation,
    notices,
    pending,
    pinned,
    questions,
    replies,
    report,
    schedule,
    status,
    tickers,
    watching,
    why,
)
from bot.views import (
    help as help_views,
)
from bot.views.base import View
from bot.views.liquidation import Liquidation, Sale
from bot.views.notices import Notice
from bot.views.pending import Waiting
from bot.views.pinned import Held, Standing
from core.model.bar import MINUTE_MS, Bar
from core.model.commands import Lock, Reply, ReplyKey
from core.model.foregone import Cause, Ended, Foregone, Outcome
from core.model.instrument import Exchange, Instrument
from core.model.messages import EventKind
from core.model.order import Intent, IntentState, OrderRequest, Purpose, Side
from core.model.params import NotificationParams, Params, TaxParams
from core.model.position import Plan, PlanState, ResultParts
from core.model.safety import Block, TradingState
from core.model.session import MarketSession
from core.model.signal import SignalType
from core.rules.performance import summarise
from core.rules.results import Results
from core.rules.tax import TaxEstimate
from ports.store import SignalRow, TradeRow

PARAMS = Params()
SESSION = MarketSession(
    on=NOW.date(),
    pre_open_at=NOW - dt.timedelta(hours=7),
    open_at=NOW - dt.timedelta(hours=1),
    close_at=NOW + dt.timedelta(hours=5, minutes=29),
    post_close_at=NOW + dt.timedelta(hours=9),
)
SOON = NOW + dt.timedelta(minutes=10)
DONE = Reply(ok=True, key=ReplyKey.DONE)
REFUSED = Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": "stale_data"})
NVDA = Instrument(ticker="NVDA", name="NVIDIA Corp", name_ko="엔비디아")
HELD = Held(ticker="NVDA", qty=7, stop_price=Decimal("121.72"), name="NVIDIA Corp", name_ko="엔비디아")
STANDING = Standing(at=NOW, held=(HELD,), state=TradingState.ACTIVE)
BAR = Bar("NVDA", int(NOW.timestamp() * 1000) - MINUTE_MS, 142.0, 143.0, 141.0, 142.5, 100)
PLAN = Plan(
    id="plan1",
    nonce="n1",
    signal_id="sig",
    ticker="NVDA",
    exchange=Exchange.NASD,
    name="NVIDIA Corp",
    name_ko="엔비디아",
    state=PlanState.PROPOSED,
    budget_krw=Decimal(1_000_000),
    budget_usd=Decimal("714.28"),
    krw_per_usd=Decimal(1400),
    reference_price=Decimal("142.50"),
    tranches=10,
    interval_s=60,
    created_at=NOW,
    expires_at=SOON,
)
FILL = TradeRow(
    key="1",
    ticker="NVDA",
    side=Side.BUY,
    quantity=7,
    price=Decimal("143.20"),
    total_amount=Decimal(1_002_400),
    signal_type="BUY",
    created_at=NOW,
)
RESULTS = Results(
    trips=2,
    wins=1,
    losses=1,
    win_rate=Decimal(50),
    pnl_krw=Decimal(267_200),
    pnl_usd=Decimal("190.86"),
    stock_krw=Decimal(270_000),
    fx_krw=Decimal(2_200),
    fee_krw=Decimal(-5_000),
    fees_usd=Decimal("3.57"),
    unsplit=1,
    unsplit_krw=Decimal(0),
    profit_factor=Decimal("6.3"),
    average_win_krw=Decimal(317_200),
    average_loss_krw=Decimal(-50_000),
    average_holding=dt.timedelta(hours=3, minutes=12),
    by_ticker=(),
)
TAX = TaxEstimate(
    year=2026,
    sales=(),
    proceeds_krw=Decimal(0),
    cost_krw=Decimal(0),
    fees_krw=Decimal(0),
    gain_krw=Decimal(0),
    deduction_krw=Decimal(0),
    taxable_krw=Decimal(0),
    tax_krw=Decimal(0),
    unknown=0,
    estimated=True,
)
MISSED = Foregone(
    key="k",
    ticker="NVDA",
    name="NVIDIA Corp",
    name_ko="엔비디아",
    cause=Cause.EXPIRED,
    at=NOW,
    price=Decimal("142.50"),
)
OUTCOME = Outcome(
    high_pct=Decimal(6),
    low_pct=Decimal("-1.2"),
    last_pct=Decimal("3.1"),
    ended=Ended.CLOSE,
    result_pct=Decimal("3.1"),
    bars=300,
)
BOUGHT = event(
    EventKind.BUY_COMPLETE,
    qty=7,
    tranches=10,
    of=10,
    avg_price="143.20",
    total_krw="1002400",
    target_price="186.16",
    stop_price="121.72",
    complete=True,
)
SOLD = event(
    EventKind.SOLD,
    "NVDA",
    qty=7,
    sell_price="188.50",
    avg_price="143.20",
    pnl_pct="31.63",
    pnl_krw="317200",
    reason="TREND_BROKEN",
    conditions="macd_turned_negative",
)
FILLED = event(
    EventKind.TRANCHE_FILLED,
    tranche=3,
    of=10,
    qty=1,
    price="142.6",
    total_qty=3,
    avg_price="142.55",
    invested_krw="598710",
    stop_price="121.17",
    target_price="185.32",
)
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
REPORT = report.ReportModel(
    period="day",
    on=NOW.date(),
    trips=(trip(), trip("AMD", -50_000, "STOP")),
    result=summarise((trip(), trip("AMD", -50_000, "STOP"))),
    now=NOW,
)
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


PARTS = ResultParts(fx_krw=Decimal(2_200), fee_krw=Decimal(-5_000))


def asked(kind: Kind, **changes: object) -> Question:
    base: dict[str, object] = {
        "key": "k",
        "nonce": "n1",
        "kind": kind,
        "ticker": "NVDA",
        "subject": "s",
        "at": NOW,
        "events": (),
        "name": "NVIDIA Corp",
        "name_ko": "엔비디아",
        "qty": 3,
        "price": Decimal("142.50"),
        "held": 70,
        "expected": 7,
        "side": "BUY",
    }
    return Question(**(base | changes))


def told(kind: EventKind) -> Callable[[Translator], Notice | None]:
    source = {EventKind.BUY_COMPLETE: BOUGHT, EventKind.SOLD: SOLD}.get(kind, event(kind, "NVDA", **VALUES))
    return lambda t: notices.notice(source, NotificationParams(), t, standing=STANDING)


Shown = View | Notice | str | None
SAMPLES: Mapping[str, Callable[[Translator], Shown]] = {
    "accounts.trades": lambda t: accounts.trades([reporting.Grouped("NVDA", trip(), (FILL,))], 1, "", t),
    "accounts.pnl": lambda t: accounts.pnl("month", "11/20", RESULTS, t),
    "accounts.tax": lambda t: accounts.tax(TAX, TaxParams(), t),
    "accounts.report_usage": lambda t: accounts.report_usage("decade", t),
    "accounts.pnl_usage": lambda t: accounts.pnl_usage("decade", t),
    "accounts.trades_usage": lambda t: accounts.trades_usage("many", 50, t),
    "accounts.year_usage": lambda t: accounts.year_usage("1999", 2020, 2026, t),
    "accounts.export_usage": lambda t: accounts.export_usage("all of it", t),
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
    "chart.caption": lambda t: chart.caption("NVDA", "NVIDIA Corp", BAR, 140.0, NOW, NOW, t),
    "chart.unknown_overlay": lambda t: chart.unknown_overlay("vwpa", ["vwap"], t),
    "chart.too_many_overlays": lambda t: chart.too_many_overlays(3, t),
    "chart.overlay_failed": lambda t: chart.overlay_failed(["vwap"], 1, t),
    "chart.theme_not_kept": chart.theme_not_kept,
    "confirm.code_wanted": confirm.code_wanted,
    **{
        f"confirm.code_refused-{v.value}": (lambda t, v=v: confirm.code_refused(v, t))
        for v in Verdict
        if v is not Verdict.GOOD
    },
    "confirm.locked": confirm.locked,
    "confirm.secret_unreadable": confirm.secret_unreadable,
    "confirm.word_wrong": confirm.word_wrong,
    "discovery.facts": lambda t: discovery.facts(card(), PARAMS, t),
    "discovery.discovery": lambda t: discovery.discovery(card(proposed()), PARAMS, t, SESSION),
    "discovery.discovery-watch": lambda t: discovery.discovery(with_signal(None, signal(SignalType.WATCH)), PARAMS, t),
    "discovery.state_line": lambda t: discovery.state_line(card(proposed(), event(EventKind.PLAN_EXPIRED)), t),
    "discovery.progress_toast": lambda t: discovery.progress_toast(card(proposed()), t),
    "discovery.row": lambda t: discovery.row(card(proposed()), NOW, t),
    "discovery.in_brief": lambda t: discovery.in_brief(card(proposed(), discovery=found()), t),
    "export.caption": lambda t: export.caption(3, t),
    "export.nothing": lambda t: export.nothing(2026, t),
    "fills.progress": lambda t: fills.progress(FILLED, t),
    "fills.progress_end": lambda t: fills.progress_end("NVDA", 4, 10, complete=False, t=t),
    "fills.buy_complete": lambda t: fills.buy_complete(BOUGHT, t),
    "fills.sold": lambda t: fills.sold(SOLD, t),
    "fills.sale_reason": lambda t: fills.sale_reason(SOLD.values, t),
    "foregone.row": lambda t: foregone.row(MISSED, OUTCOME, t),
    "foregone.summary": lambda t: foregone.summary(Cause.EXPIRED, [(MISSED, OUTCOME)], t),
    "foregone.morning": lambda t: foregone.morning([(MISSED, OUTCOME)], t),
    "foregone.week": lambda t: foregone.week([(MISSED, OUTCOME)], t),
    "foregone.week-empty": lambda t: foregone.week([], t),
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
    **{
        f"help.{f.__name__}": f
        for f in (
            help_views.start,
            help_views.language_choice,
            help_views.language_set,
            help_views.not_allowed,
            help_views.owners_only,
            help_views.owners_only_toast,
            help_views.forwarded,
            help_views.storage_down,
            help_views.bus_down,
            help_views.charts_busy,
        )
    },
    "help.help_": lambda t: help_views.help_(COMMANDS, t),
    "help.usage": lambda t: help_views.usage(next(s for s in COMMANDS if s.name == "chart"), t),
    "help.menu_text": lambda t: help_views.menu_text(next(s for s in COMMANDS if s.name == "chart"), t),
    "help.unknown": lambda t: help_views.unknown("status", t),
    "help.stale": lambda t: help_views.stale(dt.timedelta(minutes=12), t),
    "help.failed": lambda t: help_views.failed("ab12", t),
    **{
        f"help.{f.__name__}": (lambda t, f=f: f("NVDA", t))
        for f in (help_views.no_bars, help_views.vendor_away, help_views.no_signal, help_views.no_plan)
    },
    "liquidation.liquidation": lambda t: liquidation.liquidation(
        Liquidation(
            started_at=NOW,
            sales=(
                Sale(ticker="NVDA", name_ko="엔비디아", qty=7, pnl_krw=Decimal(317_200)),
                Sale(ticker="AMD", qty=2),
                Sale(ticker="TSLA", qty=1, waits=True),
            ),
        ),
        t,
    ),
    "liquidation.nothing_held": liquidation.nothing_held,
    **{f"notices.notice-{kind.value}": told(kind) for kind in EventKind if kind not in notices.SILENT},
    "pending.pending": lambda t: pending.pending([Waiting(plan=PLAN, worst_case_krw=Decimal(150_000))] * 2, "n1", t),
    "pending.pending-empty": lambda t: pending.pending([], "n1", t),
    "pending.several": lambda t: pending.several(2, t),
    "pending.decided": lambda t: pending.decided(
        [("NVDA", Reply(ok=True, key=ReplyKey.APPROVED)), ("AMD", REFUSED)], t
    ),
    "pending.outcome": lambda t: pending.outcome(Reply(ok=False, key=ReplyKey.EXPIRED), t),
    "pinned.row": lambda t: pinned.row(HELD, t),
    "pinned.pinned": lambda t: pinned.pinned(STANDING, t),
    **{
        f"questions.question-{k.value}": (
            lambda t, k=k: questions.question(asked(k, reason="split" if k is Kind.FROZEN else ""), t)
        )
        for k in Kind
    },
    **{
        f"questions.question-{s.value}": (
            lambda t, s=s: questions.question(asked(Kind.MANUAL, stage=s, decided_at=NOW), t)
        )
        for s in Stage
        if s is not Stage.OPEN
    },
    "questions.more_bought": lambda t: questions.more_bought(asked(Kind.MANUAL), 2, t),
    "questions.toast": lambda t: questions.toast(asked(Kind.MANUAL, stage=Stage.ADOPTED, decided_at=NOW), t),
    "questions.told_late": lambda t: questions.told_late(asked(Kind.MANUAL, stage=Stage.ADOPTED, decided_at=NOW), t),
    **{
        f"replies.toast-{key.value}": (lambda t, key=key: replies.toast(Reply(ok=False, key=key), t))
        for key in ReplyKey
    },
    "replies.outcome": lambda t: replies.outcome(REFUSED, t),
    **{
        f"replies.{f.__name__}": f
        for f in (
            replies.unreachable,
            replies.unreachable_toast,
            replies.checking,
            replies.stale_button,
            replies.dismissed,
        )
    },
    "replies.panicked": lambda t: replies.panicked(
        Reply(ok=True, key=ReplyKey.DONE, values={"stopped": 1}, status=a_status()), "n1", t
    ),
    "replies.panic_unreachable": lambda t: replies.panic_unreachable(t, halted=True),
    "replies.panic_preview": lambda t: replies.panic_preview(a_status(), SESSION, NOW, t, coded=True),
    "replies.sell_preview": lambda t: replies.sell_preview(position(), 50, "n1", NOW, t),
    "replies.selling": lambda t: replies.selling("NVDA", DONE, t),
    "replies.not_held": lambda t: replies.not_held("NVDA", t),
    "replies.proposed": lambda t: replies.proposed("NVDA", DONE, t),
    "replies.resume_question": lambda t: replies.resume_question("n1", t),
    "replies.resumed": lambda t: replies.resumed(DONE, t),
    "replies.paused": lambda t: replies.paused(DONE, t),
    "replies.mode": lambda t: replies.mode("approve", t),
    "replies.mode_set": lambda t: replies.mode_set("auto", DONE, t),
    "replies.muted": lambda t: replies.muted("NVDA", SOON, t),
    "report.trip_row": lambda t: report.trip_row(trip(), t),
    "report.held_row": lambda t: report.held_row(position(), NOW, t),
    "report.split_line": lambda t: report.split_line([msgspec.structs.replace(trip(), parts=PARTS)], t),
    "report.report": lambda t: report.report(REPORT, t),
    "report.signals": lambda t: report.signals(
        [SignalRow(ticker="NVDA", signal_type="BUY", confidence=Decimal(87), indicators={}, created_at=NOW)], t
    ),
    "report.discoveries": lambda t: report.discoveries([discovery.row(card(), NOW, t)], t),
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
    "tickers.choose": lambda t: tickers.choose("엔비", [NVDA], "n1", t),
    "tickers.chosen": lambda t: tickers.chosen("NVDA", NVDA, t),
    "watching.title": lambda t: watching.title("NVDA", NVDA, t),
    "watching.added": lambda t: watching.added("NVDA", 1, 20, t),
    **{
        f"watching.{f.__name__}": (lambda t, f=f: f("NVDA", t))
        for f in (watching.removed, watching.already, watching.absent)
    },
    "watching.full": lambda t: watching.full(20, t),
    "watching.listed": lambda t: watching.listed([("NVDA", NVDA, BAR), ("AMD", None, None)], 20, NOW, t),
    "why.afterwards": lambda t: why.afterwards(142.5, [], position(), 150.0, t),
    "why.why": lambda t: why.why("NVDA", signal().verdict, NOW, NOW, PARAMS.analyzer, [], t),
}

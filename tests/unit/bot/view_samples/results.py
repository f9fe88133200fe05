"""Reports, fills, /pnl, /tax, files, and what /start, /help and a refusal say."""

import datetime as dt
from decimal import Decimal

import msgspec
from bot_samples import NOW, card, position, trip

from bot import reporting
from bot.registry import COMMANDS
from bot.views import (
    accounts,
    discovery,
    export,
    report,
)
from bot.views import (
    help as help_views,
)
from core.model.order import Side
from core.model.params import TaxParams
from core.model.position import ResultParts
from core.rules.performance import summarise
from core.rules.results import Results, results
from core.rules.tax import TaxEstimate, TaxSale
from ports.store import SignalRow, TradeRow
from view_samples.world import Samples

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
SALE = TaxSale(
    ticker="NVDA",
    settles_on=NOW.date(),
    at=NOW,
    qty=7,
    proceeds_krw=Decimal(4_320_000),
    cost_krw=Decimal(1_002_400),
    fees_krw=Decimal(12_000),
    estimated=True,
)
TAXED = msgspec.structs.replace(
    TAX,
    sales=(SALE,),
    proceeds_krw=Decimal(4_320_000),
    cost_krw=Decimal(1_002_400),
    fees_krw=Decimal(12_000),
    gain_krw=Decimal(3_305_600),
    deduction_krw=Decimal(2_500_000),
    taxable_krw=Decimal(805_600),
    tax_krw=Decimal(177_232),
    unknown=1,
)
LOSER = msgspec.structs.replace(
    trip("AMD", -50_000, "STOP"), name="Advanced Micro Devices", name_ko="AMD", pnl_pct=Decimal(-15)
)
HELD = position(opened_at=NOW - dt.timedelta(hours=2, minutes=5))
REPORT = report.ReportModel(
    period="day",
    on=NOW.date(),
    trips=(trip(), LOSER),
    result=summarise((trip(), LOSER)),
    now=NOW,
)
PARTS = ResultParts(fx_krw=Decimal(2_200), fee_krw=Decimal(-5_000))


SAMPLES: Samples = {
    "accounts.trades": lambda t: accounts.trades([reporting.Grouped("NVDA", trip(), (FILL,))], 1, "", t),
    "accounts.pnl": lambda t: accounts.pnl("month", t.day(NOW.date()), RESULTS, t),
    "accounts.pnl-nothing": lambda t: accounts.pnl("day", t.day(NOW.date()), results(()), t),
    **{
        f"accounts.pnl-{span}": (
            lambda t, span=span: accounts.pnl(span, t.day(NOW.date()), results((trip(), LOSER)), t)
        )
        for span in ("week", "year", "all")
    },
    "accounts.trades-open": lambda t: accounts.trades([reporting.Grouped("NVDA", None, (FILL,))], 1, "", t),
    "accounts.trades-none": lambda t: accounts.trades([], 0, "", t),
    "accounts.trades-none_of_it": lambda t: accounts.trades([], 0, "NVDA", t),
    "accounts.tax-due": lambda t: accounts.tax(TAXED, TaxParams(), t),
    "accounts.tax-below": lambda t: accounts.tax(
        msgspec.structs.replace(
            TAXED,
            proceeds_krw=Decimal(1_514_400),
            gain_krw=Decimal(500_000),
            deduction_krw=Decimal(500_000),
            taxable_krw=Decimal(0),
            tax_krw=Decimal(0),
            unknown=0,
            estimated=False,
        ),
        TaxParams(),
        t,
    ),
    "accounts.tax": lambda t: accounts.tax(TAX, TaxParams(), t),
    "accounts.report_usage": lambda t: accounts.report_usage("decade", t),
    "accounts.pnl_usage": lambda t: accounts.pnl_usage("decade", t),
    "accounts.trades_usage": lambda t: accounts.trades_usage("many", 50, t),
    "accounts.year_usage": lambda t: accounts.year_usage("1999", 2020, 2026, t),
    "accounts.export_usage": lambda t: accounts.export_usage("all of it", t),
    "export.caption": lambda t: export.caption(3, t),
    "export.nothing": lambda t: export.nothing(2026, t),
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
    "help.unknown-nothing_near": lambda t: help_views.unknown("", t),
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
    "help.vendor_away-kis": lambda t: help_views.vendor_away("NVDA", t, "kis"),
    "report.trip_row": lambda t: report.trip_row(trip(), t),
    "report.held_row": lambda t: report.held_row(HELD, NOW, t),
    "report.split_line": lambda t: report.split_line([msgspec.structs.replace(trip(), parts=PARTS)], t),
    "report.report": lambda t: report.report(REPORT, t),
    "report.report-week": lambda t: report.report(
        msgspec.structs.replace(
            REPORT,
            period="week",
            trips=(msgspec.structs.replace(trip(), parts=PARTS), LOSER),
            days=((NOW.date(), Decimal(317_200)), (NOW.date() + dt.timedelta(days=1), Decimal(-50_000))),
            held=(HELD,),
        ),
        t,
    ),
    "report.report-nothing": lambda t: report.report(msgspec.structs.replace(REPORT, trips=()), t),
    "report.signals-none": lambda t: report.signals((), t),
    "report.discoveries-none": lambda t: report.discoveries((), t),
    "report.signals": lambda t: report.signals(
        [SignalRow(ticker="NVDA", signal_type="BUY", confidence=Decimal(87), indicators={}, created_at=NOW)], t
    ),
    "report.discoveries": lambda t: report.discoveries([discovery.row(card(), NOW, t)], t),
}

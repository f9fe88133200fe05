"""Accounts in text: fills by round trip, results in parts, the tax estimate, and what is said around files."""

import html
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

from bot.i18n import KST, Markup, Translator, mark
from bot.reporting import Grouped, Span
from bot.views.base import RULE, View, lines, titled
from bot.views.words import PURPOSES, word
from core.model.order import Side
from core.model.params import TaxParams
from core.rules.results import Results, TickerResult
from core.rules.tax import TaxEstimate
from ports.store import TradeRow

SPAN_TITLES: dict[Span, str] = {
    "day": mark("💵 <b>Results</b> · session {day}"),
    "week": mark("💵 <b>Results</b> · 7 days until {day}"),
    "month": mark("💵 <b>Results</b> · 30 days until {day}"),
    "year": mark("💵 <b>Results</b> · this year until {day}"),
    "all": mark("💵 <b>Results</b> · everything until {day}"),
}
TOP = 3


def cells(text: str) -> int:
    """Width in a fixed-width font: Hangul is two cells."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _pre(rows: Sequence[tuple[str, str]]) -> Markup:
    """Amounts right-aligned, words last: Hangul of any width then moves nothing."""
    wide = max(cells(amount) for amount, _ in rows)
    shown = "\n".join(f"{' ' * (wide - cells(amount))}{amount}  {label}" for amount, label in rows)
    return Markup(f"<pre>{html.escape(shown, quote=False)}</pre>")


def _fill_row(row: TradeRow, t: Translator) -> str:
    return t(
        "{time} {side} {qty} @ {price}",
        time=f"{row.created_at.astimezone(KST):%m/%d %H:%M}",
        side=t("🔵 Buy") if row.side is Side.BUY else t("🟠 Sell"),
        qty=row.quantity,
        price=t.usd(row.price),
    )


def trades(groups: Sequence[Grouped], total: int, ticker: str, t: Translator) -> View:
    """The newest fills under the round trip they belong to."""
    if not groups:
        return View(t("🧮 No fills of {ticker} yet.", ticker=ticker) if ticker else t("🧮 No fills yet."))
    shown: list[str] = []
    for group in groups:
        if group.trip is None:
            head = t("<b>{ticker}</b> · not in a finished round trip", ticker=group.ticker)
        else:
            head = t(
                "<b>{title}</b> {pct} · {amount} · {reason}",
                title=titled(group.ticker, group.trip.name, group.trip.name_ko, t),
                pct=t.pct(group.trip.pnl_pct),
                amount=t.krw_signed(group.trip.pnl_krw),
                reason=word(PURPOSES, group.trip.reason, t),
            )
        shown += [head, *(_fill_row(row, t) for row in group.fills), ""]
    count = sum(len(group.fills) for group in groups)
    title = t("🧮 <b>Newest fills</b> · {count} of {total} (KST)", count=count, total=total)
    return View(lines(title, RULE, *shown[:-1]))


def _average(value: Decimal | None, t: Translator) -> str:
    return "-" if value is None else t.krw_signed(value)


def _tickers(title: str, rows: Sequence[TickerResult], t: Translator) -> list[str]:
    if not rows:
        return []
    amounts = [
        (t.krw_signed(row.pnl_krw), t.plain("{ticker} ({count})", ticker=row.ticker, count=row.trips)) for row in rows
    ]
    return [title, _pre(amounts)]


def pnl(span: Span, day: str, sums: Results, t: Translator) -> View:
    """A period in parts."""
    title = t(SPAN_TITLES[span], day=day)
    if not sums.trips:
        return View(lines(title, RULE, t("No position was closed in this period."), t("Try /pnl month or /pnl all.")))
    parts = [
        (t.krw_signed(sums.stock_krw), t.plain("Shares")),
        (t.krw_signed(sums.fx_krw), t.plain("Exchange rate")),
        (t.krw_signed(sums.fee_krw), t.plain("Fees")),
    ]
    if sums.unsplit == sums.trips:
        parts.clear()
    if sums.unsplit:
        parts.append((t.krw_signed(sums.unsplit_krw), t.plain("Parts unknown ({count})", count=sums.unsplit)))
    parts.append((t.krw_signed(sums.pnl_krw), t.plain("Realised")))
    parts.append((t.usd_signed(sums.pnl_usd), t.plain("in dollars")))
    factor = "-" if sums.profit_factor is None else f"{sums.profit_factor}"
    figures = [
        (str(sums.trips), t.plain("Round trips")),
        (f"{round(sums.win_rate)}%", t.plain("Win rate")),
        (factor, t.plain("Profit factor")),
        (_average(sums.average_win_krw, t), t.plain("Average win")),
        (_average(sums.average_loss_krw, t), t.plain("Average loss")),
        (t.span(sums.average_holding) if sums.average_holding is not None else "-", t.plain("Average holding")),
    ]
    best = [row for row in sums.by_ticker if row.pnl_krw > 0][:TOP]
    worst = [row for row in reversed(sums.by_ticker) if row.pnl_krw < 0][:TOP]
    return View(
        lines(
            title,
            RULE,
            _pre(parts),
            _pre(figures),
            *_tickers(t("🏆 Best tickers"), best, t),
            *_tickers(t("💧 Worst tickers"), worst, t),
            t("Results from before parts were kept can't be split; no rate is guessed.") if sums.unsplit else None,
        )
    )


METHODS = {"moving_average": mark("moving average"), "fifo": mark("first in, first out")}


def tax(found: TaxEstimate, params: TaxParams, t: Translator) -> View:
    """The year's estimate, what it rests on, and what it is not."""
    title = t("🧾 <b>Capital gains tax estimate</b> · {year}", year=found.year)
    warning = t("Only this bot's sales are known; the deduction counts once for all your foreign stocks together.")
    advice = t("An estimate, not tax advice. Please check with your broker's figures before filing.")
    if not found.sales:
        return View(lines(title, RULE, t("No sale settled in {year}.", year=found.year), "", warning, advice))
    rows = [
        (t.krw(found.proceeds_krw), t.plain("Proceeds")),
        (t.krw_signed(-found.cost_krw), t.plain("Cost")),
        (t.krw_signed(-found.fees_krw), t.plain("Fees")),
        (t.krw_signed(found.gain_krw), t.plain("Gain")),
        (t.krw_signed(-found.deduction_krw), t.plain("Basic deduction")),
        (t.krw(found.taxable_krw), t.plain("Taxable")),
        (t.krw(found.tax_krw), t.plain("Tax at {rate}%", rate=f"{params.rate_pct:g}")),
    ]
    left = Decimal(params.basic_deduction) - found.gain_krw
    return View(
        lines(
            title,
            RULE,
            _pre(rows),
            t("Left of the deduction: {amount}", amount=t.krw(left)) if left > 0 else None,
            t("Sales: {count} · cost by {method}", count=len(found.sales), method=t(METHODS[params.cost_method])),
            t("Settlement T+{days}; estimated with the fill day's rate", days=params.settlement_days)
            if found.estimated
            else t("Settlement T+{days}, at the settlement date's rate", days=params.settlement_days),
            t("⚠️ Sales left out: {count}. Their rate, fee or cost is not known.", count=found.unknown)
            if found.unknown
            else None,
            "",
            warning,
            advice,
        )
    )


def report_usage(text: str, t: Translator) -> View:
    return View(t("I don't know the period {text}. Try /report day, /report week or /report month.", text=text[:20]))


def pnl_usage(text: str, t: Translator) -> View:
    return View(t("I don't know the period {text}. Try /pnl day, week, month, year or all.", text=text[:20]))


def trades_usage(text: str, limit: int, t: Translator) -> View:
    return View(
        t(
            "I don't understand {text}. Try /trades NVDA 20: a ticker and up to {limit} fills.",
            text=text[:20],
            limit=limit,
        )
    )


def year_usage(text: str, first: int, last: int, t: Translator) -> View:
    return View(
        t(
            "I don't understand the year {text}. Please write one from {first} to {last}.",
            text=text[:20],
            first=first,
            last=last,
        )
    )


def export_usage(text: str, t: Translator) -> View:
    return View(t("I don't understand {text}. Try /export trades 2026, or pnl, tax or all.", text=text[:20]))

"""Results: the report's text and picture, the list of fills, signals and discoveries, and why a signal came."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from bot.i18n import Markup, Translator, mark
from bot.reporting import Period, Summary, curve
from bot.views.base import RULE, View, bounded, lines, titled
from bot.views.words import PURPOSES, SIGNALS, plain_word, word
from charts.equity import MAX_ROWS as PICTURE_ROWS
from charts.equity import ReportLabels, ReportSpec, Stat, Tone
from charts.equity import RoundTrip as PictureTrip
from core.model.order import Side
from core.model.position import RoundTrip
from ports.store import SignalRow, TradeRow

TITLES: dict[Period, str] = {
    "day": mark("📈 <b>Daily report</b> · {day}"),
    "week": mark("📈 <b>Weekly report</b> · until {day}"),
    "month": mark("📈 <b>Monthly report</b> · until {day}"),
}
PICTURE_TITLES: dict[Period, str] = {
    "day": mark("Daily report"),
    "week": mark("Weekly report"),
    "month": mark("Monthly report"),
}


def trip_row(trip: RoundTrip, t: Translator) -> str:
    return t(
        "{title} {pct} · {amount} · {reason}",
        title=titled(trip.ticker, trip.name, trip.name_ko, t),
        pct=t.pct(trip.pnl_pct),
        amount=t.krw_signed(trip.pnl_krw),
        reason=word(PURPOSES, trip.reason, t),
    )


def report(period: Period, on: dt.date, trips: Sequence[RoundTrip], result: Summary, t: Translator) -> View:
    """Text beside the picture; short enough for a caption."""
    title = t(TITLES[period], day=t.day(on))
    if not trips:
        return View(lines(title, RULE, t("No position was closed in this period.")))
    several = len(trips) > 1
    reasons = sorted(result.by_reason.items(), key=lambda item: item[1], reverse=True)
    return View(
        lines(
            title,
            RULE,
            t("Realised: {amount}", amount=t.krw_signed(result.pnl_krw)) + f" ({t.usd_signed(result.pnl_usd)})",
            t(
                "Round trips: {count} · {wins} won · win rate {rate}%",
                count=result.trips,
                wins=result.wins,
                rate=round(result.win_rate),
            ),
            t("🏆 Best: {trip}", trip=Markup(trip_row(result.best, t))) if result.best else None,
            t("💧 Worst: {trip}", trip=Markup(trip_row(result.worst, t))) if result.worst and several else None,
            RULE,
            t("By reason for selling"),
            *bounded(
                [
                    t("• {reason} {amount}", reason=word(PURPOSES, key, t), amount=t.krw_signed(won))
                    for key, won in reasons
                ],
                t,
                7,
            ),
        )
    )


def steps(trips: Sequence[RoundTrip]) -> list[tuple[dt.datetime, Decimal]]:
    """The cumulative result as a stair that starts at zero when the first position was opened."""
    stair: list[tuple[dt.datetime, Decimal]] = []
    before = Decimal(0)
    start = min((trip.opened_at for trip in trips), default=None)
    for at, total in curve(trips):
        for moment, value in ((start, before), (at - dt.timedelta(seconds=1), before), (at, total)):
            if moment is not None and (not stair or moment > stair[-1][0]) and moment <= at:
                stair.append((moment, value))
        before, start = total, None
    return stair


def picture(period: Period, on: dt.date, trips: Sequence[RoundTrip], result: Summary, t: Translator) -> ReportSpec:
    """The report's picture."""
    points = steps(trips)
    by_size = sorted(trips, key=lambda trip: abs(trip.pnl_krw), reverse=True)[:PICTURE_ROWS]
    tone: Tone = "up" if result.pnl_krw > 0 else "down" if result.pnl_krw < 0 else "neutral"
    return ReportSpec(
        title=t.plain(PICTURE_TITLES[period]),
        date=t.day(on),
        stats=(
            Stat(t.plain("Realised"), t.krw_signed(result.pnl_krw), tone),
            Stat(t.plain("Round trips"), str(result.trips)),
            Stat(t.plain("Win rate"), f"{round(result.win_rate)}%"),
        ),
        at_ms=np.array([int(at.timestamp() * 1000) for at, _ in points], dtype=np.int64),
        pnl_krw=np.array([float(won) for _, won in points], dtype=np.float64),
        trips=tuple(PictureTrip(x.ticker, float(x.pnl_krw), plain_word(PURPOSES, x.reason, t)) for x in by_size),
        labels=ReportLabels(
            equity=t.plain("Cumulative result"),
            trips=t.plain("Realised by ticker"),
            more=t.plain("{{count}} more"),
            empty=t.plain("No trades"),
            empty_hint=t.plain("No position was closed in this period."),
        ),
    )


def trades(rows: Sequence[TradeRow], t: Translator) -> View:
    """The newest fills of the last day."""
    if not rows:
        return View(t("🧮 No fills in the last 24 hours."))
    shown = [
        t(
            "{time} {side} {ticker} {qty} @ {price}",
            time=t.clock(row.created_at),
            side=t("🔵 Buy") if row.side is Side.BUY else t("🟠 Sell"),
            ticker=row.ticker,
            qty=row.quantity,
            price=t.usd(row.price),
        )
        for row in sorted(rows, key=lambda row: row.created_at, reverse=True)
    ]
    return View(lines(t("🧮 <b>Fills of the last 24 hours</b> · {count}", count=len(rows)), RULE, *bounded(shown, t)))


def signals(rows: Sequence[SignalRow], t: Translator) -> View:
    if not rows:
        return View(t("📡 No signals yet."))
    shown = [
        t(
            "{time} <b>{ticker}</b> {signal} · confidence {confidence}%",
            time=t.clock(row.created_at),
            ticker=row.ticker,
            signal=word(SIGNALS, row.signal_type, t),
            confidence=round(row.confidence),
        )
        for row in rows
    ]
    return View(lines(t("📡 <b>Newest signals</b>"), RULE, *bounded(shown, t), t("Details with /why TICKER")))


def discoveries(rows: Sequence[str], t: Translator) -> View:
    if not rows:
        return View(t("🔍 Nothing found yet."))
    return View(lines(t("🔍 <b>Newest finds</b>"), RULE, *bounded(rows, t, 10)))

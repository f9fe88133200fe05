"""Results: the report's text, signals and discoveries, and why a signal came."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bot.i18n import Markup, Translator, mark
from bot.reporting import Period
from bot.views import buttons
from bot.views.base import RULE, View, bounded, lines, titled
from bot.views.words import PURPOSES, SIGNALS, word
from core.model.position import Position, RoundTrip
from core.rules.performance import Summary
from core.rules.results import results
from ports.store import SignalRow

TITLES: dict[Period, str] = {
    "day": mark("📈 <b>Daily report</b> · {day}"),
    "week": mark("📈 <b>Weekly report</b> · until {day}"),
    "month": mark("📈 <b>Monthly report</b> · until {day}"),
}


def trip_row(trip: RoundTrip, t: Translator) -> str:
    return t(
        "{title} {pct} · {amount} · {reason}",
        title=titled(trip.ticker, trip.name, trip.name_ko, t),
        pct=t.pct(trip.pnl_pct),
        amount=t.krw_signed(trip.pnl_krw),
        reason=word(PURPOSES, trip.reason, t),
    )


class ReportModel(msgspec.Struct, frozen=True, kw_only=True):
    """What a report tells. `days` are the sessions of a week or month with their results; `held` is open at the end."""

    period: Period
    on: dt.date
    trips: Sequence[RoundTrip]
    result: Summary
    days: Sequence[tuple[dt.date, Decimal]] = ()
    held: Sequence[Position] = ()
    now: dt.datetime


def held_row(position: Position, now: dt.datetime, t: Translator) -> str:
    """An open position with its unrealised result and how long it has been held."""
    return t(
        "• {title} {pct} · {amount} · held {span}",
        title=titled(position.ticker, position.name, position.name_ko, t),
        pct=t.pct(position.pnl_pct),
        amount=t.usd_signed(position.unrealized_usd),
        span=Markup(t.span(now - position.opened_at)),
    )


def _held(model: ReportModel, t: Translator) -> list[str]:
    if not model.held:
        return []
    shown = [held_row(each, model.now, t) for each in model.held]
    return [RULE, t("Still held, before fees"), *bounded(shown, t, 4)]


def _days(model: ReportModel, t: Translator) -> list[str]:
    """Best and worst session."""
    traded = [day for day in model.days if day[1]]
    if len(traded) < 2:
        return []
    best, worst = max(traded, key=lambda day: day[1]), min(traded, key=lambda day: day[1])
    return [
        t("📅 Best day: {day} {amount}", day=t.day(best[0]), amount=t.krw_signed(best[1])),
        t("📅 Worst day: {day} {amount}", day=t.day(worst[0]), amount=t.krw_signed(worst[1])),
    ]


def split_line(trips: Sequence[RoundTrip], t: Translator) -> str | None:
    """Share, exchange rate and fees; None where no round trip tells them."""
    sums = results(trips)
    if not trips or sums.unsplit == sums.trips:
        return None
    line = t(
        "Shares {stock} · FX {fx} · fees {fees}",
        stock=t.krw_signed(sums.stock_krw),
        fx=t.krw_signed(sums.fx_krw),
        fees=t.krw_signed(sums.fee_krw),
    )
    return line + " " + t("(older, unknown: {count})", count=sums.unsplit) if sums.unsplit else line


def report(model: ReportModel, t: Translator) -> View:
    """Text beside the picture; short enough for a caption."""
    title = t(TITLES[model.period], day=t.day(model.on))
    keyboard = buttons.periods(t, model.period)
    trips, result = model.trips, model.result
    if not trips:
        return View(lines(title, RULE, t("No position was closed in this period."), *_held(model, t)), keyboard)
    several = len(trips) > 1
    reasons = sorted(result.by_reason.items(), key=lambda item: item[1], reverse=True)
    return View(
        lines(
            title,
            RULE,
            t("Realised: {amount}", amount=t.krw_signed(result.pnl_krw)) + f" ({t.usd_signed(result.pnl_usd)})",
            split_line(trips, t),
            t(
                "Round trips: {count} · {wins} won · win rate {rate}%",
                count=result.trips,
                wins=result.wins,
                rate=round(result.win_rate),
            ),
            t("🏆 Best: {trip}", trip=Markup(trip_row(result.best, t))) if result.best else None,
            t("💧 Worst: {trip}", trip=Markup(trip_row(result.worst, t))) if result.worst and several else None,
            *_days(model, t),
            RULE,
            t("By reason for selling"),
            *bounded(
                [
                    t("• {reason} {amount}", reason=word(PURPOSES, key, t), amount=t.krw_signed(won))
                    for key, won in reasons
                ],
                t,
                5,
            ),
            *_held(model, t),
        ),
        keyboard,
    )


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

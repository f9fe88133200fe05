"""The report's picture as data: headline numbers, curve, holding periods in small, days, reasons, open positions."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from bot.i18n import Translator, mark
from bot.reporting import Period, curve
from bot.views.report import ReportModel
from bot.views.words import PURPOSES, plain_word
from charts.cards import MAX_AMOUNTS, MAX_DAYS, Amount, Extras, Mark, SmallChart
from charts.equity import MAX_ROWS, ReportLabels, ReportSpec, Stat, Tone
from charts.equity import RoundTrip as PictureTrip
from core.model.bar import Bar
from core.model.order import Side
from core.model.position import Position, RoundTrip
from core.rules.results import results
from ports.store import TradeRow

TITLES: dict[Period, str] = {
    "day": mark("Daily report"),
    "week": mark("Weekly report"),
    "month": mark("Monthly report"),
}


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


def _tone(amount: Decimal) -> Tone:
    return "up" if amount > 0 else "down" if amount < 0 else "neutral"


def _stats(model: ReportModel, t: Translator) -> tuple[Stat, ...]:
    sums = results(model.trips)
    shown = [
        Stat(t.plain("Realised"), t.krw_signed(sums.pnl_krw), _tone(sums.pnl_krw)),
        Stat(t.plain("Round trips"), t.plain("{count} ({wins} won)", count=sums.trips, wins=sums.wins)),
        Stat(t.plain("Win rate"), f"{round(sums.win_rate)}%"),
    ]
    if sums.trips > sums.unsplit:
        shown += [
            Stat(t.plain("Shares"), t.krw_signed(sums.stock_krw), _tone(sums.stock_krw)),
            Stat(t.plain("Exchange rate"), t.krw_signed(sums.fx_krw), _tone(sums.fx_krw)),
            Stat(t.plain("Fees"), t.krw_signed(sums.fee_krw), _tone(sums.fee_krw)),
        ]
    return tuple(shown)


def small_chart(trip: RoundTrip, bars: Sequence[Bar], fills: Sequence[TradeRow], t: Translator) -> SmallChart:
    """A holding period with its fills; without fills, entry and exit at their averages."""
    marks = [Mark(_ms(fill.created_at), float(fill.price), fill.side is Side.BUY) for fill in fills]
    if not marks:
        marks = [
            Mark(_ms(trip.opened_at), float(trip.avg_price), buy=True),
            Mark(_ms(trip.closed_at), float(trip.sell_price), buy=False),
        ]
    note = f"{t.pct(trip.pnl_pct)} · {t.clock(trip.opened_at)}–{t.clock(trip.closed_at)}"
    return SmallChart(
        ticker=trip.ticker,
        note=f"{note} · {plain_word(PURPOSES, trip.reason, t)}",
        pnl_krw=float(trip.pnl_krw),
        at_ms=np.array([bar.start_ms for bar in bars], dtype=np.int64),
        close=np.array([bar.close for bar in bars], dtype=np.float64),
        marks=tuple(marks),
    )


def _ms(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)


def _held(position: Position, model: ReportModel, t: Translator) -> Amount:
    # what the position would be worth now, at the average rate it was bought at: no other rate is in the record
    rate = position.cost_krw / position.cost_usd if position.cost_usd else Decimal(0)
    note = f"{t.pct(position.pnl_pct)} · {t.span(model.now - position.opened_at)}"
    return Amount(position.ticker, float(position.unrealized_usd * rate), note)


def _extras(model: ReportModel, small: Sequence[SmallChart], t: Translator) -> Extras:
    reasons = sorted(model.result.by_reason.items(), key=lambda item: item[1], reverse=True)[:MAX_AMOUNTS]
    return Extras(
        small=tuple(small),
        days=tuple(Amount(f"{on:%m/%d}", float(won)) for on, won in model.days[-MAX_DAYS:]) if model.trips else (),
        reasons=tuple(Amount(plain_word(PURPOSES, key, t), float(won)) for key, won in reasons),
        held=tuple(_held(each, model, t) for each in list(model.held)[:MAX_AMOUNTS]),
        small_title=t.plain("Holding periods · ▲ bought ▼ sold"),
        days_title=t.plain("By day (US date)"),
        reasons_title=t.plain("By reason for selling"),
        held_title=t.plain("Still held, unrealised at the rate of purchase"),
    )


def picture(model: ReportModel, small: Sequence[SmallChart], t: Translator) -> ReportSpec:
    """The report's picture."""
    points = steps(model.trips)
    by_size = sorted(model.trips, key=lambda trip: abs(trip.pnl_krw), reverse=True)[:MAX_ROWS]
    return ReportSpec(
        title=t.plain(TITLES[model.period]),
        date=t.day(model.on),
        stats=_stats(model, t),
        at_ms=np.array([_ms(at) for at, _ in points], dtype=np.int64),
        pnl_krw=np.array([float(won) for _, won in points], dtype=np.float64),
        trips=tuple(PictureTrip(x.ticker, float(x.pnl_krw), plain_word(PURPOSES, x.reason, t)) for x in by_size),
        extras=_extras(model, small, t),
        labels=ReportLabels(
            equity=t.plain("Cumulative result"),
            trips=t.plain("Realised by ticker"),
            more=t.plain("{{count}} more"),
            empty=t.plain("No trades"),
            empty_hint=t.plain("No position was closed in this period."),
        ),
    )

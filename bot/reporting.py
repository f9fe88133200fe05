"""Periods of results, and the daily report as a row of the database."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, get_args

import msgspec

from core.model.params import TaxParams
from core.model.position import RoundTrip
from core.model.session import MarketSession
from core.rules.days import EASTERN, us_date
from core.rules.performance import summarise
from core.rules.tax import TaxEstimate, TaxFill, estimate, sales, settlement_rates
from ports.clock import Calendar, CalendarRange
from ports.store import DailyReport, TradeRow

Period = Literal["day", "week", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)
Span = Literal["day", "week", "month", "year", "all"]
SPANS: tuple[Span, ...] = get_args(Span)
HOUR = dt.timedelta(hours=1)
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
WORDS: dict[str, Span] = {
    **{span: span for span in SPANS},
    **dict.fromkeys(("일", "오늘", "하루", "일간"), "day"),
    **dict.fromkeys(("주", "주간", "이번주"), "week"),
    **dict.fromkeys(("월", "월간", "이번달"), "month"),
    **dict.fromkeys(("년", "연간", "올해"), "year"),
    **dict.fromkeys(("전체", "전부", "모두"), "all"),
}
DAYS: dict[Period, int] = {"day": 1, "week": 7, "month": 30}
# A session's results include what the last guarded sells of its after-market made.
NEXT_DAY = dt.timedelta(hours=20)


def latest_session(calendar: Calendar, now: dt.datetime) -> MarketSession:
    """The session whose results are of interest now: the running one, else the last."""
    coming = calendar.current_or_next(now)
    return coming if coming.pre_open_at <= now else calendar.previous(now)


def bounds(session: MarketSession, period: Period) -> tuple[dt.datetime, dt.datetime]:
    """From the first pre-market of the period to the end of its last session's trading day."""
    until = session.pre_open_at + NEXT_DAY
    return until - dt.timedelta(days=DAYS[period]), until


def span_bounds(session: MarketSession, span: Span) -> tuple[dt.datetime, dt.datetime]:
    """As `bounds`; a year begins with the session date's year, and all is everything there is."""
    until = session.pre_open_at + NEXT_DAY
    match span:
        case "year":
            return dt.datetime(session.on.year, 1, 1, tzinfo=EASTERN).astimezone(dt.UTC), until
        case "all":
            return EPOCH, until
        case _:
            return bounds(session, span)


class Grouped(msgspec.Struct, frozen=True):
    """Fills of one round trip, newest first; `trip` is None for what is still held, or was sold before trips were kept."""

    ticker: str
    trip: RoundTrip | None
    fills: tuple[TradeRow, ...]


def grouped(fills: Sequence[TradeRow], trips: Sequence[RoundTrip]) -> list[Grouped]:
    """Each fill with its round trip, the newest group first."""
    found: dict[tuple[str, dt.datetime | None], tuple[RoundTrip | None, list[TradeRow]]] = {}
    for fill in sorted(fills, key=lambda row: row.created_at, reverse=True):
        within = (
            trip for trip in trips if trip.ticker == fill.ticker and trip.opened_at <= fill.created_at <= trip.closed_at
        )
        trip = next(within, None)
        found.setdefault((fill.ticker, trip.opened_at if trip else None), (trip, []))[1].append(fill)
    return [Grouped(ticker, trip, tuple(rows)) for (ticker, _), (trip, rows) in found.items()]


def by_day(
    trips: Sequence[RoundTrip], since: dt.datetime, until: dt.datetime, calendar: Calendar
) -> list[tuple[dt.date, Decimal]]:
    """The result of every session of a period; a result between sessions belongs to the US date it fell on."""
    sums: dict[dt.date, Decimal] = {}
    # periods begin and end at midnight in New York, give or take the hour of a daylight saving switch
    day, end = us_date(since + 2 * HOUR), us_date(until - 2 * HOUR)
    while day <= end:
        if calendar.session_on(day) is not None:
            sums[day] = Decimal(0)
        day += dt.timedelta(days=1)
    for trip in trips:
        on = us_date(trip.closed_at)
        sums[on] = sums.get(on, Decimal(0)) + trip.pnl_krw
    return sorted(sums.items())


def settles_on(at: dt.datetime, days: int, calendar: Calendar) -> dt.date:
    """The settlement date: so many trading days after the trade's US date; weekdays where the calendar does not reach."""
    day = us_date(at)
    while days > 0:
        day += dt.timedelta(days=1)
        try:
            trading = calendar.session_on(day) is not None
        except CalendarRange:
            trading = day.weekday() < 5
        days -= trading
    return day


def tax_fills(rows: Sequence[TradeRow], params: TaxParams, calendar: Calendar) -> list[TaxFill]:
    """Fills as the tax rules want them; a settlement date's rate is known where something was filled on it."""
    rates = settlement_rates([(us_date(row.created_at), row.krw_per_usd) for row in rows])
    found = []
    for row in rows:
        settled = settles_on(row.created_at, params.settlement_days, calendar)
        found.append(
            TaxFill(
                ticker=row.ticker,
                side=row.side,
                qty=row.quantity,
                usd=row.usd if row.usd is not None else row.total_amount,
                fee_usd=row.fee_usd,
                at=row.created_at,
                settles_on=settled,
                fill_rate=row.krw_per_usd,
                settled_rate=rates.get(settled),
            )
        )
    return found


def tax_estimate(rows: Sequence[TradeRow], year: int, params: TaxParams, calendar: Calendar) -> TaxEstimate:
    """The estimate of a year from all fills that are known, oldest first."""
    return estimate(
        sales(tax_fills(rows, params, calendar), params.cost_method),
        year,
        deduction_krw=Decimal(params.basic_deduction),
        rate_pct=Decimal(str(params.rate_pct)),
    )


def daily_report(session: MarketSession, trips: Sequence[RoundTrip], trades: Sequence[TradeRow]) -> DailyReport:
    """The session's row of `daily_reports`."""
    result = summarise(trips)
    return DailyReport(
        on=session.on,
        total_trades=len(trades),
        total_pnl=result.pnl_krw,
        win_rate=result.win_rate,
        details={
            "round_trips": result.trips,
            "wins": result.wins,
            "pnl_usd": str(result.pnl_usd),
            "by_reason": {reason: str(amount) for reason, amount in result.by_reason.items()},
            "best": result.best.ticker if result.best else None,
            "worst": result.worst.ticker if result.worst else None,
        },
    )


def curve(trips: Sequence[RoundTrip]) -> list[tuple[dt.datetime, Decimal]]:
    """Cumulative result in KRW after each moment at which round trips closed, in order of time."""
    points: dict[dt.datetime, Decimal] = {}
    total = Decimal(0)
    for trip in sorted(trips, key=lambda each: each.closed_at):
        total += trip.pnl_krw
        points[trip.closed_at] = total
    return list(points.items())

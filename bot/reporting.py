"""Periods of results, and the daily report as a row of the database."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, get_args

from core.model.position import RoundTrip
from core.model.session import MarketSession
from core.rules.performance import Summary, summarise
from ports.clock import Calendar
from ports.store import DailyReport, TradeRow

Period = Literal["day", "week", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)
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


__all__ = ["PERIODS", "Period", "Summary", "bounds", "curve", "daily_report", "latest_session", "summarise"]

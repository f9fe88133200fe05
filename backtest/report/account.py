"""Figures of the account: what it traded and paid, what it refused and what it still holds."""

import datetime as dt
from decimal import Decimal

import msgspec

from backtest.report.equity import start_usd
from backtest.report.numbers import mean, percent, ratio
from backtest.result import Result
from core.model.money import ZERO, krw
from core.rules.days import us_date


class AccountFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in the account; `idle_days` are the sessions before the first fill."""

    found: int
    buy_signals: int
    proposed: int
    refused: int
    fills: int
    bought_usd: Decimal
    sold_usd: Decimal
    turnover: float | None
    fees_usd: Decimal
    fees_pct: float | None
    fx_cost_krw: Decimal
    days_traded_pct: float | None
    idle_days: int
    most_positions: int
    open_positions: int
    open_usd: Decimal


def account_figures(result: Result) -> AccountFigures:
    """All figures of the account."""
    bought = sum((fill.usd for fill in result.filled if fill.side == "BUY"), ZERO)
    sold = sum((fill.usd for fill in result.filled if fill.side != "BUY"), ZERO)
    fees = sum((fill.fee_usd for fill in result.filled), ZERO)
    traded = days_in_market(result)
    return AccountFigures(
        found=len(result.found),
        buy_signals=sum(each.signal == "BUY" for each in result.judged),
        proposed=len(result.proposed),
        refused=sum(result.refused.values()),
        fills=len(result.filled),
        bought_usd=bought,
        sold_usd=sold,
        turnover=ratio((bought + sold) / 2, mean([float(day.equity_usd) for day in result.days]) or 0.0),
        fees_usd=fees,
        fees_pct=percent(fees, start_usd(result)),
        fx_cost_krw=fx_cost_krw(result),
        days_traded_pct=percent(len(traded), len(result.days)),
        idle_days=idle_days(result),
        most_positions=max((day.positions for day in result.days), default=0),
        open_positions=len(result.held),
        open_usd=sum((each.unrealized_usd for each in result.held), ZERO),
    )


def fx_cost_krw(result: Result) -> Decimal:
    """What changing won to dollars at the start and back at the end costs beyond the rate without a spread."""
    if not result.days:
        return ZERO
    rate, last = Decimal(str(result.params.trading.paper_krw_per_usd)), result.days[-1]
    there = result.cash_krw - start_usd(result) * rate
    return krw(there + last.equity_usd * rate - last.equity_krw)


def days_in_market(result: Result) -> set[dt.date]:
    """The sessions in which shares were held at some time."""
    spans = [(us_date(each.trip.opened_at), us_date(each.trip.closed_at)) for each in result.trips]
    spans += [(us_date(each.opened_at), result.last) for each in result.held]
    return {day.on for day in result.days if any(first <= day.on <= last for first, last in spans)}


def idle_days(result: Result) -> int:
    """Sessions before the first fill; all of them where nothing was filled."""
    first = min((us_date(fill.at) for fill in result.filled), default=dt.date.max)
    return sum(day.on < first for day in result.days)

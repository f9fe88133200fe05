"""Figures of the round trips: how often, how much, how far against and for the position, and what the exits cost."""

import datetime as dt
import itertools
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from backtest.report.numbers import HUNDRED, deviation, mean, median, percent, ratio
from backtest.result import Trip
from core.model.money import CENT, ZERO, usd
from core.model.order import Purpose
from core.model.params import TradingParams
from core.model.position import RoundTrip
from core.rules.results import results

STOPS = {Purpose.STOP.value, Purpose.GUARD.value}
FEW = 5


class TripFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Closed round trips only; a win is a result above zero won after the fees of both sides, as in the chat's report."""

    trips: int
    wins: int
    losses: int
    win_rate_pct: float | None
    pnl_usd: Decimal
    pnl_krw: Decimal
    average_win_krw: Decimal | None
    average_loss_krw: Decimal | None
    payoff: float | None
    profit_factor: float | None
    expectancy_usd: Decimal | None
    expectancy_r: float | None
    sqn: float | None
    best_pct: float | None
    worst_pct: float | None
    mae_pct: float | None
    mfe_pct: float | None
    given_back_pct: float | None
    tranches: float | None
    full_pct: float | None
    stop_outs: int
    stop_gap_pct: float | None
    worst_gap_pct: float | None
    gap_loss_usd: Decimal
    reached_target: int
    target_minutes: float | None
    holding_minutes: float | None
    longest_wins: int
    longest_losses: int
    best_share_pct: float | None
    few_share_pct: float | None
    without_best_usd: Decimal | None
    ticker_share_pct: float | None


def trip_figures(trips: Sequence[Trip], trading: TradingParams) -> TripFigures:
    """All figures of round trips in the order they were closed."""
    ordered = sorted(trips, key=lambda each: (each.trip.closed_at, each.trip.ticker))
    booked = [each.trip for each in ordered]
    sums = results(booked)
    risks = [r for each in booked if (r := r_multiple(each, trading.stop_loss_pct)) is not None]
    spread, average_r = deviation(risks), mean(risks)
    reached = [each.trip for each in ordered if each.mfe_pct >= trading.take_profit_pct]
    gaps = [gap_pct(each, trading.stop_loss_pct) for each in booked if each.reason in STOPS]
    best = max(booked, key=lambda each: each.pnl_usd, default=None)
    # the rounded averages of `sums` are for people
    won = mean([float(each.pnl_krw) for each in booked if each.pnl_krw > 0])
    lost = mean([-float(each.pnl_krw) for each in booked if each.pnl_krw < 0])
    return TripFigures(
        trips=sums.trips,
        wins=sums.wins,
        losses=sums.losses,
        win_rate_pct=percent(sums.wins, sums.trips),
        pnl_usd=sums.pnl_usd,
        pnl_krw=sums.pnl_krw,
        average_win_krw=sums.average_win_krw,
        average_loss_krw=sums.average_loss_krw,
        payoff=None if won is None or lost is None else ratio(won, lost),
        profit_factor=None if sums.profit_factor is None else float(sums.profit_factor),
        expectancy_usd=usd(sums.pnl_usd / sums.trips) if sums.trips else None,
        expectancy_r=average_r,
        sqn=None if spread is None or average_r is None else math.sqrt(len(risks)) * average_r / spread,
        best_pct=max((float(each.pnl_pct) for each in booked), default=None),
        worst_pct=min((float(each.pnl_pct) for each in booked), default=None),
        mae_pct=mean([each.mae_pct for each in ordered]),
        mfe_pct=mean([each.mfe_pct for each in ordered]),
        given_back_pct=mean([max(0.0, each.mfe_pct - float(each.trip.pnl_pct)) for each in ordered]),
        tranches=mean([each.tranches for each in booked]),
        full_pct=percent(sum(each.tranches >= trading.split_count for each in booked), len(booked)),
        stop_outs=len(gaps),
        stop_gap_pct=mean(gaps),
        worst_gap_pct=max(gaps, default=None),
        gap_loss_usd=sum((gap_usd(each, trading.stop_loss_pct) for each in booked if each.reason in STOPS), ZERO),
        reached_target=len(reached),
        target_minutes=median([minutes(each.closed_at - each.opened_at) for each in reached]),
        holding_minutes=None if sums.average_holding is None else minutes(sums.average_holding),
        longest_wins=longest(each.pnl_krw > 0 for each in booked),
        longest_losses=longest(each.pnl_krw < 0 for each in booked),
        best_share_pct=share_of_profit(booked, 1),
        few_share_pct=share_of_profit(booked, FEW),
        without_best_usd=None if best is None else sums.pnl_usd - best.pnl_usd,
        ticker_share_pct=ticker_share(booked),
    )


def minutes(span: dt.timedelta) -> float:
    return span.total_seconds() / 60


def cost_usd(trip: RoundTrip) -> Decimal:
    """What the shares had cost, before fees."""
    return trip.parts.cost_usd if trip.parts is not None else trip.avg_price * trip.buy_qty


def r_multiple(trip: RoundTrip, stop_loss_pct: float) -> float | None:
    """The result in units of what the stop risked: result / (cost x stop %)."""
    return ratio(trip.pnl_usd, cost_usd(trip) * Decimal(str(-stop_loss_pct)) / 100)


def gap_pct(trip: RoundTrip, stop_loss_pct: float) -> float:
    """How far below the stop it was sold, in percentage points of the average price; 0 where at the stop or above."""
    return max(0.0, stop_loss_pct - float(trip.pnl_pct))


def gap_usd(trip: RoundTrip, stop_loss_pct: float) -> Decimal:
    """What selling below the stop cost."""
    stop = trip.avg_price * (1 + Decimal(str(stop_loss_pct)) / 100)
    return (max(ZERO, stop - trip.sell_price) * trip.sell_qty).quantize(CENT)


def longest(flags: Iterable[bool]) -> int:
    """The longest run of True."""
    return max((sum(1 for _ in run) for flag, run in itertools.groupby(flags) if flag), default=0)


def share_of_profit(trips: Sequence[RoundTrip], count: int) -> float | None:
    """What part of all gains the `count` best round trips made, in percent; None without a gain."""
    gains = sorted((float(each.pnl_usd) for each in trips if each.pnl_usd > 0), reverse=True)
    whole = sum(gains)
    return sum(gains[:count]) / whole * HUNDRED if whole else None


def ticker_share(trips: Sequence[RoundTrip]) -> float | None:
    """The largest part of all purchases that went into one ticker, in percent."""
    bought: dict[str, Decimal] = {}
    for each in trips:
        bought[each.ticker] = bought.get(each.ticker, ZERO) + cost_usd(each)
    return percent(max(bought.values()), sum(bought.values(), ZERO)) if bought else None

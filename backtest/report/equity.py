"""Figures of the daily equity curve: return, risk, drawdown, and the comparison with the market."""

import datetime as dt
import itertools
import math
from collections.abc import Sequence
from decimal import Decimal
from statistics import NormalDist

import msgspec
import numpy as np

from backtest.report.numbers import HUNDRED, NOISE, deviation, finite, mean, percent, ratio
from backtest.result import Result
from charts.spec import FloatArray
from core.model.money import usd

SESSIONS_A_YEAR = 252
CENT = 0.01


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Equity in USD: the money at the start, then each session's end. `on` dates the start with the first session."""

    on: tuple[dt.date, ...]
    usd: tuple[float, ...]

    @property
    def values(self) -> FloatArray:
        return np.array(self.usd, dtype=np.float64)

    @property
    def returns(self) -> FloatArray:
        """Each session's return as a fraction; shape (sessions,)."""
        values = self.values
        return values[1:] / values[:-1] - 1

    @property
    def drawdowns(self) -> FloatArray:
        """How far each point lies below the highest one so far, as a fraction from 0 to 1."""
        values = self.values
        depths: FloatArray = 1 - values / np.maximum.accumulate(values)
        return depths


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """The deepest fall from a high. Days are sessions; recovery counts from the low, None where it never came back."""

    pct: float
    peak_on: dt.date
    low_on: dt.date
    fall_days: int
    recovered_on: dt.date | None
    recovery_days: int | None


class EquityFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the equity in USD at each session's end; `start_usd` is the money after changing won to dollars."""

    sessions: int
    start_usd: Decimal
    end_usd: Decimal
    return_pct: float | None
    return_krw_pct: float | None
    cagr_pct: float | None
    volatility_pct: float | None
    sharpe: float | None
    psr_pct: float | None
    sortino: float | None
    calmar: float | None
    drawdown: Drawdown | None
    max_drawdown_pct: float | None
    longest_underwater_days: int | None
    best_day_pct: float | None
    worst_day_pct: float | None
    days_up_pct: float | None
    exposure_pct: float | None


class MarketFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Against SPY, over the sessions whose closes are known."""

    sessions: int
    market_return_pct: float | None
    excess_pct: float | None
    alpha_pct: float | None
    beta: float | None
    correlation: float | None


def start_usd(result: Result) -> Decimal:
    """The dollars that the won bought at the start."""
    rate = Decimal(str(result.params.trading.paper_krw_per_usd))
    spread = Decimal(str(result.execution.fx_spread_pct)) / 100
    return usd(Decimal(result.cash_krw) / (rate * (1 + spread)))


def equity_curve(result: Result) -> Curve:
    """The curve of a run; one point where there was no session. An empty account counts as a cent, to divide by."""
    first = result.days[0].on if result.days else result.first
    return Curve(
        on=(first, *(day.on for day in result.days)),
        usd=(float(start_usd(result)), *(max(float(day.equity_usd), CENT) for day in result.days)),
    )


def equity_figures(result: Result) -> EquityFigures:
    """All figures of the equity."""
    curve = equity_curve(result)
    returns = curve.returns
    begin, end = curve.usd[0], curve.usd[-1]
    annual = cagr(begin, end, len(returns))
    deepest = deepest_drawdown(curve)
    days = result.days
    return EquityFigures(
        sessions=len(days),
        start_usd=start_usd(result),
        end_usd=days[-1].equity_usd if days else start_usd(result),
        return_pct=percent(end - begin, begin) if days else None,
        return_krw_pct=percent(days[-1].equity_krw - result.cash_krw, result.cash_krw) if days else None,
        cagr_pct=annual,
        volatility_pct=volatility(returns),
        sharpe=sharpe(returns),
        psr_pct=probabilistic_sharpe(returns),
        sortino=sortino(returns),
        calmar=None if annual is None or deepest is None else ratio(annual, deepest.pct),
        drawdown=deepest,
        max_drawdown_pct=None if not days else deepest.pct if deepest else 0.0,
        longest_underwater_days=longest_underwater(curve) if days else None,
        best_day_pct=float(returns.max()) * HUNDRED if days else None,
        worst_day_pct=float(returns.min()) * HUNDRED if days else None,
        days_up_pct=percent(int((returns > 0).sum()), len(returns)),
        exposure_pct=mean([float(day.invested_usd / day.equity_usd) * HUNDRED for day in days if day.equity_usd > 0]),
    )


def cagr(begin: float, end: float, sessions: int) -> float | None:
    """(end / begin) ^ (252 / sessions) - 1 in percent; None of fewer than two sessions."""
    if sessions < 2 or begin <= 0 or end <= 0:
        return None
    try:
        return finite((math.pow(end / begin, SESSIONS_A_YEAR / sessions) - 1) * HUNDRED)
    except OverflowError:
        return None


def volatility(returns: FloatArray) -> float | None:
    """Standard deviation (n - 1) of the daily returns x sqrt(252), in percent."""
    spread = deviation(returns)
    return None if spread is None else spread * math.sqrt(SESSIONS_A_YEAR) * HUNDRED


def sharpe(returns: FloatArray) -> float | None:
    """Mean daily return / standard deviation (n - 1) x sqrt(252); no interest on cash."""
    spread = deviation(returns)
    return None if spread is None else float(returns.mean()) / spread * math.sqrt(SESSIONS_A_YEAR)


def sortino(returns: FloatArray) -> float | None:
    """Mean daily return / sqrt(mean(min(return, 0)^2)) x sqrt(252); None without a losing day."""
    if len(returns) < 2:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return None if downside <= NOISE else float(returns.mean()) / downside * math.sqrt(SESSIONS_A_YEAR)


def probabilistic_sharpe(returns: FloatArray) -> float | None:
    """How sure the sample makes it that the true Sharpe is above 0, in percent (Bailey and Lopez de Prado, 2012).

    N(s sqrt(n - 1) / sqrt(1 - skew s + (kurtosis - 1) / 4 s^2)) with the daily Sharpe s; a normal has kurtosis 3.
    """
    spread = deviation(returns)
    if spread is None or len(returns) < 3:
        return None
    daily = float(returns.mean()) / spread
    off = (returns - returns.mean()) / float(np.std(returns))
    skew, kurtosis = float(np.mean(off**3)), float(np.mean(off**4))
    error = 1 - skew * daily + (kurtosis - 1) / 4 * daily**2
    if error <= NOISE:
        return None
    return NormalDist().cdf(daily * math.sqrt((len(returns) - 1) / error)) * HUNDRED


def deepest_drawdown(curve: Curve) -> Drawdown | None:
    """The deepest fall, the first of equal ones; None where equity never fell below its high."""
    depths = curve.drawdowns
    low = int(depths.argmax())
    if depths[low] <= NOISE:
        return None
    values = curve.values
    peak = int(values[: low + 1].argmax())
    back = np.flatnonzero(values[low:] >= values[peak])
    days = int(back[0]) if len(back) else None
    return Drawdown(
        pct=float(depths[low]) * HUNDRED,
        peak_on=curve.on[peak],
        low_on=curve.on[low],
        fall_days=low - peak,
        recovered_on=None if days is None else curve.on[low + days],
        recovery_days=days,
    )


def longest_underwater(curve: Curve) -> int:
    """The most sessions in a row that ended below the high."""
    longest = run = 0
    for depth in curve.drawdowns.tolist():
        run = run + 1 if depth > NOISE else 0
        longest = max(longest, run)
    return longest


def monthly_returns(curve: Curve) -> dict[str, float]:
    """Return of each calendar month (YYYY-MM) in percent, from the last session of the month before or from the start."""
    ends: dict[str, float] = {}
    for on, value in zip(curve.on[1:], curve.usd[1:], strict=True):
        ends[f"{on:%Y-%m}"] = value
    found, before = {}, curve.usd[0]
    for month, value in ends.items():
        found[month] = (value / before - 1) * HUNDRED
        before = value
    return found


def market_closes(result: Result) -> tuple[float | None, ...]:
    """The market at each point of the curve; at the start its last close before the first session. None if not known."""
    first = result.days[0].on if result.days else result.first
    before = max((on for on in result.market if on < first), default=None)
    dates = (before, *(day.on for day in result.days))
    return tuple(close if on and (close := result.market.get(on, 0.0)) > 0 else None for on in dates)


def market_figures(result: Result) -> MarketFigures | None:
    """None where fewer than two points of the curve have the market's close.

    Beta is the covariance of daily returns / the market's variance, alpha (mean - beta x market's mean) x 252, over
    sessions whose own and previous closes are known. Excess is the plain difference of the two total returns.
    """
    points = zip(equity_curve(result).usd, market_closes(result), strict=True)
    known = [(place, equity, close) for place, (equity, close) in enumerate(points) if close is not None]
    if len(known) < 2:
        return None
    steps = [(one, two) for one, two in itertools.pairwise(known) if two[0] == one[0] + 1]
    ours = [two[1] / one[1] - 1 for one, two in steps]
    theirs = [two[2] / one[2] - 1 for one, two in steps]
    own = (known[-1][1] / known[0][1] - 1) * HUNDRED
    whole = (known[-1][2] / known[0][2] - 1) * HUNDRED
    beta, correlation = _regress(ours, theirs)
    alpha = None if beta is None else (float(np.mean(ours)) - beta * float(np.mean(theirs))) * SESSIONS_A_YEAR * HUNDRED
    return MarketFigures(
        sessions=len(ours),
        market_return_pct=whole,
        excess_pct=own - whole,
        alpha_pct=alpha,
        beta=beta,
        correlation=correlation,
    )


def _regress(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float | None, float | None]:
    """Beta and correlation; None where too little moved."""
    wide, moved = deviation(theirs), deviation(ours)
    if wide is None:
        return None, None
    together = float(np.cov(ours, theirs, ddof=1)[0, 1])
    return together / wide**2, None if moved is None else together / (wide * moved)

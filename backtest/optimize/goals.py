"""What makes one run better than another: one number of a result, more is better."""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal

import numpy as np

from backtest.result import Result
from core.model.bar import FloatArray
from core.model.money import usd

SESSIONS_A_YEAR = 252
# a drawdown of nothing would make any gain endless
LEAST_DRAWDOWN_PCT = 0.1
NOISE = 1e-12


def expectancy(result: Result) -> float:
    """Mean result of a round trip in percent; 0 without any."""
    return float(np.mean([float(trip.trip.pnl_pct) for trip in result.trips])) if result.trips else 0.0


def total_return(result: Result) -> float:
    """Of the equity in dollars, in percent."""
    equity = _equity(result)
    return float(equity[-1] / equity[0] - 1) * 100


def sharpe(result: Result) -> float:
    """Mean daily return / standard deviation (n - 1) x sqrt(252); 0 where nothing moves."""
    equity = _equity(result)
    returns = equity[1:] / equity[:-1] - 1
    if len(returns) < 2 or (spread := float(np.std(returns, ddof=1))) < NOISE:
        return 0.0
    return float(np.mean(returns)) / spread * math.sqrt(SESSIONS_A_YEAR)


def calmar(result: Result) -> float:
    """Yearly return / deepest drawdown, which counts as 0.1 % at least; the return is not compounded."""
    equity = _equity(result)
    deepest = float(np.max(1 - equity / np.maximum.accumulate(equity))) * 100
    yearly = total_return(result) * SESSIONS_A_YEAR / max(1, len(equity) - 1)
    return yearly / max(deepest, LEAST_DRAWDOWN_PCT)


def _equity(result: Result) -> FloatArray:
    """In dollars: what the won bought at the start, then each session's end. Changing money is the same for all."""
    rate = Decimal(str(result.params.trading.paper_krw_per_usd))
    spread = Decimal(str(result.execution.fx_spread_pct)) / 100
    begin = usd(Decimal(result.cash_krw) / (rate * (1 + spread)))
    return np.array([float(begin), *(float(day.equity_usd) for day in result.days)])


GOALS: Mapping[str, Callable[[Result], float]] = {
    "expectancy": expectancy,
    "sharpe": sharpe,
    "return": total_return,
    "calmar": calmar,
}

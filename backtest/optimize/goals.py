"""What makes one run better than another: one number of a result, more is better."""

from collections.abc import Callable, Mapping

import numpy as np

from backtest.report import equity
from backtest.report.equity import SESSIONS_A_YEAR, equity_curve
from backtest.result import Result

# a drawdown of nothing would make any gain endless
LEAST_DRAWDOWN_PCT = 0.1


def expectancy(result: Result) -> float:
    """Mean result of a round trip in percent; 0 without any."""
    return float(np.mean([float(trip.trip.pnl_pct) for trip in result.trips])) if result.trips else 0.0


def total_return(result: Result) -> float:
    """Of the equity in dollars, in percent."""
    values = equity_curve(result).values
    return float(values[-1] / values[0] - 1) * 100


def sharpe(result: Result) -> float:
    """The report's; 0 where it is undefined, because nothing moves."""
    return equity.sharpe(equity_curve(result).returns) or 0.0


def calmar(result: Result) -> float:
    """Yearly return / deepest drawdown, which counts as 0.1 % at least; the return is not compounded."""
    curve = equity_curve(result)
    deepest = float(np.max(curve.drawdowns)) * 100
    yearly = total_return(result) * SESSIONS_A_YEAR / max(1, len(curve.returns))
    return yearly / max(deepest, LEAST_DRAWDOWN_PCT)


GOALS: Mapping[str, Callable[[Result], float]] = {
    "expectancy": expectancy,
    "sharpe": sharpe,
    "return": total_return,
    "calmar": calmar,
}

"""A run in figures: one frozen struct, computed from the Result alone, and what to be careful about."""

import msgspec

from backtest.report.account import AccountFigures, account_figures
from backtest.report.calibration import Reliability, cases, reliability
from backtest.report.equity import (
    EquityFigures,
    MarketFigures,
    equity_curve,
    equity_figures,
    market_figures,
    monthly_returns,
)
from backtest.report.montecarlo import RUNS, SEED, MonteCarlo, monte_carlo
from backtest.report.numbers import many
from backtest.report.tables import Tables, tables
from backtest.report.trips import TripFigures, trip_figures
from backtest.result import Result

FEW_TRIPS = 30
FEW_SESSIONS = 63
IDLE_SHARE = 0.1
MOST_OF_ALL_PCT = 50.0


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Every figure of a run. What is undefined is None. `monthly` is the return of each calendar month in percent."""

    equity: EquityFigures
    trips: TripFigures
    account: AccountFigures
    market: MarketFigures | None
    tables: Tables
    monthly: dict[str, float]
    monte_carlo: MonteCarlo | None
    reliability: Reliability
    warnings: tuple[str, ...]


def measure(result: Result, *, runs: int = RUNS, seed: int = SEED) -> Metrics:
    """All figures; `runs` and `seed` are the Monte Carlo's."""
    equity, trips = equity_figures(result), trip_figures(result.trips, result.params.trading)
    account = account_figures(result)
    return Metrics(
        equity=equity,
        trips=trips,
        account=account,
        market=market_figures(result),
        tables=tables(result),
        monthly=monthly_returns(equity_curve(result)),
        monte_carlo=monte_carlo(result, runs=runs, seed=seed),
        reliability=reliability(cases(result)),
        warnings=_warnings(equity, trips, account, result),
    )


def _warnings(equity: EquityFigures, trips: TripFigures, account: AccountFigures, result: Result) -> tuple[str, ...]:
    """What makes the figures weaker than they look."""
    found = []
    days, idle = equity.sessions, account.idle_days
    if days == 0:
        found.append("No session has been played: there is nothing to measure.")
    elif idle and idle >= IDLE_SHARE * days:
        found.append(f"Nothing was bought in the first {idle} of {days} sessions: idle days distort Sharpe and CAGR.")
    if 0 < days < FEW_SESSIONS:
        found.append(f"Only {many(days, 'session')}: yearly figures (CAGR, Sharpe, Sortino, Calmar) are extrapolated.")
    if days and trips.trips < FEW_TRIPS:
        found.append(f"Only {many(trips.trips, 'round trip')}: below {FEW_TRIPS} rates and averages are mostly chance.")
    if trips.wins > 1 and (trips.best_share_pct or 0.0) > MOST_OF_ALL_PCT:
        found.append(f"One round trip made {trips.best_share_pct:.0f}% of all gains.")
    if account.open_positions:
        found.append(f"Still open: {many(account.open_positions, 'position')}, in equity but not in round trips.")
    if empty := sum(day.bars == 0 for day in result.days):
        found.append(f"No bars at all: {many(empty, 'session')}.")
    return (*found, *result.notes)

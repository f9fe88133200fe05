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
from backtest.result import UNCHECKED, Result
from core.model.backtested import FEW_SESSIONS, FEW_TRIPS, Caution, Warned

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
    cautions: tuple[Warned, ...]
    warnings: tuple[str, ...]


def measure(result: Result, *, runs: int = RUNS, seed: int = SEED) -> Metrics:
    """All figures; `runs` and `seed` are the Monte Carlo's."""
    equity, trips = equity_figures(result), trip_figures(result.trips, result.params.trading)
    account = account_figures(result)
    careful = cautions(equity, trips, account, result)
    said = (_words(each, equity.sessions) for each in careful)
    return Metrics(
        equity=equity,
        trips=trips,
        account=account,
        market=market_figures(result),
        tables=tables(result),
        monthly=monthly_returns(equity_curve(result)),
        monte_carlo=monte_carlo(result, runs=runs, seed=seed),
        reliability=reliability(cases(result)),
        cautions=careful,
        warnings=(*said, *(note for note in result.notes if note != UNCHECKED)),
    )


def cautions(equity: EquityFigures, trips: TripFigures, account: AccountFigures, result: Result) -> tuple[Warned, ...]:
    """What makes the figures weaker than they look."""
    days, idle = equity.sessions, account.idle_days
    found = [Warned(Caution.NO_SESSION)] if days == 0 else []
    if days and idle and idle >= IDLE_SHARE * days:
        found.append(Warned(Caution.IDLE, idle))
    if 0 < days < FEW_SESSIONS:
        found.append(Warned(Caution.FEW_SESSIONS, days))
    if days and trips.trips < FEW_TRIPS:
        found.append(Warned(Caution.FEW_TRIPS, trips.trips))
    if trips.wins > 1 and (trips.best_share_pct or 0.0) > MOST_OF_ALL_PCT:
        found.append(Warned(Caution.ONE_TRIP, trips.best_share_pct or 0.0))
    if account.open_positions:
        found.append(Warned(Caution.STILL_OPEN, account.open_positions))
    if empty := sum(day.bars == 0 for day in result.days):
        found.append(Warned(Caution.NO_BARS, empty))
    if UNCHECKED in result.notes:
        found.append(Warned(Caution.UNCHECKED))
    return tuple(found)


def _words(warned: Warned, days: int) -> str:
    """A caution as a sentence; notes of the run are sentences already."""
    count = round(warned.number)
    match warned.what:
        case Caution.NO_SESSION:
            return "No session has been played: there is nothing to measure."
        case Caution.IDLE:
            return f"Nothing was bought in the first {count} of {days} sessions: idle days distort Sharpe and CAGR."
        case Caution.FEW_SESSIONS:
            return f"Only {many(count, 'session')}: yearly figures (CAGR, Sharpe, Sortino, Calmar) are extrapolated."
        case Caution.FEW_TRIPS:
            return f"Only {many(count, 'round trip')}: below {FEW_TRIPS} rates and averages are mostly chance."
        case Caution.ONE_TRIP:
            return f"One round trip made {warned.number:.0f}% of all gains."
        case Caution.STILL_OPEN:
            return f"Still open: {many(count, 'position')}, in equity but not in round trips."
        case Caution.NO_BARS:
            return f"No bars at all: {many(count, 'session')}."
        case Caution.UNCHECKED:
            return UNCHECKED

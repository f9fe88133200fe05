"""The goals, by hand."""

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import msgspec
import pytest
from made_days import MemoryDays, made_day, session_on, weekdays

from backtest.execution import Execution
from backtest.optimize.goals import GOALS, calmar, expectancy, sharpe, total_return
from backtest.result import Day
from backtest.runner import Runner, Setup
from core.model.params import Params, TradingParams

SETUP = Setup(
    params=Params(trading=TradingParams(paper_cash=1_400_000, paper_krw_per_usd=1_400.0)),
    execution=Execution(fx_spread_pct=0.0),
    watched=None,
)
IDLE = Runner(SETUP, session_on).run(MemoryDays([made_day(weekdays(1)[0], seed=1, tickers=1, minutes=3)]))


def ended(*equity: float, trips: tuple[str, ...] = ()):
    """A run that began with 1,000 dollars."""
    days = tuple(
        Day(on=on, equity_usd=Decimal(str(usd)), equity_krw=Decimal(0), invested_usd=Decimal(0), positions=0, bars=1)
        for on, usd in zip(weekdays(len(equity), dt.date(2025, 1, 6)), equity, strict=True)
    )
    made = tuple(SimpleNamespace(trip=SimpleNamespace(pnl_pct=Decimal(pct))) for pct in trips)
    return msgspec.structs.replace(IDLE, days=days, trips=made)


@pytest.mark.parametrize("goal", GOALS)
def test_a_run_that_does_nothing_is_worth_nothing(goal) -> None:
    assert GOALS[goal](IDLE) == 0.0
    assert GOALS[goal](ended(1_000, 1_000)) == 0.0


def test_doing_nothing_costs_nothing_where_changing_money_does() -> None:
    costly = msgspec.structs.replace(SETUP, execution=Execution(fx_spread_pct=1.0))
    result = Runner(costly, session_on).run(MemoryDays([made_day(weekdays(1)[0], seed=1, tickers=1, minutes=3)]))
    assert total_return(result) == pytest.approx(0.0, abs=1e-6)


def test_the_figures_of_known_runs() -> None:
    assert expectancy(ended(1_000, trips=("10", "-4", "3"))) == pytest.approx(3.0)
    assert total_return(ended(1_100, 990)) == pytest.approx(-1.0)
    # returns 10 %, -10 %, 10 %: mean 1/30, deviation 0.11547
    assert sharpe(ended(1_100, 990, 1_089)) == pytest.approx(1 / 30 / 0.1154700538 * 252**0.5)
    # +8.9 % in 3 of 252 sessions, 10 % below the high at worst
    assert calmar(ended(1_100, 990, 1_089)) == pytest.approx(8.9 * 252 / 3 / 10)
    # never below its high
    assert calmar(ended(1_010, 1_020)) == pytest.approx(2 * 252 / 2 / 0.1)
    assert sharpe(ended(1_100)) == 0.0

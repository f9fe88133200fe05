"""The report of real runs: its figures agree with the account that the run left behind."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from run_days import ON, day, hero, run

from backtest.execution import Execution
from backtest.report.metrics import measure
from backtest.report.write import write_report
from backtest.result import Result

ROLLS_OVER = [*np.linspace(10.8, 17.0, 60), *np.linspace(17.0, 15.5, 20)]
NEXT = ON + dt.timedelta(days=1)
COSTLY = Execution(half_spread_pct=0.05, fx_spread_pct=0.2)


@pytest.fixture(scope="module")
def won_and_lost(tmp_path_factory) -> Result:
    """A stock that reaches its target and one that falls through its stop over night, with all costs."""
    gentle, quiet = [10.8, 10.9], (np.full(390, 7.0), np.full(390, 50_000.0))
    days = [
        day(
            ON, {"HERO": hero(ROLLS_OVER), "LOSER": hero(gentle, 120), "SPY": (np.full(390, 500.0), np.full(390, 1e6))}
        ),
        day(NEXT, {"LOSER": quiet, "SPY": (np.full(390, 505.0), np.full(390, 1e6))}),
    ]
    return run(tmp_path_factory.mktemp("run"), days, execution=COSTLY)


def test_results_fees_and_equity_add_up(won_and_lost) -> None:
    found = measure(won_and_lost)
    assert {each.trip.ticker for each in won_and_lost.trips} == {"HERO", "LOSER"}
    assert found.account.open_positions == 0
    gained = found.equity.end_usd - found.equity.start_usd
    assert gained == pytest.approx(found.trips.pnl_usd, abs=Decimal("0.05"))
    booked = sum((each.trip.parts.fees_usd for each in won_and_lost.trips), Decimal(0))
    assert found.account.fees_usd == pytest.approx(booked, abs=Decimal("0.05"))
    assert found.account.sold_usd - found.account.bought_usd == pytest.approx(
        found.trips.pnl_usd + found.account.fees_usd, abs=Decimal("0.05")
    )


def test_the_exchange_costs_what_lies_between_dollars_and_won(won_and_lost) -> None:
    found, params = measure(won_and_lost), won_and_lost.params.trading
    rate = Decimal(str(params.paper_krw_per_usd))
    last = won_and_lost.days[-1]
    in_won = (last.equity_usd - found.equity.start_usd) * rate - found.account.fx_cost_krw
    assert last.equity_krw - won_and_lost.cash_krw == pytest.approx(in_won, abs=Decimal(2))


def test_the_gap_and_the_target_are_told(won_and_lost) -> None:
    found = measure(won_and_lost)
    assert (found.trips.wins, found.trips.losses, found.trips.stop_outs, found.trips.reached_target) == (1, 1, 1, 1)
    assert found.trips.worst_gap_pct is not None
    assert found.trips.worst_gap_pct > 15
    assert [row.key for row in found.tables.by_reason] == ["TREND_BROKEN", "STOP"]
    assert found.market is not None
    assert found.market.market_return_pct == pytest.approx(1.0)


def test_every_file_of_a_run_is_written(won_and_lost, tmp_path: Path) -> None:
    paths = write_report(won_and_lost, tmp_path)
    assert all(getattr(paths, name).stat().st_size > 200 for name in paths.__struct_fields__)

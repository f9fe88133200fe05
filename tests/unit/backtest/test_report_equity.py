"""Figures of the equity curve, reckoned by hand."""

import datetime as dt
import math
import statistics

import msgspec
import numpy as np
import pytest

from backtest.execution import Execution
from backtest.report.account import account_figures
from backtest.report.equity import (
    Curve,
    cagr,
    deepest_drawdown,
    equity_curve,
    equity_figures,
    longest_underwater,
    market_figures,
    monthly_returns,
    probabilistic_sharpe,
    sharpe,
    sortino,
    volatility,
)
from backtest.report.metrics import measure
from tests.unit.backtest.result_samples import MONDAY, PARAMS, D, days, filled, position, result, sessions, trip


def curve(*usd: float) -> Curve:
    return Curve(on=(MONDAY, *sessions(len(usd) - 1)), usd=usd)


def test_the_first_day_counts_from_the_money_at_the_start() -> None:
    found = equity_curve(result([1100, 1210]))
    assert found.usd == (1000.0, 1100.0, 1210.0)
    assert found.returns.tolist() == pytest.approx([0.1, 0.1])


def test_return_and_cagr() -> None:
    found = equity_figures(result([1100, 1210]))
    assert found.return_pct == pytest.approx(21.0)
    assert found.cagr_pct == pytest.approx((1.21**126 - 1) * 100)
    assert cagr(1000, 1210, 252) == pytest.approx(21.0)
    assert cagr(1000, 1210, 504) == pytest.approx(10.0)


def test_a_year_that_no_number_holds_is_undefined() -> None:
    assert cagr(1, 1000, 2) is None
    assert cagr(1, 2, 1) is None


def test_the_return_in_won_bears_the_exchange_both_ways() -> None:
    changed = result([1100, 1210], execution=Execution(fx_spread_pct=1.0))
    last = msgspec.structs.replace(changed.days[-1], equity_krw=D("1210000") * D("0.99"))
    changed = msgspec.structs.replace(changed, days=(changed.days[0], last))
    assert equity_figures(changed).return_krw_pct == pytest.approx(19.79)
    # 1,000,000 won buy 990.10 dollars, worth 990,100 won; 1 % of 1,210,000 won goes on the way back
    assert account_figures(changed).fx_cost_krw == D(9_900 + 12_100)


def test_volatility_sharpe_and_sortino_agree_with_the_plain_formulas() -> None:
    returns = np.array([0.01, -0.02, 0.03, 0.0])
    mean, spread = 0.005, statistics.stdev([0.01, -0.02, 0.03, 0.0])
    assert volatility(returns) == pytest.approx(spread * math.sqrt(252) * 100)
    assert sharpe(returns) == pytest.approx(mean / spread * math.sqrt(252))
    assert sortino(returns) == pytest.approx(mean / math.sqrt(0.02**2 / 4) * math.sqrt(252))


def test_the_probabilistic_sharpe_is_a_half_at_zero_and_that_of_the_paper() -> None:
    assert probabilistic_sharpe(np.array([0.01, -0.01, 0.01, -0.01])) == pytest.approx(50.0)
    returns = np.array([0.02, 0.0, 0.01, -0.01, 0.03])
    daily = statistics.mean(returns) / statistics.stdev(returns)
    # symmetric around 0.01, so no skew; kurtosis by hand: (2 x 0.02^4 + 2 x 0.01^4) / 5 / (0.0002)^2
    kurtosis = (2 * 0.02**4 + 2 * 0.01**4) / 5 / 0.0002**2
    z = daily * math.sqrt(4) / math.sqrt(1 + (kurtosis - 1) / 4 * daily**2)
    assert probabilistic_sharpe(returns) == pytest.approx(statistics.NormalDist().cdf(z) * 100)


def test_what_is_undefined_is_none() -> None:
    none = equity_figures(result())
    assert {none.return_pct, none.cagr_pct, none.sharpe, none.psr_pct, none.max_drawdown_pct, none.exposure_pct} == {
        None
    }
    one = equity_figures(result([1100]))
    assert one.return_pct == pytest.approx(10.0)
    assert (one.cagr_pct, one.volatility_pct, one.sharpe, one.sortino, one.calmar) == (None,) * 5
    # the same return each day: no deviation, no losing day, no drawdown
    calm = equity_figures(result([1100, 1210, 1331]))
    assert (calm.volatility_pct, calm.sharpe, calm.psr_pct, calm.sortino, calm.calmar, calm.drawdown) == (None,) * 6
    assert calm.max_drawdown_pct == 0.0


def test_the_deepest_drawdown_with_its_days() -> None:
    fell = curve(1000, 1200, 900, 600, 1000, 1200, 1300, 1235)
    found = deepest_drawdown(fell)
    assert found is not None
    on = fell.on
    assert (found.pct, found.peak_on, found.low_on, found.recovered_on) == (50.0, on[1], on[3], on[5])
    assert (found.fall_days, found.recovery_days) == (2, 2)
    assert longest_underwater(fell) == 3


def test_a_drawdown_that_never_came_back() -> None:
    found = deepest_drawdown(curve(1000, 800, 900))
    assert found is not None
    assert (found.pct, found.recovered_on, found.recovery_days) == (pytest.approx(20.0), None, None)


def test_calmar_is_cagr_over_the_deepest_drawdown() -> None:
    found = equity_figures(result([1200, 900, 1300]))
    assert found.cagr_pct is not None
    assert found.calmar == pytest.approx(found.cagr_pct / 25.0)


def test_days_up_best_and_worst() -> None:
    found = equity_figures(result([1100, 990, 990, 1089]))
    assert (found.best_day_pct, found.worst_day_pct, found.days_up_pct) == (
        pytest.approx(10.0),
        pytest.approx(-10.0),
        pytest.approx(50.0),
    )


def test_exposure_is_the_mean_share_of_shares() -> None:
    half = (*days(1000, invested=500), *days(1000, first=sessions(2)[1]))
    assert equity_figures(result(days=half)).exposure_pct == pytest.approx(25.0)


def test_months_are_chained() -> None:
    on = dt.date(2025, 1, 30)
    found = monthly_returns(equity_curve(result(days=days(1050, 1100, 1000, 1210, first=on))))
    assert found == {"2025-01": pytest.approx(10.0), "2025-02": pytest.approx(10.0)}


def test_beta_and_alpha_of_twice_the_market() -> None:
    moves = [0.01, -0.02, 0.03, 0.01]
    equity, closes = [1000.0], [500.0]
    for move in moves:
        equity.append(equity[-1] * (1 + 2 * move + 0.001))
        closes.append(closes[-1] * (1 + move))
    run = result(equity)
    found = market_figures(
        msgspec.structs.replace(run, market=dict(zip([d.on for d in run.days], closes, strict=True)))
    )
    assert found is not None
    assert (found.beta, found.correlation) == (pytest.approx(2.0), pytest.approx(1.0))
    assert found.alpha_pct == pytest.approx(0.001 * 252 * 100)
    assert found.market_return_pct == pytest.approx((closes[-1] / 500 - 1) * 100)
    assert found.excess_pct == pytest.approx((equity[-1] - 1000) / 10 - (closes[-1] / 500 - 1) * 100)


def test_a_day_without_the_markets_close_is_left_out_of_beta() -> None:
    run = result([1000, 1100, 1200, 1320])
    on = [day.on for day in run.days]
    gap = msgspec.structs.replace(run, market={on[0]: 100.0, on[1]: 110.0, on[3]: 121.0})
    found = market_figures(gap)
    assert found is not None
    assert (found.sessions, found.beta) == (1, None)
    assert (found.market_return_pct, found.excess_pct) == (pytest.approx(21.0), pytest.approx(11.0))


def test_the_close_before_the_first_session_is_the_markets_start() -> None:
    run = result([1100, 1210])
    market = {dt.date(2025, 1, 2): 1.0, dt.date(2025, 1, 3): 100.0, run.days[0].on: 105.0, run.days[1].on: 110.25}
    found = market_figures(msgspec.structs.replace(run, market=market))
    assert found is not None
    assert (found.sessions, found.market_return_pct) == (2, pytest.approx(10.25))
    assert found.excess_pct == pytest.approx(21.0 - 10.25)


def test_an_account_that_lost_everything_has_figures() -> None:
    found = equity_figures(result([0, 0]))
    assert found.return_pct == pytest.approx(-100.0, abs=0.01)
    assert found.max_drawdown_pct == pytest.approx(100.0, abs=0.01)


def test_without_a_market_there_is_no_comparison() -> None:
    run = result([1000, 1100])
    assert market_figures(run) is None
    assert market_figures(msgspec.structs.replace(run, market={MONDAY: 500.0})) is None


def test_the_account_counts_what_was_traded() -> None:
    on = sessions(4)
    run = result(
        [1000, 1000, 1000, 1000],
        [trip(10, on=on[2])],
        filled=(filled("BUY", 300, on=on[2], fee=0.75), filled("SELL", 500, on=on[2], fee=1.25)),
        held=(position(),),
        refused={"max_positions": 2},
    )
    found = account_figures(run)
    assert (found.bought_usd, found.sold_usd, found.fees_usd, found.refused) == (D(300), D(500), D(2), 2)
    assert (found.turnover, found.fees_pct) == (pytest.approx(0.4), pytest.approx(0.2))
    assert (found.idle_days, found.open_positions, found.open_usd) == (2, 1, D(10))
    # the open position was bought on Monday and is held to the end
    assert found.days_traded_pct == 100.0
    assert account_figures(msgspec.structs.replace(run, held=())).days_traded_pct == 25.0


def test_warnings_say_what_makes_the_figures_weak() -> None:
    on = sessions(4)
    found = measure(result([1000, 1000, 1000, 1100], [trip(10)], filled=(filled("BUY", 300, on=on[2]),))).warnings
    assert [each.split(":")[0] for each in found] == [
        "Nothing was bought in the first 2 of 4 sessions",
        "Only 4 sessions",
        "Only 1 round trip",
    ]
    assert measure(result()).warnings == ("No session has been played: there is nothing to measure.",)


def test_the_rate_is_that_of_the_run() -> None:
    assert equity_figures(result([1000])).start_usd == D(1_000_000) / D(str(PARAMS.trading.paper_krw_per_usd))

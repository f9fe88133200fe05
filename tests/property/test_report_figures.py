"""Figures of any run: what must not depend on size or order, what stays in its bounds, and plain slow formulas."""

import itertools
import math
import statistics

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.report.calibration import Case, isotonic, wilson
from backtest.report.equity import Curve, deepest_drawdown, equity_figures, longest_underwater, sharpe, sortino
from backtest.report.lines import sections
from backtest.report.metrics import measure
from backtest.report.montecarlo import monte_carlo
from backtest.report.trips import trip_figures
from core.model.params import TradingParams
from tests.unit.backtest.result_samples import MONDAY, D, at, days, result, sessions, trip

equities = st.lists(st.floats(10, 100_000).map(lambda x: round(x, 2)), min_size=1, max_size=40)
gains = st.lists(st.integers(-10_000, 30_000).map(lambda cents: cents / 100), max_size=40)
samples = st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=60)


def curve(values: list[float]) -> Curve:
    return Curve(on=(MONDAY, *sessions(len(values) - 1)), usd=tuple(values))


@given(equities)
def test_a_drawdown_is_that_of_every_pair_of_points(values) -> None:
    slow = max((1 - low / high for i, high in enumerate(values) for low in values[i:]), default=0.0)
    found = deepest_drawdown(curve(values))
    assert 0 <= (found.pct if found else 0.0) <= 100
    assert (found.pct / 100 if found else 0.0) == pytest.approx(slow, abs=1e-9)
    if found and found.recovery_days is not None:
        assert found.recovered_on is not None
        assert found.recovered_on > found.low_on


@given(equities)
def test_the_longest_time_underwater_is_counted_plainly(values) -> None:
    longest = run = 0
    for n, value in enumerate(values):
        run = run + 1 if value < max(values[: n + 1]) else 0
        longest = max(longest, run)
    assert longest_underwater(curve(values)) == longest


@given(equities, st.sampled_from([2, 10, 0.5]))
def test_rates_do_not_depend_on_the_size_of_the_account(values, factor) -> None:
    small = equity_figures(result(values))
    big = equity_figures(result(days=days(*[v * factor for v in values]), cash_krw=int(1_000_000 * factor)))
    for name in ("return_pct", "cagr_pct", "volatility_pct", "sharpe", "psr_pct", "sortino", "max_drawdown_pct"):
        one, other = getattr(small, name), getattr(big, name)
        assert (one is None) == (other is None), name
        if one is not None:
            assert other == pytest.approx(one, rel=1e-6, abs=1e-6), name


@given(equities)
def test_sharpe_and_sortino_are_the_plain_formulas(values) -> None:
    returns = [b / a - 1 for a, b in itertools.pairwise(values)]
    mean = statistics.fmean(returns) if returns else 0.0
    if len(returns) > 1 and statistics.stdev(returns) > 1e-6:
        expected = mean / statistics.stdev(returns) * math.sqrt(252)
        assert sharpe(np.array(returns)) == pytest.approx(expected, rel=1e-6, abs=1e-9)
        below = math.sqrt(sum(min(r, 0.0) ** 2 for r in returns) / len(returns))
        if below > 1e-6:
            assert sortino(np.array(returns)) == pytest.approx(mean / below * math.sqrt(252), rel=1e-6, abs=1e-9)


@given(gains)
def test_round_trips_are_summed_plainly_in_any_order(values) -> None:
    trips = [trip(pnl, minutes=n + 1) for n, pnl in enumerate(values)]
    found = trip_figures(trips, TradingParams())
    won, lost = [v for v in values if v > 0], [-v for v in values if v < 0]
    assert (found.wins, found.losses, found.trips) == (len(won), len(lost), len(values))
    assert found.pnl_usd == sum((D(str(v)) for v in values), D(0))
    if won and lost:
        assert found.profit_factor == pytest.approx(sum(won) / sum(lost), abs=0.0051)
        assert found.payoff == pytest.approx(statistics.fmean(won) / statistics.fmean(lost))
    else:
        assert found.payoff is None
    assert trip_figures(trips[::-1], TradingParams()) == found
    assert found.win_rate_pct is None or 0 <= found.win_rate_pct <= 100
    assert found.given_back_pct is None or found.given_back_pct >= 0


@given(gains, st.sampled_from([2, 10]))
def test_ratios_do_not_depend_on_the_size_of_the_positions(values, factor) -> None:
    small = trip_figures([trip(v, minutes=n + 1) for n, v in enumerate(values)], TradingParams())
    larger = [trip(v * factor, v, minutes=n + 1, cost=100 * factor) for n, v in enumerate(values)]
    big = trip_figures(larger, TradingParams())
    for name in ("win_rate_pct", "payoff", "profit_factor", "expectancy_r", "sqn", "best_share_pct"):
        one, other = getattr(small, name), getattr(big, name)
        assert (one is None) == (other is None), name
        if one is not None:
            assert other == pytest.approx(one, rel=1e-3, abs=0.0101), name


@settings(max_examples=30)
@given(gains)
def test_chance_stays_in_its_bounds(values) -> None:
    found = monte_carlo(result([1000], [trip(v, minutes=n + 1) for n, v in enumerate(values)]), runs=50)
    if found is None:
        assert len(values) < 2
        return
    for band in (found.shuffle_drawdown, found.bootstrap_drawdown):
        assert 0 <= band.p5 <= band.p50 <= band.p95 <= 100
    assert found.bootstrap_return.p5 <= found.bootstrap_return.p95
    assert found.shuffle_return.p50 == pytest.approx(sum(values) / 10, abs=1e-6)
    assert 0 <= found.losing_pct <= 100


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0.0, 0.01, 5.0, 1000.0, 1e9]), max_size=20), gains)
def test_no_figure_is_infinite_and_every_one_can_be_shown(values, pnls) -> None:
    run = result(values, [trip(v, minutes=n + 1) for n, v in enumerate(pnls)])
    measured = measure(run, runs=20)
    shown = [line.value for section in sections(measured) for line in section.lines]
    assert not [value for value in shown if "inf" in value or "nan" in value or "None" in value]
    # msgspec writes what is not finite as null
    assert b"Infinity" not in msgspec.json.encode(measured)


@given(samples)
def test_the_fitted_curve_is_the_least_squares_among_rising_ones(pairs) -> None:
    known = [Case(at=at(MONDAY), confidence=float(confidence), won=won) for confidence, won in pairs]
    steps = isotonic(known)
    heights = [step.chance_pct for step in steps]
    assert heights == sorted(heights)
    assert all(0 <= height <= 100 for height in heights)
    # minimax formula: f(x) = max over a <= x of min over b >= x of the mean of cases in [a, b]
    places = sorted({confidence for confidence, _ in pairs})
    for x in places:
        slow = max(
            min(
                statistics.fmean([won for confidence, won in pairs if a <= confidence <= b])
                for b in places if b >= x
            )
            for a in places if a <= x
        )  # fmt: skip
        fitted = [step.chance_pct for step in steps if step.confidence <= x][-1]
        assert fitted / 100 == pytest.approx(slow)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_rate(pair) -> None:
    won, count = pair
    low, high = wilson(won, count)
    assert 0 <= low <= won / count + 1e-12
    assert won / count - 1e-12 <= high <= 1

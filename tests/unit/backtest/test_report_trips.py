"""Figures of round trips and their tables, reckoned by hand."""

import datetime as dt
import math
import statistics

import pytest

from backtest.report.metrics import measure
from backtest.report.montecarlo import monte_carlo
from backtest.report.tables import bucket, tables
from backtest.report.trips import trip_figures
from core.model.params import TradingParams
from tests.unit.backtest.result_samples import D, result, season, sessions, trip

TRADING = TradingParams()


def test_rates_and_averages_of_three_wins_and_two_losses() -> None:
    found = trip_figures([trip(30), trip(10), trip(20), trip(-15), trip(-5)], TRADING)
    assert (found.trips, found.wins, found.losses, found.win_rate_pct) == (5, 3, 2, 60.0)
    assert (found.pnl_usd, found.pnl_krw) == (D(40), D(40_000))
    assert found.payoff == pytest.approx(2.0)
    assert found.profit_factor == pytest.approx(3.0)
    assert found.expectancy_usd == D(8)
    # the stop risks 15 of 100 dollars
    assert found.expectancy_r == pytest.approx(8 / 15)
    rs = [30 / 15, 10 / 15, 20 / 15, -1, -1 / 3]
    assert found.sqn == pytest.approx(math.sqrt(5) * statistics.mean(rs) / statistics.stdev(rs))
    assert (found.best_pct, found.worst_pct) == (30.0, -15.0)


def test_a_result_of_nothing_is_neither_won_nor_lost() -> None:
    found = trip_figures([trip(0), trip(5)], TRADING)
    assert (found.wins, found.losses, found.win_rate_pct) == (1, 0, 50.0)


def test_what_is_undefined_is_none() -> None:
    none = trip_figures([], TRADING)
    assert {none.win_rate_pct, none.payoff, none.expectancy_usd, none.sqn, none.mae_pct, none.best_share_pct} == {None}
    won = trip_figures([trip(10), trip(10)], TRADING)
    # no loss: neither infinite nor zero; and equal results have no deviation
    assert (won.payoff, won.profit_factor, won.average_loss_krw, won.sqn) == (None,) * 4
    assert trip_figures([trip(-1)], TRADING).best_share_pct is None


def test_excursions_and_what_was_given_back() -> None:
    found = trip_figures([trip(10, mae=-2, mfe=14), trip(-5, mae=-6, mfe=1)], TRADING)
    assert (found.mae_pct, found.mfe_pct, found.given_back_pct) == (-4.0, 7.5, 5.0)


def test_tranches_and_positions_bought_in_full() -> None:
    found = trip_figures([trip(1, tranches=10), trip(1, tranches=4)], TRADING)
    assert (found.tranches, found.full_pct) == (7.0, 50.0)


def test_stop_outs_and_what_gaps_cost() -> None:
    # ten shares bought at 10 dollars with the stop at 8.50, sold at 8.00, at 8.50 and at 9.00
    stops = [trip(-20, reason="STOP"), trip(-15, reason="GUARD"), trip(-10, reason="SIGNAL_SELL")]
    found = trip_figures(stops, TRADING)
    assert (found.stop_outs, found.stop_gap_pct, found.worst_gap_pct) == (2, 2.5, 5.0)
    assert found.gap_loss_usd == D("5.00")


def test_time_to_target_is_of_those_that_reached_it() -> None:
    found = trip_figures(
        [trip(25, mfe=31, minutes=90), trip(5, mfe=29.9, minutes=5), trip(9, mfe=30, minutes=30)], TRADING
    )
    assert (found.reached_target, found.target_minutes) == (2, 60.0)
    assert found.holding_minutes == pytest.approx(125 / 3)


def test_streaks_go_by_the_time_of_exit() -> None:
    results = [5, 5, -1, 0, -1, -1, 5]
    trips = [trip(pnl, minutes=10 * n + 1) for n, pnl in enumerate(results)]
    found = trip_figures(trips[::-1], TRADING)
    assert (found.longest_wins, found.longest_losses) == (2, 2)


def test_concentration() -> None:
    trips = [trip(60, ticker="A"), trip(20, ticker="B"), trip(20, ticker="A"), trip(-10, ticker="C")]
    found = trip_figures(trips, TRADING)
    assert (found.best_share_pct, found.few_share_pct) == (60.0, 100.0)
    assert (found.without_best_usd, found.ticker_share_pct) == (D(30), 50.0)


def test_tables_group_and_add_up() -> None:
    on = sessions(25)
    trips = [
        trip(10, ticker="A", reason="TREND_BROKEN", on=on[0], hour=10, confidence=71),
        trip(-4, ticker="B", reason="STOP", on=on[0], hour=11, confidence=79.9),
        trip(2, ticker="A", reason="STOP", on=on[-1], hour=10, confidence=100),
    ]
    found = tables(result([1000], trips, refused={"a": 1, "b": 3}))
    assert [(row.key, row.trips, row.wins, row.pnl_usd) for row in found.by_reason] == [
        ("TREND_BROKEN", 1, 1, D(10)),
        ("STOP", 2, 1, D(-2)),
    ]
    assert [(row.key, row.trips) for row in found.by_hour] == [("10:00", 2), ("11:00", 1)]
    assert [(row.key, row.trips, row.win_rate_pct) for row in found.by_confidence] == [
        ("70-80", 2, 50.0),
        ("90-100", 1, 100.0),
    ]
    assert [(row.key, row.pnl_usd) for row in found.by_ticker] == [("A", D(12)), ("B", D(-4))]
    assert [(row.key, row.trips) for row in found.by_month] == [("2025-01", 2), ("2025-02", 1)]
    assert [(row.key, row.count) for row in found.refused] == [("b", 3), ("a", 1)]


@pytest.mark.parametrize("confidence", [0.0, 9.99, 10.0, 55.5, 99.9, 100.0])
def test_a_bucket_holds_its_confidence(confidence) -> None:
    low, high = map(int, bucket(confidence).split("-"))
    assert low <= confidence < high or confidence == high == 100


def test_the_same_seed_gives_the_same_bands_and_another_one_others() -> None:
    run = season(20)
    assert monte_carlo(run, runs=200, seed=1) == monte_carlo(run, runs=200, seed=1)
    assert monte_carlo(run, runs=200, seed=1) != monte_carlo(run, runs=200, seed=2)


def test_a_shuffle_keeps_the_sum_and_a_bootstrap_does_not() -> None:
    trips = [trip(100, minutes=1), trip(-50, minutes=2)]
    found = monte_carlo(result([1050], trips), runs=4000, seed=3)
    assert found is not None
    order = found.shuffle_return
    assert (order.p5, order.p50, order.p95) == (pytest.approx(5.0),) * 3
    # first the win: 1100 to 1050; first the loss: 1000 to 950
    assert found.drawdown_pct == pytest.approx(100 * 50 / 1100)
    assert (found.shuffle_drawdown.p5, found.shuffle_drawdown.p95) == (
        pytest.approx(100 * 50 / 1100),
        pytest.approx(5.0),
    )
    drawn = found.bootstrap_return
    assert (drawn.p5, drawn.p50, drawn.p95) == (pytest.approx(-10.0), pytest.approx(5.0), pytest.approx(20.0))
    assert found.losing_pct == pytest.approx(25.0, abs=3)


def test_money_that_is_gone_is_a_drawdown_of_everything() -> None:
    found = monte_carlo(result([1], [trip(-900), trip(-900)]), runs=10)
    assert found is not None
    assert found.drawdown_pct == 100.0
    assert monte_carlo(result([1], [trip(1)])) is None


def test_one_lucky_trip_is_warned_of() -> None:
    assert any("One round trip made 90%" in each for each in measure(result([1100], [trip(90), trip(10)])).warnings)


def test_trips_of_a_night_are_held_for_it() -> None:
    assert (
        trip_figures([trip(1, minutes=24 * 60)], TRADING).holding_minutes == dt.timedelta(days=1).total_seconds() / 60
    )

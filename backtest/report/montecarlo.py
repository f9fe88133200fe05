"""Chance: the same round trips in another order, and other round trips of the same kind."""

import msgspec
import numpy as np

from backtest.report.equity import start_usd
from backtest.report.numbers import HUNDRED
from backtest.result import Result
from charts.spec import FloatArray

RUNS = 2_000
SEED = 20_260
# at once: memory stays bounded however many round trips there are
BLOCK = 100


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """5, 50 and 95 of 100 runs are at or below these values, in percent."""

    p5: float
    p50: float
    p95: float


class MonteCarlo(msgspec.Struct, frozen=True, kw_only=True):
    """Round trips booked one after another on the money of the start, without compounding.

    A shuffle changes the order alone, so its final return is always the same one. A bootstrap draws as many round trips
    with replacement; `losing_pct` is the share of its runs that end below the start. `drawdown_pct` is that of the
    order as it was.
    """

    runs: int
    seed: int
    drawdown_pct: float
    shuffle_return: Band
    shuffle_drawdown: Band
    bootstrap_return: Band
    bootstrap_drawdown: Band
    losing_pct: float


def monte_carlo(result: Result, *, runs: int = RUNS, seed: int = SEED) -> MonteCarlo | None:
    """None of fewer than two round trips; the same seed gives the same bands."""
    ordered = sorted(result.trips, key=lambda each: (each.trip.closed_at, each.trip.ticker))
    gains = np.array([float(each.trip.pnl_usd) for each in ordered], dtype=np.float64) / float(start_usd(result))
    if len(gains) < 2:
        return None
    chance = np.random.default_rng(seed)
    shuffled, drawn = [], []
    for first in range(0, runs, BLOCK):
        count = min(BLOCK, runs - first)
        shuffled.append(_outcomes(chance.permuted(np.tile(gains, (count, 1)), axis=1)))
        drawn.append(_outcomes(chance.choice(gains, size=(count, len(gains)))))
    order, other = np.concatenate(shuffled), np.concatenate(drawn)
    return MonteCarlo(
        runs=runs,
        seed=seed,
        drawdown_pct=float(_outcomes(gains[np.newaxis])[0, 1]),
        shuffle_return=_band(order[:, 0]),
        shuffle_drawdown=_band(order[:, 1]),
        bootstrap_return=_band(other[:, 0]),
        bootstrap_drawdown=_band(other[:, 1]),
        losing_pct=float((other[:, 0] < 0).mean()) * HUNDRED,
    )


def _outcomes(gains: FloatArray) -> FloatArray:
    """Final return and deepest drawdown of each run in percent; (runs, trips) in, (runs, 2) out."""
    path = 1 + np.concatenate([np.zeros((len(gains), 1)), np.cumsum(gains, axis=1)], axis=1)
    # money that is gone stays gone
    depths = np.clip(1 - path / np.maximum.accumulate(path, axis=1), 0.0, 1.0)
    return np.column_stack([path[:, -1] - 1, depths.max(axis=1)]) * HUNDRED


def _band(values: FloatArray) -> Band:
    low, middle, high = np.percentile(values, [5, 50, 95]).tolist()
    return Band(p5=low, p50=middle, p95=high)

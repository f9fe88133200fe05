"""How far the confidence of a signal can be believed: hit rates by confidence, and a fit that is judged on later cases."""

import datetime as dt
import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from backtest.report.numbers import HUNDRED, deviation
from backtest.report.tables import BIN
from backtest.result import Result
from charts.spec import FloatArray
from core.model.calibration import LEAST_CASES, Bin, Calibration

# the part of the cases, by time, that the curve is fitted on
FIT_SHARE = 0.7
SURE = 0.95


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that was bought, and what came of it."""

    at: dt.datetime
    confidence: float
    won: bool


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """From this confidence on, the fitted chance to win in percent."""

    confidence: float
    chance_pct: float


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The fitted curve on one part of the cases.

    `brier` is the mean of (chance - outcome)^2, `brier_of_mean` the same of a curve that says the fitted part's hit
    rate to everything: a score that knows something stays below it. `reliability` is the mean of (chance - hit rate)^2
    over the curve's steps, weighted by cases: 0 is honest. `better_pct` is how sure these cases make it that the curve
    beats the constant (one-sided, normal); None where both say the same.
    """

    cases: int
    won: int
    brier: float
    brier_of_mean: float
    reliability: float
    better_pct: float | None


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the confidence. Curve and judgements are None where a part has fewer than `least_cases`."""

    cases: int
    won: int
    least_cases: int
    bins: tuple[Bin, ...]
    curve: tuple[Step, ...] | None
    fitted: Judgement | None
    later: Judgement | None


def cases(result: Result) -> tuple[Case, ...]:
    """The round trips as cases by the time of their first buy; one that is still open has no outcome yet."""
    found = (
        Case(at=each.trip.opened_at, confidence=each.confidence, won=each.trip.pnl_krw > 0) for each in result.trips
    )
    return tuple(sorted(found, key=lambda case: (case.at, case.confidence)))


def reliability(known: Sequence[Case], *, least: int = LEAST_CASES) -> Reliability:
    """Bins of all cases; a curve from the earlier 70 % of them, judged there and on the rest. Cases come by time."""
    split = int(len(known) * FIT_SHARE)
    early, late = known[:split], known[split:]
    enough = min(len(early), len(late)) >= least
    curve = isotonic(early) if enough else None
    mean = sum(case.won for case in early) / len(early) if early else 0.0
    return Reliability(
        cases=len(known),
        won=sum(case.won for case in known),
        least_cases=least,
        bins=bins(known, least=least),
        curve=curve,
        fitted=None if curve is None else judge(curve, early, mean),
        later=None if curve is None else judge(curve, late, mean),
    )


def bins(known: Sequence[Case], *, least: int = LEAST_CASES) -> tuple[Bin, ...]:
    """Ten points wide, those with cases; no rate for one with fewer than `least`."""
    found: dict[int, list[Case]] = {}
    for case in known:
        found.setdefault(min(int(case.confidence // BIN) * BIN, 100 - BIN), []).append(case)
    return tuple(_bin(low, found[low], least) for low in sorted(found))


def _bin(low: int, members: Sequence[Case], least: int) -> Bin:
    count, won = len(members), sum(case.won for case in members)
    if count < least:
        return Bin(low=low, high=low + BIN, cases=count, won=won)
    below, above = wilson(won, count)
    return Bin(
        low=low,
        high=low + BIN,
        cases=count,
        won=won,
        rate_pct=won / count * HUNDRED,
        low_pct=below * HUNDRED,
        high_pct=above * HUNDRED,
    )


def wilson(won: int, count: int, sure: float = SURE) -> tuple[float, float]:
    """Wilson's score interval of a rate, as fractions; `count` is at least one."""
    z = NormalDist().inv_cdf((1 + sure) / 2)
    rate, share = won / count, z * z / count
    middle = (rate + share / 2) / (1 + share)
    reach = z / (1 + share) * math.sqrt(rate * (1 - rate) / count + share / (4 * count))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def isotonic(known: Sequence[Case]) -> tuple[Step, ...]:
    """The rising step curve with the least squared error, by pooling adjacent violators."""
    blocks: list[tuple[float, int, int]] = []
    ordered = sorted(known, key=lambda case: case.confidence)
    for confidence, group in itertools.groupby(ordered, key=lambda case: case.confidence):
        members = list(group)
        start, won, count = confidence, sum(case.won for case in members), len(members)
        # won / count as whole numbers, so that equal rates are equal
        while blocks and blocks[-1][1] * count >= won * blocks[-1][2]:
            start, before, more = blocks.pop()
            won, count = won + before, count + more
        blocks.append((start, won, count))
    return tuple(Step(confidence=start, chance_pct=won / count * HUNDRED) for start, won, count in blocks)


def chances(curve: Sequence[Step], confidences: FloatArray) -> FloatArray:
    """The curve's chance of each confidence as a fraction; below its first step that step's."""
    starts = np.array([step.confidence for step in curve])
    heights = np.array([step.chance_pct for step in curve]) / HUNDRED
    found: FloatArray = heights[np.maximum(np.searchsorted(starts, confidences, side="right") - 1, 0)]
    return found


def judge(curve: Sequence[Step], known: Sequence[Case], mean: float) -> Judgement:
    """The curve on cases; `mean` is the hit rate of the fitted part."""
    outcome = np.array([case.won for case in known], dtype=np.float64)
    said = chances(curve, np.array([case.confidence for case in known], dtype=np.float64))
    off = 0.0
    for chance in np.unique(said).tolist():
        members = outcome[said == chance]
        off += len(members) * (chance - float(members.mean())) ** 2
    gained = (mean - outcome) ** 2 - (said - outcome) ** 2
    spread = deviation(gained)
    sure = None if spread is None else NormalDist().cdf(float(gained.mean()) / spread * math.sqrt(len(known)))
    return Judgement(
        cases=len(known),
        won=int(outcome.sum()),
        brier=float(np.mean((said - outcome) ** 2)),
        brier_of_mean=float(np.mean((mean - outcome) ** 2)),
        reliability=off / len(known),
        better_pct=None if sure is None else sure * HUNDRED,
    )


def calibration(result: Result, *, least: int = LEAST_CASES) -> Calibration:
    """The table for the discovery card; `config.calibration` writes and reads it."""
    trading = result.params.trading
    return Calibration(
        first=result.first,
        last=result.last,
        data_hash=result.data_hash,
        config_hash=result.config_hash,
        analyzer=result.params.analyzer,
        take_profit_pct=trading.take_profit_pct,
        stop_loss_pct=trading.stop_loss_pct,
        least_cases=least,
        bins=bins(cases(result), least=least),
    )


def unfit(table: Calibration, known: Reliability) -> str | None:
    """Why a card should not quote the table; None where it may.

    A bin has to have enough cases, and hit rates by confidence have to say as much on the later cases, on which nothing
    was fitted, as the plain hit rate does.
    """
    if not any(each.cases >= table.least_cases for each in table.bins):
        most = max((each.cases for each in table.bins), default=0)
        return f"no range of confidence has {table.least_cases} cases, the most is {most}: run more days"
    if known.later is None:
        return (
            f"{known.cases} round trips are too few to judge on later ones: {FIT_SHARE:.0%} to fit and the rest to judge "
            f"need {known.least_cases} each: run more days"
        )
    if known.later.brier > known.later.brier_of_mean:
        return (
            f"on the {known.later.cases} later round trips the confidence said less than the plain hit rate "
            f"(Brier {known.later.brier:.4f}, {known.later.brier_of_mean:.4f}): numbers by confidence would mislead"
        )
    return None


def quoted(table: Calibration, known: Reliability) -> list[str]:
    """What the card will say of each bin, and how sure the later cases are."""
    lines = []
    for each in table.bins:
        if each.cases < table.least_cases:
            words = f"too few cases ({each.cases}), nothing is quoted"
        else:
            words = f"{each.won} of {each.cases} made money ({each.won / each.cases:.0%})"
        lines.append(f"confidence {each.low:g} to {each.high:g}: {words}")
    later = known.later
    if later is not None and (later.better_pct is None or later.better_pct < SURE * HUNDRED):
        lines.append(
            f"warning: the {later.cases} later round trips don't make it sure that the confidence tells wins from losses"
        )
    return lines

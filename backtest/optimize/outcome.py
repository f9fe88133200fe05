"""What a search found, in sample and out of it side by side, and what speaks against believing it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from statistics import fmean

import msgspec
import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from backtest.optimize.folds import Fold
from backtest.optimize.space import Range, Value
from backtest.optimize.study import INSIDE, OUTSIDE, REFUSED, Search
from backtest.optimize.trial import Figure
from config.params import settings
from core.model.bar import FloatArray
from core.model.candidate import Doubt, Pair
from core.model.params import Params
from core.rules import candidates

# of ranks, fewer say nothing
LEAST_TRIALS = 8


class FoldOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One window: the found settings, the present ones, and the ones that were best in this window alone."""

    train: tuple[dt.date, dt.date]
    test: tuple[dt.date, dt.date] | None
    found: Pair
    present: Pair
    own: Pair
    own_values: dict[str, Value]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`values` are the best on the average of all windows in sample; `walked` is each window's own best, tested behind it."""

    study: str
    goal: str
    complete: int
    pruned: int
    refused: int
    failed: int
    values: dict[str, Value]
    present_values: dict[str, Value]
    found: Pair
    present: Pair
    walked: Pair
    rank_correlation: float | None
    folds: tuple[FoldOutcome, ...]
    warnings: tuple[str, ...]


def present(search: Search) -> list[Pair]:
    """The figures of the present settings, window by window."""
    return [_judged(search, search.base, fold) for fold in search.folds]


def _judged(search: Search, params: Params, fold: Fold) -> Pair:
    return _pair(search.judge(params, fold.train), search.judge(params, fold.test) if fold.test else None)


def _pair(inside: Figure, outside: Figure | None) -> Pair:
    return Pair(
        inside=inside.value,
        outside=None if outside is None else outside.value,
        trips_inside=inside.trips,
        trips_outside=0 if outside is None else outside.trips,
    )


def outcome(study: Study, search: Search, present_pairs: Sequence[Pair]) -> Outcome:
    """Of a study with at least one complete trial."""
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    best = max(complete, key=lambda trial: (trial.value or 0.0, -trial.number))
    found, folds = _pairs(best), []
    for number, fold in enumerate(search.folds):
        own = max(complete, key=lambda trial: (_pairs(trial)[number].inside, -trial.number))
        folds.append(
            FoldOutcome(
                train=(fold.train[0], fold.train[-1]),
                test=(fold.test[0], fold.test[-1]) if fold.test else None,
                found=found[number],
                present=present_pairs[number],
                own=_pairs(own)[number],
                own_values=own.params,
            )
        )
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    refused = sum(REFUSED in trial.user_attrs for trial in pruned)
    told = Outcome(
        study=search.study,
        goal=search.goal,
        complete=len(complete),
        pruned=len(pruned) - refused,
        refused=refused,
        failed=sum(trial.state is TrialState.FAIL for trial in trials),
        values=best.params,
        present_values={d.key: _present_value(search.base, d.key) for d in search.dimensions},
        found=_mean(found),
        present=_mean(present_pairs),
        walked=_mean([fold.own for fold in folds]),
        rank_correlation=_rank_correlation(complete),
        folds=tuple(folds),
        warnings=(),
    )
    return msgspec.structs.replace(told, warnings=(*sentences(told), *_ends(search, told.values)))


def _present_value(base: Params, key: str) -> Value:
    section, name = key.split(".")
    value: Value = getattr(getattr(base, section), name)
    return value


def _pairs(trial: FrozenTrial) -> list[Pair]:
    inside, outside = (msgspec.convert(trial.user_attrs[side], list[Figure]) for side in (INSIDE, OUTSIDE))
    known: list[Figure | None] = [*outside] or [None] * len(inside)
    return [_pair(i, o) for i, o in zip(inside, known, strict=True)]


def _mean(pairs: Sequence[Pair]) -> Pair:
    outside = [pair.outside for pair in pairs if pair.outside is not None]
    return Pair(
        inside=fmean(pair.inside for pair in pairs),
        outside=fmean(outside) if outside else None,
        trips_inside=sum(pair.trips_inside for pair in pairs),
        trips_outside=sum(pair.trips_outside for pair in pairs),
    )


def _rank_correlation(complete: Sequence[FrozenTrial]) -> float | None:
    """Spearman's, between the means in sample and out of it over all candidates; None where there are too few."""
    different = {tuple(sorted(trial.params.items())): _mean(_pairs(trial)) for trial in complete}.values()
    points = [(pair.inside, pair.outside) for pair in different if pair.outside is not None]
    if len(points) < LEAST_TRIALS:
        return None
    inside, outside = (_ranks(side) for side in zip(*points, strict=True))
    # all the same on one side has no order
    return float(np.corrcoef(inside, outside)[0, 1]) if np.ptp(inside) and np.ptp(outside) else None


def _ranks(values: Sequence[float]) -> FloatArray:
    """Equal values share the mean of their places."""
    _, place, counts = np.unique(np.array(values), return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def doubts(told: Outcome) -> list[Doubt]:
    """What speaks against the find."""
    return candidates.doubts(
        told.found,
        told.present,
        told.walked,
        trials=told.complete + told.pruned,
        windows=len(told.folds),
        rank_correlation=told.rank_correlation,
    )


def _words(doubt: Doubt, told: Outcome) -> str:
    """A doubt as a sentence."""
    walked, outside = told.walked, told.walked.outside or 0.0
    match doubt:
        case Doubt.NOTHING_OUTSIDE:
            return "nothing was kept out of sample: how much of this is chance nobody knows. Use --test."
        case Doubt.DISAGREES:
            return (
                f"out of sample disagrees: {walked.inside:.3g} where it was searched, {outside:.3g} on the days "
                "behind. What was found fits the past more than the market."
            )
        case Doubt.PRESENT_AS_GOOD:
            return (
                f"the present settings did as well or better out of sample ({told.present.outside or 0.0:.3g}) "
                f"as the found ones ({told.found.outside or 0.0:.3g}): there is no reason to change them."
            )
        case Doubt.ORDER_IS_CHANCE:
            return (
                f"candidates that were better in sample were not better out of it (rank correlation "
                f"{told.rank_correlation or 0.0:.2f}): the order of candidates is chance."
            )
        case Doubt.ONE_WINDOW:
            return "one window is little: more days, or smaller --train and --test."
        case Doubt.FEW_TRIPS:
            return (
                f"{told.found.trips_outside} round trips out of sample are few: "
                f"under {candidates.FEW_TRIPS} a mean is chance."
            )
        case Doubt.NOTHING_BETTER:
            return "nothing better than the present settings was found even in sample."
        case Doubt.FEW_TRIALS:
            return f"{told.complete + told.pruned} candidates are few: the same command with more --trials goes on."


def sentences(told: Outcome) -> list[str]:
    """What speaks against the find, in sentences."""
    return [_words(doubt, told) for doubt in doubts(told)]


def _ends(search: Search, values: Mapping[str, Value]) -> list[str]:
    ends = []
    for dimension in search.dimensions:
        setting, value = settings()[dimension.key], values[dimension.key]
        if not isinstance(dimension, Range) or value not in {dimension.low, dimension.high}:
            continue
        if value not in {setting.low, setting.high}:
            ends.append(f"{dimension.key} is best at the end of its range, {value:g}: a wider range may hold better.")
    return ends

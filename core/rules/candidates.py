"""What speaks against a find, which of its settings are not the present ones any more, which change comes next."""

from collections.abc import Mapping, Sequence

from core.model.candidate import Candidate, Change, Doubt, Pair
from core.model.messages import Value

FEW_TRIALS = FEW_TRIPS = 30
# how much of the figure should be left out of sample
HALF = 0.5


def doubts(
    found: Pair, present: Pair, walked: Pair, *, trials: int, windows: int, rank_correlation: float | None
) -> list[Doubt]:
    """Of means over all windows; `trials` came to an end, `rank_correlation` is None where nothing can be said."""
    said = []
    if found.outside is None:
        said.append(Doubt.NOTHING_OUTSIDE)
    else:
        assert walked.outside is not None
        if walked.inside > 0 and walked.outside < HALF * walked.inside:
            said.append(Doubt.DISAGREES)
        if present.outside is not None and found.outside <= present.outside:
            said.append(Doubt.PRESENT_AS_GOOD)
        if rank_correlation is not None and rank_correlation <= 0:
            said.append(Doubt.ORDER_IS_CHANCE)
        if windows == 1:
            said.append(Doubt.ONE_WINDOW)
        if found.trips_outside < FEW_TRIPS:
            said.append(Doubt.FEW_TRIPS)
    if found.inside <= present.inside:
        said.append(Doubt.NOTHING_BETTER)
    if trials < FEW_TRIALS:
        said.append(Doubt.FEW_TRIALS)
    return said


def moved(candidate: Candidate, present: Mapping[str, Value]) -> list[Change]:
    """Settings that the figures were made with and that are others now: `old` then, `new` now.

    A setting that the candidate changes counts unless it has the old value or, applied already, the new one.
    """
    changed = {change.key: change for change in candidate.changes}
    then = candidate.base | {key: change.old for key, change in changed.items()}
    return [
        Change(key=key, old=value, new=present[key])
        for key, value in then.items()
        if key in present and present[key] != value and not (key in changed and present[key] == changed[key].new)
    ]


def left(candidate: Candidate, present: Mapping[str, Value]) -> Sequence[Change]:
    """The changes that are not in force yet, with the present value as the old one."""
    return [
        Change(key=change.key, old=present.get(change.key), new=change.new)
        for change in candidate.changes
        if present.get(change.key) != change.new
    ]

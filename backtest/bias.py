"""Whether a run knows what it can't know yet (look-ahead), and whether it needs days that it was not shown (warm-up)."""

import datetime as dt
import itertools
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from backtest.data.memory import DaySource, PartOfDays
from backtest.result import Result
from core.model.params import Params
from core.rules.days import us_date, us_midnight_after

Run = Callable[[DaySource], Result]
Told = Callable[[int, int], None]
T = TypeVar("T")
# kinds of decisions: the lists of the result that hold them
ALL = ("found", "judged", "proposed", "filled")
# what hangs on no position, no cash and no daily limit, as long as nothing is bought
FREE = ("found", "judged")
MINUTE = dt.timedelta(minutes=1)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a run decided, or that happened to its orders; `values` is all of it in words."""

    at: dt.datetime
    kind: str
    ticker: str
    values: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The first decision that differs; None on the side that has none. `cut`: the hidden future's or the first day's begin."""

    cut: dt.datetime
    whole: Decision | None
    part: Decision | None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """`decisions` of the whole run, and how many `compared` ones the parts held; without any, nothing was shown."""

    cuts: tuple[dt.datetime, ...]
    decisions: int
    compared: int
    differences: tuple[Difference, ...]


def lookahead(run: Run, source: DaySource, *, cuts: int, told: Told = lambda _done, _of: None) -> Findings:
    """Run to the end, then again with everything after an instant hidden: what was decided until then must be the same.

    Most of the instants are those of decisions, where a look into the next bar would show; the others are ends of days.
    """
    whole = run(source)
    everything = decisions(whole, ALL)
    instants = _instants(everything, [day.on for day in whole.days], cuts)
    return _compare(
        everything,
        instants,
        lambda cut: decisions(run(PartOfDays(source, until=cut)), ALL),
        lambda decision, cut: decision.at <= cut,
        told,
    )


def warmup(run: Run, source: DaySource, *, starts: int, told: Told = lambda _done, _of: None) -> Findings:
    """Begin later: discoveries and signals of the days that both runs have must be the same.

    `run` must not buy (`watching`): positions and daily limits are a memory of their own, and a lawful one.
    """
    everything = decisions(run(source), FREE)
    later = _spread(source.days()[1:], starts)
    begins = [us_midnight_after(dt.datetime.combine(on, dt.time(), dt.UTC)) for on in later]
    return _compare(
        everything,
        begins,
        lambda begin: decisions(run(PartOfDays(source, first=us_date(begin))), FREE),
        lambda decision, begin: decision.at >= begin,
        told,
    )


def watching(params: Params) -> Params:
    """The same settings, but nothing is bought."""
    return msgspec.structs.replace(params, trading=msgspec.structs.replace(params.trading, mode="watch"))


def decisions(result: Result, kinds: Sequence[str]) -> list[Decision]:
    """The decisions of these kinds in the order of their instants."""
    found = []
    for kind in kinds:
        for record in getattr(result, kind):
            values = msgspec.to_builtins(record)
            at, ticker = record.at, values.pop("ticker")
            del values["at"]
            words = ", ".join(f"{name} {value}" for name, value in values.items())
            found.append(Decision(at=at, kind=kind, ticker=ticker, values=words))
    return sorted(found, key=lambda decision: decision.at)


def _compare(
    everything: Sequence[Decision],
    cuts: Sequence[dt.datetime],
    part: Callable[[dt.datetime], Sequence[Decision]],
    common: Callable[[Decision, dt.datetime], bool],
    told: Told,
) -> Findings:
    differences, compared = [], 0
    for done, cut in enumerate(cuts, 1):
        expected = [decision for decision in everything if common(decision, cut)]
        got = [decision for decision in part(cut) if common(decision, cut)]
        compared += len(got)
        for whole, other in itertools.zip_longest(expected, got):
            if whole != other:
                differences.append(Difference(cut=cut, whole=whole, part=other))
                break
        told(done, len(cuts))
    return Findings(cuts=tuple(cuts), decisions=len(everything), compared=compared, differences=tuple(differences))


def _instants(everything: Sequence[Decision], days: Sequence[dt.date], count: int) -> list[dt.datetime]:
    """Ends of days for a quarter, then some of each kind of decision: there are many more fills than discoveries."""
    ends = [us_midnight_after(dt.datetime.combine(on, dt.time(12), dt.UTC)) for on in days[:-1]]
    chosen = set(_spread(ends, count // 4))
    kinds = [kind for kind in ALL if any(decision.kind == kind for decision in everything)]
    for left, kind in zip(range(len(kinds), 0, -1), kinds, strict=True):
        moments = {_minute_after(decision.at) for decision in everything if decision.kind == kind} - chosen
        chosen |= set(_spread(sorted(moments), max(0, count - len(chosen)) // left))
    return sorted(chosen)


def _minute_after(at: dt.datetime) -> dt.datetime:
    """Bars end on whole minutes."""
    return dt.datetime.fromtimestamp(math.ceil(at.timestamp() / 60) * 60, dt.UTC)


def _spread(items: Sequence[T], count: int) -> list[T]:
    """At most so many of them, at even distances, the last one among them."""
    size = len(items)
    return list(items) if size <= count else [items[(i + 1) * size // count - 1] for i in range(count)]

"""The protocol table of reliability.md 2.7, made anew: four naive protocols and three settings of ours."""

import datetime as dt
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import msgspec

from core.model.signal import SignalType
from core.rules.reconcile import Resolution
from simulation.many import CHUNK, results
from simulation.protocols import KINDS, Schedule
from simulation.story import Story

OURS = {
    "ours, quarantine 30 s": Resolution(quarantine=dt.timedelta(seconds=30), buy_misses=1, one_shot=False),
    "ours, quarantine 180 s": Resolution(one_shot=False),
    "ours, 180 s + one shot": Resolution(),
}
UNWATCHED = {"unwatched", "unprotected"}


# A plan of ours ends with an order that is not found; only another signal could buy the same ticker again.
SIGNALS_S = (60.0, 100.0, 140.0, 180.0, 220.0)


def signal_again(story: Story) -> None:
    """The analyzer likes the same ticker again and again, as it does with one that moves."""
    for at in SIGNALS_S:
        story.clock.later(at, story.signal, "AAA", SignalType.BUY)
    story.last_signal_at = SIGNALS_S[-1]


class Row(msgspec.Struct, kw_only=True):
    """One protocol; counts of stories. `other` is every other broken promise, which naive traders do not make."""

    name: str
    runs: int = 0
    over: int = 0
    unwatched: int = 0
    adopted: int = 0
    no_fill: int = 0
    other: int = 0
    worst: float = 0.0

    def count(self, *, over: bool, unwatched: bool, adopted: bool, bought: bool, spent: float, other: bool) -> None:
        """One more story."""
        self.runs += 1
        self.over += over
        self.unwatched += unwatched
        self.adopted += adopted
        self.no_fill += not bought
        self.other += other
        self.worst = max(self.worst, spent)


def _naive(kind: str, seeds: range, level: str) -> list[tuple[float, bool, bool, bool]]:
    found = []
    for seed in seeds:
        o = Schedule(kind, seed, level).play()
        found.append((o.spent, o.unwatched, o.adopted, o.bought))
    return found


def naive_row(kind: str, first: int, seeds: int, level: str, *, workers: int, tick: Callable[[], None]) -> Row:
    """One naive protocol."""
    row = Row(name=KINDS[kind])
    chunks = [range(n, min(n + CHUNK, first + seeds)) for n in range(first, first + seeds, CHUNK)]
    for found in _spread(kind, chunks, level, workers):
        for spent, unwatched, adopted, bought in found:
            over = spent > 1.001
            row.count(over=over, unwatched=unwatched, adopted=adopted, bought=bought, spent=spent, other=False)
            tick()
    return row


def _spread(kind: str, chunks: list[range], level: str, workers: int) -> Iterator[list[tuple[float, bool, bool, bool]]]:
    if workers <= 1:
        yield from (_naive(kind, chunk, level) for chunk in chunks)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_naive, [kind] * len(chunks), chunks, [level] * len(chunks))


def our_row(name: str, first: int, seeds: int, level: str, *, workers: int, tick: Callable[[], None]) -> Row:
    """One setting of the real trader; a story ends with its first broken promise."""
    row = Row(name=name)
    for result in results(first, seeds, level, workers=workers, resolution=OURS[name], prepare=signal_again):
        broken = result.violation.name if result.violation else ""
        row.count(
            over=broken == "over-buy" or result.worst > 1.001,
            unwatched=broken in UNWATCHED,
            adopted=broken == "adopted",
            bought=result.bought > 0,
            spent=result.worst,
            other=bool(broken) and broken not in {"over-buy", "adopted", *UNWATCHED},
        )
        tick()
    return row


def protocol_table(
    first: int, seeds: int, level: str, *, workers: int, tick: Callable[[str], None] = lambda _name: None
) -> list[Row]:
    """All rows; `tick` is told the name after each story."""
    rows = [
        naive_row(kind, first, seeds, level, workers=workers, tick=lambda n=name: tick(n))  # type: ignore[misc]
        for kind, name in KINDS.items()
    ]
    rows += [
        our_row(name, first, seeds, level, workers=workers, tick=lambda n=name: tick(n))  # type: ignore[misc]
        for name in OURS
    ]
    return rows

"""Many seeds over several processes, and what they add up to."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

import msgspec

from core.rules.reconcile import Resolution
from simulation.run import run_seed
from simulation.story import Result, Story

CHUNK = 5
KEPT_FAILURES = 20


class Totals(msgspec.Struct, kw_only=True):
    """Sums over many stories."""

    level: str
    runs: int = 0
    violations: Counter[str] = msgspec.field(default_factory=Counter)
    failures: list[tuple[int, str, float, str]] = []
    hits: Counter[str] = msgspec.field(default_factory=Counter)
    stories_hit: Counter[str] = msgspec.field(default_factory=Counter)
    intents: int = 0
    human: int = 0
    no_fill: int = 0
    virtual_s: float = 0.0
    real_s: float = 0.0

    def add(self, result: Result) -> None:
        """One more story."""
        self.runs += 1
        self.intents += result.intents
        self.human += result.human
        self.no_fill += result.bought == 0
        self.virtual_s += result.seconds
        self.hits.update(result.hits)
        self.stories_hit.update(result.hits.keys())
        if (broken := result.violation) is not None:
            self.violations[broken.name] += 1
            if len(self.failures) < KEPT_FAILURES:
                self.failures.append((result.seed, broken.name, broken.at, broken.text))

    @property
    def seeds_per_s(self) -> float:
        """Speed over all processes."""
        return self.runs / self.real_s if self.real_s else 0.0


Prepare = Callable[[Story], None]


def _chunk(seeds: range, level: str, resolution: Resolution | None, prepare: Prepare | None) -> list[Result]:
    return [run_seed(seed, level, resolution=resolution, prepare=prepare) for seed in seeds]


def results(
    first: int,
    seeds: int,
    level: str,
    *,
    workers: int = 1,
    resolution: Resolution | None = None,
    prepare: Prepare | None = None,
) -> Iterator[Result]:
    """Play `seeds` stories from seed `first` on; with several workers in the order in which they end.

    `prepare` changes each story before it begins; it must be a function of a module, because it is sent to the workers.
    """
    chunks = [range(n, min(n + CHUNK, first + seeds)) for n in range(first, first + seeds, CHUNK)]
    if workers <= 1:
        for chunk in chunks:
            yield from _chunk(chunk, level, resolution, prepare)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: set[Future[list[Result]]] = set()
        for chunk in chunks:
            waiting.add(pool.submit(_chunk, chunk, level, resolution, prepare))
            if len(waiting) >= 2 * workers:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        for future in waiting:
            yield from future.result()


def total(
    first: int,
    seeds: int,
    level: str,
    *,
    workers: int = 1,
    resolution: Resolution | None = None,
    tick: Callable[[Totals], None] = lambda _totals: None,
) -> Totals:
    """Run and add up; `tick` is told after each story."""
    sums, began = Totals(level=level), time.perf_counter()
    for result in results(first, seeds, level, workers=workers, resolution=resolution):
        sums.add(result)
        sums.real_s = time.perf_counter() - began
        tick(sums)
    return sums

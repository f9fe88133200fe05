"""Every place where a trader can die: found by watching one story, then each is killed there once (reliability.md 5.4).

A place is where a task of the trader waits (a line of our code), a commit, or bytes that leave; each is told apart by
the phase that the newest live order is in.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import CoroutineType, FrameType

import msgspec

from core.model.signal import SignalType
from simulation.faults import CALM, Rates
from simulation.lives import TraderLife
from simulation.market import Move
from simulation.run import run_seed
from simulation.story import Result, Story

ROOT = Path(__file__).resolve().parent.parent
OURS = tuple(str(ROOT / folder) for folder in ("services", "core", "adapters"))
PHASES = ("idle", "prepared", "sent", "acked", "partial", "cancelling", "exiting")
# orders rest and fill in parts, so that every phase lasts; nothing else goes wrong but the death
RATES: Rates = msgspec.structs.replace(CALM, partial=0.6, stuck=0.3, slow_cancel=0.3)
FALLS_AT_S, ENDS_S = 60.0, 100.0
SHORT = {"split_count": 3, "split_interval_sec": 10, "unfilled_cancel_sec": 15, "mode": "auto", "stop_loss_pct": -10.0}


class Point(msgspec.Struct, frozen=True):
    """`place` in `phase`; it is reached at step `step`, or at call `call` of a port, of the trader's first life."""

    place: str
    phase: str
    step: int = -1
    call: int = -1


class Script:
    """A plot without chance: buy, fall to the stop, sell. `watch` sees the first life before it starts."""

    def __init__(self, story: Story, watch: Callable[[TraderLife], None]) -> None:
        self._story, self._watch = story, watch
        params = story.around.params
        story.around.params = msgspec.structs.replace(params, trading=msgspec.structs.replace(params.trading, **SHORT))
        story.clock.later(5.0, story.signal, "AAA", SignalType.BUY)
        story.last_signal_at = 5.0
        for ticker, stock in story.stocks.items():
            stock.follow([Move(FALLS_AT_S, jump=0.8)] if ticker == "AAA" else [])
        story.ending.ends = ENDS_S

    def death(self, life: TraderLife) -> None:
        """Only the first life is of interest."""
        if len(self._story.lives) == 1:
            self._watch(life)

    def died(self) -> bool:
        """It always comes back."""
        return False


def waits_at(handle: asyncio.Handle) -> str:
    """The line of our code at which the task of a step waits now, or nothing."""
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]  # noqa: SLF001
    if not isinstance(task, asyncio.Task) or task.done():
        return ""
    found = ""
    coro: object = task.get_coro()
    while isinstance(coro, CoroutineType):
        frame: FrameType | None = coro.cr_frame
        if frame is not None and frame.f_code.co_filename.startswith(OURS):
            file = Path(frame.f_code.co_filename).relative_to(ROOT)
            found = f"{file}:{frame.f_lineno} {frame.f_code.co_name}"
        coro = coro.cr_await
    return found


def enumerate_points(seed: int) -> tuple[list[Point], Result]:
    """Watch one story without deaths: the first occurrence of each place in each phase."""
    found: dict[tuple[str, str], Point] = {}

    def watch(story: Story) -> Callable[[TraderLife], None]:
        booked = story.checks.booked

        def put(place: str, *, step: int = -1, call: int = -1) -> None:
            phase = booked.phase()
            found.setdefault((place, phase), Point(place, phase, step, call))

        def begin(life: TraderLife) -> None:
            inner = life.process.after

            def after(handle: asyncio.Handle) -> None:
                if inner is not None:
                    inner(handle)
                if place := waits_at(handle):
                    put(place, step=life.process.steps)

            def decide(what: str, when: str) -> bool:
                put(f"{what} {when}", call=life.hooks.calls)
                return False

            life.process.after, life.hooks.decide = after, decide

        return begin

    def prepare(story: Story) -> None:
        story.plot = Script(story, watch(story))

    result = run_seed(seed, RATES, prepare=prepare)
    return [*found.values()], result


def kill_at(point: Point, seed: int) -> tuple[Result, bool]:
    """The same story with a death at a point; also whether it came to that."""
    lives: list[TraderLife] = []

    def begin(life: TraderLife) -> None:
        lives.append(life)
        life.process.die_at_step = point.step
        if point.call >= 0:
            life.hooks.decide = lambda _what, _when: life.hooks.calls == point.call

    def prepare(story: Story) -> None:
        story.plot = Script(story, begin)

    result = run_seed(seed, RATES, prepare=prepare)
    first = lives[0]
    return result, first.process.steps == point.step or first.hooks.calls == point.call

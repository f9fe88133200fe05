"""Run one seed, or many: each in its own scratch directory, with the product's logs off."""

import logging
import shutil
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from core.model.order import IntentState, Side
from core.rules.reconcile import Resolution
from simulation.faults import LEVELS, Rates
from simulation.kis import FEE
from simulation.plot import buys
from simulation.story import Result, Story


def scratch() -> Path:
    """A directory in memory where there is one."""
    memory = Path("/dev/shm")  # noqa: S108  (a fresh directory in it is made below)
    return Path(tempfile.mkdtemp(prefix="seohak-simulation-", dir=memory if memory.is_dir() else None))


def run_seed(
    seed: int,
    rates: Rates | str,
    *,
    trace_to: TextIO | None = None,
    keep: bool = False,
    resolution: Resolution | None = None,
    prepare: Callable[[Story], None] | None = None,
) -> Result:
    """Play one story and judge it."""
    where = scratch()
    (where / "protect.key").write_bytes(b"simulation")
    silent = logging.root.manager.disable
    # failures of the product's tasks are part of the history that somebody wants to read
    logging.disable(logging.CRITICAL if trace_to is None else logging.WARNING)
    try:
        story = Story(
            seed,
            LEVELS[rates] if isinstance(rates, str) else rates,
            where,
            trace_to=trace_to,
            keep=keep,
            resolution=resolution,
        )
        if prepare is not None:
            prepare(story)
        story.play()
        return result(seed, story)
    finally:
        logging.disable(silent)
        shutil.rmtree(where, ignore_errors=True)


def worst(story: Story) -> float:
    """The largest share of a plan's budget that was spent."""
    booked, spent = story.checks.booked, dict[str, Decimal]()
    for order in story.account.orders:
        intent = booked.intents.get(order.key)
        if intent is not None and order.request.side is Side.BUY:
            spent[intent.plan_id] = spent.get(intent.plan_id, Decimal(0)) + order.usd * (1 + FEE)
    return max((float(usd / booked.plans[plan_id].budget_usd) for plan_id, usd in spent.items()), default=0.0)


def result(seed: int, story: Story) -> Result:
    """The numbers of a finished story."""
    booked = story.checks.booked
    return Result(
        seed=seed,
        violation=story.checks.first,
        digest=story.trace.digest,
        seconds=story.loop.time(),
        hits={name: hits for name, hits in sorted(story.faults.hits.items()) if hits},
        bought=buys(story.account.orders),
        plans=len(booked.plans),
        intents=len(booked.intents),
        worst=worst(story),
        human=sum(i.state is IntentState.HUMAN for i in booked.intents.values()),
        steps=sum(life.process.steps for life in story.lives),
        lines=tuple(story.trace.kept or ()),
    )

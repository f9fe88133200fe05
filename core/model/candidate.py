"""A candidate: settings that a search proposes, what speaks for and against them, and what the owner made of it."""

import datetime as dt
import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from core.model.backtested import RunSummary
from core.model.messages import Value

MOST_CHANGES = 12
Key = Annotated[str, Meta(pattern=r"^[a-z_]+\.[a-z_0-9]+$", max_length=60)]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The goal's figure in sample and out of it, with the round trips of each; None where nothing is out of sample."""

    inside: float
    outside: float | None
    trips_inside: int = 0
    trips_outside: int = 0


class Doubt(enum.StrEnum):
    """What speaks against believing a find."""

    NOTHING_OUTSIDE = "nothing_outside"
    DISAGREES = "disagrees"
    PRESENT_AS_GOOD = "present_as_good"
    ORDER_IS_CHANCE = "order_is_chance"
    ONE_WINDOW = "one_window"
    FEW_TRIPS = "few_trips"
    NOTHING_BETTER = "nothing_better"
    FEW_TRIALS = "few_trials"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One key: the value it was compared with, and the found one."""

    key: Key
    old: Value
    new: Value


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found. `base` is every other setting that the figures were made with, by dotted key.

    `found`, `present` and `walked` are means over all windows: of these settings, of the ones in force when it was
    searched, of each window's own best.
    """

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}$")]
    made_at: dt.datetime
    study: str
    goal: str
    data_hash: str
    first: dt.date
    last: dt.date
    trials: int
    changes: Annotated[tuple[Change, ...], Meta(min_length=1, max_length=MOST_CHANGES)]
    base: dict[str, Value]
    found: Pair
    present: Pair
    walked: Pair
    doubts: tuple[Doubt, ...] = ()


class Stage(enum.StrEnum):
    """Where a candidate stands."""

    OPEN = "open"
    SHADOW = "shadow"
    APPLIED = "applied"
    DROPPED = "dropped"


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """A replay beside the present settings, from session `since` on. `tried_on` is the newest day it was tried with.

    `told_on` is the newest session the owners have heard of. `trouble` says why the last try came to nothing.
    """

    since: dt.date
    last_on: dt.date | None = None
    candidate: RunSummary | None = None
    present: RunSummary | None = None
    tried_on: dt.date | None = None
    told_on: dt.date | None = None
    trouble: str = ""


class Stance(msgspec.Struct, frozen=True, kw_only=True):
    """What the owners made of a candidate."""

    stage: Stage = Stage.OPEN
    told: bool = False
    shadow: Shadow | None = None

"""A candidate before the settings screen: what it can't set, which change comes next, how a value is written."""

import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from bot.settings import Field, Problem, check, fields, parse, value_of, with_overrides
from core.model.candidate import Candidate, Change
from core.model.messages import Value
from core.model.params import Params
from core.model.safety import Caps
from core.rules.candidates import left


class Obstacle(enum.StrEnum):
    """Why a change can't be made here; BOUNDS comes with the settings screen's own words."""

    UNKNOWN = "unknown"
    ELSEWHERE = "elsewhere"
    BOUNDS = "bounds"
    TOGETHER = "together"


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A change that can't be made."""

    change: Change
    why: Obstacle
    problem: Problem | None = None


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The change to be asked about next: the so-many-th `of` all that are left."""

    field: Field
    value: Value
    left: int


def in_force(params: Params) -> dict[str, Value]:
    """Every setting by dotted key."""
    return {key: value_of(params, key) for key in fields()}


def refused(candidate: Candidate, base: Params, overrides: Mapping[str, Value], caps: Caps) -> list[Refused]:
    """What of a candidate can't be set; nothing where all of it can."""
    found = [no for change in candidate.changes if (no := _refused(change, caps))]
    if found:
        return found
    together = {change.key: typed(change) for change in candidate.changes}
    try:
        with_overrides(base, {**overrides, **together})
    except (msgspec.ValidationError, ValueError):
        return [Refused(change=change, why=Obstacle.TOGETHER) for change in candidate.changes]
    return []


def _refused(change: Change, caps: Caps) -> Refused | None:
    field = fields().get(change.key)
    if field is None:
        return Refused(change=change, why=Obstacle.UNKNOWN)
    if field.elsewhere:
        return Refused(change=change, why=Obstacle.ELSEWHERE)
    value = parse(field, written(change.new))
    if isinstance(value, Problem):
        return Refused(change=change, why=Obstacle.BOUNDS, problem=value)
    problem = check(Params(), {}, field, value, caps)
    if problem is not None and problem.kind == "cap":
        return Refused(change=change, why=Obstacle.BOUNDS, problem=problem)
    return None


def typed(change: Change) -> Value:
    """The new value as the settings screen would take it; of one that is not refused."""
    value = parse(fields()[change.key], written(change.new))
    assert not isinstance(value, Problem)
    return value


def written(value: Value) -> str:
    """As a person would type it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    # every digit and no exponent: what is set is what was found
    return f"{Decimal(str(value)).normalize():f}" if isinstance(value, float) else str(value)


def next_ask(
    candidate: Candidate, base: Params, overrides: Mapping[str, Value], params: Params, caps: Caps
) -> Ask | None:
    """The first change that fits what is in force: of two that only fit together, the one that may go first."""
    waiting = remaining(candidate, params)
    fitting = [c for c in waiting if check(base, overrides, fields()[c.key], typed(c), caps) is None]
    chosen = next(iter(fitting or waiting), None)
    if chosen is None:
        return None
    return Ask(field=fields()[chosen.key], value=typed(chosen), left=len(waiting))


def remaining(candidate: Candidate, params: Params) -> Sequence[Change]:
    """The changes that are not in force yet."""
    return left(candidate, in_force(params))

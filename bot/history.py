"""The changes made in chat as they happened: which count, what names one in a button, which can be taken back."""

import datetime as dt
import enum
from collections.abc import Mapping, Sequence

from bot.settings import fields
from core.model.messages import Value
from ports.store import Override

UNDO = dt.timedelta(minutes=10)


class Refusal(enum.StrEnum):
    """Why a change can't be taken back."""

    GONE = "gone"
    LATE = "late"


def stamp(change: Override) -> str:
    """Names one change in a button."""
    return str(int(change.at.astimezone(dt.UTC).timestamp() * 1_000_000))


def kept(history: Sequence[Override]) -> list[Override]:
    """The changes that came into force, newest first: one that nobody could be told of stands there with its reverse."""
    found: list[Override] = []
    left = list(history)
    while left:
        newest = left.pop(0)
        before = next((c for c in left if (c.key, c.at, c.by) == (newest.key, newest.at, newest.by)), None)
        if before is None:
            found.append(newest)
        else:
            left.remove(before)
    return found


def refusal(
    change: Override | None, changes: Sequence[Override], force: Mapping[str, Value], now: dt.datetime
) -> Refusal | None:
    """None where the change can be taken back; `changes` are newest first, `force` the overrides now."""
    if change is None or change.key not in fields() or force.get(change.key) != change.new:
        return Refusal.GONE
    if next(c for c in changes if c.key == change.key) is not change:
        return Refusal.GONE
    return Refusal.LATE if now - change.at > UNDO else None

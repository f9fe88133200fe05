"""Do the broker's shares agree with ours, and what a difference can mean (facts: reliability.md M10, M11)."""

import datetime as dt
import enum
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

# A difference that no order explains is believed only when this many readings over this long agree on it.
READINGS = 3
PERSISTS = dt.timedelta(seconds=60)
# An order of ours whose answer was lost explains a surplus sooner: two readings, but longer than a list was seen to lag.
WITNESS_READINGS = 2
# After a fill of ours the holdings may lag; that time proves nothing.
QUIET = dt.timedelta(seconds=45)
# A manual order that the list shows is looked for in the holdings for so long; then they had counted it before.
COUNTED = dt.timedelta(seconds=90)
SPLITS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)
# A price that falls to this part of the one before, between two looks at it, may be a split. How far it moved does not
# matter: better a ticker frozen for nothing than new shares sold or lost.
JUMP = Decimal("0.7")


class Difference(enum.StrEnum):
    """What the holdings say against positions and the owner's own shares."""

    NONE = "none"
    SURPLUS = "surplus"
    MISSING = "missing"
    SPLIT = "split"


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """What a manual order's row says of the owner's own shares, until the holdings show it (or had shown it)."""

    qty: int
    since: dt.datetime
    key: str = ""


class Jump(msgspec.Struct, frozen=True, kw_only=True):
    """A price after which the holdings must speak: it changed by a split's measure, or nobody had looked for long."""

    before: Decimal
    at: dt.datetime
    measured: bool = True
    rested: bool = False


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """The same unexplained number of shares, seen several times."""

    held: int
    since: dt.datetime
    readings: int = 1

    def again(self) -> "Suspicion":
        """Seen once more."""
        return msgspec.structs.replace(self, readings=self.readings + 1)


def split_of(expected: int, held: int, before: Decimal, now: Decimal) -> Fraction | None:
    """The ratio of new to old shares when counts and prices both look like a stock split, else None."""
    if expected <= 0 or held <= 0 or held == expected or before <= 0 or now <= 0:
        return None
    for ratio in SPLITS:
        forward, reverse = held == expected * ratio, expected >= ratio and held == expected // ratio
        if forward and now / before <= JUMP:
            return Fraction(ratio)
        if reverse and before / now <= JUMP:
            return Fraction(1, ratio)
    return None


def split_by_count(expected: int, held: int) -> bool:
    """Whether the counts alone are those of a stock split (a reverse one pays out what does not divide)."""
    return 0 < expected != held > 0 and any(held == expected * r or held == expected // r for r in SPLITS)


def classify(expected: int, held: int, before: Decimal, now: Decimal, *, rested: bool = False) -> Difference:
    """Name a difference; `before` and `now` are prices in USD around it.

    After a long pause (`rested`) a whole multiple is a split whatever the price has done meanwhile.
    """
    if held == expected:
        return Difference.NONE
    if rested and 0 < expected < held and held % expected == 0 and held // expected in SPLITS:
        return Difference.SPLIT
    if split_of(expected, held, before, now) is not None:
        return Difference.SPLIT
    return Difference.SURPLUS if held > expected else Difference.MISSING


def believed(suspicion: Suspicion, at: dt.datetime, touched_at: dt.datetime | None) -> bool:
    """Whether a difference has been seen often enough, and long enough in a quiet time."""
    since = suspicion.since if touched_at is None else max(suspicion.since, touched_at + QUIET)
    return suspicion.readings >= READINGS and at - since >= PERSISTS


def uncounted(pending: Sequence[Pending], apart: int, at: dt.datetime) -> int | None:
    """How many shares of pending manual orders the holdings show beyond our count; None where that can't be told yet.

    They count orders in the order in which they were filled, so what is not counted yet are the newest ones.
    """
    for first in range(len(pending)):
        if sum(p.qty for p in pending[first:]) == apart:
            return apart
    if pending and at - pending[-1].since < COUNTED:
        return None
    return max(0, min(apart, sum(p.qty for p in pending)))


def by_hand(own_qty: int, position_qty: int, sold: int) -> tuple[int, int]:
    """Of shares sold by hand, how many were the owner's own (they go first) and how many were ours."""
    own = min(own_qty, sold)
    return own, min(position_qty, sold - own)

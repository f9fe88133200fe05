"""Do the broker's shares agree with ours, and what a difference can mean (facts: reliability.md M10, M11)."""

import datetime as dt
import enum
import math
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
# The broker's clock of orders runs in whole seconds.
WHOLE_SECOND = dt.timedelta(seconds=2)
# A fill that the list does not show any more counts as taken back after this long.
TAKEN_BACK = dt.timedelta(seconds=10)
SPLITS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)
# A price that falls to this part of the one before, between two looks at it, may be a split. How far it moved does not
# matter: better a ticker frozen for nothing than new shares sold or lost.
JUMP = Decimal("0.7")
# A split that changes the price by less than this leaves a stop what it is.
LEAST = Fraction(1, 10)


class Difference(enum.StrEnum):
    """What the holdings say against positions and the owner's own shares."""

    NONE = "none"
    SURPLUS = "surplus"
    MISSING = "missing"
    SPLIT = "split"


class Own(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The owner's own shares of a ticker, by the orders: what there was at first, and every manual order since.

    One witness only, the order list: the holdings confirm the sum, they don't make it. Below zero the owner has sold more
    by hand than was known to be the owner's (`short_since`): a purchase is listed late, or some of ours are gone.
    `unexplained` of them only the holdings have shown, at `seen_at`: an order that is listed late may explain them.
    `written_off` of ours the owner has given up, at `written_at`: the list may tell later that they were taken back.
    """

    qty: int = 0
    unexplained: int = 0
    seen_at: dt.datetime | None = None
    short_since: dt.datetime | None = None
    written_off: int = 0
    written_at: dt.datetime | None = None

    def changed(self, by: int, at: dt.datetime) -> "Own":
        """After an order of the owner's."""
        qty = self.qty + by
        return msgspec.structs.replace(self, qty=qty, short_since=(self.short_since or at) if qty < 0 else None)

    def shown(self, qty: int, since: dt.datetime, at: dt.datetime) -> "Own":
        """After the holdings have shown for long that it must be `qty`, for a reason that no order tells."""
        left = max(0, self.unexplained + qty - self.qty)
        return msgspec.structs.replace(self.changed(qty - self.qty, at), unexplained=left, seen_at=since)

    def taken_back(self, qty: int, ordered_at: dt.datetime | None) -> tuple["Own", int]:
        """After the list shows `qty` shares of an order less: how many are still to be taken out of the position."""
        if self.written_at is None or ordered_at is None or ordered_at > self.written_at:
            return self, qty
        known = min(self.written_off, qty)
        return msgspec.structs.replace(self, written_off=self.written_off - known), qty - known

    def explained(self, qty: int, ordered_at: dt.datetime | None, at: dt.datetime) -> "Own":
        """After the list shows `qty` new shares of an order: those that were there before are not the owner's by the holdings alone."""
        if self.seen_at is None or ordered_at is None or ordered_at > self.seen_at + WHOLE_SECOND:
            return self
        found = min(self.unexplained, qty)
        return msgspec.structs.replace(self.changed(-found, at), unexplained=self.unexplained - found)


class Shortage(msgspec.Struct, frozen=True):
    """The order list shows so many shares fewer than were booked of an order: the exchange may have taken a fill back."""

    qty: int
    since: dt.datetime

    def believed(self, at: dt.datetime) -> bool:
        """Whether complete lists have shown it for long enough."""
        return at - self.since >= TAKEN_BACK


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


def moves_price(ratio: Fraction) -> bool:
    """Whether a split of `ratio` new shares for one old would look like a fall to the stop or a gain to the target."""
    return abs(1 / ratio - 1) >= LEAST


def split_into(before: int, held: int, ratio: Fraction) -> bool:
    """Whether a known split makes `held` of `before` shares; what does not divide is paid out or rounded up."""
    return held > 0 and held in {math.floor(before * ratio), math.ceil(before * ratio)}


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


def quiet(at: dt.datetime, touched_at: dt.datetime | None) -> bool:
    """Whether nothing was bought or sold so recently that the holdings may lag behind it."""
    return touched_at is None or at - touched_at >= QUIET


def believed(suspicion: Suspicion, at: dt.datetime, touched_at: dt.datetime | None) -> bool:
    """Whether a difference has been seen often enough, and long enough in a quiet time."""
    since = suspicion.since if touched_at is None else max(suspicion.since, touched_at + QUIET)
    return suspicion.readings >= READINGS and at - since >= PERSISTS

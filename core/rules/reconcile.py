"""What the broker's order list says about our intents (facts: reliability.md 2.5)."""

import datetime as dt
import itertools
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from decimal import Decimal

import msgspec

from core.model.order import BrokerOrder, BrokerRef, Intent, OrderRequest, Side
from core.rules.intents import IntentEvent
from core.rules.pricing import tick

UNIQUE_STEPS = 4
CLOCK_SKEW = dt.timedelta(seconds=65)


Fingerprint = tuple[str, Side, int, Decimal]
"""Ticker, side, quantity and limit: all that tells one of our orders from another, because KIS knows no client id."""


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """When an order whose reply was lost counts as never placed.

    A buy needs `buy_misses` complete readings `miss_gap` apart and an age of `quarantine`, and with `one_shot` its ticker
    is closed for the session. A sell is fenced by the broker's sellable quantity, so it may be decided sooner.
    """

    quarantine: dt.timedelta = dt.timedelta(seconds=180)
    buy_misses: int = 3
    miss_gap: dt.timedelta = dt.timedelta(seconds=30)
    sell_misses: int = 2
    sell_gap: dt.timedelta = dt.timedelta(seconds=2)
    one_shot: bool = True


def fingerprint(order: OrderRequest | BrokerOrder) -> Fingerprint:
    """What an order looks like in the broker's list."""
    return order.ticker, order.side, order.qty, order.limit


def made_unique(request: OrderRequest, taken: AbstractSet[Fingerprint]) -> OrderRequest:
    """The same order, or one a little smaller or lower (never the dearer way), that looks like no other of the day.

    A purchase rather gives up shares, which a later tranche buys, than its place at the ask; a sale the opposite.
    """
    step = tick(request.limit)
    for major, minor in itertools.product(range(UNIQUE_STEPS), repeat=2):
        ticks, fewer = (major, minor) if request.side is Side.BUY else (minor, major)
        qty, limit = request.qty - fewer, request.limit - ticks * step
        if qty < 1 or limit <= 0 or limit < 1 <= request.limit:
            continue
        changed = msgspec.structs.replace(request, qty=qty, limit=limit)
        if fingerprint(changed) not in taken:
            return changed
    return request


def event_of(intent: Intent, row: BrokerOrder) -> IntentEvent:
    """What a row of the order list means for the intent it belongs to."""
    if row.filled_qty >= intent.request.qty:
        return IntentEvent.FILL_ALL
    if row.final:
        if row.rejected:
            return IntentEvent.BROKER_REJECT
        return IntentEvent.EXPIRE if row.expired else IntentEvent.CANCEL
    return IntentEvent.FILL_PART if row.filled_qty else IntentEvent.SEE_WORKING


def fill_delta(intent: Intent, row: BrokerOrder) -> tuple[int, Decimal]:
    """Newly filled shares and dollars of cumulative row against what is booked; never negative."""
    qty = row.filled_qty - intent.filled_qty
    if qty <= 0:
        return 0, Decimal(0)
    dollars = row.filled_usd - intent.filled_usd
    # a row that grew in shares but not in money is priced at its limit until the broker says better
    return qty, dollars if dollars > 0 else qty * intent.request.limit


def matches(intent: Intent, row: BrokerOrder, linked: AbstractSet[BrokerRef]) -> bool:
    """Whether a row of the list can be the order of an intent whose reply was lost."""
    request = intent.request
    if row.is_cancel_row or not row.from_api or row.ref in linked or row.ref.odno in intent.baseline:
        return False
    if (row.ticker, row.side, row.qty) != (request.ticker, request.side, request.qty):
        return False
    if abs(row.limit - request.limit) >= tick(request.limit) / 2:
        return False
    return row.ordered_at is None or intent.sent_at is None or row.ordered_at >= intent.sent_at - CLOCK_SKEW


def find(intent: Intent, rows: Iterable[BrokerOrder], linked: AbstractSet[BrokerRef]) -> list[BrokerOrder]:
    """All rows that can be the order of an unknown intent."""
    return [row for row in rows if matches(intent, row, linked)]


def superset(rows: Iterable[BrokerOrder], seen: AbstractSet[BrokerRef]) -> bool:
    """A list is trusted only when it still has every order seen before."""
    return seen <= {row.ref for row in rows}

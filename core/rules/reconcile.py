"""What the broker's order list says about our intents (facts: reliability.md 2.5)."""

import datetime as dt
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from decimal import Decimal

from core.model.order import BrokerOrder, BrokerRef, Intent
from core.rules.intents import IntentEvent
from core.rules.pricing import tick

# An unknown buy is called "not placed" only after this long and this many complete readings, each so far apart.
QUARANTINE = dt.timedelta(seconds=180)
BUY_MISSES = 3
MISS_GAP = dt.timedelta(seconds=30)
# An unknown sell is fenced by the broker's own sellable quantity, so it may be decided sooner.
SELL_MISSES = 2
SELL_GAP = dt.timedelta(seconds=2)
CLOCK_SKEW = dt.timedelta(seconds=65)


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

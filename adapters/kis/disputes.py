"""Orders that KIS lists as open and leaves out of its list of all orders: when such a pair of lists may be trusted."""

import datetime as dt
from collections.abc import Iterable

import msgspec

from core.model.order import BrokerOrder, BrokerRef

# The list of all orders was seen to be 12 to 15 seconds late; three readings this far apart outlast that.
READINGS = 3
GAP = dt.timedelta(seconds=10)


class _Dispute(msgspec.Struct):
    readings: int
    counted_at: dt.datetime


class Disputes:
    """Remembers what only the list of open orders knew, from reading to reading.

    A young order may be in one list before the other, and then the lists prove nothing. One that is still left out in
    the third reading, each `GAP` after the last, will not come: the lists together are then all there is. Nobody knows
    where such an order came from, so it may be the one whose answer was lost (`from_api`), and is not passed over.
    """

    def __init__(self) -> None:
        self._open: dict[BrokerRef, _Dispute] = {}

    def judge(self, extra: Iterable[BrokerOrder], at: dt.datetime) -> tuple[tuple[BrokerOrder, ...], bool]:
        """The disputed orders of one sound reading as they are to be taken, and whether none is in doubt any more."""
        orders = tuple(extra)
        self._open = {order.ref: self._counted(order.ref, at) for order in orders}
        settled = {ref for ref, dispute in self._open.items() if dispute.readings >= READINGS}
        taken = tuple(msgspec.structs.replace(o, from_api=True) if o.ref in settled else o for o in orders)
        return taken, len(settled) == len(self._open)

    def _counted(self, ref: BrokerRef, at: dt.datetime) -> _Dispute:
        dispute = self._open.get(ref)
        if dispute is None:
            return _Dispute(1, at)
        if at - dispute.counted_at >= GAP:
            dispute.readings, dispute.counted_at = dispute.readings + 1, at
        return dispute

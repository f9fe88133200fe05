"""What the trader writes down: changes to commit in one transaction, and the snapshot it starts from."""

import datetime as dt
import enum
from decimal import Decimal

import msgspec

from core.model.commands import Lock
from core.model.messages import Event
from core.model.money import ZERO
from core.model.order import BrokerRef, Intent, ManualOrder, Purpose, Side
from core.model.position import ExitRun, Plan, Position, RoundTrip


class LedgerKind(enum.StrEnum):
    """Budget bookings: held for an order, spent by a fill, given back."""

    RESERVE = "RESERVE"
    POST = "POST"
    VOID = "VOID"


class PutPlan(msgspec.Struct, frozen=True, tag="put_plan"):
    """Insert or replace a plan."""

    plan: Plan


class PutPosition(msgspec.Struct, frozen=True, tag="put_position"):
    """Insert or replace a position."""

    position: Position


class DropPosition(msgspec.Struct, frozen=True, tag="drop_position"):
    """The position is gone."""

    ticker: str


class PutExit(msgspec.Struct, frozen=True, tag="put_exit"):
    """Insert or replace a sale in progress."""

    exit: ExitRun


class DropExit(msgspec.Struct, frozen=True, tag="drop_exit"):
    """The sale is over."""

    ticker: str


class PutIntent(msgspec.Struct, frozen=True, tag="put_intent"):
    """Insert or replace an order intent."""

    intent: Intent


class PutDecision(msgspec.Struct, frozen=True, tag="put_decision"):
    """A signal was decided; it is never decided again."""

    signal_id: str
    verdict: str
    at: dt.datetime


class PutState(msgspec.Struct, frozen=True, tag="put_state"):
    """One named value of the trader's own state."""

    key: str
    value: str


class PutLock(msgspec.Struct, frozen=True, tag="put_lock"):
    """Close a ticker for entries."""

    lock: Lock


class DropLock(msgspec.Struct, frozen=True, tag="drop_lock"):
    """Open a ticker again."""

    ticker: str


class AddFill(msgspec.Struct, frozen=True, kw_only=True, tag="add_fill"):
    """Newly filled shares of an order; (ref, cumulative quantity) is booked once."""

    intent_id: str
    ref: BrokerRef
    ticker: str
    side: Side
    purpose: Purpose
    cum_qty: int
    qty: int
    usd: Decimal
    fee_usd: Decimal
    krw_per_usd: Decimal
    at: dt.datetime


class AddLedger(msgspec.Struct, frozen=True, tag="add_ledger"):
    """One booking of the budget ledger in USD."""

    intent_id: str
    kind: LedgerKind
    usd: Decimal
    at: dt.datetime


class SawOrders(msgspec.Struct, frozen=True, tag="saw_orders"):
    """Order numbers that appeared in the broker's list for the first time."""

    refs: tuple[BrokerRef, ...]
    at: dt.datetime


class PutManual(msgspec.Struct, frozen=True, tag="put_manual"):
    """Insert or replace an order that is not ours."""

    order: ManualOrder


class Emit(msgspec.Struct, frozen=True, tag="emit"):
    """Tell the others; delivered at least once after the commit."""

    event: Event


class AddTrip(msgspec.Struct, frozen=True, tag="add_trip"):
    """A finished round trip."""

    key: str
    trip: RoundTrip


Change = (
    PutPlan
    | PutPosition
    | DropPosition
    | PutExit
    | DropExit
    | PutIntent
    | PutDecision
    | PutState
    | PutLock
    | DropLock
    | AddFill
    | AddLedger
    | SawOrders
    | PutManual
    | Emit
    | AddTrip
)


class DayCounters(msgspec.Struct, frozen=True, kw_only=True):
    """What the daily limits count, for one US date."""

    on: dt.date
    bought_krw: Decimal = ZERO
    realized_krw: Decimal = ZERO
    orders: int = 0
    trips: int = 0
    stops: int = 0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the trader needs to go on where it was."""

    plans: tuple[Plan, ...] = ()
    positions: tuple[Position, ...] = ()
    exits: tuple[ExitRun, ...] = ()
    intents: tuple[Intent, ...] = ()
    decisions: frozenset[str] = frozenset()
    locks: tuple[Lock, ...] = ()
    seen: frozenset[BrokerRef] = frozenset()
    manual: tuple[ManualOrder, ...] = ()
    state: dict[str, str] = {}

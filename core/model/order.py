"""Orders: the intent (ours), the request (what is sent) and the broker's own rows."""

import datetime as dt
import enum
from decimal import Decimal

import msgspec

from core.model.instrument import Exchange


class Side(enum.StrEnum):
    """Buy or sell."""

    BUY = "BUY"
    SELL = "SELL"


class Purpose(enum.StrEnum):
    """Why an order exists; protective purposes outrank entries everywhere."""

    ENTRY = "ENTRY"
    STOP = "STOP"
    TREND_BROKEN = "TREND_BROKEN"
    SIGNAL_SELL = "SIGNAL_SELL"
    COMMAND = "COMMAND"
    PANIC = "PANIC"
    GUARD = "GUARD"
    MANUAL = "MANUAL"


class IntentState(enum.StrEnum):
    """Life of an intent; the transitions are one table in `core.rules.intents`."""

    PREPARED = "PREPARED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    ACKED = "ACKED"
    WORKING = "WORKING"
    PARTIAL = "PARTIAL"
    CANCEL_REQ = "CANCEL_REQ"
    CANCEL_UNKNOWN = "CANCEL_UNKNOWN"
    HUMAN = "HUMAN"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    BROKER_REJECTED = "BROKER_REJECTED"
    VOIDED = "VOIDED"
    NOT_PLACED = "NOT_PLACED"


LIVE_STATES = frozenset(
    {
        IntentState.PREPARED,
        IntentState.SENDING,
        IntentState.UNKNOWN,
        IntentState.ACKED,
        IntentState.WORKING,
        IntentState.PARTIAL,
        IntentState.CANCEL_REQ,
        IntentState.CANCEL_UNKNOWN,
        IntentState.HUMAN,
    }
)


class BrokerRef(msgspec.Struct, frozen=True):
    """The broker's name for an order: US order date (YYYYMMDD), branch and order number without leading zeros."""

    ord_dt: str
    branch: str
    odno: str


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A limit order as it goes to the broker; `limit` in USD obeys KIS's decimals (core.rules.pricing)."""

    ticker: str
    exchange: Exchange
    side: Side
    qty: int
    limit: Decimal

    def __post_init__(self) -> None:
        if self.qty <= 0:
            raise ValueError(f"{self.ticker}: an order needs a positive whole quantity, not {self.qty}")
        if not (self.limit.is_finite() and self.limit > 0):
            raise ValueError(f"{self.ticker}: an order needs a positive limit, not {self.limit}")
        places = 2 if self.limit >= 1 else 4
        if self.limit != round(self.limit, places):
            raise ValueError(f"{self.ticker}: {self.limit} has more than {places} decimals")


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A decision to trade. It is POSTed at most once, ever; `reserved_usd` is budget held for it.

    `own_qty`: the owner's own shares of the ticker when it was sent. `final_seen_at`: the list showed it without an open
    rest for the first time. `taken_back`: shares that were booked and that the list does not show any more.
    `estimated`: shares were booked because the holdings show them; the order list has not told the price yet.
    """

    id: str
    dedup_key: str
    plan_id: str
    request: OrderRequest
    purpose: Purpose
    state: IntentState
    created_at: dt.datetime
    updated_at: dt.datetime
    tranche: int = 0
    stop_price: Decimal | None = None
    reserved_usd: Decimal = Decimal(0)
    ref: BrokerRef | None = None
    filled_qty: int = 0
    filled_usd: Decimal = Decimal(0)
    baseline: tuple[str, ...] = ()
    cancel_requested_at: dt.datetime | None = None
    sent_at: dt.datetime | None = None
    own_qty: int | None = None
    lost_at: dt.datetime | None = None
    final_seen_at: dt.datetime | None = None
    misses: int = 0
    taken_back: int = 0
    estimated: bool = False
    reason: str = ""

    @property
    def live(self) -> bool:
        """Whether the broker may still hold or fill this order, as far as we know."""
        return self.state in LIVE_STATES

    @property
    def remaining(self) -> int:
        """Shares not yet filled."""
        return self.request.qty - self.filled_qty


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the broker's order list, cumulative: `filled_qty` and `filled_usd` only ever grow."""

    ref: BrokerRef
    ticker: str
    side: Side
    qty: int
    limit: Decimal
    filled_qty: int
    filled_usd: Decimal
    open_qty: int
    rejected: bool = False
    cancelled: bool = False
    expired: bool = False
    is_cancel_row: bool = False
    from_api: bool = True
    exchange: Exchange | None = None
    ordered_at: dt.datetime | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more can fill."""
        return self.open_qty == 0


class ManualOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order of this account that is not ours: the owner traded in the KIS app (or another program did).

    `filled_qty` and `filled_usd` are cumulative; `ours_qty` of a sale were the bot's shares. `adopted` is the owner's answer to
    "shall the bot guard these shares?": None while it was not given.
    """

    ref: BrokerRef
    ticker: str
    exchange: Exchange
    side: Side
    filled_qty: int
    filled_usd: Decimal
    seen_at: dt.datetime
    adopted: bool | None = None
    ours_qty: int = 0

    @property
    def key(self) -> str:
        """Its name in buttons and commands."""
        return f"{self.ref.ord_dt}-{self.ref.odno}"


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Shares in the account as the broker reports them."""

    ticker: str
    exchange: Exchange
    qty: int
    sellable_qty: int
    avg_price: Decimal


class BuyingPower(msgspec.Struct, frozen=True, kw_only=True):
    """What the account may spend, at the broker's own exchange rate."""

    usd: Decimal
    krw_per_usd: Decimal

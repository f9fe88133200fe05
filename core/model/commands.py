"""What a person may tell the trader over its Unix socket, and what it answers."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.model.instrument import Exchange
from core.model.messages import Value
from core.model.order import Intent
from core.model.position import Plan, Position
from core.model.safety import Block, TradingState

MOST_NAME = 200


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    """Every command says who sent it; `nonce` makes a repeated command recognisable."""

    by: str
    nonce: str = ""


class Approve(Command, frozen=True, kw_only=True, tag="approve"):
    """Start buying a proposed plan. `nonce` is the plan's own."""

    plan_id: str


class Ignore(Command, frozen=True, kw_only=True, tag="ignore"):
    """Drop a proposal, or stop the remaining tranches of a running plan."""

    plan_id: str


class SetMode(Command, frozen=True, kw_only=True, tag="set_mode"):
    """Change what happens to BUY signals."""

    mode: Literal["auto", "approve", "watch"]


class Pause(Command, frozen=True, kw_only=True, tag="pause"):
    """No new buys; remaining tranches stop; exits go on."""


class Resume(Command, frozen=True, kw_only=True, tag="resume"):
    """Allow buys again after a pause or a panic."""


class Panic(Command, frozen=True, kw_only=True, tag="panic"):
    """Stop all buying and cancel open buys at once; with `liquidate` also sell everything."""

    liquidate: bool = False


class Sell(Command, frozen=True, kw_only=True, tag="sell"):
    """Sell a part of a position at once."""

    ticker: str
    percent: Annotated[int, Meta(ge=1, le=100)] = 100


class Buy(Command, frozen=True, kw_only=True, tag="buy"):
    """Propose a buy by hand; it passes the same checks as a signal.

    Venue and names as the person's side knows them: a stock that was not screened today the trader has not met.
    """

    ticker: str
    amount_krw: Annotated[int, Meta(ge=10_000)] | None = None
    exchange: Exchange | None = None
    name: Annotated[str, Meta(max_length=MOST_NAME)] = ""
    name_ko: Annotated[str, Meta(max_length=MOST_NAME)] = ""


class CancelOrders(Command, frozen=True, kw_only=True, tag="cancel_orders"):
    """Cancel open buy orders and remaining tranches, of one ticker or of all."""

    ticker: str = ""


class Unlock(Command, frozen=True, kw_only=True, tag="unlock"):
    """Remove the lock of a ticker."""

    ticker: str


class Mute(Command, frozen=True, kw_only=True, tag="mute"):
    """Propose nothing of a ticker until an instant; a longer lock stays."""

    ticker: str
    until: dt.datetime


class AdoptManual(Command, frozen=True, kw_only=True, tag="adopt"):
    """The owner's answer for shares bought by hand: guard them (`adopt`), or leave them alone."""

    key: str
    adopt: bool


class Settle(Command, frozen=True, kw_only=True, tag="settle"):
    """A person has looked at a frozen ticker: take the broker's share count, and go on."""

    ticker: str


class OwnOrder(Command, frozen=True, kw_only=True, tag="own_order"):
    """A person has looked at a buy that matches several orders: it arrived as one of them (`placed`), or never."""

    ticker: str
    placed: bool


class AskStatus(Command, frozen=True, kw_only=True, tag="status"):
    """Read the whole state."""


AnyCommand = (
    Approve
    | Ignore
    | SetMode
    | Pause
    | Resume
    | Panic
    | Sell
    | Buy
    | CancelOrders
    | Unlock
    | Mute
    | AdoptManual
    | Settle
    | OwnOrder
    | AskStatus
)


class ReplyKey(enum.StrEnum):
    """The outcome of a command; the bot owns the words."""

    DONE = "done"
    APPROVED = "approved"
    IGNORED = "ignored"
    ALREADY_DECIDED = "already_decided"
    CHANGED = "changed"
    EXPIRED = "expired"
    REFUSED = "refused"
    UNKNOWN_PLAN = "unknown_plan"
    WRONG_NONCE = "wrong_nonce"
    NOT_HELD = "not_held"
    NOTHING_TO_DO = "nothing_to_do"
    INVALID = "invalid"


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A ticker closed for entries, and why."""

    ticker: str
    reason: str
    until: dt.datetime


class TraderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a person may want to see of the trader at one instant."""

    at: dt.datetime
    venue: str
    mode: str
    paused: bool
    panicked: bool
    entries_open: bool
    entry_blocks: tuple[str, ...]
    broker_ok: bool
    broker_checked_at: dt.datetime | None
    positions: tuple[Position, ...]
    plans: tuple[Plan, ...]
    orders: tuple[Intent, ...]
    locks: tuple[Lock, ...]
    state: TradingState
    blocks: tuple[Block, ...]
    buying_power_usd: Decimal | None
    krw_per_usd: Decimal | None
    bought_today_krw: Decimal
    realized_today_krw: Decimal
    round_trips_today: int


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a command. `values` are typed facts for the text; `status` only for AskStatus."""

    ok: bool
    key: ReplyKey
    values: dict[str, Value] = {}
    status: TraderStatus | None = None

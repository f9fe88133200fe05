"""What is kept for people and reports; the trader's own truth is its journal."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from core.model.foregone import Foregone, Outcome
from core.model.instrument import Instrument
from core.model.messages import Signal, Value
from core.model.order import Side
from core.model.position import Position, RoundTrip

WATCH_LIST = "watch"
"""The preference of nobody in particular (user 0) that holds the watched tickers, separated by commas."""


def watched_of(value: str | None) -> tuple[str, ...]:
    """The watched tickers of the stored preference, in order."""
    return tuple(ticker for ticker in (value or "").split(",") if ticker)


class StoreUnavailable(Exception):
    """The database can't be reached now."""


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the user's `trades` table: a fill delta. `key` makes the insert idempotent.

    `usd` is the amount to the last digit, `krw_per_usd` the rate when it was filled; None in rows older than these.
    """

    key: str
    ticker: str
    side: Side
    quantity: int
    price: Decimal
    total_amount: Decimal
    signal_type: str
    created_at: dt.datetime
    usd: Decimal | None = None
    fee_usd: Decimal | None = None
    krw_per_usd: Decimal | None = None


class SignalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the user's `signals` table; `indicators` is the verdict's JSON."""

    ticker: str
    signal_type: str
    confidence: Decimal
    indicators: dict[str, object]
    created_at: dt.datetime


class DailyReport(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the user's `daily_reports` table; `on` is the US session date, money in KRW."""

    on: dt.date
    total_trades: int
    total_pnl: Decimal
    win_rate: Decimal
    details: dict[str, object]


class RecordStore(Protocol):
    """The user's four tables and the round trips. All writes are idempotent. All methods raise StoreUnavailable."""

    async def add_signal(self, signal: Signal) -> None: ...

    async def signals(self, *, limit: int, ticker: str = "") -> Sequence[SignalRow]: ...

    async def add_trade(self, row: TradeRow) -> None: ...

    async def trades(self, since: dt.datetime, until: dt.datetime) -> Sequence[TradeRow]: ...

    async def put_position(self, position: Position) -> None: ...

    async def remove_position(self, ticker: str) -> None: ...

    async def positions(self) -> Sequence[Position]: ...

    async def add_round_trip(self, key: str, trip: RoundTrip) -> None: ...

    async def round_trips(self, since: dt.datetime, until: dt.datetime) -> Sequence[RoundTrip]: ...

    async def put_report(self, report: DailyReport) -> None: ...

    async def report(self, on: dt.date) -> DailyReport | None: ...

    async def put_instruments(self, instruments: Sequence[Instrument], at: dt.datetime) -> None: ...

    async def instruments(self) -> Sequence[tuple[Instrument, dt.datetime]]: ...


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A message of ours in a chat that will be edited later; `key` is the signal, plan or position it shows."""

    key: str
    kind: str
    chat_id: int
    message_id: int
    state: str
    data: dict[str, Value] = {}


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A setting changed in chat."""

    key: str
    old: Value
    new: Value
    by: str
    at: dt.datetime


class ChatStore(Protocol):
    """What the bot remembers. All methods raise StoreUnavailable."""

    async def put_card(self, card: Card) -> None: ...

    async def cards(self, key: str) -> Sequence[Card]: ...

    async def recent_cards(self, kind: str, *, limit: int) -> Sequence[Card]: ...

    async def audit(self, *, at: dt.datetime, who: str, what: str, allowed: bool, detail: str) -> None: ...

    async def audit_entries(self, *, limit: int) -> Sequence[tuple[dt.datetime, str, str, bool, str]]: ...

    async def put_override(self, override: Override) -> None: ...

    async def overrides(self) -> dict[str, Value]:
        """The value in force of every key changed in chat."""
        ...

    async def override_history(self, *, limit: int) -> Sequence[Override]: ...

    async def last_run(self, job: str) -> dt.datetime | None: ...

    async def ran(self, job: str, at: dt.datetime) -> None: ...

    async def preference(self, user_id: int, key: str) -> str | None: ...

    async def set_preference(self, user_id: int, key: str, value: str) -> None: ...


class OutMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a person must get. `key` names what it tells, once per chat.

    `thread` is the position it belongs to: messages of one thread stay in order. `picture` says what to draw when it
    is sent. `unsure` was handed to Telegram without an answer. `reply_to` is the plan on whose card it hangs.
    """

    key: str
    chat_id: int
    topic: str
    thread: str
    text: str
    at: dt.datetime
    id: int = 0
    keyboard: str = ""
    picture: str = ""
    reply_to: str = ""
    quiet: bool = False
    urgent: bool = False
    unsure: bool = False


class OutboxStore(Protocol):
    """Messages on their way to people; they outlive the bot's process. All methods raise StoreUnavailable."""

    async def put(self, messages: Sequence[OutMessage]) -> Sequence[OutMessage]:
        """Keep them in one transaction, each once; returns those that still wait, with their ids."""
        ...

    async def waiting(self) -> Sequence[OutMessage]:
        """What has not been sent, oldest first."""
        ...

    async def handed_over(self, ids: Sequence[int]) -> None:
        """They are about to be sent: from now on nobody knows whether they arrived until `sent`."""
        ...

    async def sent(self, ids: Sequence[int], message_id: int | None, at: dt.datetime) -> None:
        """They arrived as this Telegram message, or will never be sent (None)."""
        ...


class ForegoneStore(Protocol):
    """The ledger of finds that were not bought. Writes are idempotent. All methods raise StoreUnavailable."""

    async def add(self, found: Foregone) -> None:
        """Once per key."""
        ...

    async def open(self, before: dt.datetime) -> Sequence[Foregone]:
        """Those decided before an instant whose outcome is not known yet, oldest first."""
        ...

    async def close(self, key: str, outcome: Outcome | None) -> None:
        """What followed; None where it can't be known any more."""
        ...

    async def between(self, since: dt.datetime, until: dt.datetime) -> Sequence[tuple[Foregone, Outcome | None]]:
        """By decision, oldest first."""
        ...

"""What is kept for people and reports; the trader's own truth is its journal."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

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
    """One row of the user's `trades` table: a fill delta. `key` makes the insert idempotent."""

    key: str
    ticker: str
    side: Side
    quantity: int
    price: Decimal
    total_amount: Decimal
    signal_type: str
    created_at: dt.datetime


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

    async def first_time(self, event_id: str, at: dt.datetime) -> bool:
        """True exactly once per event id: the guard against telling a person twice."""
        ...

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

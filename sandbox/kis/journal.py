"""The KIS accounts on disk: written after every change, read back at the start."""

import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from sandbox.kis.account import Account, Entry, Fill, ShareSplit, Side, Transfer, holdings_from
from sandbox.kis.engine import Kind, Order, State
from sandbox.kis.host import Host
from sandbox.kis.tokens import Token


class SavedFill(msgspec.Struct):
    odno: int
    symbol: str
    side: str
    qty: int
    price: Decimal
    at: datetime


class SavedChange(msgspec.Struct):
    """A transfer (qty) or a split (new for old), and how many fills came before it."""

    after: int
    symbol: str
    at: datetime
    qty: int = 0
    price: Decimal = Decimal(0)
    new: int = 0
    old: int = 0


class SavedOrder(msgspec.Struct):
    odno: int
    symbol: str
    side: str
    qty: int
    price: Decimal
    division: str
    placed_at: datetime
    expires_at: datetime
    medium: str
    kind: str
    original: int | None
    state: str
    reason: str
    withdrawn: int


class SavedHost(msgspec.Struct):
    krw: Decimal
    usd: Decimal
    realised_usd: Decimal
    fees_usd: Decimal
    orders: list[SavedOrder]
    fills: list[SavedFill]
    tokens: list[tuple[str, datetime]]
    changes: list[SavedChange] = []


class JournalError(Exception):
    """One line that says which file cannot be used."""


class Journal:
    """One host's file in the state directory; `save` writes only what changed."""

    def __init__(self, directory: Path, host: Host) -> None:
        self._path, self._host = directory / f"kis-{host.name}.json", host
        self._written = b""

    def load(self) -> None:
        """Continues from the file, if there is one. Cancellations on their way are refused. Raises JournalError."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                return
            saved = msgspec.json.decode(self._path.read_bytes(), type=SavedHost)
        except (OSError, msgspec.DecodeError) as error:
            raise JournalError(f"{self._path}: {error}") from error
        missing = {order.symbol for order in saved.orders} - set(self._host.market.instruments)
        if missing:
            raise JournalError(f"{self._path}: holds {', '.join(sorted(missing))}, which this market does not list")
        fills = [Fill(f.odno, f.symbol, Side(f.side), f.qty, f.price, f.at) for f in saved.fills]
        _restore_account(self._host.account, saved, fills)
        self._host.engine.restore([_order(order, fills) for order in saved.orders])
        self._host.tokens.restore([Token(text, issued_at) for text, issued_at in saved.tokens])

    def save(self) -> None:
        content = msgspec.json.encode(_saved(self._host))
        if content == self._written:
            return
        draft = self._path.with_suffix(".tmp")
        draft.write_bytes(content)
        os.replace(draft, self._path)  # noqa: PTH105 - Path.replace is the same call
        self._written = content


def _restore_account(account: Account, saved: SavedHost, fills: list[Fill]) -> None:
    account.krw, account.usd = saved.krw, saved.usd
    account.realised_usd, account.fees_usd = saved.realised_usd, saved.fees_usd
    account.entries = list(fills)
    for index, change in enumerate(saved.changes):
        account.entries.insert(change.after + index, _change(change))
    account.holdings = holdings_from(account.entries)


def _change(saved: SavedChange) -> Entry:
    if saved.new:
        return ShareSplit(saved.symbol, saved.new, saved.old, saved.at)
    return Transfer(saved.symbol, saved.qty, saved.price, saved.at)


def _changes(account: Account) -> list[SavedChange]:
    fills, changes = 0, []
    for entry in account.entries:
        match entry:
            case Fill():
                fills += 1
            case Transfer():
                changes.append(SavedChange(fills, entry.symbol, entry.at, entry.qty, entry.price))
            case ShareSplit():
                changes.append(SavedChange(fills, entry.symbol, entry.at, new=entry.new, old=entry.old))
    return changes


def _order(saved: SavedOrder, fills: list[Fill]) -> Order:
    own = [fill for fill in fills if fill.odno == saved.odno]
    order = Order(
        saved.odno,
        saved.symbol,
        Side(saved.side),
        saved.qty,
        saved.price,
        saved.division,
        saved.placed_at,
        saved.expires_at,
        saved.medium,
        Kind(saved.kind),
        saved.original,
        State(saved.state),
        saved.reason,
        saved.withdrawn,
        own,
    )
    if order.kind is Kind.CANCEL and order.state is State.OPEN:
        order.state = State.REJECTED
    return order


def _saved(host: Host) -> SavedHost:
    account = host.account
    orders = [
        SavedOrder(
            o.odno,
            o.symbol,
            o.side.value,
            o.qty,
            o.price,
            o.division,
            o.placed_at,
            o.expires_at,
            o.medium,
            o.kind.value,
            o.original,
            o.state.value,
            o.reason,
            o.withdrawn,
        )
        for o in host.engine.orders.values()
    ]
    fills = [SavedFill(f.odno, f.symbol, f.side.value, f.qty, f.price, f.at) for f in account.fills]
    tokens = [(token.text, token.issued_at) for token in host.tokens.living()]
    return SavedHost(
        account.krw, account.usd, account.realised_usd, account.fees_usd, orders, fills, tokens, _changes(account)
    )

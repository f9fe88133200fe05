"""The account: won and dollars as one buying power, holdings from what happened to them, fees."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum

CENT = Decimal("0.01")
FEE_RATE = Decimal("0.0025")
SEC_RATE = Decimal("0.0000278")
# KIS holds this much back of what one may order
RESERVE = Decimal("0.9945")


class Side(Enum):
    """KIS's codes."""

    SELL = "01"
    BUY = "02"

    @property
    def korean(self) -> str:
        return "매수" if self is Side.BUY else "매도"

    @property
    def word(self) -> str:
        """As the control API says it."""
        return self.name.lower()


@dataclass(frozen=True)
class Fill:
    """An execution; the fee is in dollars and not part of the price."""

    odno: int
    symbol: str
    side: Side
    qty: int
    price: Decimal
    at: datetime

    @property
    def amount(self) -> Decimal:
        return self.price * self.qty

    @property
    def fee(self) -> Decimal:
        rate = FEE_RATE if self.side is Side.BUY else FEE_RATE + SEC_RATE
        return (self.amount * rate).quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class Transfer:
    """Shares that came (above zero) or went without an order; `price` is what those that came count as cost."""

    symbol: str
    qty: int
    price: Decimal
    at: datetime


@dataclass(frozen=True)
class ShareSplit:
    """`new` shares for `old`; what is left of a share is gone (the account pays it out)."""

    symbol: str
    new: int
    old: int
    at: datetime


Entry = Fill | Transfer | ShareSplit


@dataclass
class Holding:
    """Shares and what they cost without fees."""

    qty: int = 0
    cost: Decimal = Decimal(0)

    @property
    def average(self) -> Decimal:
        return self.cost / self.qty if self.qty else Decimal(0)

    def apply(self, entry: Entry) -> Decimal:
        """Adds an entry; returns the profit that a sale realised, before fees."""
        match entry:
            case Fill(side=Side.SELL, qty=qty):
                return entry.amount - self._give(qty)
            case Fill(qty=qty):
                self._take(qty, entry.amount)
            case Transfer(qty=qty) if qty > 0:
                self._take(qty, entry.price * qty)
            case Transfer(qty=qty):
                self._give(-qty)
            case ShareSplit(new=new, old=old):
                whole, rest = divmod(self.qty * new, old)
                self.cost -= self.cost * rest / (self.qty * new) if rest else Decimal(0)
                self.qty = whole
        return Decimal(0)

    def _take(self, qty: int, cost: Decimal) -> None:
        self.qty += qty
        self.cost += cost

    def _give(self, qty: int) -> Decimal:
        """Returns what the shares had cost."""
        cost = self.average * qty
        self.qty -= qty
        self.cost = self.cost - cost if self.qty else Decimal(0)
        return cost


def holdings_from(entries: Iterable[Entry], until: datetime | None = None) -> dict[str, Holding]:
    """Holdings that the entries up to an instant leave; empty ones are dropped. Raises ValueError below zero shares."""
    holdings: dict[str, Holding] = {}
    for entry in entries:
        if until is not None and entry.at > until:
            continue
        holding = holdings.setdefault(entry.symbol, Holding())
        holding.apply(entry)
        if holding.qty < 0:
            raise ValueError(f"{entry.symbol} would fall below zero shares")
    return {symbol: holding for symbol, holding in holdings.items() if holding.qty}


def realised(entries: Iterable[Entry]) -> Decimal:
    """Profit of every sale, before fees."""
    holdings: dict[str, Holding] = {}
    return sum((holdings.setdefault(entry.symbol, Holding()).apply(entry) for entry in entries), Decimal(0))


class Account:
    """Cash moves with every fill; a purchase beyond the dollars converts won at the day's rate."""

    def __init__(
        self, krw: Decimal = Decimal(20_000_000), usd: Decimal = Decimal(0), fx: Decimal = Decimal(1450)
    ) -> None:
        self.krw, self.usd, self.fx = krw, usd, fx
        self.entries: list[Entry] = []
        self.holdings: dict[str, Holding] = {}
        self.realised_usd = Decimal(0)
        self.fees_usd = Decimal(0)

    @property
    def integrated_usd(self) -> Decimal:
        """통합증거금: dollars plus what the won would buy."""
        return self.usd + self.krw / self.fx

    @property
    def fills(self) -> list[Fill]:
        return [entry for entry in self.entries if isinstance(entry, Fill)]

    def qty(self, symbol: str) -> int:
        holding = self.holdings.get(symbol)
        return holding.qty if holding else 0

    def apply(self, fill: Fill) -> None:
        self.fees_usd += fill.fee
        self._enter(fill)
        self._pay(fill.amount - fill.fee if fill.side is Side.SELL else -fill.amount - fill.fee)

    def transfer(self, symbol: str, qty: int, price: Decimal, at: datetime) -> None:
        """Shares come or go without an order and without money."""
        self._enter(Transfer(symbol, qty, price, at))

    def split(self, symbol: str, new: int, old: int, price: Decimal, at: datetime) -> None:
        """Fractions of a share are paid out at the new price."""
        rest = self.qty(symbol) * new % old
        self._enter(ShareSplit(symbol, new, old, at))
        self._pay((price * rest / old).quantize(CENT, ROUND_HALF_UP))

    def take_back(self, fill: Fill, qty: int) -> Fill | None:
        """Undoes that many shares of a fill, and returns what is left of it. Raises ValueError when they were sold."""
        left = replace(fill, qty=fill.qty - qty) if qty < fill.qty else None
        rest = [[entry] if entry is not fill else [left] if left else [] for entry in self.entries]
        entries: list[Entry] = [entry for part in rest for entry in part]
        holdings = holdings_from(entries)
        self.entries, self.holdings = entries, holdings
        self.realised_usd = realised(entries)
        undone = replace(fill, qty=qty)
        fee = fill.fee - (left.fee if left else 0)
        self.fees_usd -= fee
        self._pay(undone.amount + fee if fill.side is Side.BUY else fee - undone.amount)
        return left

    def _enter(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.realised_usd += self.holdings.setdefault(entry.symbol, Holding()).apply(entry)
        if not self.holdings[entry.symbol].qty:
            del self.holdings[entry.symbol]

    def _pay(self, usd: Decimal) -> None:
        self.usd += usd
        if self.usd < 0:
            self.krw -= (-self.usd * self.fx).quantize(Decimal(1), ROUND_HALF_UP)
            self.usd = Decimal(0)

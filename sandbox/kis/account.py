"""The account: won and dollars as one buying power, holdings from fills, fees."""

from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass
class Holding:
    """Shares and what they cost without fees."""

    qty: int = 0
    cost: Decimal = Decimal(0)

    @property
    def average(self) -> Decimal:
        return self.cost / self.qty if self.qty else Decimal(0)

    def apply(self, fill: Fill) -> Decimal:
        """Adds a fill; returns the profit that a sale realised, before fees."""
        if fill.side is Side.BUY:
            self.qty += fill.qty
            self.cost += fill.amount
            return Decimal(0)
        cost = self.average * fill.qty
        self.qty -= fill.qty
        self.cost = self.cost - cost if self.qty else Decimal(0)
        return fill.amount - cost


def holdings_from(fills: Iterable[Fill], until: datetime | None = None) -> dict[str, Holding]:
    """Holdings that the fills up to an instant leave; empty ones are dropped."""
    holdings: dict[str, Holding] = {}
    for fill in fills:
        if until is None or fill.at <= until:
            holdings.setdefault(fill.symbol, Holding()).apply(fill)
    return {symbol: holding for symbol, holding in holdings.items() if holding.qty}


class Account:
    """Cash moves with every fill; a purchase beyond the dollars converts won at the day's rate."""

    def __init__(
        self, krw: Decimal = Decimal(20_000_000), usd: Decimal = Decimal(0), fx: Decimal = Decimal(1450)
    ) -> None:
        self.krw, self.usd, self.fx = krw, usd, fx
        self.fills: list[Fill] = []
        self.holdings: dict[str, Holding] = {}
        self.realised_usd = Decimal(0)
        self.fees_usd = Decimal(0)

    @property
    def integrated_usd(self) -> Decimal:
        """통합증거금: dollars plus what the won would buy."""
        return self.usd + self.krw / self.fx

    def qty(self, symbol: str) -> int:
        holding = self.holdings.get(symbol)
        return holding.qty if holding else 0

    def apply(self, fill: Fill) -> None:
        self.fills.append(fill)
        self.fees_usd += fill.fee
        self.realised_usd += self.holdings.setdefault(fill.symbol, Holding()).apply(fill)
        if not self.holdings[fill.symbol].qty:
            del self.holdings[fill.symbol]
        if fill.side is Side.SELL:
            self.usd += fill.amount - fill.fee
            return
        self.usd -= fill.amount + fill.fee
        if self.usd < 0:
            self.krw -= (-self.usd * self.fx).quantize(Decimal(1), ROUND_HALF_UP)
            self.usd = Decimal(0)

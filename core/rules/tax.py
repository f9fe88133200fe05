"""An estimate of 양도소득세 (capital gains tax on foreign stocks) from the bot's own fills; no tax advice.

A year's gain is proceeds - cost - fees in won of the sales that settled in it; what exceeds the basic deduction is taxed
at one rate. Amounts are valued at the rate of their settlement date where it is known, else at the rate of the fill.
Cost follows the moving average (as brokers' average price does) or first in, first out. What can't be known (a rate, or
what shares from elsewhere cost) is left out of the sum and counted, never guessed.
"""

import datetime as dt
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Literal

import msgspec

from core.model.money import ZERO, krw
from core.model.order import Side

Method = Literal["moving_average", "fifo"]


class TaxFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill with the dates and rates that tax goes by; `settled_rate` is None where only the fill's own is known."""

    ticker: str
    side: Side
    qty: int
    usd: Decimal
    fee_usd: Decimal | None
    at: dt.datetime
    settles_on: dt.date
    fill_rate: Decimal | None
    settled_rate: Decimal | None = None

    @property
    def rate(self) -> Decimal | None:
        """The best rate that is known."""
        return self.settled_rate or self.fill_rate


class TaxSale(msgspec.Struct, frozen=True, kw_only=True):
    """One sale in won; `gain_krw` is None where cost, fee or a rate is not known. `estimated`: a fill day's rate was used."""

    ticker: str
    settles_on: dt.date
    at: dt.datetime
    qty: int
    proceeds_krw: Decimal | None
    cost_krw: Decimal | None
    fees_krw: Decimal | None
    estimated: bool

    @property
    def gain_krw(self) -> Decimal | None:
        """Proceeds less cost less fees of both sides."""
        if self.proceeds_krw is None or self.cost_krw is None or self.fees_krw is None:
            return None
        return self.proceeds_krw - self.cost_krw - self.fees_krw


class TaxEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """A calendar year; `unknown` sales are in no sum."""

    year: int
    sales: tuple[TaxSale, ...]
    proceeds_krw: Decimal
    cost_krw: Decimal
    fees_krw: Decimal
    gain_krw: Decimal
    deduction_krw: Decimal
    taxable_krw: Decimal
    tax_krw: Decimal
    unknown: int
    estimated: bool


class _Lot(msgspec.Struct, frozen=True):
    """Shares bought; cost and fee in won, None where not known."""

    qty: int
    cost: Decimal | None
    fee: Decimal | None
    estimated: bool

    def take(self, qty: int) -> tuple["_Lot", "_Lot"]:
        """The first `qty` shares, and the rest, which together cost exactly what the lot cost."""

        def part(amount: Decimal | None) -> Decimal | None:
            return None if amount is None else amount * qty / self.qty

        taken = _Lot(qty, part(self.cost), part(self.fee), self.estimated)
        return taken, _Lot(self.qty - qty, _minus(self.cost, taken.cost), _minus(self.fee, taken.fee), self.estimated)


def _minus(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else a - b


def _plus(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else a + b


def _won(amount: Decimal | None, rate: Decimal | None) -> Decimal | None:
    return None if amount is None or rate is None else amount * rate


def _joined(a: _Lot, b: _Lot) -> _Lot:
    return _Lot(a.qty + b.qty, _plus(a.cost, b.cost), _plus(a.fee, b.fee), a.estimated or b.estimated)


def sales(fills: Sequence[TaxFill], method: Method) -> tuple[TaxSale, ...]:
    """Every sale with its cost by the method, oldest first."""
    held: dict[str, deque[_Lot]] = {}
    found: list[TaxSale] = []
    for fill in sorted(fills, key=lambda each: each.at):
        lots = held.setdefault(fill.ticker, deque())
        estimated = fill.settled_rate is None
        if fill.side is Side.SELL:
            found.append(_sale(fill, lots, estimated=estimated))
            continue
        lots.append(_Lot(fill.qty, _won(fill.usd, fill.rate), _won(fill.fee_usd, fill.rate), estimated))
        if method == "moving_average" and len(lots) > 1:
            last = lots.pop()
            lots.append(_joined(lots.pop(), last))
    return tuple(found)


def _sale(fill: TaxFill, lots: deque[_Lot], *, estimated: bool) -> TaxSale:
    bought = _Lot(0, ZERO, ZERO, estimated)
    while lots and bought.qty < fill.qty:
        lot = lots.popleft()
        taken, rest = lot.take(min(fill.qty - bought.qty, lot.qty))
        bought = _joined(bought, taken)
        if rest.qty:
            lots.appendleft(rest)
    complete = bought.qty == fill.qty
    proceeds, fee = _won(fill.usd, fill.rate), _won(fill.fee_usd, fill.rate)
    fees = _plus(bought.fee, fee)
    return TaxSale(
        ticker=fill.ticker,
        settles_on=fill.settles_on,
        at=fill.at,
        qty=fill.qty,
        proceeds_krw=None if proceeds is None else krw(proceeds),
        cost_krw=krw(bought.cost) if complete and bought.cost is not None else None,
        fees_krw=krw(fees) if complete and fees is not None else None,
        estimated=bought.estimated,
    )


def settlement_rates(fills: Sequence[tuple[dt.date, Decimal | None]]) -> Mapping[dt.date, Decimal]:
    """The rate of each date on which anything was filled: the last one that is known. Oldest first in."""
    return {on: rate for on, rate in fills if rate is not None}


def estimate(sold: Sequence[TaxSale], year: int, *, deduction_krw: Decimal, rate_pct: Decimal) -> TaxEstimate:
    """The tax on the sales that settled in a year; a loss is taxed with nothing."""
    chosen = tuple(sale for sale in sold if sale.settles_on.year == year)
    known = [sale for sale in chosen if sale.gain_krw is not None]
    gain = sum((sale.gain_krw or ZERO for sale in known), ZERO)
    taxable = max(ZERO, gain - deduction_krw)
    return TaxEstimate(
        year=year,
        sales=chosen,
        proceeds_krw=sum((sale.proceeds_krw or ZERO for sale in known), ZERO),
        cost_krw=sum((sale.cost_krw or ZERO for sale in known), ZERO),
        fees_krw=sum((sale.fees_krw or ZERO for sale in known), ZERO),
        gain_krw=gain,
        deduction_krw=min(deduction_krw, max(ZERO, gain)),
        taxable_krw=taxable,
        tax_krw=(taxable * rate_pct / 100).quantize(Decimal(1), rounding=ROUND_DOWN),
        unknown=len(chosen) - len(known),
        estimated=any(sale.estimated for sale in known),
    )

"""Fees and results in both currencies."""

import functools
from decimal import Decimal

from core.model.money import krw, usd
from core.model.order import Side

# SEC fee on sells, per dollar sold (rate of 2025-05-14; facts: kis.md section 7 calls KIS's own table unconfirmed).
SEC_FEE_RATE = Decimal("0.0000278")
HUNDRED = Decimal(100)


def fee_usd(amount_usd: Decimal, side: Side, commission_pct: float) -> Decimal:
    """Commission plus, on sells, the SEC fee, in USD."""
    fee = amount_usd * Decimal(str(commission_pct)) / HUNDRED
    if side is Side.SELL:
        fee += amount_usd * SEC_FEE_RATE
    return usd(fee)


@functools.cache
def with_commission(commission_pct: float) -> Decimal:
    """What an amount is multiplied by to get what it costs with the commission."""
    return 1 + Decimal(str(commission_pct)) / HUNDRED


def realized(
    *, qty: int, sold_usd: Decimal, cost_usd: Decimal, fees_usd: Decimal, cost_krw: Decimal, krw_per_usd: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    """Result of selling `qty` shares: (USD, KRW, percent of cost), fees of both sides deducted.

    The KRW figure values the sale at today's rate and the cost at the rate of each buy, so it includes the FX part.
    """
    if qty <= 0 or cost_usd <= 0:
        raise ValueError("a sale needs shares that cost something")
    pnl_usd = usd(sold_usd - cost_usd - fees_usd)
    pnl_krw = krw((sold_usd - fees_usd) * krw_per_usd - cost_krw)
    return pnl_usd, pnl_krw, (sold_usd / cost_usd - 1) * HUNDRED

"""Money: exact decimals, quantised here and nowhere else."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
PRICE_STEP = Decimal("0.0001")
WON = Decimal(1)
ZERO = Decimal(0)


def price(value: float | str | Decimal) -> Decimal:
    """A market price in USD as an exact decimal with at most four places, the finest grid US shares are quoted on."""
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    if not exact.is_finite() or exact <= 0:
        raise ValueError(f"a price is a positive number, not {value!r}")
    return exact.quantize(PRICE_STEP, rounding=ROUND_HALF_UP)


def usd(value: Decimal) -> Decimal:
    """Round an amount in USD to cents."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def krw(value: Decimal) -> Decimal:
    """Round an amount in KRW to whole won."""
    return value.quantize(WON, rounding=ROUND_HALF_UP)


def krw_to_usd(amount_krw: Decimal, krw_per_usd: Decimal) -> Decimal:
    """Convert won to dollars, rounded down to cents so that a budget is never exceeded by rounding."""
    if krw_per_usd <= 0:
        raise ValueError("an exchange rate is positive")
    return (amount_krw / krw_per_usd).quantize(CENT, rounding=ROUND_DOWN)

"""Limit prices: marketable, inside a collar, on KIS's decimal grid (facts: kis.md 0.2, reliability.md M5)."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from core.model.money import CENT, PRICE_STEP
from core.model.order import Side

HUNDRED = Decimal(100)
# How far below the bid each step of the exit ladder goes, in percent.
EXIT_LADDER_PCT = (Decimal("0.5"), Decimal(1), Decimal(2), Decimal(4), Decimal(7), Decimal(10))


def tick(price: Decimal) -> Decimal:
    """The step of the grid: two decimals from one dollar up, four below."""
    return CENT if price >= 1 else PRICE_STEP


def round_limit(price: Decimal, side: Side) -> Decimal:
    """Round to the grid so that the order stays marketable: buys up, sells down, never to zero."""
    step = tick(price)
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    return max(price.quantize(step, rounding=rounding), step)


def entry_limit(ask: Decimal, reference: Decimal, *, slippage_pct: Decimal, collar_pct: Decimal) -> Decimal | None:
    """A marketable buy limit, or None when the ask has run out of the collar around the reference price."""
    ceiling = reference * (1 + collar_pct / HUNDRED)
    if ask > ceiling:
        return None
    wanted = round_limit(ask * (1 + slippage_pct / HUNDRED), Side.BUY)
    if wanted > ceiling:
        # rounding up must not leave the collar
        return max(ceiling.quantize(tick(ceiling), rounding=ROUND_FLOOR), tick(ceiling))
    return wanted


def exit_limit(bid: Decimal, step: int) -> Decimal:
    """A marketable sell limit at ladder step `step` (0-based; the last step repeats)."""
    below = EXIT_LADDER_PCT[min(step, len(EXIT_LADDER_PCT) - 1)]
    return round_limit(bid * (1 - below / HUNDRED), Side.SELL)


def stop_and_target(avg_price: Decimal, stop_loss_pct: float, take_profit_pct: float) -> tuple[Decimal, Decimal]:
    """The stop and target prices around the average price; both follow it as tranches fill."""
    stop = avg_price * (1 + Decimal(str(stop_loss_pct)) / HUNDRED)
    target = avg_price * (1 + Decimal(str(take_profit_pct)) / HUNDRED)
    step = tick(avg_price)
    return stop.quantize(step), target.quantize(step)

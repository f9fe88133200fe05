"""Cumulative tranche allocation: a dear stock still gets the whole shares its budget allows."""

from decimal import ROUND_DOWN, Decimal


def tranche_qty(budget_usd: Decimal, tranches: int, tranche: int, committed_usd: Decimal, limit: Decimal) -> int:
    """Shares to buy in tranche `tranche` (1-based): after it, `budget x tranche / tranches` should be invested.

    `committed_usd` is what this plan has already spent or reserved; `limit` is the worst price paid per share.
    """
    if not 1 <= tranche <= tranches:
        raise ValueError(f"tranche {tranche} of {tranches}")
    wanted = budget_usd * tranche / tranches - committed_usd
    if wanted <= 0:
        return 0
    return int((wanted / limit).to_integral_value(rounding=ROUND_DOWN))


def planned_schedule(budget_usd: Decimal, tranches: int, limit: Decimal) -> tuple[int, ...]:
    """Shares of every tranche if the price stayed at `limit`."""
    committed = Decimal(0)
    result = []
    for k in range(1, tranches + 1):
        qty = tranche_qty(budget_usd, tranches, k, committed, limit)
        committed += qty * limit
        result.append(qty)
    return tuple(result)

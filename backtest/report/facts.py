"""What a run was made of and what it assumed, as pairs of words: every report prints them."""

import msgspec

from backtest.report.numbers import many
from backtest.result import Result


class Fact(msgspec.Struct, frozen=True):
    """One line: what, and its value."""

    what: str
    value: str


def run_facts(result: Result) -> tuple[Fact, ...]:
    """The same data, config and version give the same figures."""
    return (
        Fact("Period", f"{result.first} – {result.last}"),
        Fact("Bars", f"{result.bars:,}"),
        Fact("Data hash", result.data_hash),
        Fact("Config hash", result.config_hash),
        Fact("Version", result.version),
        Fact("Took", f"{result.seconds:,.1f} s"),
    )


def assumptions(result: Result) -> tuple[Fact, ...]:
    """Money, costs, fills and the settings that decide what is bought and sold."""
    execution, trading, scanner = result.execution, result.params.trading, result.params.scanner
    waits = execution.approve_after_s
    approval = "never" if waits < 0 else "at once" if waits == 0 else f"after {waits} s"
    return (
        Fact("Money at the start", f"₩{result.cash_krw:,}"),
        Fact("Exchange rate", f"₩{trading.paper_krw_per_usd:,.2f} per dollar, all along"),
        Fact("Exchange spread", f"{execution.fx_spread_pct:g}% each way"),
        Fact("Commission", f"{trading.commission_pct:g}% each way, SEC fee on sales"),
        Fact("Bid and ask", f"{execution.half_spread_pct:g}% from the bar's price"),
        Fact("Share of a bar's volume", f"{execution.volume_share_pct:g}% at most"),
        Fact("Settlement", many(execution.settlement_days, "trading day")),
        Fact("Mode", trading.mode),
        Fact("Approval", approval if trading.mode == "approve" else "not asked"),
        Fact("Budget of a position", f"₩{trading.total_buy_amount:,} in {trading.split_count} tranches"),
        Fact("Most positions", f"{trading.max_positions}"),
        Fact("Target and stop", f"{trading.take_profit_pct:+g}% and {trading.stop_loss_pct:+g}%"),
        Fact("Screen", f"{scanner.price_change_pct:+g}% in {scanner.timeframe}, volume {scanner.volume_spike_pct:g}%"),
        Fact("Taxes, dividends, interest", "not in the figures"),
    )

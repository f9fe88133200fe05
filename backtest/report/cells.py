"""Rows of tables as text, the same in the terminal and in the HTML report."""

from backtest.report.lines import DASH, shown
from backtest.report.metrics import Metrics
from backtest.report.tables import Row
from core.model.calibration import Bin

SURE_PCT = 95.0


def row_cells(row: Row) -> tuple[str, ...]:
    """A group of round trips as the columns of ROW_HEADS."""
    return (
        row.key,
        f"{row.trips:,}",
        shown(row.win_rate_pct, "%"),
        shown(row.pnl_usd, "+USD"),
        shown(row.average_pct, "+%"),
        shown(row.profit_factor, ""),
    )


ROW_HEADS = ("", "Round trips", "Win rate", "Result", "Average", "Profit factor")


BIN_HEADS = ("Confidence", "Cases", "Won", "Rate", "95% interval")


def bin_cells(each: Bin) -> tuple[str, ...]:
    """A bin as the columns of BIN_HEADS; dashes where it has too few cases."""
    sure = DASH if each.low_pct is None else f"{shown(each.low_pct, '%')} – {shown(each.high_pct, '%')}"
    return (f"{each.low:g}-{each.high:g}", f"{each.cases:,}", f"{each.won:,}", shown(each.rate_pct, "%"), sure)


def reliability_words(metrics: Metrics) -> str:
    """What the fit says of the confidence, in one sentence."""
    known = metrics.reliability
    if known.fitted is None or known.later is None:
        return f"No curve: {known.cases} cases, too few to fit and to judge with {known.least_cases} in each part."
    later = known.later
    sure = later.better_pct is not None and later.better_pct >= SURE_PCT
    verdict = "the confidence tells wins from losses" if sure else "no proof that the confidence tells wins from losses"
    return (
        f"Brier score {known.fitted.brier:.3f} on the {known.fitted.cases} fitted cases, {later.brier:.3f} on the "
        f"{later.cases} later ones (a constant guess: {later.brier_of_mean:.3f}), reliability "
        f"{known.fitted.reliability:.4f} and {later.reliability:.4f}: {verdict}."
    )

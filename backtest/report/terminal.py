"""The report for a terminal: rich tables."""

from collections.abc import Sequence

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from backtest.report.cells import BIN_HEADS, ROW_HEADS, bin_cells, reliability_words, row_cells
from backtest.report.facts import Fact, assumptions, run_facts
from backtest.report.lines import DASH, Section, sections, shown
from backtest.report.metrics import Metrics
from backtest.report.tables import Count, Row
from backtest.result import Result

MOST_ROWS = 20


def terminal_report(result: Result, metrics: Metrics) -> RenderableType:
    """Everything, for `Console.print`."""
    groups = metrics.tables
    return Group(
        *(Text(f"! {warning}", style="yellow") for warning in metrics.warnings),
        Columns([_figures(section) for section in sections(metrics)], padding=(0, 3)),
        _rows("By reason of the exit", groups.by_reason),
        _rows("By hour of the entry (New York)", groups.by_hour),
        _rows("By confidence", groups.by_confidence),
        _rows("By ticker", groups.by_ticker),
        _rows("By month", groups.by_month, metrics.monthly),
        _reliability(metrics),
        Text(f"{reliability_words(metrics)}\n"),
        Columns([_counts("Refused buys", groups.refused), _counts("Events", groups.events)], padding=(0, 3)),
        Columns([_facts("Assumptions", assumptions(result)), _facts("Run", run_facts(result))], padding=(0, 3)),
    )


def _table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        made.add_column(name, justify="left" if place == 0 else "right", overflow="fold")
    return made


def _tint(value: str) -> Text:
    style = "red" if value.startswith("-") else "green" if value.startswith("+") else ""
    return Text(value, style=style)


def _figures(section: Section) -> Table:
    made = _table(section.title, "", "")
    made.show_header = False
    for line in section.lines:
        made.add_row(line.label, _tint(line.value))
    return made


def _rows(title: str, rows: Sequence[Row], monthly: dict[str, float] | None = None) -> Table:
    made = _table(title, *ROW_HEADS, *(("Equity",) if monthly is not None else ()))
    hidden = len(rows) - MOST_ROWS
    kept = rows if hidden <= 0 else [*rows[: MOST_ROWS // 2], *rows[-MOST_ROWS // 2 :]]
    for row in kept:
        more = (shown(monthly.get(row.key), "+%"),) if monthly is not None else ()
        made.add_row(*(_tint(cell) for cell in (*row_cells(row), *more)))
    if hidden > 0:
        made.caption, made.caption_justify = f"{hidden} more in between: report.html, report.json", "left"
    if not rows:
        made.add_row(*[DASH] * len(made.columns))
    return made


def _counts(title: str, counts: Sequence[Count]) -> Table:
    made = _table(title, "", "Times")
    for count in counts:
        made.add_row(count.key, f"{count.count:,}")
    if not counts:
        made.add_row(DASH, DASH)
    return made


def _facts(title: str, facts: Sequence[Fact]) -> Table:
    made = _table(title, "", "")
    made.show_header = False
    made.columns[1].justify = "left"
    for fact in facts:
        made.add_row(fact.what, fact.value)
    return made


def _reliability(metrics: Metrics) -> Table:
    """Hit rates by confidence."""
    made = _table("Confidence and what came of it", *BIN_HEADS)
    for each in metrics.reliability.bins:
        made.add_row(*bin_cells(each))
    if not metrics.reliability.bins:
        made.add_row(*[DASH] * len(BIN_HEADS))
    return made

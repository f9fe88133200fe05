"""The report as one HTML file that loads nothing from anywhere."""

from collections.abc import Iterable, Sequence
from html import escape

from backtest.report import plots
from backtest.report.cells import BIN_HEADS, ROW_HEADS, bin_cells, reliability_words, row_cells
from backtest.report.facts import Fact, assumptions, run_facts
from backtest.report.lines import DASH, Line, sections, shown
from backtest.report.metrics import Metrics
from backtest.report.style import stylesheet
from backtest.report.tables import Count, Row
from backtest.result import Result, Trip
from core.rules.days import EASTERN

KEYS = (
    "equity.return_pct",
    "equity.return_krw_pct",
    "market.excess_pct",
    "equity.max_drawdown_pct",
    "equity.sharpe",
    "trips.trips",
    "trips.win_rate_pct",
    "trips.profit_factor",
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
EXTREMES = 10
MOST_ROWS = 200
# the deepest colour of the heat map
HOT_PCT = 15.0
NOTHING_ELSE = "default-src 'none'; style-src 'unsafe-inline'"
TRIP_HEADS = ("Ticker", "Bought", "Sold", "Tranches", "Result", "%", "Worst", "Best", "Reason")


def html_report(result: Result, metrics: Metrics) -> str:
    """The whole page."""
    parts = [_head(result), _keys(metrics), _warnings(metrics), _curves(result, metrics), _months(metrics)]
    parts.append(_pair(_lines(s.title, s.korean, s.lines) for s in sections(metrics)))
    parts.append(_excursions(result))
    parts += [_groups(metrics), _confidence(metrics), _extremes(result)]
    rest = (
        _counts("Refused buys", "거절된 매수", metrics.tables.refused),
        _counts("Events", "사건", metrics.tables.events),
    )
    parts.append(_pair(rest))
    facts = (_facts("Assumptions", "가정", assumptions(result)), _facts("Run", "실행", run_facts(result)))
    parts.append(_pair(facts))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{NOTHING_ELSE}">'
        f"<title>Seohak backtest {result.first} – {result.last}</title><style>{stylesheet()}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _section(title: str, korean: str, body: str) -> str:
    return f"<section><h2>{escape(title)}<small>{escape(korean)}</small></h2>{body}</section>"


def _pair(parts: Iterable[str]) -> str:
    return f'<div class="pair">{"".join(parts)}</div>'


def _tinted(value: str) -> str:
    # a ratio below zero is no loss
    money = value.endswith("%") or "$" in value or "₩" in value
    kind = "up" if value.startswith("+") else "down" if money and value.startswith("-") else ""
    return f'<span class="{kind}">{escape(value)}</span>' if kind else escape(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Cells are words, tinted by their sign; a table without rows says so by dashes."""
    body = "".join(f"<tr>{''.join(f'<td>{_tinted(cell)}</td>' for cell in row)}</tr>" for row in rows)
    head = f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in heads)}</tr>" if heads else ""
    empty = f"<tr>{f'<td>{DASH}</td>' * max(len(heads), 1)}</tr>"
    return f'<div class="scroll"><table class="{kind}">{head}{body or empty}</table></div>'


def _head(result: Result) -> str:
    hashes = f"data {result.data_hash[:12]} · config {result.config_hash[:12]} · version {escape(result.version)}"
    return (
        f"<h1>Backtest</h1><p>{result.first} – {result.last}, {len(result.days)} sessions</p>"
        f'<p class="muted">{hashes}</p>'
        '<p class="muted">A simulation on recorded prices: real orders fill differently, and the past does not repeat. '
        "과거 시세로 한 모의 결과예요. 미래 수익을 보장하지 않아요.</p>"
    )


def _keys(metrics: Metrics) -> str:
    known = {line.key: line for section in sections(metrics) for line in section.lines}
    cards = (
        f'<div class="key"><span class="label">{escape(line.label)}<small>{escape(line.korean)}</small></span>'
        f"<b>{_tinted(line.value)}</b></div>"
        for line in (known[key] for key in KEYS)
    )
    return f'<div class="keys">{"".join(cards)}</div>'


def _warnings(metrics: Metrics) -> str:
    if not metrics.warnings:
        return ""
    items = "".join(f"<li>{escape(each)}</li>" for each in metrics.warnings)
    return f'<section class="warnings"><h2>Be careful<small>주의</small></h2><ul>{items}</ul></section>'


def _curves(result: Result, metrics: Metrics) -> str:
    if not result.days:
        return ""
    spy = '<span><i style="background:var(--theirs)"></i>SPY, the same money</span>' if metrics.market else ""
    legend = f'<p class="legend muted"><span><i style="background:var(--ours)"></i>Equity</span>{spy}</p>'
    deep = '<p class="muted">Drawdown from the high <small>고점 대비 낙폭</small></p>'
    return _section("Equity", "자산", legend + plots.equity_plot(result) + deep + plots.drawdown_plot(result))


def _months(metrics: Metrics) -> str:
    """Years down, months across, and each year's chained return."""
    years = sorted({month[:4] for month in metrics.monthly})
    rows = []
    for year in years:
        cells, whole = [], 1.0
        for number in range(1, 13):
            value = metrics.monthly.get(f"{year}-{number:02d}")
            cells.append(_heat(value))
            whole *= 1 + (value or 0.0) / 100
        rows.append(f"<tr><th>{year}</th>{''.join(cells)}{_heat((whole - 1) * 100)}</tr>")
    heads = "".join(f"<th>{name}</th>" for name in ("", *MONTHS, "Year"))
    body = f'<div class="scroll"><table class="heat"><tr>{heads}</tr>{"".join(rows)}</table></div>'
    return _section("Months", "월별 수익률", body) if rows else ""


def _heat(value: float | None) -> str:
    if value is None:
        return f'<td class="muted">{DASH}</td>'
    share = min(abs(value) / HOT_PCT, 1.0) * 70
    colour = "up" if value > 0 else "down"
    tint = f"background:color-mix(in srgb,var(--{colour}) {share:.0f}%,transparent)"
    return f'<td style="{tint}">{value:+.1f}%</td>'


def _lines(title: str, korean: str, lines: Sequence[Line]) -> str:
    rows = (
        f'<details class="line"><summary><span class="label">{escape(line.label)}<small>{escape(line.korean)}</small>'
        f"</span><b>{_tinted(line.value)}</b></summary><p>{escape(line.definition)}</p></details>"
        for line in lines
    )
    return _section(title, korean, "".join(rows))


def _excursions(result: Result) -> str:
    if not result.trips:
        return ""
    worst, best = plots.excursion_plot(result, "mae"), plots.excursion_plot(result, "mfe")
    return _pair(
        (
            _section(
                "Result over worst price (MAE)", "최대 역행과 결과", worst + "<p class=muted>Dashed: the stop</p>"
            ),
            _section(
                "Result over best price (MFE)", "최대 순행과 결과", best + "<p class=muted>Dashed: the target</p>"
            ),
        )
    )


def _groups(metrics: Metrics) -> str:
    groups = metrics.tables
    named: tuple[tuple[str, str, Sequence[Row]], ...] = (
        ("By reason of the exit", "매도 사유별", groups.by_reason),
        ("By hour of the entry (New York)", "매수 시각별", groups.by_hour),
        ("By confidence", "신뢰도별", groups.by_confidence),
        ("By month", "월별", groups.by_month),
        ("By ticker", "종목별", groups.by_ticker),
    )
    return "".join(_section(title, korean, _rows(rows)) for title, korean, rows in named)


def _rows(rows: Sequence[Row]) -> str:
    """All, or the first and the last where they would make the page heavy."""
    hidden = len(rows) - MOST_ROWS
    kept = rows if hidden <= 0 else (*rows[: MOST_ROWS // 2], *rows[-MOST_ROWS // 2 :])
    note = f"<p class=muted>{hidden:,} more in between: report.json</p>" if hidden > 0 else ""
    return _table(ROW_HEADS, (row_cells(row) for row in kept)) + note


def _confidence(metrics: Metrics) -> str:
    table = _table(BIN_HEADS, (bin_cells(each) for each in metrics.reliability.bins))
    words = f"<p class=muted>{escape(reliability_words(metrics))}</p>"
    plot = plots.reliability_plot(metrics) if metrics.reliability.bins else ""
    return _section("Confidence and what came of it", "신뢰도의 신뢰도", plot + table + words)


def _extremes(result: Result) -> str:
    ordered = sorted(result.trips, key=lambda each: (-each.trip.pnl_usd, each.trip.ticker))
    best = ordered[:EXTREMES]
    worst = ordered[: max(len(best), len(ordered) - EXTREMES) - 1 : -1] if len(ordered) > len(best) else []
    made = (_table(TRIP_HEADS, (_trip(each) for each in each_side)) for each_side in (best, worst))
    titles = (("Best round trips", "최고 거래"), ("Worst round trips", "최악 거래"))
    return "".join(_section(*title, table) for title, table in zip(titles, made, strict=True))


def _trip(each: Trip) -> tuple[str, ...]:
    trip = each.trip
    return (
        trip.ticker,
        f"{trip.opened_at.astimezone(EASTERN):%Y-%m-%d %H:%M}",
        f"{trip.closed_at.astimezone(EASTERN):%m-%d %H:%M}",
        str(trip.tranches),
        shown(trip.pnl_usd, "+USD"),
        shown(trip.pnl_pct, "+%"),
        shown(each.mae_pct, "+%"),
        shown(each.mfe_pct, "+%"),
        trip.reason,
    )


def _counts(title: str, korean: str, counts: Sequence[Count]) -> str:
    return _section(title, korean, _table(("", "Times"), ((count.key, f"{count.count:,}") for count in counts)))


def _facts(title: str, korean: str, facts: Sequence[Fact]) -> str:
    rows = "".join(f"<tr><td>{escape(fact.what)}</td><td>{escape(fact.value)}</td></tr>" for fact in facts)
    return _section(title, korean, f'<table class="facts">{rows}</table>')

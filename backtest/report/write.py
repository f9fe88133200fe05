"""Writes the report of a run into a folder, and says the most important of it in a few lines."""

from pathlib import Path

import msgspec

from backtest.report.calibration import calibration
from backtest.report.html import html_report
from backtest.report.json_report import json_report
from backtest.report.lines import shown
from backtest.report.metrics import Metrics, measure
from backtest.report.numbers import many
from backtest.report.picture import ENGLISH, KOREAN, PictureWords, picture
from backtest.result import Result
from config.calibration import write_calibration


class ReportPaths(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a report."""

    html: Path
    json: Path
    picture_ko: Path
    picture_en: Path
    calibration: Path


def write_report(result: Result, folder: Path, metrics: Metrics | None = None) -> ReportPaths:
    """Write all files, each replaced in one step; the folder is made if need be. Raises OSError."""
    measured = metrics or measure(result)
    folder.mkdir(parents=True, exist_ok=True)
    return ReportPaths(
        html=_put(folder / "report.html", html_report(result, measured).encode()),
        json=_put(folder / "report.json", json_report(result, measured)),
        picture_ko=_put(folder / "picture.ko.png", draw(result, measured, KOREAN)),
        picture_en=_put(folder / "picture.en.png", draw(result, measured, ENGLISH)),
        calibration=write_calibration(folder, calibration(result)),
    )


def draw(result: Result, metrics: Metrics, words: PictureWords) -> bytes:
    """The picture as PNG; a process that serves others leaves this to a `ChartWorker`."""
    # matplotlib takes a second and is needed here only
    from charts.equity import render_report

    return render_report(picture(result, metrics, words))


def _put(path: Path, content: bytes) -> Path:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
    return path


def summary_lines(result: Result, metrics: Metrics | None = None) -> tuple[str, ...]:
    """What a person wants to know first, one thing a line; warnings come last."""
    measured = metrics or measure(result)
    equity, trips, account = measured.equity, measured.trips, measured.account
    against = "" if measured.market is None else f", SPY {shown(measured.market.market_return_pct, '+%')}"
    span = f"{result.first} – {result.last}: {many(equity.sessions, 'session')}, {many(trips.trips, 'round trip')}"
    risk = f"Max drawdown {shown(equity.max_drawdown_pct, '%')}, Sharpe {shown(equity.sharpe, '')}"
    return (
        f"{span}, {shown(trips.win_rate_pct, '%')} won",
        f"Return {shown(equity.return_pct, '+%')}, in won {shown(equity.return_krw_pct, '+%')}{against}",
        f"{risk}, PSR {shown(equity.psr_pct, '%')}",
        f"Profit factor {shown(trips.profit_factor, '')}, expectancy {shown(trips.expectancy_usd, '+USD')} a round trip",
        f"Fees {shown(account.fees_usd, 'USD')}, exchange {shown(account.fx_cost_krw, 'KRW')}",
        *(f"! {warning}" for warning in measured.warnings),
    )

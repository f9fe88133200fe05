"""Writes the report of a run into a folder."""

from pathlib import Path

import msgspec

from backtest.data.files import write_whole
from backtest.report.calibration import calibration
from backtest.report.html import html_report
from backtest.report.json_report import json_report
from backtest.report.metrics import Metrics, measure
from backtest.report.names import PICTURE, SUMMARY
from backtest.report.picture import ENGLISH, KOREAN, PictureWords, picture
from backtest.report.summary import summary
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
    return ReportPaths(
        html=_put(folder / "report.html", html_report(result, measured).encode()),
        json=_put(folder / "report.json", json_report(result, measured)),
        picture_ko=_put(folder / "picture.ko.png", draw(result, measured, KOREAN)),
        picture_en=_put(folder / "picture.en.png", draw(result, measured, ENGLISH)),
        calibration=write_calibration(folder, calibration(result)),
    )


def write_brief(result: Result, folder: Path, metrics: Metrics, language: str = "") -> None:
    """What the chat shows of a run: its figures and, with a language, the picture. Raises OSError."""
    if language:
        _put(folder / PICTURE, draw(result, metrics, KOREAN if language == "ko" else ENGLISH))
    _put(folder / SUMMARY, msgspec.json.format(msgspec.json.encode(summary(result, metrics))) + b"\n")


def draw(result: Result, metrics: Metrics, words: PictureWords) -> bytes:
    """The picture as PNG; a process that serves others leaves this to a `ChartWorker`."""
    # matplotlib takes a second and is needed here only
    from charts.equity import render_report

    return render_report(picture(result, metrics, words))


def _put(path: Path, content: bytes) -> Path:
    write_whole(path, content)
    return path

"""The daily report renders for rich days, poor days and no day at all."""

from typing import Any

import numpy as np
import pytest

from charts.equity import ReportSpec, RoundTrip, Stat, render_report, won
from tests.unit.charts.samples import MINUTE, OPEN_MS, png_size

STATS = (
    Stat("실현손익", "+₩317,200", "up"),
    Stat("수익률", "+3.17%", "up"),
    Stat("승률", "62%"),
    Stat("낙폭", "−₩1", "down"),
)


def report(points: int = 0, trips: int = 0, **more: Any) -> ReportSpec:
    rng = np.random.default_rng(2)
    return ReportSpec(
        "일일 리포트",
        "2025년 1월 2일 (목)",
        at_ms=OPEN_MS + MINUTE * np.arange(points, dtype=np.int64),
        pnl_krw=np.cumsum(rng.normal(0, 9_000, points)),
        trips=tuple(RoundTrip(f"T{i}", float(v), "손절") for i, v in enumerate(rng.normal(0, 1e6, trips))),
        **more,
    )


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("points", "trips"), [(390, 7), (390, 40), (1, 1), (2, 0), (0, 3), (0, 0)])
def test_reports_render(theme, points, trips):
    assert png_size(render_report(report(points, trips, theme=theme, stats=STATS))) == (1100, 1240)


@pytest.mark.parametrize("value", [0.0, 500_000.0, -500_000.0])
def test_days_with_one_sign_render(value):
    times = OPEN_MS + MINUTE * np.arange(5, dtype=np.int64)
    trips = (RoundTrip("NVDA", value), RoundTrip("TSLA", value))
    assert render_report(ReportSpec("리포트", "", (), times, np.full(5, value), trips, size=(640, 720)))


def test_won_has_a_sign_and_no_decimals():
    assert [won(v) for v in (317_200.4, -84_300, 0.2)] == ["+₩317,200", "−₩84,300", "₩0"]


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="times but"):
        ReportSpec("리포트", "", pnl_krw=np.ones(2))
    with pytest.raises(ValueError, match="finite"):
        ReportSpec("리포트", "", at_ms=np.arange(1), pnl_krw=np.array([np.nan]))
    with pytest.raises(ValueError, match="finite"):
        RoundTrip("NVDA", float("nan"))
    with pytest.raises(ValueError, match="at most 6"):
        report(stats=STATS * 2)

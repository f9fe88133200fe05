"""The report's further cards: the picture grows by what they need, and nonsense is refused."""

import numpy as np
import pytest

from charts.cards import Amount, Extras, Mark, SmallChart
from charts.equity import ReportSpec, render_report
from tests.unit.charts.samples import MINUTE, OPEN_MS, png_size

TITLES = {
    "small_title": "보유 구간 · ▲ 매수 ▼ 매도",
    "days_title": "일별 손익",
    "reasons_title": "사유",
    "held_title": "보유 중",
}


def small(pnl: float = 1000.0, flat: bool = False) -> SmallChart:
    close = np.full(30, 10.0) if flat else np.linspace(10, 12, 30)
    at_ms = OPEN_MS + MINUTE * np.arange(30, dtype=np.int64)
    marks = (Mark(OPEN_MS - MINUTE, 10.0, buy=True), Mark(OPEN_MS + 99 * MINUTE, 12.0, buy=False))
    return SmallChart("NVDA", "+20.0% · 23:31–00:31 · 아주 긴 사유가 있는 매도", pnl, at_ms, close, marks)


def drawn(extras: Extras, **more) -> tuple[int, int]:
    return png_size(render_report(ReportSpec("리포트", "11월 20일", extras=extras, **more)))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    "extras",
    [
        Extras(small=(small(),), **TITLES),
        Extras(small=(small(), small(-5e9), small(0.0, flat=True)) * 2, **TITLES),
        Extras(days=tuple(Amount(f"11/{i:02}", float(i - 5) * 1e5) for i in range(31)), **TITLES),
        Extras(days=(Amount("11/20", 0.0),), **TITLES),
        Extras(reasons=(Amount("손절가 도달", -5e9), Amount("x" * 200, 1.0)), **TITLES),
        Extras(held=(Amount("NVDA", 47_600.0, "+4.7% · 30시간 0분" * 9),), **TITLES),
    ],
)
def test_the_picture_grows_by_its_cards(theme, extras):
    width, height = drawn(extras, theme=theme)
    assert (width, height) == (1100, 1240 + round(extras.height))
    assert extras.height > 100


def test_no_cards_need_no_room():
    assert Extras().height == 0
    assert drawn(Extras()) == (1100, 1240)


def test_a_picture_in_another_size_keeps_its_shape():
    extras = Extras(small=(small(),), **TITLES)
    assert drawn(extras, size=(550, 620)) == (550, round(620 * (1240 + round(extras.height)) / 1240))


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="at least two bars"):
        SmallChart("NVDA", "", 0.0, np.arange(1, dtype=np.int64), np.ones(1))
    with pytest.raises(ValueError, match="finite"):
        SmallChart("NVDA", "", 0.0, np.arange(2, dtype=np.int64), np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="finite"):
        Amount("NVDA", float("inf"))
    with pytest.raises(ValueError, match="7 rows on a card, at most 6"):
        Extras(small=(small(),) * 7)

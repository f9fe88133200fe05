"""Charts come out at the size asked, whatever the bars; a missing glyph is an error because warnings are."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from charts.canvas import Canvas
from charts.layout import Box, Panel
from charts.render import render
from charts.scene import compose, marker_bar, outside_runs, price_range
from charts.spec import ChartBars, ChartSpec, IndicatorParams, Labels, Level, LevelKind, Marker, MarkerKind
from charts.tags import gutter, level_tags
from charts.theme import palette
from charts.typeface import printable, typeset
from tests.unit.charts.samples import MINUTE, OPEN_MS, bars, png_size, spec

KINDS: tuple[LevelKind, ...] = ("entry", "stop", "target", "average", "last", "planned")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("timeframe", ["1m", "5m", "1d"])
def test_a_full_chart_has_the_default_size(theme, timeframe):
    step = {"1m": MINUTE, "5m": 5 * MINUTE, "1d": 1440 * MINUTE}[timeframe]
    png = render(spec(bars=bars(120, step=step), theme=theme, timeframe=timeframe, previous_close=140.0))
    assert png_size(png) == (1100, 1240)


@pytest.mark.parametrize("count", [1, 2, 3, 14, 15, 20, 33, 34])
def test_short_histories_render_without_the_indicators_they_cannot_have(count):
    assert png_size(render(spec(count))) == (1100, 1240)


@pytest.mark.parametrize("size", [(1100, 1240), (640, 720), (801, 903), (1600, 900), (320, 320), (1337, 2111)])
def test_the_picture_has_exactly_the_pixels_asked_for(size):
    assert png_size(render(spec(40, size=size))) == size


@pytest.mark.parametrize("price", [0.0363, 0.9, 4012.35, 650_000.0])
def test_levels_at_the_same_price_render_at_any_price(price):
    levels = tuple(Level(price * (1 + 0.0001 * i), "", kind) for i, kind in enumerate(KINDS))
    many = tuple(
        Level(price * (1 - 0.001 * i), f"{i}차 매수 예정인 아주 긴 꼬리표입니다", "planned") for i in range(30)
    )
    assert png_size(render(spec(60, price, levels=levels + many))) == (1100, 1240)


def test_every_default_text_and_every_marker_is_drawable():
    """No "Glyph missing" warning for Hangul, won and arrows, and none for emoji or Hanja, which are left out."""
    labels = Labels()
    words = " ".join(getattr(labels, name) for name in labels.__slots__)
    assert printable(words) == " ".join(words.split())
    assert printable("▲▼● ₩ − · …") == "▲▼● ₩ − · …"
    assert printable("엔비디아 🚀 株 NVDA") == "엔비디아 NVDA"
    kinds: tuple[MarkerKind, ...] = ("buy", "sell", "stop", "signal")
    markers = tuple(Marker(OPEN_MS + (20 + i) * MINUTE, 142.0, kind, "매수 7주 🚀") for i, kind in enumerate(kinds))
    assert render(spec(60, name=words, subtitle="각힣뷁 $1 $2 _x^2_ 🚀", markers=markers, ticker="가나다" * 20))


def test_flat_bars_without_volume_render():
    flat = np.full(50, 3.2)
    times = OPEN_MS + MINUTE * np.arange(50, dtype=np.int64)
    assert render(spec(bars=ChartBars(times, flat, flat, flat, flat, np.zeros(50)), previous_close=3.2))


def test_rendering_is_deterministic_and_leaves_matplotlib_as_it_was():
    before = dict(mpl.rcParams)
    assert render(spec(60)) == render(spec(60))
    assert dict(mpl.rcParams) == before


def test_visible_bars_keep_indicators_warmed_up_on_all():
    scene = compose(spec(200, visible=50))
    assert len(scene.bars) == 50
    assert np.isfinite(scene.lines.macd_signal).all()
    assert render(spec(200, visible=50, overlays=(("vwap", np.full(200, 142.0)),)))


def test_the_newest_close_is_tagged_once():
    assert [level.kind for level in compose(spec(5)).levels] == ["last"]
    assert len(compose(spec(5, levels=(Level(1.0, "", "last"),))).levels) == 1


def test_far_levels_do_not_squeeze_the_candles_but_keep_a_tag_that_points():
    scene = compose(spec(100, levels=(Level(1_000.0, "", "target"), Level(1.0, "", "stop"))))
    low, high = price_range(scene)
    assert low > 100
    assert high < 200
    with typeset():
        canvas = Canvas((1100, 1240), (1100, 1240), "#000000")
        width = gutter(canvas, scene)
    panel = Panel(scene_box(width), low, high, 100)
    assert [tag.price for tag in level_tags(scene, panel)][::2] == ["▲ 1,000.00", "▼ 1.00"]


def scene_box(width: float) -> Box:
    return Box(24, 200, 1100 - width, 700)


def test_bars_outside_regular_sessions_are_found_and_named():
    session = (OPEN_MS + 30 * MINUTE, OPEN_MS + 90 * MINUTE)
    runs = outside_runs(compose(spec(120, sessions=(session,))))
    assert runs == [(0, 29, "프리마켓"), (90, 119, "애프터마켓")]
    assert outside_runs(compose(spec(120))) == []
    assert render(spec(120, sessions=(session,)))


def test_markers_find_their_bar_and_those_outside_are_left_out():
    scene = compose(spec(10))
    assert marker_bar(scene, OPEN_MS - 1) is None
    assert marker_bar(scene, OPEN_MS) == 0
    assert marker_bar(scene, OPEN_MS + 3 * MINUTE + 59_999) == 3
    assert marker_bar(scene, OPEN_MS + 10 * MINUTE) == 9
    assert marker_bar(scene, OPEN_MS + 60 * MINUTE) is None


def test_red_is_up_unless_asked_otherwise():
    korean, western = palette("dark", up_is_red=True), palette("dark", up_is_red=False)
    assert western.down == korean.up != western.up


def series(**changed: Any) -> ChartBars:
    good = bars(5)
    names = ("start_ms", "open", "high", "low", "close", "volume")
    return ChartBars(**{name: changed.get(name, getattr(good, name)) for name in names})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"close": np.ones(4)}, "close has shape"),
        ({"volume": np.array([1, 2, np.nan, 4, 5.0])}, "volume: not a finite number at position 2"),
        ({"high": np.full(5, np.inf)}, "high: not a finite"),
        ({"low": np.zeros(5)}, "positive"),
        ({"high": np.full(5, 1.0)}, "between low and high"),
        ({"volume": np.full(5, -1.0)}, "negative"),
        ({"start_ms": np.zeros(5, dtype=np.int64)}, "strictly increase"),
        ({"start_ms": np.arange(5.0)}, "int64"),
        ({"start_ms": np.arange(0)}, "empty"),
    ],
)
def test_bars_refuse_nonsense(changed, message):
    with pytest.raises(ValueError, match=message):
        series(**changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size": (6000, 5000)}, "at most 10000"),
        ({"size": (100, 1240)}, "at least 320"),
        ({"ticker": ""}, "empty ticker"),
        ({"timeframe": "7m"}, "unknown timeframe"),
        ({"theme": "pink"}, "unknown theme"),
        ({"visible": 0}, "visible"),
        ({"previous_close": 0.0}, "previous_close"),
        ({"sessions": ((5, 5),)}, "close after it opens"),
        ({"overlays": (("vwap", np.ones(3)),)}, "overlay vwap"),
        ({"overlays": (("x", np.ones(5)),) * 9}, "at most 8"),
        ({"levels": (Level(1.0, "", "entry"),) * 41}, "at most 40"),
    ],
)
def test_specs_refuse_nonsense(changed, message):
    with pytest.raises(ValueError, match=message):
        spec(5, **changed)


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_levels_and_markers_refuse_impossible_prices(price):
    with pytest.raises(ValueError, match="positive"):
        Level(price, "", "stop")
    with pytest.raises(ValueError, match="positive"):
        Marker(0, price, "buy")


@pytest.mark.parametrize("changed", [{"ema_fast": 1}, {"bollinger_width": 0}, {"rsi_oversold": 80}, {"macd_signal": 0}])
def test_indicator_parameters_have_bounds(changed):
    with pytest.raises(ValueError, match="indicators"):
        IndicatorParams(**changed)


def test_too_many_bars_are_refused():
    with pytest.raises(ValueError, match="at most 2000"):
        ChartSpec("A", "", "", "1m", bars(2_001))

"""The chart shows what the analyzer decides on: TA-Lib's numbers."""

import numpy as np
import pytest
import talib

from charts.indicators import indicators, known
from charts.overlays import overlay, overlay_names
from charts.spec import IndicatorParams
from tests.unit.charts.samples import bars


def test_indicators_equal_talib():
    series = bars(120)
    lines = indicators(series, IndicatorParams())
    upper, middle, lower = talib.BBANDS(series.close, 20, 2.0, 2.0)
    macd, signal, histogram = talib.MACD(series.close, 12, 26, 9)
    expected = {
        "ema_fast": talib.EMA(series.close, 5), "ema_slow": talib.EMA(series.close, 20), "band_upper": upper,
        "band_middle": middle, "band_lower": lower, "macd": macd, "macd_signal": signal, "macd_histogram": histogram,
        "rsi": talib.RSI(series.close, 14),
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(lines, name), values)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_indicators_of_a_short_history_are_absent(count):
    lines = indicators(bars(count), IndicatorParams())
    assert not any(known(getattr(lines, name)) for name in lines.__slots__)


def test_unknown_overlays_are_refused_with_suggestions():
    with pytest.raises(ValueError, match="supertrend"):
        overlay("supertrned", bars(30))
    with pytest.raises(ValueError, match=r"known: .*vwap"):
        overlay("zzzzzz", bars(30))


@pytest.mark.parametrize("name", ["ema:1", "ema:x", "ema:501", "ema:²", "vwap:5"])
def test_bad_overlay_lengths_are_refused(name):
    with pytest.raises(ValueError, match="length"):
        overlay(name, bars(30))


@pytest.mark.parametrize("name", overlay_names())
def test_every_overlay_lies_on_the_price(name):
    series = bars(150)
    lines = overlay(name, series)
    assert lines
    for title, values in lines:
        assert title == name
        assert values.shape == (150,)
        there = values[np.isfinite(values)]
        assert (there > 0.7 * series.low.min()).all()
        assert (there < 1.3 * series.high.max()).all()


def test_an_overlay_takes_a_length():
    series = bars(60)
    ((title, values),) = overlay(" EMA:50 ", series)
    assert title == "ema 50"
    assert np.isfinite(values).sum() == 11


def test_vwap_begins_anew_on_the_us_date():
    series = bars(60)
    ((_, values),) = overlay("vwap", series)
    typical = (series.high + series.low + series.close) / 3
    expected = np.cumsum(typical * series.volume) / np.cumsum(series.volume)
    np.testing.assert_allclose(values, expected)


def test_an_overlay_of_too_few_bars_says_so():
    with pytest.raises(ValueError, match="too few"):
        overlay("sma:20", bars(3))

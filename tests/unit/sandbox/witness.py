"""The screen and the signal rules, written a second time for the scenario tests (talib on numpy)."""

from dataclasses import dataclass

import numpy as np
import talib

from sandbox.market import Series

WINDOW = 5


def screen_minutes(series: Series) -> list[int]:
    """Minutes since 04:00 ET whose bar passes price, change, volume and growth (no market cap)."""
    volume_of = np.zeros(961)
    volume_of[series.minutes] = series.volumes
    passed = []
    for row in range(1, len(series.minutes)):
        minute = int(series.minutes[row])
        reference = np.searchsorted(series.minutes, minute - 5, side="right") - 1
        if reference < 0 or minute - int(series.minutes[0]) < 20:
            continue
        mean = volume_of[minute - 20 : minute].mean()
        close, volume = series.prices[row][3], series.volumes[row]
        change = close / series.prices[reference][3] - 1
        if close >= 1 and change >= 0.05 and volume >= 10_000 and mean > 0 and volume >= 3 * mean:
            passed.append(minute)
    return passed


@dataclass(frozen=True)
class Signals:
    """By row: which BUY and SELL conditions hold, and the indicators behind them."""

    uptrend: np.ndarray
    buy_conditions: np.ndarray
    sell_conditions: np.ndarray
    histogram: np.ndarray

    @property
    def buy(self) -> np.ndarray:
        return self.uptrend & (self.buy_conditions >= 2)


def _lately(events: np.ndarray) -> np.ndarray:
    out = np.zeros(len(events), dtype=bool)
    for back in range(WINDOW):
        out[back:] |= events[: len(events) - back]
    return out


def _crossed_above(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    out = np.zeros(len(left), dtype=bool)
    out[1:] = (left[1:] > right[1:]) & (left[:-1] <= right[:-1])
    return out


def signals(series: Series) -> Signals:
    closes = np.ascontiguousarray(series.prices[:, 3])
    volumes = series.volumes.astype(float)
    fast, slow = talib.EMA(closes, 5), talib.EMA(closes, 20)
    macd, signal, histogram = talib.MACD(closes, 12, 26, 9)
    rsi = talib.RSI(closes, 14)
    upper, _, _ = talib.BBANDS(closes, 20, 2, 2)
    relative = np.full(len(closes), np.nan)
    for row in range(20, len(closes)):
        relative[row] = volumes[row] / volumes[row - 20 : row].mean()
    thirty, seventy, zero = np.full(len(closes), 30.0), np.full(len(closes), 70.0), np.zeros(len(closes))
    with np.errstate(invalid="ignore"):
        buy = (
            _lately(_crossed_above(macd, signal)).astype(int)
            + (((rsi >= 50) & (rsi <= 70)) | _lately(_crossed_above(rsi, thirty)))
            + ((closes > upper) & (relative >= 2))
            + (relative >= 3)
        )
        sell = (
            _lately(_crossed_above(slow, fast)).astype(int)
            + _lately(_crossed_above(zero, histogram))
            + _lately(_crossed_above(seventy, rsi))
        )
        return Signals(fast > slow, buy, sell, histogram)

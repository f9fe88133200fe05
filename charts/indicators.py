"""The chart's indicators by TA-Lib with its default seeding, the engine that also decides (never pandas-ta)."""

from dataclasses import dataclass

import numpy as np

from charts.spec import ChartBars, FloatArray, IndicatorParams
from core.rules.ta import BBANDS, EMA, MACD, RSI


@dataclass(frozen=True, slots=True, eq=False)
class Indicators:
    """One array per line, as long as the bars, NaN while warming up (all NaN on a short history)."""

    ema_fast: FloatArray
    ema_slow: FloatArray
    band_upper: FloatArray
    band_middle: FloatArray
    band_lower: FloatArray
    macd: FloatArray
    macd_signal: FloatArray
    macd_histogram: FloatArray
    rsi: FloatArray

    def tail(self, count: int) -> "Indicators":
        """The last `count` values of every line."""
        return Indicators(*(getattr(self, name)[-count:] for name in self.__slots__))


def known(values: FloatArray) -> bool:
    """Whether a line has anything to draw."""
    return bool(np.isfinite(values).any())


def indicators(bars: ChartBars, params: IndicatorParams) -> Indicators:
    """EMA, Bollinger, MACD and RSI of the closes."""
    close = np.ascontiguousarray(bars.close, dtype=np.float64)
    upper, middle, lower = BBANDS(
        close, timeperiod=params.bollinger_period, nbdevup=params.bollinger_width, nbdevdn=params.bollinger_width
    )
    macd, signal, histogram = MACD(
        close, fastperiod=params.macd_fast, slowperiod=params.macd_slow, signalperiod=params.macd_signal
    )
    return Indicators(
        ema_fast=EMA(close, timeperiod=params.ema_fast),
        ema_slow=EMA(close, timeperiod=params.ema_slow),
        band_upper=upper,
        band_middle=middle,
        band_lower=lower,
        macd=macd,
        macd_signal=signal,
        macd_histogram=histogram,
        rsi=RSI(close, timeperiod=params.rsi_period),
    )

"""The five indicators by TA-Lib with TA-Lib's own seeding (facts: performance.md, Traps)."""

import math

from core.model.bar import BarColumns, FloatArray
from core.model.params import AnalyzerParams
from core.model.signal import Indicators
from core.rules.ta import BBANDS, EMA, MACD, RSI


class IndicatorSeries:
    """Indicator columns as long as the bars; NaN where the look-back is not filled yet."""

    def __init__(self, bars: BarColumns, params: AnalyzerParams) -> None:
        close = bars.close
        self.close = close
        self.ema_fast: FloatArray = EMA(close, params.ema_fast)
        self.ema_slow: FloatArray = EMA(close, params.ema_slow)
        self.macd: FloatArray
        self.macd_signal: FloatArray
        self.macd_histogram: FloatArray
        self.macd, self.macd_signal, self.macd_histogram = MACD(
            close, params.macd_fast, params.macd_slow, params.macd_signal
        )
        self.rsi: FloatArray = RSI(close, params.rsi_period)
        deviations = params.bollinger_deviations
        self.band_upper: FloatArray
        self.band_middle: FloatArray
        self.band_lower: FloatArray
        self.band_upper, self.band_middle, self.band_lower = BBANDS(
            close, params.bollinger_period, deviations, deviations
        )
        # of the newest bar only: nobody asks for the others
        self.relative_volume = relative_volume(bars.volume, params.volume_lookback)

    def latest(self) -> Indicators:
        """The values on the newest bar."""
        return Indicators(
            close=self.close.item(-1),
            ema_fast=_last(self.ema_fast),
            ema_slow=_last(self.ema_slow),
            macd=_last(self.macd),
            macd_signal=_last(self.macd_signal),
            macd_histogram=_last(self.macd_histogram),
            rsi=_last(self.rsi),
            band_upper=_last(self.band_upper),
            band_middle=_last(self.band_middle),
            band_lower=_last(self.band_lower),
            relative_volume=self.relative_volume,
            bars=len(self.close),
        )


def _last(values: FloatArray) -> float | None:
    value: float = values.item(-1)
    return value if math.isfinite(value) else None


def relative_volume(volume: FloatArray, lookback: int) -> float | None:
    """The newest bar's volume over the mean of the `lookback` bars before it; None where there are fewer or the mean is 0."""
    if len(volume) <= lookback:
        return None
    *before, newest = volume[-lookback - 1 :].tolist()
    mean = sum(before) / lookback
    relative = newest / mean if mean > 0 else math.inf
    return relative if math.isfinite(relative) else None

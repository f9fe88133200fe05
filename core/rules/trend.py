"""BUY, SELL or WATCH from closed bars, with confidence and reasons (product.md section 1)."""

from core.model.bar import BarColumns, FloatArray
from core.model.params import AnalyzerParams
from core.model.signal import Condition, Indicators, SignalType, TrendState, Verdict
from core.rules.indicators import IndicatorSeries

# Confidence: points of each condition; a met condition earns 70 % of its points at once and the rest with its strength.
BUY_POINTS = {
    Condition.UPTREND: 30.0,
    Condition.MACD_CROSS_UP: 20.0,
    Condition.RSI_HEALTHY: 15.0,
    Condition.BAND_BREAKOUT: 20.0,
    Condition.VOLUME_SURGE: 15.0,
}
SELL_POINTS = {
    Condition.EMA_CROSS_DOWN: 40.0,
    Condition.MACD_TURNED_NEGATIVE: 30.0,
    Condition.RSI_FELL: 30.0,
}
BASE_SHARE = 0.7


def _crossed_above(a: FloatArray | float, b: FloatArray | float, window: int) -> bool:
    """Whether a was at or below b and then above it on one of the last `window` bars; NaN never crosses.

    Plain numbers: for so few bars they are faster than arrays.
    """
    above, level = _newest(a, window + 1), _newest(b, window + 1)
    for now in range(1, min(len(above), len(level))):
        if above[now] > level[now] and above[now - 1] <= level[now - 1]:
            return True
    return False


def _newest(line: FloatArray | float, bars: int) -> list[float]:
    return [line] * bars if isinstance(line, float) else line[-bars:].tolist()


def _strength(value: float, full: float) -> float:
    return min(1.0, max(0.0, value / full))


def _confidence(points: dict[Condition, float], strengths: dict[Condition, float]) -> float:
    """Sum of the met conditions' points; `strengths` (0 to 1) has the met ones only."""
    total = sum(points[c] * (BASE_SHARE + (1 - BASE_SHARE) * s) for c, s in strengths.items())
    return round(min(100.0, total), 1)


def buy_conditions(series: IndicatorSeries, now: Indicators, params: AnalyzerParams) -> dict[Condition, float]:
    """The met BUY conditions with their strengths."""
    met: dict[Condition, float] = {}
    window = params.signal_window_bars
    if now.ema_fast is not None and now.ema_slow is not None and now.ema_fast > now.ema_slow:
        met[Condition.UPTREND] = _strength(now.ema_fast / now.ema_slow - 1, 0.02)
    if now.macd_histogram is not None and _crossed_above(series.macd, series.macd_signal, window):
        met[Condition.MACD_CROSS_UP] = _strength(now.macd_histogram / now.close, 0.005)
    if now.rsi is not None:
        rose = _crossed_above(series.rsi, float(params.rsi_oversold), window) and now.rsi > params.rsi_oversold
        middle = 50 <= now.rsi <= params.rsi_overbought
        if rose or middle:
            met[Condition.RSI_HEALTHY] = 1.0 if middle else 0.5
    relative = now.relative_volume
    if relative is not None:
        if now.band_upper is not None and now.close > now.band_upper and relative >= params.breakout_relative_volume:
            met[Condition.BAND_BREAKOUT] = _strength(now.close / now.band_upper - 1, 0.05)
        if relative >= params.surge_relative_volume:
            met[Condition.VOLUME_SURGE] = _strength(relative - params.surge_relative_volume, 7.0)
    return met


def sell_conditions(series: IndicatorSeries, now: Indicators, params: AnalyzerParams) -> dict[Condition, float]:
    """The met SELL conditions with their strengths; each must have happened within the window."""
    met: dict[Condition, float] = {}
    window = params.signal_window_bars
    if _crossed_above(series.ema_slow, series.ema_fast, window):
        gap = (now.ema_slow or 0.0) / (now.ema_fast or 1.0) - 1
        met[Condition.EMA_CROSS_DOWN] = _strength(gap, 0.02)
    if _crossed_above(0.0, series.macd_histogram, window):
        met[Condition.MACD_TURNED_NEGATIVE] = _strength(-(now.macd_histogram or 0.0) / now.close, 0.005)
    if _crossed_above(float(params.rsi_overbought), series.rsi, window):
        met[Condition.RSI_FELL] = _strength(params.rsi_overbought - (now.rsi or params.rsi_overbought), 20.0)
    return met


def judge_entry(bars: BarColumns, params: AnalyzerParams) -> Verdict:
    """BUY if the trend is up and enough other conditions are met, else WATCH.

    `bars` holds at least one closed bar, oldest first.
    """
    series = IndicatorSeries(bars, params)
    now = series.latest()
    met = buy_conditions(series, now, params)
    others = len(met) - (Condition.UPTREND in met)
    is_buy = Condition.UPTREND in met and others >= params.min_signals_for_buy
    unmet = tuple(c for c in BUY_POINTS if c not in met)
    if now.macd_histogram is None:
        unmet = (*unmet, Condition.SHORT_HISTORY)
    return Verdict(
        signal=SignalType.BUY if is_buy else SignalType.WATCH,
        confidence=_confidence(BUY_POINTS, met),
        met=tuple(met),
        unmet=unmet,
        indicators=now,
    )


def judge_exit(bars: BarColumns, params: AnalyzerParams) -> Verdict | None:
    """SELL if enough of the three break conditions are met, else None."""
    series = IndicatorSeries(bars, params)
    now = series.latest()
    met = sell_conditions(series, now, params)
    if len(met) < params.min_signals_for_sell:
        return None
    return Verdict(
        signal=SignalType.SELL,
        confidence=_confidence(SELL_POINTS, met),
        met=tuple(met),
        unmet=tuple(c for c in SELL_POINTS if c not in met),
        indicators=now,
    )


def trend_state(bars: BarColumns, params: AnalyzerParams) -> TrendState:
    """Whether the trend is intact: broken when SELL holds now or the fast EMA lies under the slow one."""
    series = IndicatorSeries(bars, params)
    now = series.latest()
    if now.ema_fast is None or now.ema_slow is None:
        return TrendState.UNKNOWN
    if len(sell_conditions(series, now, params)) >= params.min_signals_for_sell or now.ema_fast < now.ema_slow:
        return TrendState.BROKEN
    return TrendState.INTACT

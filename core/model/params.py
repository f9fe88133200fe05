"""Every setting of config.yaml as frozen parameters: type, bounds, unit and default in one place.

`Meta.title` is the unit. The bot's settings screen, the validator and the documentation all read this file.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Percent = Annotated[float, Meta(ge=0.1, le=1000.0, title="%")]
Fraction = Annotated[float, Meta(ge=0.0, le=20.0, title="%")]
Period = Annotated[int, Meta(ge=2, le=400, title="bars")]
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
# \Z and not $, which lets a line break pass
SPAN = rf"^({_TIME}-{_TIME})?\Z"
KstTime = Annotated[str, Meta(pattern=rf"^{_TIME}\Z", title="HH:MM KST")]


# a bar of second aggregates is five seconds old before it can be judged
SECONDS_AGE_SEC = 10


class ScannerParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the collector lets through (product.md section 1), and whose bars it sees.

    `aggregates` is which of Polygon's bars are asked for; seconds are folded into minutes.
    """

    feed: Literal["polygon", "kis"] = "polygon"
    aggregates: Literal["minute", "second"] = "minute"
    kis_volume_pct: Annotated[int, Meta(ge=5, le=100, title="%")] = 50
    min_price: Annotated[float, Meta(ge=0.0001, le=100_000, title="USD")] = 1.0
    min_market_cap: Annotated[int, Meta(ge=0, le=10_000_000_000_000, title="USD")] = 50_000_000
    min_volume: Annotated[int, Meta(ge=0, le=1_000_000_000, title="shares")] = 10_000
    price_change_pct: Percent = 5.0
    volume_spike_pct: Annotated[float, Meta(ge=0.0, le=100_000.0, title="%")] = 200.0
    timeframe: Literal["1min", "2min", "3min", "5min", "10min", "15min", "30min"] = "5min"
    volume_timeframe: Literal["1min"] = "1min"
    volume_lookback: Annotated[int, Meta(ge=2, le=120, title="minutes")] = 20
    max_reference_age_min: Annotated[int, Meta(ge=0, le=960, title="minutes, 0 = no limit")] = 15
    unknown_market_cap: Literal["reject", "accept"] = "reject"
    security_types: tuple[str, ...] = ("CS", "ADRC")
    discovery_cooldown_min: Annotated[int, Meta(ge=0, le=960, title="minutes")] = 30
    record_days: Annotated[int, Meta(ge=0, le=3_650, title="days")] = 30

    @property
    def timeframe_min(self) -> int:
        """The look-back of the price change in minutes."""
        return int(self.timeframe.removesuffix("min"))

    def for_feed(self) -> "ScannerParams":
        """The thresholds for the volume that the feed sees: KIS's free data has about half of the market's.

        Only counted shares change; a growth of volume is a ratio of two numbers of the same feed. Call it once.
        """
        if self.feed != "kis":
            return self
        return msgspec.structs.replace(self, min_volume=self.min_volume * self.kis_volume_pct // 100)


class TradingParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the trader buys and sells."""

    venue: Literal["paper", "kis_virtual", "kis_real"] = "paper"
    mode: Literal["auto", "approve", "watch"] = "approve"
    total_buy_amount: Annotated[int, Meta(ge=10_000, le=1_000_000_000, title="KRW")] = 1_000_000
    split_count: Annotated[int, Meta(ge=1, le=100, title="tranches")] = 10
    split_interval_sec: Annotated[int, Meta(ge=1, le=3_600, title="seconds")] = 60
    max_positions: Annotated[int, Meta(ge=1, le=50, title="positions")] = 5
    take_profit_pct: Annotated[float, Meta(ge=0.5, le=1000.0, title="%")] = 30.0
    stop_loss_pct: Annotated[float, Meta(ge=-90.0, le=-0.5, title="%")] = -15.0
    daily_buy_limit: Annotated[int, Meta(ge=0, le=10_000_000_000, title="KRW")] = 5_000_000
    daily_loss_limit: Annotated[int, Meta(ge=0, le=10_000_000_000, title="KRW, 0 = none")] = 1_000_000
    max_order_amount: Annotated[int, Meta(ge=10_000, le=1_000_000_000, title="KRW")] = 1_000_000
    max_orders_per_min: Annotated[int, Meta(ge=1, le=600, title="orders")] = 30
    max_orders_per_day: Annotated[int, Meta(ge=1, le=10_000, title="orders")] = 300
    price_collar_pct: Fraction = 2.0
    entry_slippage_pct: Fraction = 0.5
    max_divergence_pct: Annotated[float, Meta(ge=0.5, le=50.0, title="%")] = 5.0
    max_stops_per_day: Annotated[int, Meta(ge=0, le=1_000, title="stops, 0 = no limit")] = 3
    approval_drift_pct: Annotated[float, Meta(ge=0.1, le=50.0, title="%")] = 3.0
    unfilled_cancel_sec: Annotated[int, Meta(ge=5, le=3_600, title="seconds")] = 180
    approval_ttl_sec: Annotated[int, Meta(ge=5, le=86_400, title="seconds")] = 600
    asleep_hours: Annotated[str, Meta(pattern=SPAN, title="HH:MM-HH:MM KST, empty = none")] = ""
    asleep_policy: Literal["ask", "ignore", "small", "auto"] = "ask"
    asleep_size_pct: Annotated[int, Meta(ge=1, le=100, title="%")] = 30
    stop_cooldown_min: Annotated[int, Meta(ge=0, le=10_000, title="minutes")] = 60
    trend_timeout_sec: Annotated[float, Meta(ge=0.5, le=60.0, title="seconds")] = 5.0
    max_data_age_sec: Annotated[int, Meta(ge=5, le=3_600, title="seconds")] = 90
    commission_pct: Annotated[float, Meta(ge=0.0, le=5.0, title="%")] = 0.25
    paper_cash: Annotated[int, Meta(ge=10_000, le=100_000_000_000, title="KRW")] = 10_000_000
    paper_krw_per_usd: Annotated[float, Meta(ge=100.0, le=10_000.0, title="KRW per USD")] = 1_400.0


class AnalyzerParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the trend is judged."""

    timeframe: Literal["1min"] = "1min"
    ema_fast: Period = 5
    ema_slow: Period = 20
    rsi_period: Period = 14
    rsi_overbought: Annotated[int, Meta(ge=50, le=100)] = 70
    rsi_oversold: Annotated[int, Meta(ge=0, le=50)] = 30
    macd_fast: Period = 12
    macd_slow: Period = 26
    macd_signal: Period = 9
    bollinger_period: Period = 20
    bollinger_deviations: Annotated[float, Meta(ge=0.5, le=5.0)] = 2.0
    volume_lookback: Annotated[int, Meta(ge=2, le=120, title="bars")] = 20
    breakout_relative_volume: Annotated[float, Meta(ge=0.0, le=1000.0, title="times")] = 2.0
    surge_relative_volume: Annotated[float, Meta(ge=0.0, le=1000.0, title="times")] = 3.0
    signal_window_bars: Annotated[int, Meta(ge=1, le=60, title="bars")] = 5
    min_signals_for_buy: Annotated[int, Meta(ge=1, le=4, title="of 4")] = 2
    min_signals_for_sell: Annotated[int, Meta(ge=1, le=3, title="of 3")] = 2
    signal_valid_sec: Annotated[int, Meta(ge=5, le=3_600, title="seconds")] = 45


class ScheduleParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When things happen; market instants come from the XNYS calendar."""

    start_time: KstTime = "18:00"
    active_trading_after: Annotated[
        str, Meta(pattern=rf"^(open\+[0-9]{{1,3}}m|{_TIME})\Z", title="open+MINUTESm or HH:MM KST")
    ] = "open+30m"
    market_close: KstTime = "06:00"
    timezone: Literal["Asia/Seoul"] = "Asia/Seoul"
    rest_when_closed: bool = True


class NotificationParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the chat is told."""

    telegram_enabled: bool = True
    report_time: KstTime = "06:30"
    alert_on_buy: bool = True
    alert_on_sell: bool = True
    alert_on_discovery: bool = True
    alert_on_error: bool = True
    language: Literal["ko", "en"] = "ko"


class TaxParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the yearly tax on foreign stocks is estimated."""

    cost_method: Literal["moving_average", "fifo"] = "moving_average"
    settlement_days: Annotated[int, Meta(ge=0, le=5, title="trading days")] = 1
    basic_deduction: Annotated[int, Meta(ge=0, le=1_000_000_000, title="KRW")] = 2_500_000
    rate_pct: Annotated[float, Meta(ge=0.0, le=100.0, title="%")] = 22.0


class MonitoringParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What other programs may read."""

    metrics_port: Annotated[int, Meta(ge=0, le=65_535)] = 0


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of config.yaml."""

    scanner: ScannerParams = ScannerParams()
    trading: TradingParams = TradingParams()
    analyzer: AnalyzerParams = AnalyzerParams()
    schedule: ScheduleParams = ScheduleParams()
    notification: NotificationParams = NotificationParams()
    tax: TaxParams = TaxParams()
    monitoring: MonitoringParams = MonitoringParams()

    def __post_init__(self) -> None:
        if self.analyzer.ema_fast >= self.analyzer.ema_slow:
            raise ValueError("analyzer.ema_fast: must be smaller than analyzer.ema_slow")
        if self.analyzer.macd_fast >= self.analyzer.macd_slow:
            raise ValueError("analyzer.macd_fast: must be smaller than analyzer.macd_slow")
        if self.scanner.aggregates == "second" and self.trading.max_data_age_sec < SECONDS_AGE_SEC:
            raise ValueError(
                f"trading.max_data_age_sec: must be {SECONDS_AGE_SEC} or more where scanner.aggregates is second"
            )


def listed(text: str) -> tuple[str, ...]:
    """A list setting from its text form, `CS, ADRC`; empty text is the empty list."""
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)

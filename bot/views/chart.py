"""Charts as data: bars with the plan's levels or a sale's entry and exit, with every word in the reader's language."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from bot.bars import five_minutes
from bot.card import CardModel
from bot.i18n import Translator
from bot.values import decimal, instant
from charts.spec import MAX_BARS, ChartBars, ChartSpec, IndicatorParams, Labels, Level, LevelKind, Marker, Timeframe
from core.model.bar import Bar, columns
from core.model.messages import Event
from core.model.params import AnalyzerParams
from core.model.position import Position
from core.model.session import MarketSession

VISIBLE = 120
MARGIN = 3


def labels(t: Translator) -> Labels:
    """Every word a chart can carry."""
    return Labels(
        price=t.plain("Price"),
        volume=t.plain("Volume"),
        entry=t.plain("Entry"),
        stop=t.plain("Stop"),
        target=t.plain("Target"),
        average=t.plain("Average"),
        last=t.plain("Last"),
        planned=t.plain("Planned"),
        macd="MACD",
        macd_signal=t.plain("Signal"),
        rsi="RSI",
        ema="EMA",
        bollinger=t.plain("Bollinger"),
        up=t.plain("Up"),
        down=t.plain("Down"),
        flat=t.plain("Flat"),
        pre_market=t.plain("Pre-market"),
        after_market=t.plain("After-market"),
        minute=t.plain("1 min"),
        five_minutes=t.plain("5 min"),
        day=t.plain("Daily"),
        as_of=t.plain("as of"),
    )


def indicator_params(params: AnalyzerParams) -> IndicatorParams:
    """The analyzer's own periods."""
    return IndicatorParams(
        ema_fast=params.ema_fast,
        ema_slow=params.ema_slow,
        bollinger_period=params.bollinger_period,
        bollinger_width=params.bollinger_deviations,
        macd_fast=params.macd_fast,
        macd_slow=params.macd_slow,
        macd_signal=params.macd_signal,
        rsi_period=params.rsi_period,
        rsi_overbought=params.rsi_overbought,
        rsi_oversold=params.rsi_oversold,
    )


def _level(price: Decimal | None, kind: LevelKind, label: str = "") -> list[Level]:
    return [Level(float(price), label, kind)] if price is not None and price > 0 else []


def _near(levels: Sequence[Level], bars: Sequence[Bar]) -> tuple[Level, ...]:
    """Levels so far away that they would flatten the candles are left to the text."""
    low, high = min(b.low for b in bars), max(b.high for b in bars)
    return tuple(x for x in levels if low / MARGIN <= x.price <= high * MARGIN)


def spec(
    ticker: str,
    name: str,
    bars: Sequence[Bar],
    params: AnalyzerParams,
    sessions: Sequence[MarketSession],
    t: Translator,
    *,
    timeframe: Timeframe = "1m",
    levels: Sequence[Level] = (),
    markers: Sequence[Marker] = (),
) -> ChartSpec:
    """A price chart; raises ValueError where there is nothing to draw."""
    drawn = (five_minutes(bars) if timeframe == "5m" else list(bars))[-MAX_BARS:]
    c = columns(drawn)
    first = drawn[0].start_ms if drawn else 0
    return ChartSpec(
        ticker=ticker,
        name=name,
        subtitle="",
        timeframe=timeframe,
        bars=ChartBars(c.start_ms, c.open, c.high, c.low, c.close, c.volume),
        levels=_near(levels, drawn),
        markers=tuple(m for m in markers if m.at_ms >= first),
        labels=labels(t),
        indicators=indicator_params(params),
        sessions=tuple((int(s.open_at.timestamp() * 1000), int(s.close_at.timestamp() * 1000)) for s in sessions),
        visible=VISIBLE,
    )


def plan_levels(card: CardModel, t: Translator) -> list[Level]:
    """The planned tranches, target and stop."""
    plan = card.plan
    if plan is None:
        return []
    planned = t.plain("Planned in {tranches} tranches", tranches=plan.tranches)
    return [
        *_level(plan.price, "planned", planned),
        *_level(plan.target_price, "target"),
        *_level(plan.stop_price, "stop"),
    ]


def position_levels(position: Position | None) -> list[Level]:
    if position is None:
        return []
    return [
        *_level(position.avg_price, "average"),
        *_level(position.target_price, "target"),
        *_level(position.stop_price, "stop"),
    ]


def sale_levels(event: Event) -> list[Level]:
    return _level(decimal(event.values, "avg_price"), "average")


def sale_markers(event: Event, bars: Sequence[Bar], *, stopped: bool) -> list[Marker]:
    """The sale on its bar, and the first purchase on its own where the bars reach back that far."""
    price = decimal(event.values, "sell_price")
    if price is None or price <= 0 or not bars:
        return []
    at_ms = min(int(event.at.timestamp() * 1000), bars[-1].start_ms)
    sale = Marker(max(at_ms, bars[0].start_ms), float(price), "stop" if stopped else "sell")
    opened, average = instant(event.values, "opened_at"), decimal(event.values, "avg_price")
    if opened is None or not average or opened < bars[0].start_at:
        return [sale]
    return [Marker(int(opened.timestamp() * 1000), float(average), "buy"), sale]


def caption(ticker: str, last: Bar, now: dt.datetime, t: Translator) -> str:
    """The newest price and how old it is."""
    return t(
        "📈 <b>{ticker}</b> {price} · {time} ({age})",
        ticker=ticker,
        price=t.usd(last.close),
        time=t.time(last.end_at),
        age=t.age(last.end_at, now),
    )

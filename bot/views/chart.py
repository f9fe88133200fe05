"""Charts as data: bars with the plan's levels or a sale's entry and exit, with every word in the reader's language."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.bars import five_minutes
from bot.card import CardModel
from bot.i18n import ET, Translator
from bot.values import decimal, instant
from bot.views.base import View, lines
from bot.views.words import SIGNALS, SOURCES, plain_word, word
from charts.spec import (
    MAX_BARS,
    MAX_MARKERS,
    ChartBars,
    ChartSpec,
    IndicatorParams,
    Labels,
    Level,
    LevelKind,
    Marker,
    MarkerKind,
    OverlayLine,
    Theme,
    Timeframe,
)
from core.model.bar import Bar, columns
from core.model.messages import Event
from core.model.order import Side
from core.model.params import AnalyzerParams
from core.model.position import Position
from core.model.session import MarketSession
from core.model.signal import SignalType
from ports.store import TradeRow

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
        as_of=t.plain("as of {at}", at="{at}"),
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


def _frame(bars: Sequence[Bar], timeframe: Timeframe) -> list[Bar]:
    return (five_minutes(bars) if timeframe == "5m" else list(bars))[-MAX_BARS:]


def chart_bars(bars: Sequence[Bar], timeframe: Timeframe) -> ChartBars:
    """The bars as the chart draws them; raises ValueError where there are none."""
    c = columns(_frame(bars, timeframe))
    return ChartBars(c.start_ms, c.open, c.high, c.low, c.close, c.volume)


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
    overlays: Sequence[OverlayLine] = (),
    theme: Theme = "dark",
    previous_close: float | None = None,
    age: str = "",
    source: str = "polygon",
) -> ChartSpec:
    """A price chart; raises ValueError where there is nothing to draw."""
    drawn = _frame(bars, timeframe)
    first = drawn[0].start_ms if drawn else 0
    return ChartSpec(
        ticker=ticker,
        name=name,
        subtitle="",
        timeframe=timeframe,
        bars=chart_bars(bars, timeframe),
        levels=_near(levels, drawn),
        markers=tuple(m for m in markers if m.at_ms >= first)[-MAX_MARKERS:],
        labels=replace(labels(t), source=plain_word(SOURCES, source, t), age=age),
        indicators=indicator_params(params),
        sessions=tuple((int(s.open_at.timestamp() * 1000), int(s.close_at.timestamp() * 1000)) for s in sessions),
        visible=VISIBLE,
        overlays=tuple(overlays),
        theme=theme,
        previous_close=previous_close,
    )


def plan_levels(card: CardModel, t: Translator) -> list[Level]:
    """The planned tranches, target and stop."""
    plan = card.plan
    if plan is None:
        return []
    planned = t.plain("In {tranches} tranches", tranches=plan.tranches)
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


def fill_markers(rows: Sequence[TradeRow]) -> list[Marker]:
    """Our fills on their bars."""
    kinds = ["buy" if row.side is Side.BUY else "stop" if "STOP" in row.signal_type.upper() else "sell" for row in rows]
    made: list[Marker] = []
    for row, kind in zip(rows, kinds, strict=True):
        shape: MarkerKind = "buy" if kind == "buy" else "stop" if kind == "stop" else "sell"
        made.append(Marker(int(row.created_at.timestamp() * 1000), float(row.price), shape))
    return made


def signal_marker(bar: Bar, signal: SignalType, t: Translator) -> list[Marker]:
    """The bar that was judged."""
    return [Marker(bar.start_ms, bar.close, "signal", t.plain(SIGNALS[signal]))]


def previous_close(days: Sequence[Bar], last: Bar) -> float | None:
    """The close of the newest day before the last bar's, None where no such day is known."""
    on = last.start_at.astimezone(ET).date()
    before = [day for day in days if day.start_at.astimezone(ET).date() < on]
    return before[-1].close if before else None


def caption(
    ticker: str,
    name: str,
    last: Bar,
    before: float | None,
    at: dt.datetime,
    now: dt.datetime,
    t: Translator,
    *,
    source: str = "polygon",
) -> str:
    """The newest price, the day's change where the close before is known, and where and from when the data is."""
    title = f"{ticker} {name}".strip()
    change = f" {t.pct((last.close / before - 1) * 100)}" if before else ""
    return lines(
        t("📈 <b>{title}</b> {price}{change}", title=title, price=t.usd(last.close), change=change),
        t("{source} · {age} · {time}", source=word(SOURCES, source, t), age=t.age(at, now), time=t.time(at)),
    )


def unknown_overlay(name: str, near: Sequence[str], t: Translator) -> View:
    if near:
        return View(t("I know no overlay {name}. Did you mean {names}?", name=name, names=", ".join(near)))
    names = "vwap, supertrend, ema:50, sma:20, bbands, kc, donchian, psar"
    return View(t("I know no overlay {name}. Try one of: {names}", name=name, names=names))


def too_many_overlays(most: int, t: Translator) -> View:
    return View(t("At most {most} overlays fit a chart.", most=most))


def overlay_failed(names: Sequence[str], count: int, t: Translator) -> View:
    return View(
        t(
            "{names} can't be drawn: too few bars ({count}). Please try a shorter length, or leave it out.",
            names=", ".join(names),
            count=count,
        )
    )


def theme_not_kept(t: Translator) -> View:
    return View(t("The database does not answer, so the colours hold for this picture only."))

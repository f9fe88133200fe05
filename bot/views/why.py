"""Why a signal came: every rule's value against its threshold, what the trader said, who decided, what came of it."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from bot.card import CardModel
from bot.i18n import Translator, mark
from bot.views.base import RULE, View, lines
from bot.views.discovery import plan_lines, state_line
from bot.views.words import CONDITIONS, PURPOSES, SIGNALS, word
from core.model.params import AnalyzerParams
from core.model.position import Position, RoundTrip
from core.model.signal import Condition, Indicators, Verdict


def _pair(name: str, a: float | None, sign: str, b: float | None) -> str:
    return "" if a is None or b is None else f"{name} {a:,.2f} {sign} {b:,.2f}".strip()


def _value(condition: Condition, i: Indicators, p: AnalyzerParams, t: Translator) -> str:
    """What a condition looked at, and the threshold beside it."""
    match condition:
        case Condition.UPTREND:
            sign = ">" if (i.ema_fast or 0) > (i.ema_slow or 0) else "≤"
            return _pair(f"EMA{p.ema_fast}", i.ema_fast, f"{sign} EMA{p.ema_slow}", i.ema_slow)
        case Condition.EMA_CROSS_DOWN:
            return _pair(f"EMA{p.ema_fast}", i.ema_fast, f"/ EMA{p.ema_slow}", i.ema_slow)
        case Condition.MACD_CROSS_UP:
            return _pair("MACD", i.macd, "/", i.macd_signal)
        case Condition.MACD_TURNED_NEGATIVE:
            return "" if i.macd_histogram is None else f"{i.macd_histogram:+.3f} (< 0)"
        case Condition.RSI_HEALTHY:
            return "" if i.rsi is None else f"RSI {i.rsi:.1f} (50~{p.rsi_overbought})"
        case Condition.RSI_FELL:
            return "" if i.rsi is None else f"RSI {i.rsi:.1f} (< {p.rsi_overbought})"
        case Condition.BAND_BREAKOUT:
            price = _pair("", i.close, ">" if i.close > (i.band_upper or 0) else "≤", i.band_upper)
            volume = "" if i.relative_volume is None else f"x{i.relative_volume:.1f} (≥ {p.breakout_relative_volume:g})"
            return ", ".join(part for part in (price, volume) if part)
        case Condition.VOLUME_SURGE:
            return "" if i.relative_volume is None else f"x{i.relative_volume:.1f} (≥ {p.surge_relative_volume:g})"
        case Condition.STOP_REACHED:
            return t.usd(i.close)
        case Condition.SHORT_HISTORY:
            return t("{count} bars", count=i.bars)


def _condition(sign: str, condition: Condition, verdict: Verdict, p: AnalyzerParams, t: Translator) -> str:
    shown = _value(condition, verdict.indicators, p, t)
    name = word(CONDITIONS, condition, t)
    return t("{mark} {name}: {value}", mark=sign, name=name, value=shown) if shown else f"{sign} {name}"


def decision(card: CardModel | None, owners: frozenset[int], t: Translator) -> list[str]:
    """The trader's answer: its plan or its refusal, who decided and when."""
    if card is None:
        return [t("The chat knows of no purchase from this signal.")]
    line = state_line(card, t)
    who = None
    if card.auto:
        who = t("Decided by: the bot (auto mode)")
    elif card.by.isdecimal() and int(card.by) in owners:
        when = f" · {t.time(card.decided_at)}" if card.decided_at else ""
        who = t("Decided by: the owner{when}", when=when)
    return [*(plan_lines(card.plan, t) if card.plan else []), *(part for part in (line, who) if part)]


def afterwards(
    then: float, trips: Sequence[RoundTrip], held: Position | None, last: float | None, t: Translator
) -> str | None:
    """What became of it: sold, still held, or how the price went on."""
    if trips:
        first = trips[0]
        return t(
            "Afterwards: sold, {pct} · {reason} · {time}",
            pct=t.pct(first.pnl_pct),
            reason=word(PURPOSES, first.reason, t),
            time=t.when(first.closed_at),
        )
    if held is not None and held.qty:
        return t("Afterwards: still held, {pct}", pct=t.pct(held.pnl_pct))
    if last is None:
        return None
    return t("Afterwards: {price} ({pct})", price=t.usd(last), pct=t.pct(Decimal(str((last / then - 1) * 100))))


NO_PICTURE = mark("(The bars of that time are not available now, so there is no chart.)")


def why(
    ticker: str,
    verdict: Verdict,
    at: dt.datetime,
    now: dt.datetime,
    params: AnalyzerParams,
    story: Sequence[str],
    t: Translator,
) -> View:
    """Each condition of the newest signal with the value it saw, then the story of what followed."""
    return View(
        lines(
            t("🧠 <b>Why {ticker}?</b>", ticker=ticker),
            t(
                "{signal} · confidence {confidence}% · {time} ({age})",
                signal=word(SIGNALS, verdict.signal, t),
                confidence=round(verdict.confidence),
                time=t.time(at),
                age=t.age(at, now),
            ),
            t("Price then: {price}", price=t.usd(verdict.indicators.close)),
            RULE,
            *(_condition("✅", each, verdict, params, t) for each in verdict.met),
            *(_condition("❌", each, verdict, params, t) for each in verdict.unmet),
            *((RULE, *story) if story else ()),
        )
    )

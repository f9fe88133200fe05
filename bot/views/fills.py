"""Buying in tranches, buy complete, sold and stopped out: the user's own formats."""

from decimal import Decimal

from bot.i18n import Markup, Translator, mark
from bot.values import Values, amount, decimal, flag, text, whole
from bot.views.base import RULE, View, levels, lines
from bot.views.words import CONDITIONS, PURPOSES, word
from core.model.messages import Event
from core.model.order import Purpose
from core.model.signal import Condition

URGENT_REASONS = frozenset({Purpose.STOP.value, Purpose.GUARD.value})
MAX_CELLS = 10


def bar(done: int, of: int) -> str:
    """▰▰▰▱▱▱▱▱▱▱ 3/10"""
    cells = max(1, min(of, MAX_CELLS))
    full = min(cells, done * cells // of) if of > 0 else 0
    return "▰" * full + "▱" * (cells - full) + f" {done}/{of}"


def progress(event: Event, t: Translator) -> View:
    """The one message of a plan that is edited with each tranche."""
    v = event.values
    average = decimal(v, "avg_price")
    return View(
        lines(
            t("⏳ <b>Buying in tranches</b> · {ticker}", ticker=event.ticker),
            bar(whole(v, "tranche"), whole(v, "of")),
            t("Last: {qty} at {price}", qty=t.shares(whole(v, "qty")), price=t.usd(amount(v, "price"))),
            t(
                "Total: {qty} · average {price}",
                qty=t.shares(whole(v, "total_qty")),
                price=t.usd(average or Decimal(0)),
            ),
            t("Invested: {amount}", amount=t.krw(amount(v, "invested_krw"))),
            *levels(decimal(v, "target_price"), decimal(v, "stop_price"), average, t),
        )
    )


def progress_end(ticker: str, done: int, of: int, *, complete: bool, t: Translator) -> View:
    """The progress message once nothing more will be bought."""
    title = (
        mark("✅ <b>Tranches complete</b> · {ticker}") if complete else mark("✋ <b>Tranches stopped</b> · {ticker}")
    )
    return View(lines(t(title, ticker=ticker), bar(done, of)))


def buy_complete(event: Event, t: Translator) -> View:
    """The user's ✅ 매수 완료."""
    v = event.values
    average = amount(v, "avg_price")
    quantity = (
        t("Bought: {qty} ({tranches} tranches, complete)", qty=t.shares(whole(v, "qty")), tranches=whole(v, "of"))
        if flag(v, "complete")
        else t(
            "Bought: {qty} (stopped at {tranches}/{of} tranches)",
            qty=t.shares(whole(v, "qty")),
            tranches=whole(v, "tranches"),
            of=whole(v, "of"),
        )
    )
    return View(
        lines(
            t("✅ <b>Buy complete</b>"),
            RULE,
            t("Ticker: {ticker}", ticker=event.ticker),
            quantity,
            t("Average price: {price}", price=t.usd(average)),
            t("Total cost: {amount}", amount=t.krw(amount(v, "total_krw"))),
            RULE,
            *levels(decimal(v, "target_price"), decimal(v, "stop_price"), average, t),
        )
    )


def urgent(v: Values) -> bool:
    """Whether a sale is the loud kind."""
    return flag(v, "urgent") or text(v, "reason") in URGENT_REASONS


def sold(event: Event, t: Translator) -> View:
    """The user's 💰 매도 실행, or the urgent stop in the same lines."""
    v = event.values
    left = whole(v, "remaining_qty")
    qty = whole(v, "qty")
    return View(
        lines(
            t("🚨 <b>Stopped out</b>") if urgent(v) else t("💰 <b>Sold</b>"),
            RULE,
            t("Ticker: {ticker}", ticker=event.ticker),
            t("Sold: {qty} (part, {left} left)", qty=t.shares(qty), left=left)
            if left
            else t("Sold: {qty} (all at once)", qty=t.shares(qty)),
            t("Sell price: {price}", price=t.usd(amount(v, "sell_price"))),
            t("Return: {pct}", pct=t.pct(amount(v, "pnl_pct"))),
            t("Realised: {amount}", amount=t.krw_signed(amount(v, "pnl_krw"))),
            RULE,
            t("Reason: {reason}", reason=sale_reason(v, t)),
        )
    )


def sale_reason(v: Values, t: Translator) -> str:
    """추세 꺾임 감지 (MACD 음전환)"""
    reason = word(PURPOSES, text(v, "reason"), t)
    # the stop's only condition is the reason itself
    named = [key for key in text(v, "conditions").split(",") if key and key != Condition.STOP_REACHED]
    if not named:
        return reason
    details = Markup(", ".join(word(CONDITIONS, key, t) for key in named))
    return t("{reason} ({details})", reason=reason, details=details)

"""Events that are told as messages of their own: which words, how loud, and whether the owner wants them."""

from dataclasses import dataclass
from decimal import Decimal

from bot.i18n import Translator
from bot.values import amount, text, whole
from bot.views import fills
from bot.views.base import View, lines
from bot.views.words import MODES, PLACES, PURPOSES, REFUSALS, TROUBLES, word
from core.model.messages import Event, EventKind
from core.model.params import NotificationParams


@dataclass(frozen=True, slots=True)
class Notice:
    """A message about an event; `quiet` arrives without a sound."""

    view: View
    quiet: bool


def notice(event: Event, settings: NotificationParams, t: Translator) -> Notice | None:
    """The message for an event, or None where nothing is said (the card says it, or the owner switched it off)."""
    match event.kind:
        case EventKind.BUY_COMPLETE:
            return Notice(fills.buy_complete(event, t), quiet=False) if settings.alert_on_buy else None
        case EventKind.SOLD:
            loud = fills.urgent(event.values)
            return Notice(fills.sold(event, t), quiet=False) if settings.alert_on_sell or loud else None
        case EventKind.HOLDING_WINNER | EventKind.SELL_STARTED:
            return Notice(View(_selling(event, t)), quiet=True) if settings.alert_on_sell else None
        case EventKind.ORDER_REJECTED | EventKind.ORDER_UNKNOWN:
            return Notice(View(_order_trouble(event, t)), quiet=False) if settings.alert_on_error else None
        case EventKind.MODE_CHANGED | EventKind.PAUSED | EventKind.RESUMED | EventKind.PANICKED:
            return Notice(View(_switched(event, t)), quiet=event.kind is not EventKind.PANICKED)
        case EventKind.GUARDIAN_TOOK_OVER:
            return Notice(View(_guardian(event, t)), quiet=False)
        case (
            EventKind.FEED_DELAYED
            | EventKind.FEED_DOWN
            | EventKind.FEED_UP
            | EventKind.BROKER_DOWN
            | EventKind.BROKER_UP
            | EventKind.TROUBLE
        ):
            quiet = event.kind in {EventKind.FEED_UP, EventKind.BROKER_UP, EventKind.FEED_DELAYED}
            return Notice(View(_connection(event, t)), quiet=quiet) if settings.alert_on_error else None
        case _:
            return None


def _selling(event: Event, t: Translator) -> str:
    v = event.values
    if event.kind is EventKind.HOLDING_WINNER:
        return lines(
            t("🎯 <b>Target reached, trend intact</b> · {ticker}", ticker=event.ticker),
            t(
                "Holding at {price} ({pct}). Sold as soon as the trend breaks.",
                price=t.usd(amount(v, "price")),
                pct=t.pct(amount(v, "pnl_pct")),
            ),
        )
    return t(
        "📤 Selling {ticker}: {qty} shares · {reason}",
        ticker=event.ticker,
        qty=whole(v, "qty"),
        reason=word(PURPOSES, text(v, "reason"), t),
    )


def _order_trouble(event: Event, t: Translator) -> str:
    v = event.values
    detail = text(v, "detail") or text(v, "message")
    if event.kind is EventKind.ORDER_UNKNOWN:
        return lines(
            t("❓ <b>An order's fate is unknown</b> · {ticker}", ticker=event.ticker),
            t("It is never sent twice. The broker's list is being checked."),
            t("Detail: {detail}", detail=detail) if detail else None,
        )
    reason = text(v, "reason")
    return lines(
        t("⛔ <b>The broker refused an order</b> · {ticker}", ticker=event.ticker),
        t("Reason: {reason}", reason=word(REFUSALS, reason, t)) if reason else None,
        t("Detail: {detail}", detail=detail) if detail else None,
    )


def _switched(event: Event, t: Translator) -> str:
    v = event.values
    match event.kind:
        case EventKind.MODE_CHANGED:
            return t("⚙️ Trading mode: {mode}", mode=word(MODES, text(v, "mode"), t))
        case EventKind.PAUSED:
            return t("⏸ Buying is paused. Stops and sells go on.")
        case EventKind.RESUMED:
            return t("▶️ Buying is allowed again.")
        case _:
            return lines(
                t("🛑 <b>Emergency stop</b>"),
                t("All buying has stopped and open buys are being cancelled."),
                t("Stops and sells go on. /resume allows buying again."),
            )


def _guardian(event: Event, t: Translator) -> str:
    v = event.values
    qty = whole(v, "qty")
    sale = t("{ticker} {qty} shares, limit {price}", ticker=event.ticker, qty=qty, price=t.usd(amount(v, "price")))
    return lines(
        t("🛡 <b>The guardian took over</b>"),
        t("The trader did not answer, so the guardian sent a protective sale."),
        sale if qty else None,
    )


def minutes(delay: Decimal) -> int:
    return max(1, round(delay / 60))


def _connection(event: Event, t: Translator) -> str:
    v = event.values
    detail = text(v, "detail")
    match event.kind:
        case EventKind.FEED_DELAYED:
            return lines(
                t("🐢 <b>Market data is about {minutes} min late</b>", minutes=minutes(amount(v, "delay_s"))),
                t("Late data never buys: signals are shown only. Real-time data needs a higher plan."),
            )
        case EventKind.FEED_DOWN:
            title = t("📡 <b>Market data is cut off</b>. Nothing is bought until it is back.")
        case EventKind.FEED_UP:
            title = t("📡 Market data is back.")
        case EventKind.BROKER_DOWN:
            title = t("🏦 <b>The broker does not answer</b>. Nothing is bought; sells are tried again and again.")
        case EventKind.BROKER_UP:
            title = t("🏦 The broker answers again.")
        case _:
            where = word(PLACES, text(v, "where"), t)
            place = t("{where} · {ticker}", where=where, ticker=event.ticker) if event.ticker else where
            title = t("⚠️ <b>Trouble</b> · {where}", where=place)
            what = text(v, "what")
            if what in TROUBLES:
                return lines(title, t(TROUBLES[what]))
            detail = what or detail
    return lines(title, t("Detail: {detail}", detail=detail[:300]) if detail else None)

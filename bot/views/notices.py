"""Events that are told as messages of their own: which words, how loud, and whether the owner wants them."""

from dataclasses import dataclass

from bot.alerts import Topic
from bot.i18n import Translator
from bot.question import key_of
from bot.values import amount, text, whole
from bot.views import alarms, feed, fills
from bot.views.base import View, lines
from bot.views.pinned import Standing
from bot.views.words import MODES, PLACES, PURPOSES, TROUBLES, word
from core.model.messages import Event, EventKind
from core.model.order import Purpose
from core.model.params import NotificationParams
from core.model.safety import TradingState


@dataclass(frozen=True, slots=True)
class Notice:
    """A message about an event; `quiet` arrives without a sound, `urgent` overtakes what waits to be sent."""

    view: View
    topic: Topic
    quiet: bool
    urgent: bool = False


# Told elsewhere: on the discovery card and its progress, on the card of a question, in the message of a liquidation.
SILENT = frozenset(
    {
        EventKind.PROPOSED,
        EventKind.PLAN_STARTED,
        EventKind.PLAN_REFUSED,
        EventKind.PLAN_CHANGED,
        EventKind.PLAN_IGNORED,
        EventKind.PLAN_EXPIRED,
        EventKind.PLAN_STOPPED,
        EventKind.TRANCHE_FILLED,
        EventKind.MANUAL_BOUGHT,
        EventKind.FROZEN,
        EventKind.LIQUIDATION,
    }
)


def notice(
    event: Event, settings: NotificationParams, t: Translator, *, standing: Standing | None = None
) -> Notice | None:
    """The message for an event, or None where nothing is said (a card says it, or the owner switched it off).

    `standing` is what was held last, for alarms that name the stop.
    """
    match event.kind:
        case EventKind.BUY_COMPLETE:
            return Notice(fills.buy_complete(event, t), Topic.BUY, quiet=False) if settings.alert_on_buy else None
        case EventKind.SOLD:
            loud = fills.urgent(event.values)
            topic = Topic.STOP if loud else Topic.SELL
            return Notice(fills.sold(event, t), topic, quiet=False) if settings.alert_on_sell or loud else None
        case EventKind.HOLDING_WINNER | EventKind.SELL_STARTED | EventKind.EXIT_WAITS:
            return _sale(event, settings, t)
        case EventKind.ORDER_REJECTED | EventKind.ORDER_UNKNOWN:
            said = View(_order_trouble(event, t))
            return Notice(said, Topic.ORDERS, quiet=False) if settings.alert_on_error else None
        case EventKind.MODE_CHANGED | EventKind.PAUSED | EventKind.RESUMED | EventKind.PANICKED:
            panicked = event.kind is EventKind.PANICKED
            return Notice(View(_switched(event, t)), Topic.ALARM if panicked else Topic.STATE, quiet=not panicked)
        case EventKind.SPLIT_TODAY:
            return Notice(View(feed.split(event, t)), Topic.STATE, quiet=False)
        case (
            EventKind.FEED_DELAYED
            | EventKind.FEED_TIMELY
            | EventKind.FEED_DOWN
            | EventKind.FEED_UP
            | EventKind.BROKER_DOWN
            | EventKind.BROKER_UP
        ):
            quiet = event.kind not in {EventKind.FEED_DOWN, EventKind.BROKER_DOWN}
            said = View(_connection(event, t))
            return Notice(said, Topic.CONNECTION, quiet=quiet) if settings.alert_on_error else None
        case EventKind.TROUBLE:
            asked = key_of(event) is not None
            wanted = settings.alert_on_error and not asked
            return Notice(View(_trouble(event, t)), Topic.ORDERS, quiet=False) if wanted else None
        case _:
            return _alarm(event, t, standing)


def _alarm(event: Event, t: Translator, standing: Standing | None) -> Notice | None:
    """What is told whatever the owner has switched off."""
    match event.kind:
        case EventKind.GUARDIAN_TOOK_OVER:
            return Notice(View(alarms.guardian_sold(event, t)), Topic.ALARM, quiet=False)
        case EventKind.STATE_CHANGED:
            said = alarms.state_changed(event, t)
            quiet = event.values.get("state") == TradingState.ACTIVE
            topic = Topic.STATE if quiet else Topic.ALARM
            return Notice(View(said), topic, quiet=quiet, urgent=not quiet) if said is not None else None
        case EventKind.UNWATCHED:
            return Notice(View(alarms.unwatched(event, standing, t)), Topic.ALARM, quiet=False, urgent=True)
        case EventKind.TICKER_HALTED:
            return Notice(View(feed.halted(event, t)), Topic.ALARM, quiet=False)
        case EventKind.TICKER_RESUMED:
            return Notice(View(feed.resumed(event, t)), Topic.STATE, quiet=True)
        case EventKind.WATCHED:
            return Notice(View(alarms.watched(event, t)), Topic.STATE, quiet=True)
        case EventKind.MANUAL_SOLD:
            return Notice(View(alarms.manual_sold(event, t)), Topic.ALARM, quiet=not whole(event.values, "ours"))
        case EventKind.UNFROZEN:
            return Notice(View(alarms.unfrozen(event, t)), Topic.STATE, quiet=True)
        case _:
            return None


def _sale(event: Event, settings: NotificationParams, t: Translator) -> Notice | None:
    """A sale under way; a liquidation has a message of its own, and one that waits at a stop is told in any case."""
    reason = text(event.values, "reason")
    if reason == Purpose.PANIC:
        return None
    if event.kind is EventKind.EXIT_WAITS:
        stop = reason in fills.URGENT_REASONS
        said = View(alarms.exit_waits(event, t))
        return Notice(said, Topic.STOP if stop else Topic.SELL, quiet=False) if settings.alert_on_sell or stop else None
    return Notice(View(_selling(event, t)), Topic.PROGRESS, quiet=True) if settings.alert_on_sell else None


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
        "📤 Selling {ticker}: {qty} · {reason}",
        ticker=event.ticker,
        qty=t.shares(whole(v, "qty")),
        reason=word(PURPOSES, text(v, "reason"), t),
    )


def _order_trouble(event: Event, t: Translator) -> str:
    if event.kind is EventKind.ORDER_UNKNOWN:
        return alarms.order_unknown(event, t)
    said = " ".join(filter(None, (text(event.values, "code"), text(event.values, "message"))))
    return lines(
        t("⛔ <b>The broker refused an order</b> · {ticker}", ticker=event.ticker),
        alarms.order_line(event, t),
        t("Broker's answer: {answer}", answer=said[:300]) if said else None,
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


def _connection(event: Event, t: Translator) -> str:
    v = event.values
    detail = text(v, "detail")
    match event.kind:
        case EventKind.FEED_DELAYED | EventKind.FEED_TIMELY | EventKind.FEED_DOWN | EventKind.FEED_UP:
            return feed.told(event, t)
        case EventKind.BROKER_DOWN:
            title = t("🏦 <b>The broker does not answer</b>. Nothing is bought; sells are tried again and again.")
        case _:
            title = t("🏦 The broker answers again.")
    return lines(title, t("Detail: {detail}", detail=detail[:300]) if detail else None)


def _trouble(event: Event, t: Translator) -> str:
    v = event.values
    where, what = word(PLACES, text(v, "where"), t), text(v, "what")
    place = t("{where} · {ticker}", where=where, ticker=event.ticker) if event.ticker else where
    title = t("⚠️ <b>Trouble</b> · {where}", where=place)
    if what in TROUBLES:
        qty = whole(v, "qty")
        return lines(
            title, t(TROUBLES[what], shares=t.shares(qty), count=qty, seconds=whole(v, "seconds"), pct=text(v, "pct"))
        )
    detail = what or text(v, "detail")
    return lines(title, t("Detail: {detail}", detail=detail[:300]) if detail else None)

"""What may go wrong while money is at stake, and what the owner can do: prices unseen, orders lost, trading closed."""

from collections.abc import Sequence

from bot.i18n import Markup, Translator
from bot.values import amount, text, whole
from bot.views.base import RULE, View, lines, titled
from bot.views.guardian import by_hand
from bot.views.pinned import Standing, row
from bot.views.words import PURPOSES, REFUSALS, STATE_SIGNS, STATES, word
from core.model.messages import Event, EventKind
from core.model.order import Side
from core.model.safety import TradingState

# The trader's own restart is why nobody knows: its plan waits for the order to be found.
RESTART = "restart"
BY_FILE = "halt_file"


def reasons(keys: Sequence[str], t: Translator) -> Markup:
    """Reasons in words, joined."""
    return Markup(", ".join(word(REFUSALS, key, t) for key in keys))


def state_changed(event: Event, t: Translator) -> str | None:
    """The trading state; None where the owner's own /resume says the same."""
    v = event.values
    state, before = text(v, "state"), text(v, "before")
    keys = [key for key in text(v, "reason").split(",") if key]
    head = t(
        "{sign} <b>Trading: {state}</b> (before: {before})",
        sign=STATE_SIGNS.get(state, "⚪"),
        state=word(STATES, state, t),
        before=word(STATES, before, t),
    )
    if state == TradingState.ACTIVE:
        if not keys:
            return None
        gone = t("The HALT file is gone.") if BY_FILE in keys else t("No longer: {reasons}", reasons=reasons(keys, t))
        return lines(head, gone, t("Buying is possible again, as far as the other checks allow."))
    return lines(
        head,
        t("Reason: {reason}", reason=reasons(keys, t)) if keys else None,
        t("Nothing new is bought. Stops and sells go on."),
        how_to_go_on(keys, t),
    )


def how_to_go_on(keys: Sequence[str], t: Translator) -> str:
    """What opens entries again."""
    if BY_FILE in keys:
        return t("To go on: remove the file HALT from the state directory in the terminal.")
    if keys == ["stop_streak"]:
        return t("It opens by itself on the next US day; /resume opens it now.")
    return t("To go on: /resume")


def unwatched(event: Event, standing: Standing | None, t: Translator) -> str:
    """The price of a held ticker is not seen: what the owner can do by hand."""
    v = event.values
    known = next((p for p in standing.held if p.ticker == event.ticker), None) if standing else None
    title = titled(event.ticker, text(v, "name"), known.name_ko if known else text(v, "name_ko"), t)
    return lines(
        t("🚨 <b>No price is seen</b> · {title}", title=title),
        t("For {count} seconds no price of it has arrived, so its stop can't be judged.", count=whole(v, "age_s")),
        t("I keep asking and sell as soon as a price shows that the stop is reached. Nothing new is bought meanwhile."),
        RULE,
        row(known, t) if known else t("Its stop is in /positions."),
        *by_hand(t),
    )


def watched(event: Event, t: Translator) -> str:
    return t("👀 {ticker}: its price is seen again and its stop is guarded.", ticker=event.ticker)


def exit_waits(event: Event, t: Translator) -> str:
    v = event.values
    return lines(
        t(
            "🌙 <b>A sale waits for the market</b> · {title}",
            title=titled(event.ticker, text(v, "name"), text(v, "name_ko"), t),
        ),
        t("{qty} · {reason}", qty=t.shares(whole(v, "qty")), reason=word(PURPOSES, text(v, "reason"), t)),
        t("No orders are taken now. The sale goes on by itself at the next opening (/schedule)."),
    )


def order_line(event: Event, t: Translator) -> str | None:
    """The order that an event is about; None where it does not say."""
    v = event.values
    if not whole(v, "qty"):
        return None
    side = t("🟠 Sell") if text(v, "side") == Side.SELL else t("🔵 Buy")
    return t("{side} {qty}, limit {price}", side=side, qty=t.shares(whole(v, "qty")), price=t.usd(amount(v, "limit")))


def order_unknown(event: Event, t: Translator) -> str:
    """The broker's answer was lost. A buy is never repeated; a sale is, within what is still sellable."""
    if text(event.values, "side") == Side.SELL:
        then = t(
            "I am asking the broker. What is still sellable is sold again; more than that the broker refuses by itself."
        )
    elif text(event.values, "reason") == RESTART:
        then = t("I am asking the broker. Until the order is found or ruled out, nothing more of it is bought.")
    else:
        then = t("I am asking the broker. For safety this stock is closed for buying for the rest of the session.")
    return lines(
        t("❓ <b>An order's fate is unknown</b> · {ticker}", ticker=event.ticker),
        order_line(event, t),
        t("The broker's answer was lost: it may have arrived or not. This order is never sent twice."),
        then,
    )


def manual_sold(event: Event, t: Translator) -> str:
    """The owner sold in the KIS app: what was whose, what is left, and that the stop follows."""
    v = event.values
    qty, ours, left = whole(v, "qty"), whole(v, "ours"), whole(v, "left")
    rest = (
        t("The bot's own was not touched.")
        if not ours
        else t("The bot has {left} left. The stop stays where it is and guards what is left.", left=t.shares(left))
        if left
        else t("The bot has none left, so there is nothing more to guard.")
    )
    return lines(
        t(
            "🙋 <b>You seem to have sold in the KIS app</b> · {title}",
            title=titled(event.ticker, text(v, "name"), text(v, "name_ko"), t),
        ),
        t("Sold by hand: {qty} at {price}", qty=t.shares(qty), price=t.usd(amount(v, "price"))),
        t("Your own: {own} · the bot's: {ours}", own=t.shares(qty - ours), ours=t.shares(ours)),
        rest,
    )


def unfrozen(event: Event, t: Translator) -> str:
    v = event.values
    title = titled(event.ticker, text(v, "name"), text(v, "name_ko"), t)
    if "stop_price" in v:
        return lines(
            t("✅ {title}: the account shows the new shares of the split", title=title),
            t("The bot's own: {qty}", qty=t.shares(whole(v, "qty"))),
            t("The stop was converted and guards again: {price}", price=t.usd(amount(v, "stop_price"))),
        )
    return t("✅ {title}: the share count agrees again. Everything goes on as before.", title=title)


def guardian_sold(event: Event, t: Translator) -> str:
    """A sale that the guardian had sent, as the trader finds it in the guardian's record."""
    v = event.values
    qty = whole(v, "qty")
    sale = t("{ticker} {qty}, limit {price}", ticker=event.ticker, qty=t.shares(qty), price=t.usd(amount(v, "price")))
    return lines(
        t("🛡 <b>The guardian sent a protective sale</b>"),
        t("It did so while the trader was away. The trader has taken it over:"),
        sale if qty else None,
    )


URGENT = frozenset({EventKind.UNWATCHED, EventKind.ORDER_UNKNOWN})


def token_shared(t: Translator) -> View:
    """Somebody else polls with the same token."""
    return View(
        lines(
            t("⚠️ <b>Another process uses this bot's token</b>"),
            t("Either the bot runs twice, or the token leaked. Messages may get lost meanwhile."),
            t("Stop the other one. If there is none: @BotFather › /revoke, new token into .env, restart."),
        )
    )

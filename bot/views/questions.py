"""Cards that ask the owner: shares bought by hand, a frozen ticker, an order that may be ours; and how each ended."""

from collections.abc import Mapping

from telegram import InlineKeyboardMarkup

from bot.i18n import Translator, mark
from bot.question import Kind, Question, Stage
from bot.views import buttons
from bot.views.base import RULE, View, distance, full_name, lines
from bot.views.words import REFUSALS, plain_word, word
from core.model.order import Side

ENDINGS: Mapping[Stage, str] = {
    Stage.ADOPTED: mark("🤖 <b>The bot guards them</b> · {qty} · {time}"),
    Stage.LEFT: mark("🙋 <b>Left alone</b> · the bot will not sell these shares · {time}"),
    Stage.DECIDED: mark("☑️ <b>Already decided before</b> · {time}"),
    Stage.GONE: mark("▫️ <b>Nothing to guard any more</b> · these shares are not in the account · {time}"),
    Stage.SETTLED: mark("✅ <b>Settled with the broker's count</b> · the bot holds {qty} · {time}"),
    Stage.RESOLVED: mark("✅ <b>Resolved</b> · the share count agrees again · {time}"),
    Stage.CLOSED: mark("▫️ <b>Over</b> · replaced by a newer message, or the position is closed · {time}"),
    Stage.OURS: mark("✅ <b>Taken as the bot's order</b> · its fills are booked and guarded · {time}"),
    Stage.NOT_OURS: mark("☑️ <b>Not the bot's order</b> · treated as never placed · {time}"),
}


def question(q: Question, t: Translator) -> View:
    """The whole card at its stage."""
    build = {Kind.MANUAL: _manual, Kind.FROZEN: _frozen, Kind.MATCHING: _matching}
    return View(lines(*build[q.kind](q, t), *_tail(q, t)), _keyboard(q, t))


def _keyboard(q: Question, t: Translator) -> InlineKeyboardMarkup | None:
    build = {Kind.MANUAL: buttons.manual, Kind.FROZEN: buttons.frozen, Kind.MATCHING: buttons.matching}
    return build[q.kind](t, q.nonce) if q.open else None


def _named(q: Question, t: Translator) -> list[str | None]:
    name = full_name(q.name, q.name_ko, t)
    return [t("Ticker: {ticker}", ticker=q.ticker), t("Name: {name}", name=name) if name else None]


def _manual(q: Question, t: Translator) -> list[str | None]:
    price = q.price
    return [
        t("🙋 <b>You seem to have bought in the KIS app</b>"),
        RULE,
        *_named(q, t),
        t("Bought by hand: {qty} at {price}", qty=t.shares(q.qty), price=t.usd(price) if price is not None else "?"),
        t("The bot's own: {qty}", qty=t.shares(q.held)),
        t("Seen: {time}", time=t.when(q.at)),
        RULE,
    ]


FROZEN_TITLES: Mapping[str, str] = {
    "missing": mark("🧊 <b>Check needed: shares are missing</b>"),
    "split": mark("🧊 <b>Check needed: split or reverse split?</b>"),
    "known_split": mark("🧊 <b>Split or reverse split today: automatic sales wait</b>"),
}


def _frozen(q: Question, t: Translator) -> list[str | None]:
    return [
        t(FROZEN_TITLES.get(q.reason, FROZEN_TITLES["missing"])),
        RULE,
        *_named(q, t),
        t("In the account: {held} (expected {expected})", held=t.shares(q.held), expected=t.shares(q.expected)),
        t("The bot's own: {qty}", qty=t.shares(q.qty)) if q.open else None,
        t("Seen: {time}", time=t.when(q.at)),
        RULE,
    ]


def _change(q: Question, t: Translator) -> str:
    """× 10, or ÷ 4: what the count of shares was multiplied or divided by."""
    if q.held and q.expected and q.held % q.expected == 0:
        return t("There are {factor} times as many shares.", factor=q.held // q.expected)
    if q.held and q.expected % q.held == 0:
        return t("There are only 1/{factor} of the shares.", factor=q.expected // q.held)
    return t("The share count went from {expected} to {held}.", expected=q.expected, held=q.held)


def _matching(q: Question, t: Translator) -> list[str | None]:
    side = t("🔵 Buy") if q.side == Side.BUY else t("🟠 Sell")
    order = (
        t("Our order: {side} {qty}, limit {price}", side=side, qty=t.shares(q.qty), price=t.usd(q.price))
        if q.side and q.price is not None
        else None
    )
    return [
        t("🔎 <b>Several orders look like the bot's</b>"),
        RULE,
        t("Ticker: {ticker}", ticker=q.ticker),
        order,
        t("Sent: {time}", time=t.when(q.at)) if order else t("Seen: {time}", time=t.when(q.at)),
        RULE,
    ]


def _tail(q: Question, t: Translator) -> list[str | None]:
    """What to do while it is open, how it ended afterwards."""
    if not q.open:
        at = t.time(q.decided_at) if q.decided_at else ""
        return [t(ENDINGS[q.stage], qty=t.shares(q.qty), time=at), *_levels(q, t)]
    blocked = t("⛔ Not possible now: {reason}", reason=word(REFUSALS, q.obstacle, t)) if q.obstacle else None
    return [*_advice(q, t), blocked]


def _levels(q: Question, t: Translator) -> list[str | None]:
    if q.stop_price is None or q.target_price is None:
        return []
    base = q.price
    stop, target = t.usd(q.stop_price), t.usd(q.target_price)
    if q.held or base is None:
        # beside shares of ours the levels follow the average of both
        return [t("Target: {price}", price=target), t("Stop: {price}", price=stop)]
    return [
        t("Target ({distance}): {price}", distance=distance(q.target_price, base, t), price=target),
        t("Stop ({distance}): {price}", distance=distance(q.stop_price, base, t), price=stop),
    ]


def _advice(q: Question, t: Translator) -> list[str | None]:
    match q.kind, q.reason:
        case Kind.MANUAL, _:
            return [
                t("Shall the bot guard these shares with its stop and target?"),
                t("Until you answer they are left alone: the bot never sells them."),
            ]
        case Kind.FROZEN, "split":
            return [
                _change(q, t),
                t("<b>Automatic sales are suspended</b>: after a split the stop price means nothing."),
                t("Please check the shares in the KIS app, then press the button: the stop is converted with them."),
                t("Nothing is bought of it meanwhile. /sell {ticker} still works.", ticker=q.ticker),
            ]
        case Kind.FROZEN, "known_split":
            return [
                t("The price of the new shares says nothing about the old stop, so nothing is sold at it."),
                t("As soon as the account shows the new shares, the stop is converted and guards again by itself."),
                t("Press the button only if the shares in the KIS app are right as they are."),
                t("Nothing is bought of it meanwhile. /sell {ticker} still works.", ticker=q.ticker),
            ]
        case Kind.FROZEN, _:
            return [
                t("Were they sold or moved by hand? Nothing is bought of it until this is clear."),
                t("The stop is still watched: a sale goes out for the shares that are there."),
                t("Please check in the KIS app, then press the button: the bot takes the broker's count."),
            ]
        case _:
            return [
                t("The answer to this order was lost, and the broker's list has several that fit it."),
                t("Please look in the KIS app: did an order with this quantity and price arrive there from the bot?"),
                t("No new buys meanwhile. After your answer /resume allows buying again."),
            ]


def more_bought(q: Question, qty: int, t: Translator) -> View:
    """An order that was decided already was filled further."""
    return View(
        lines(
            t("🙋 {ticker}: your own order was filled further · {qty}", ticker=q.ticker, qty=t.shares(qty)),
            t("They are your own: the bot leaves them alone."),
        )
    )


TOASTS: Mapping[Stage, str] = {
    Stage.ADOPTED: mark("The bot guards these shares now."),
    Stage.LEFT: mark("The bot leaves these shares alone."),
    Stage.DECIDED: mark("This was decided already."),
    Stage.GONE: mark("These shares are not in the account any more."),
    Stage.SETTLED: mark("The broker's count was taken."),
    Stage.RESOLVED: mark("There is nothing to settle any more."),
    Stage.CLOSED: mark("This is over already."),
    Stage.OURS: mark("Taken as the bot's order."),
    Stage.NOT_OURS: mark("Taken as not the bot's order."),
}
QUIET_TOASTS = frozenset({Stage.ADOPTED, Stage.LEFT, Stage.SETTLED, Stage.OURS, Stage.NOT_OURS})


def toast(q: Question, t: Translator) -> str:
    """The short answer to a press; `q` is the question after it."""
    if q.open:
        return t.plain("Not possible now: {reason}", reason=plain_word(REFUSALS, q.obstacle, t))
    return t.plain(TOASTS[q.stage])


def told_late(q: Question, t: Translator) -> View:
    """The same as a message, where the press could not wait for it."""
    return View(t("{ticker}: {text}", ticker=q.ticker, text=toast(q, t)))

"""The trader's answers to commands and button presses, in words."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from bot import keyboards
from bot.i18n import Markup, Translator, mark
from bot.values import Values, decimal, text, whole
from bot.views import buttons
from bot.views.base import RULE, View, bounded, lines, titled
from bot.views.words import MODES, PLAN_STATES, REFUSALS, plain_word, word
from core.model.commands import Reply, ReplyKey, TraderStatus
from core.model.order import Side
from core.model.position import Position
from core.model.session import MarketSession, Phase

TOASTS: Mapping[ReplyKey, str] = {
    ReplyKey.DONE: mark("Done."),
    ReplyKey.APPROVED: mark("Approved. Buying starts."),
    ReplyKey.IGNORED: mark("Ignored. Nothing more is bought."),
    ReplyKey.ALREADY_DECIDED: mark("Already decided: {state}"),
    ReplyKey.CHANGED: mark("The price changed: {before} → {after}. Please check and press again."),
    ReplyKey.EXPIRED: mark("Too late: the proposal has expired."),
    ReplyKey.REFUSED: mark("Not bought: {reason}"),
    ReplyKey.UNKNOWN_PLAN: mark("This proposal is not known any more."),
    ReplyKey.WRONG_NONCE: mark("This button is out of date. Please use the newest card."),
    ReplyKey.NOT_HELD: mark("This stock is not held."),
    ReplyKey.NOTHING_TO_DO: mark("There is nothing to do."),
    ReplyKey.INVALID: mark("The trader did not accept that."),
}
# the same where the trader gives no state or reason
BARE: Mapping[ReplyKey, str] = {
    ReplyKey.ALREADY_DECIDED: mark("Already decided."),
    ReplyKey.REFUSED: mark("Not bought."),
}
SELL_ALL = ("청산", "LIQUIDATE")
QUIET_TOASTS = frozenset({ReplyKey.DONE, ReplyKey.APPROVED, ReplyKey.IGNORED})


def toast(reply: Reply, t: Translator) -> str:
    """Plain text of at most 200 characters for a callback answer, or for a message without formatting."""
    v = reply.values
    if reply.key in BARE and not (text(v, "state") or text(v, "reason")):
        return t.plain(BARE[reply.key])
    return t.plain(
        TOASTS[reply.key],
        state=plain_word(PLAN_STATES, text(v, "state"), t),
        reason=plain_word(REFUSALS, text(v, "reason"), t),
        before=_usd(v, "price_before", t),
        after=_usd(v, "price_after", t),
    )[:200]


def _usd(v: Values, key: str, t: Translator) -> str:
    price = decimal(v, key)
    return t.usd(price) if price is not None else "?"


def outcome(reply: Reply, t: Translator) -> View:
    """The general answer to a command as a message."""
    sign = Markup("✅") if reply.ok else Markup("⚠️")
    detail = text(reply.values, "detail")
    return View(
        lines(
            t("{sign} {text}", sign=sign, text=toast(reply, t)),
            t("Detail: {detail}", detail=detail) if detail else None,
        )
    )


def unreachable(t: Translator) -> View:
    return View(
        lines(
            t("🔌 <b>The trader does not answer.</b> Nothing was done."),
            t("The guardian watches the stops meanwhile. In an emergency: ./seohak panic in a terminal."),
        )
    )


def unreachable_toast(t: Translator) -> str:
    return t.plain("The trader does not answer. Nothing was done.")


def checking(t: Translator) -> str:
    return t.plain("Checking…")


def panicked(reply: Reply, nonce: str, t: Translator) -> View:
    """All buying has stopped, now or before; the next step is offered."""
    if reply.key is ReplyKey.NOTHING_TO_DO:
        return View(
            lines(
                t("🛑 <b>Stopped already</b>"),
                t("The emergency stop was on already; nothing is bought."),
                t("Stops and sells go on. /resume allows buying again."),
            ),
            buttons.panic_first(t, nonce),
        )
    stopped = whole(reply.values, "stopped")
    return View(
        lines(
            t("🛑 <b>Emergency stop</b>"),
            t("All buying has stopped and open buys are being cancelled."),
            t("Plans and orders stopped: {count}", count=stopped) if stopped else None,
            t("Stops and sells go on. /resume allows buying again."),
        ),
        buttons.panic_first(t, nonce),
    )


def panic_unreachable(t: Translator, *, halted: bool) -> View:
    """The trader is out of reach: say what did happen."""
    done = (
        t("A HALT file was written: no process buys while it exists.")
        if halted
        else t("Please run ./seohak panic in a terminal.")
    )
    return View(lines(t("🛑 <b>The trader does not answer.</b>"), done, t("The guardian watches the stops meanwhile.")))


def panic_preview(s: TraderStatus, session: MarketSession, now: dt.datetime, t: Translator, *, coded: bool) -> View:
    """What would be sold at about what, what is cancelled, when it is sold, and what must be typed."""
    if not s.positions:
        return View(t("💼 No positions: there is nothing to sell."))
    total = sum((p.last_price * p.qty for p in s.positions), Decimal(0))
    result = sum((p.unrealized_usd for p in s.positions), Decimal(0))
    buys = sum(order.request.side is Side.BUY for order in s.orders) + sum(plan.open for plan in s.plans)
    opens = None
    if session.phase(now) is not Phase.REGULAR:
        opens_at = session.open_at
        opens = t("🌙 The US market is closed: everything is sold at the opening · {time}", time=t.when(opens_at))
    word = SELL_ALL[0] if t.locale == "ko" else SELL_ALL[1]
    typed = t("🔐 To sell, type the 6-digit code of your authenticator app. I delete it at once.")
    return View(
        lines(
            t("🚨 <b>Sell everything?</b>"),
            RULE,
            *bounded([_to_sell(p, now, t) for p in s.positions], t),
            RULE,
            t("Proceeds, about: {usd}", usd=t.usd(total)),
            t("   about {krw}", krw=t.krw(total * s.krw_per_usd)) if s.krw_per_usd else None,
            t("Result at the last prices: {amount}", amount=t.usd_signed(result)),
            t("Open buys and plans that end: {count}", count=buys) if buys else None,
            opens,
            RULE,
            typed if coded else t("To sell, type this word: <b>{word}</b>", word=word),
            t("It counts once, within a minute, and can't be undone."),
        ),
        buttons.panic_second(t),
    )


def _to_sell(p: Position, now: dt.datetime, t: Translator) -> Markup:
    return t(
        "• {title} {qty} × {price} ≈ {usd} · {pct} ({age})",
        title=titled(p.ticker, p.name, p.name_ko, t),
        qty=t.shares(p.qty),
        pct=t.pct(p.pnl_pct),
        price=t.usd(p.last_price),
        usd=t.usd(p.last_price * p.qty),
        age=t.age(p.priced_at, now),
    )


def sell_preview(position: Position, percent: int, nonce: str, now: dt.datetime, t: Translator) -> View:
    """What a sale by hand would do."""
    qty = max(1, position.qty * percent // 100)
    return View(
        lines(
            t("💰 <b>Sell {title}?</b>", title=titled(position.ticker, position.name, position.name_ko, t)),
            RULE,
            t("Quantity: {qty} of {all} ({percent}%)", qty=qty, all=t.shares(position.qty), percent=percent),
            t("Last: {price} ({age})", price=t.usd(position.last_price), age=t.age(position.priced_at, now)),
            t("Return: {pct}", pct=t.pct(position.pnl_pct)),
        ),
        buttons.sell_confirm(t, nonce),
    )


def selling(ticker: str, reply: Reply, t: Translator) -> View:
    if not reply.ok:
        return outcome(reply, t)
    return View(t("💰 Selling {ticker}. The result is reported here.", ticker=ticker))


def not_held(ticker: str, t: Translator) -> View:
    return View(t("{ticker} is not held. /positions shows what is.", ticker=ticker))


def proposed(ticker: str, reply: Reply, t: Translator) -> View:
    if not reply.ok:
        return outcome(reply, t)
    return View(t("🛒 {ticker}: the proposal comes as a card.", ticker=ticker))


def resume_question(nonce: str, t: Translator) -> View:
    return View(lines(t("🛑 <b>Emergency stop is on</b>"), t("Allow buying again?")), buttons.resume_confirm(t, nonce))


def resumed(reply: Reply, t: Translator) -> View:
    """Allowed again, or what a person at the terminal must do first."""
    if reply.ok:
        return View(t("▶️ Buying is allowed again."))
    if text(reply.values, "reason") != "halt_file":
        return outcome(reply, t)
    return View(
        lines(
            t("⛔ <b>Not yet: a HALT file blocks buying</b>"),
            t("It was put there on purpose, and only the terminal can lift it:"),
            t("remove the file HALT from the state directory there, then send /resume again."),
        )
    )


def paused(reply: Reply, t: Translator) -> View:
    return View(t("⏸ Buying is paused. Stops and sells go on.")) if reply.ok else outcome(reply, t)


def mode(current: str | None, t: Translator) -> View:
    """The present mode and the choice."""
    now = t("Now: <b>{value}</b>", value=plain_word(MODES, current, t)) if current else None
    row = [[keyboards.button(t.plain(name), keyboards.Act.MODE, key)] for key, name in MODES.items()]
    return View(lines(t("⚙️ <b>Trading mode</b>"), now), keyboards.rows(*row))


def mode_set(chosen: str, reply: Reply, t: Translator) -> View:
    if not reply.ok:
        return outcome(reply, t)
    return View(t("⚙️ Trading mode: {mode}", mode=word(MODES, chosen, t)))


def stale_button(t: Translator) -> str:
    return t.plain("This button is out of date. Please send the command again.")


def dismissed(t: Translator) -> View:
    return View(t("Cancelled. Nothing was done."))


def muted(ticker: str, until: dt.datetime, t: Translator) -> str:
    """A toast."""
    return t.plain("{ticker}: silent until {time}. Undo with /unlock {ticker}", ticker=ticker, time=t.when(until))

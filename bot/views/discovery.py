"""The discovery card: the user's format, then the plan, then how it ended, with the buttons that fit."""

import datetime as dt

from telegram import InlineKeyboardMarkup

from bot import keyboards
from bot.card import CardModel, Phase, PlanFacts
from bot.i18n import Markup, Translator, mark
from bot.views import buttons
from bot.views.base import RULE, View, full_name, levels, lines, titled
from bot.views.status import clocks
from bot.views.words import ENDINGS, REFUSALS, SOURCES, word
from core.model.calibration import Bin
from core.model.params import Params, ScannerParams
from core.model.session import MarketSession

ASLEEP = "asleep"
LATE = dt.timedelta(minutes=1)
TRENDS = {
    "up": mark("Trend: 📈 Uptrend (confidence {confidence}%)"),
    "down": mark("Trend: 📉 Downtrend (confidence {confidence}%)"),
    "unknown": mark("Trend: ➖ Not clear yet (confidence {confidence}%)"),
}


def facts(card: CardModel, params: Params, t: Translator) -> str:
    """The user's own lines."""
    found = card.discovery
    name = full_name(card.name, card.name_ko, t)
    head = [
        t("🔍 <b>Stock found</b>") if found else t("🛒 <b>Buy proposal</b>"),
        RULE,
        t("Ticker: {ticker}", ticker=card.ticker),
        t("Name: {name}", name=name) if name else None,
    ]
    if found is None:
        price = card.plan.price if card.plan else None
        return lines(*head, t("Price: {price}", price=t.usd(price)) if price else None)
    return lines(
        *head,
        t("Price: {price}", price=t.usd(found.price)),
        t(
            "{minutes}-minute change: {change}",
            minutes=params.scanner.timeframe.removesuffix("min"),
            change=t.pct(found.change_pct),
        ),
        t(
            "Volume: {volume} ({ratio} of average)",
            volume=t.count(found.volume),
            ratio=f"{t.count(round(found.volume_ratio_pct))}%",
        ),
        t("Market cap: {cap}", cap=Markup(t.cap(found.market_cap))),
        RULE,
        t(TRENDS[card.trend], confidence=round(card.confidence)),
    )


def plan_lines(plan: PlanFacts, t: Translator) -> list[str]:
    """What would be bought, its levels and the worst case."""
    shown: list[str] = []
    if plan.budget_krw is not None:
        shown.append(
            t(
                "Plan: {budget} in {tranches} tranches, about {qty}",
                budget=t.krw(plan.budget_krw),
                tranches=plan.tranches,
                qty=t.shares(plan.planned_qty),
            )
        )
    shown += levels(plan.target_price, plan.stop_price, plan.price, t)
    if plan.worst_case_krw is not None:
        shown.append(t("Worst case at the stop: {amount}", amount=t.krw(-abs(plan.worst_case_krw))))
    return shown


def state_line(card: CardModel, t: Translator) -> str | None:
    """The card's last line: what happened, or until when it can be decided."""
    at = t.clock(card.decided_at) if card.decided_at else ""
    match card.phase:
        case Phase.PROPOSED:
            return _open_line(card, t)
        case Phase.RUNNING if card.auto and card.by == ASLEEP:
            return t("⏳ Auto-buy while you sleep, as you set it · since {time}", time=at)
        case Phase.RUNNING if card.auto:
            return t("⏳ Auto-buy in progress · since {time}", time=at)
        case Phase.RUNNING:
            return t("✅ <b>Approved</b> · {time}", time=at)
        case Phase.DONE:
            return t("✅ <b>Bought</b> · {time}", time=at)
        case Phase.REFUSED:
            reason = word(REFUSALS, card.reason, t)
            return t("⛔ <b>Not bought</b> · {reason}", reason=reason)
        case Phase.IGNORED:
            return t("🚫 <b>Ignored</b> · {time}", time=at)
        case Phase.EXPIRED:
            return t("⌛ <b>Expired</b> · not approved in time")
        case Phase.STOPPED:
            done, of = card.done, card.plan.tranches if card.plan else 0
            why = word(ENDINGS, card.reason or "owner", t)
            return t("✋ <b>Stopped</b> at {done}/{of} tranches · {reason}", done=done, of=of, reason=why)
        case Phase.WATCH:
            return t("👀 Notice only · no buy signal")
        case Phase.FOUND:
            return None


def _open_line(card: CardModel, t: Translator) -> str | None:
    """What an undecided card adds: an obstacle, a changed price, the deadline."""
    plan = card.plan
    shown: list[str] = []
    if card.reason:
        shown.append(t("⛔ <b>Not bought</b> · {reason}", reason=word(REFUSALS, card.reason, t)))
    if plan and card.price_before and plan.price and card.price_before != plan.price:
        before, after = t.usd(card.price_before), t.usd(plan.price)
        shown.append(t("⚠️ <b>The price changed</b>: {before} → {after}", before=before, after=after))
        shown.append(t("Please press again if you still want it."))
    if plan and plan.expires_at:
        shown.append(t("Decide by {time}", time=t.time(plan.expires_at)))
    return lines(*shown) if shown else None


def keyboard(card: CardModel, t: Translator) -> InlineKeyboardMarkup | None:
    """The buttons of the card's phase; none once it is final."""
    plan = card.plan
    if card.phase is Phase.WATCH:
        return keyboards.rows([buttons.mute_button(t, card.ticker)])
    if plan is None:
        return None
    if card.phase is Phase.PROPOSED:
        return buttons.approve(t, plan.plan_id, plan.nonce, card.ticker)
    if card.phase is Phase.RUNNING:
        build = buttons.auto_running if card.auto else buttons.running
        return build(t, plan.plan_id, plan.nonce)
    return None


def when(card: CardModel, session: MarketSession | None, scanner: ScannerParams, t: Translator) -> list[str]:
    """The session's clock at the find, and where its numbers come from; late data says how late."""
    found = card.discovery
    if found is None or session is None:
        return []
    late = dt.timedelta(milliseconds=card.delay_ms)
    source, time = word(SOURCES, scanner.feed, t), t.clock(found.bar_end_at)
    told = (
        t("Data: {source}, bar of {time}, <b>{late} late</b>", source=source, time=time, late=t.span(late))
        if late >= LATE
        else t("Data: {source}, bar of {time}", source=source, time=time)
    )
    shown = [clocks(session, found.bar_end_at, t), told]
    if scanner.feed == "kis":
        shown.append(t("Volume: the part that KIS sees for free (about {pct}%)", pct=scanner.kis_volume_pct))
    return shown


def past_line(past: Bin, t: Translator) -> str:
    """What became of signals with a confidence like this one's in the backtest."""
    return t(
        "📊 Signals like this in the backtest: {won} of {cases} made money ({rate})",
        won=past.won,
        cases=past.cases,
        rate=f"{round(100 * past.won / past.cases)}%",
    )


def discovery(
    card: CardModel, params: Params, t: Translator, session: MarketSession | None = None, past: Bin | None = None
) -> View:
    """The whole card, as a photo's caption or as text; `past` has at least one case."""
    tail = [
        *when(card, session, params.scanner, t),
        past_line(past, t) if past else None,
        *(plan_lines(card.plan, t) if card.plan else []),
        state_line(card, t),
    ]
    shown = [part for part in tail if part is not None]
    return View(lines(facts(card, params, t), *([RULE, *shown] if shown else [])), keyboard(card, t))


def progress_toast(card: CardModel | None, t: Translator) -> str:
    """The answer to the info button, plain text of at most 200 characters."""
    if card is None or card.plan is None:
        return t.plain("Nothing is being bought here.")
    return t.plain(
        "{ticker}: {done} of {of} tranches bought.", ticker=card.ticker, done=card.done, of=card.plan.tranches
    )


def row(card: CardModel, at: dt.datetime | None, t: Translator) -> str:
    """One line of /discoveries."""
    state = state_line(card, t) if card.phase not in {Phase.PROPOSED, Phase.FOUND} else None
    price = card.discovery.price if card.discovery else card.plan.price if card.plan else None
    change = t.pct(card.discovery.change_pct) if card.discovery else ""
    head = t(
        "<b>{ticker}</b> {price} {change} · {time}",
        ticker=card.ticker,
        price=t.usd(price) if price else "",
        change=change,
        time=t.clock(at) if at else "",
    )
    tail = t("waiting for approval") if card.phase is Phase.PROPOSED else state
    return lines(head, f"   {tail}" if tail else None)


def in_brief(card: CardModel, t: Translator) -> View:
    """A find as one line, for a digest."""
    found = card.discovery
    price, change = (t.usd(found.price), t.pct(found.change_pct)) if found else ("", "")
    title = titled(card.ticker, card.name, card.name_ko, t)
    return View(t("🔍 <b>{title}</b> {price} {change}", title=title, price=price, change=change))

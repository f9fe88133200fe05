"""Proposals that wait for an answer, together: what they would cost, and one tap for all of them."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bot import keyboards
from bot.i18n import Translator, mark
from bot.keyboards import Act, button
from bot.views.base import RULE, View, bounded, lines, titled
from bot.views.words import PLAN_STATES, REFUSALS, word
from core.model.commands import Reply, ReplyKey
from core.model.position import Plan

OUTCOMES = {
    ReplyKey.APPROVED: mark("✅ being bought"),
    ReplyKey.IGNORED: mark("🚫 ignored"),
    ReplyKey.CHANGED: mark("⚠️ the price changed, please look at its card"),
    ReplyKey.EXPIRED: mark("⌛ expired"),
}


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal with the worst case that its card shows, None where the card is not known."""

    plan: Plan
    worst_case_krw: Decimal | None


def pending(waiting: Sequence[Waiting], nonce: str, t: Translator) -> View:
    """The list with its sums; `nonce` stands for exactly these proposals."""
    again = button(t.plain("🔄 Refresh"), Act.REFRESH, "pending")
    if not waiting:
        return View(t("📋 No proposal waits for an answer."), keyboards.rows([again]))
    rows = [
        t(
            "• {title} {price} · {budget} · until {time}",
            title=titled(w.plan.ticker, w.plan.name, w.plan.name_ko, t),
            price=t.usd(w.plan.reference_price),
            budget=t.krw(w.plan.budget_krw),
            time=t.clock(w.plan.expires_at),
        )
        for w in waiting
    ]
    total = sum((w.plan.budget_krw for w in waiting), Decimal(0))
    worst = [w.worst_case_krw for w in waiting if w.worst_case_krw is not None]
    return View(
        lines(
            t("📋 <b>Waiting for your approval</b> · {count}", count=len(waiting)),
            RULE,
            *bounded(rows, t),
            RULE,
            t("Together: {amount}", amount=t.krw(total)),
            t("Worst case at the stops: {amount}", amount=t.krw(-sum(worst, Decimal(0))))
            if len(worst) == len(waiting)
            else None,
            t("Each one is checked again at your tap."),
        ),
        keyboards.rows(
            [
                button(t.plain("✅ Approve all"), Act.BATCH, nonce, "y", style="success"),
                button(t.plain("🚫 Ignore all"), Act.BATCH, nonce, "n"),
            ],
            [again],
        ),
    )


def several(count: int, t: Translator) -> View:
    """A hint under the cards when more than one waits."""
    look = button(t.plain("📋 Decide together"), Act.REFRESH, "pending")
    return View(t("📋 {count} proposals wait for your answer.", count=count), keyboards.rows([look]))


def decided(results: Sequence[tuple[str, Reply | None]], t: Translator) -> View:
    """What became of each; None where the trader did not answer."""
    rows = [t("• {ticker}: {outcome}", ticker=ticker, outcome=outcome(reply, t)) for ticker, reply in results]
    return View(lines(t("📋 <b>Decided together</b>"), RULE, *bounded(rows, t)))


def outcome(reply: Reply | None, t: Translator) -> str:
    """One proposal's answer in words."""
    if reply is None:
        return t("🔌 the trader does not answer; please look at its card")
    if reply.key in OUTCOMES:
        return t(OUTCOMES[reply.key])
    if reply.key is ReplyKey.REFUSED:
        return t("⛔ not bought · {reason}", reason=word(REFUSALS, str(reply.values.get("reason", "")), t))
    state = str(reply.values.get("state", ""))
    return t("already decided · {state}", state=word(PLAN_STATES, state, t)) if state else t("no longer there")

"""What a change would do, in words: one line or block per fact of core.rules.preview."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import assert_never

from bot.i18n import Markup, Translator, mark
from bot.views.base import bounded, titled
from core.rules.preview import (
    Approvals,
    AtRestart,
    Blind,
    Fact,
    Finds,
    Full,
    Level,
    Levels,
    LooserScreen,
    Loss,
    Next,
    OnlyNew,
    ScreenChanges,
    SignalsChange,
    Sizing,
    Spent,
    Unknown,
    sold_at_next_fill,
)

BLIND: Mapping[Unknown, str] = {
    Unknown.TRADER: mark("The trader does not answer, so nothing can be said about holdings and today's sums."),
    Unknown.FINDS: mark("The database does not answer, so recent finds can't be counted."),
}


def effect(facts: Sequence[Fact], now: dt.datetime, t: Translator) -> list[str]:
    """The block under the change; empty where there is nothing to say."""
    said = [line for fact in facts for line in _fact(fact, now, t)]
    return [t("🔎 <b>What this does</b>"), *said] if said else []


def _fact(fact: Fact, now: dt.datetime, t: Translator) -> list[str]:
    match fact:
        case Blind(what):
            return [t("• {text}", text=Markup(t(BLIND[what])))]
        case Levels():
            return _levels(fact, now, t)
        case Sizing():
            return _sizing(fact, t)
        case Full(held, limit):
            return [
                t(
                    "• Held or planned: {held}, the limit becomes {limit}. Nothing is sold, nothing new is bought.",
                    held=held,
                    limit=limit,
                )
            ]
        case Spent(bought, left) if left:
            return [t("• Bought today: {bought}, left for today: {left}", bought=t.krw(bought), left=t.krw(left))]
        case Spent(bought):
            return [t("• Bought today already: {bought}. Nothing more is bought today.", bought=t.krw(bought))]
        case Loss(realized, stops):
            today = t("• Realised today: {amount}", amount=t.krw_signed(realized))
            return [today, t("• That reaches the new limit: buying ends for today at once.")] if stops else [today]
        case Finds(seen) if not seen:
            return [t("• No finds in the last 24 hours to compare with.")]
        case Finds(seen, dropped):
            return [
                t(
                    "• Of {seen} finds in the last 24 hours, {dropped} would have been left out.",
                    seen=seen,
                    dropped=dropped,
                )
            ]
        case LooserScreen():
            return [t("• More stocks pass from the next bar. How many can't be told in advance.")]
        case ScreenChanges():
            return [t("• From the next bar on other stocks are found. How many can't be told in advance.")]
        case SignalsChange():
            return [t("• From the next bar on other signals come. How many can't be told in advance.")]
        case Approvals(0):
            return [t("• Applies to the next proposal.")]
        case Approvals(count):
            return [t("• {count} open proposals keep their time; it applies to the next one.", count=count)]
        case Next(at):
            return [t("• Next: {time}", time=Markup(t.when(at)))]
        case OnlyNew():
            return [t("• Applies from the next purchase.")]
        case AtRestart():
            return [t("• Applies when the trader starts the next time, not before.")]
        case _ as never:
            assert_never(never)


def _levels(fact: Levels, now: dt.datetime, t: Translator) -> list[str]:
    """The truth about held positions: their levels stay, except where a plan goes on buying."""
    moving = [level for level in fact.positions if level.next_stop is not None]
    staying = len(fact.positions) - len(moving)
    rows: list[str] = []
    if sold := sold_at_next_fill(fact):
        rows.append(t("• ⚠️ <b>To be sold right after their next tranche</b>: {tickers}", tickers=", ".join(sold)))
    if staying:
        rows.append(
            t(
                "• Held, no longer being bought: {count}. Stop and target stay as they are; nothing is sold by this.",
                count=staying,
            )
        )
    if moving:
        rows.append(t("• Still being bought: {count}. From the next tranche:", count=len(moving)))
    rows += bounded([line for level in moving for line in _moving(level, now, t)], t)
    fixed = [level for level in fact.positions if level.next_stop is None]
    rows += bounded([_staying(level, t) for level in fixed], t)
    rows.append(t("• Stocks bought from now on get the new value."))
    return rows


def _moving(level: Level, now: dt.datetime, t: Translator) -> list[str]:
    assert level.next_stop is not None
    assert level.next_target is not None
    rows: list[str] = [
        t(
            "  {name}: stop {stop}, target {target}",
            name=titled(level.ticker, level.name, level.name_ko, t),
            stop=_moved(level.stop, level.next_stop, t),
            target=_moved(level.target, level.next_target, t),
        )
    ]
    if level.asks:
        rows.append(t("  ↳ The price is over that target: the trend decides about selling."))
    if level.old:
        rows.append(
            t("  ↳ The price {price} is from {age}.", price=t.usd(level.last_price), age=t.age(level.priced_at, now))
        )
    return rows


def _moved(now: Decimal, then: Decimal, t: Translator) -> Markup:
    """A level that stays is told once."""
    if t.usd(now) == t.usd(then):
        return Markup(t.usd(now))
    return t("{now} → about {then}", now=t.usd(now), then=t.usd(then))


def _staying(level: Level, t: Translator) -> str:
    return t(
        "  {name}: stop {stop}, target {target}",
        name=titled(level.ticker, level.name, level.name_ko, t),
        stop=t.usd(level.stop),
        target=t.usd(level.target),
    )


def _sizing(fact: Sizing, t: Translator) -> list[str]:
    share = (fact.price_usd * fact.krw_per_usd).quantize(Decimal(1))
    rows: list[str] = [
        t(
            "• {budget} in {tranches} tranches of {tranche}, over about {span}",
            budget=t.krw(fact.budget_krw),
            tranches=fact.tranches,
            tranche=t.krw(fact.tranche_krw),
            span=t.span(fact.duration),
        ),
        t(
            "• A stock of {price} ({share}): {qty} in all",
            price=t.usd(fact.price_usd),
            share=t.krw(share),
            qty=t.shares(fact.qty),
        ),
    ]
    if not fact.buys_a_day:
        return [*rows, t("• The daily buy limit is smaller than one such purchase.")]
    return [*rows, t("• The daily buy limit allows {count} such purchases a day.", count=fact.buys_a_day)]

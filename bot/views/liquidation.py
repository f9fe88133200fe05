"""Selling everything: one message with a bar, a line per position, and the sum."""

import datetime as dt
from decimal import Decimal

import msgspec

from bot.i18n import Translator
from bot.views.base import RULE, View, bounded, lines, titled
from bot.views.fills import bar

ROWS = 30


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """One position of a liquidation; `pnl_krw` once it is sold, `waits` while the market takes no orders."""

    ticker: str
    name: str = ""
    name_ko: str = ""
    qty: int = 0
    waits: bool = False
    pnl_krw: Decimal | None = None


class Liquidation(msgspec.Struct, frozen=True, kw_only=True):
    """A run from the command to the last share; `ended_at` once all of it is sold, `replaced` by a later command."""

    started_at: dt.datetime
    sales: tuple[Sale, ...] = ()
    ended_at: dt.datetime | None = None
    replaced: bool = False


def _row(s: Sale, t: Translator) -> str:
    title = titled(s.ticker, s.name, s.name_ko, t)
    if s.pnl_krw is not None:
        return t("✅ {title} {qty} · {amount}", title=title, qty=t.shares(s.qty), amount=t.krw_signed(s.pnl_krw))
    if s.waits:
        return t("🌙 {title} {qty} · goes on at the next opening", title=title, qty=t.shares(s.qty))
    return t("⏳ {title} {qty} · being sold", title=title, qty=t.shares(s.qty))


def liquidation(run: Liquidation, t: Translator) -> View:
    """The message as it is edited, until everything is sold."""
    done = [s.pnl_krw for s in run.sales if s.pnl_krw is not None]
    total = t.krw_signed(sum(done, Decimal(0)))
    # what is still held comes first
    rows = [_row(s, t) for s in sorted(run.sales, key=lambda s: s.pnl_krw is not None)]
    if run.ended_at is not None:
        head = t("✅ <b>Everything is sold</b> · {time}", time=t.time(run.ended_at))
        tail = [t("Realised in all: {amount}", amount=total), t("Nothing is bought until /resume.")]
    else:
        head = t("🚨 <b>Selling everything</b> · since {time}", time=t.time(run.started_at))
        tail = [t("Realised so far: {amount}", amount=total)] if done else []
        tail += [t("Continued in a newer message.")] if run.replaced else []
    body = [bar(len(done), len(run.sales)), RULE, *bounded(rows, t, ROWS)]
    return View(lines(head, *body, *([RULE, *tail] if tail else [])))


def nothing_held(t: Translator) -> View:
    """All buying has stopped, and there was nothing to sell."""
    return View(lines(t("💼 No positions: there is nothing to sell."), t("Nothing is bought until /resume.")))

"""The watch list in words."""

import datetime as dt
from collections.abc import Sequence

from bot.i18n import Translator
from bot.views.base import RULE, View, bounded, lines, titled
from core.model.bar import Bar
from core.model.instrument import Instrument

Row = tuple[str, Instrument | None, Bar | None]
SHOWN = 50


def title(ticker: str, known: Instrument | None, t: Translator) -> str:
    return titled(ticker, known.name, known.name_ko, t) if known else ticker


def added(name: str, count: int, most: int, t: Translator) -> View:
    return View(
        lines(
            t("👁 <b>{title}</b> is on the watch list now ({count}/{most}).", title=name, count=count, most=most),
            t("Each closed bar is judged; a buy signal goes the same way as one of a find, by your /mode."),
        )
    )


def removed(name: str, t: Translator) -> View:
    return View(t("🙈 <b>{title}</b> is off the watch list.", title=name))


def already(name: str, t: Translator) -> View:
    return View(t("<b>{title}</b> is on the watch list already.", title=name))


def absent(name: str, t: Translator) -> View:
    return View(t("<b>{title}</b> is not on the watch list.", title=name))


def full(most: int, t: Translator) -> View:
    return View(t("The watch list is full: {most} stocks. Take one off with /unwatch first.", most=most))


def listed(rows: Sequence[Row], most: int, now: dt.datetime, t: Translator) -> View:
    """Every watched stock with its last price and how old that is."""
    if not rows:
        return View(t("👁 The watch list is empty. Add a stock with /watch NVDA."))
    shown = [_row(row, now, t) for row in rows]
    head = t("👁 <b>Watch list</b> · {count}/{most}", count=len(rows), most=most)
    return View(lines(head, RULE, *bounded(shown, t, SHOWN)))


def _row(row: Row, now: dt.datetime, t: Translator) -> str:
    ticker, known, bar = row
    name = title(ticker, known, t)
    if bar is None:
        return t("• {title} · no price yet", title=name)
    return t("• {title} · {price} ({age})", title=name, price=t.usd(bar.close), age=t.age(bar.end_at, now))

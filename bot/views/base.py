"""What every view shares: the message with its keyboard, the rule between blocks, prices with their distance."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import unescape

from telegram import InlineKeyboardMarkup

from bot.i18n import Markup, Translator

RULE = Markup("━" * 14)
MAX_ROWS = 12
MAX_NAME = 48
CAPTION_LIMIT = 1024
TEXT_LIMIT = 4096
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class View:
    """A message to be sent or edited; `text` is Telegram HTML."""

    text: str
    keyboard: InlineKeyboardMarkup | None = None


def lines(*parts: str | None) -> str:
    """Join what is there, one per line."""
    return "\n".join(part for part in parts if part is not None)


def plain(text: str) -> str:
    """Telegram HTML as the words a person reads."""
    return unescape(_TAG.sub("", text))


def clip(text: str, limit: int = MAX_NAME) -> str:
    """Shorten outside text before it gets tags."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def full_name(name: str, name_ko: str, t: Translator) -> str:
    """The company's name; Korean readers also get the Korean one."""
    name = clip(name)
    if t.locale == "ko" and name_ko and name_ko != name:
        return f"{name} ({clip(name_ko)})" if name else clip(name_ko)
    return name or clip(name_ko)


def titled(ticker: str, name: str, name_ko: str, t: Translator) -> str:
    """NVDA 엔비디아, for lists."""
    short = (name_ko if t.locale == "ko" else "") or name
    return ticker if short == ticker else f"{ticker} {clip(short, 24)}".strip()


def distance(level: Decimal, base: Decimal, t: Translator) -> str:
    """How far a level lies from a price, as the label's +30%.

    A level is rounded to cents, so on a cheap share it lies a little off: the roundest percentage that gives the same
    level to the cent is the one that was meant.
    """
    if base <= 0:
        return "?"
    exact = (level / base - 1) * 100
    step = Decimal("0.01") if base >= 1 else Decimal("0.0001")
    for places in (0, 1):
        rounded = round(exact, places)
        if abs(base * (1 + rounded / 100) - level) <= step:
            return t.level_pct(rounded)
    return t.level_pct(exact)


def levels(target: Decimal | None, stop: Decimal | None, base: Decimal | None, t: Translator) -> list[str]:
    """The user's two lines of target and stop."""
    shown: list[str] = []
    if target and base:
        shown.append(t("Target ({distance}): {price}", distance=distance(target, base, t), price=t.usd(target)))
    if stop and base:
        shown.append(t("Stop ({distance}): {price}", distance=distance(stop, base, t), price=t.usd(stop)))
    return shown


def bounded(rows: Sequence[str], t: Translator, limit: int = MAX_ROWS) -> Iterable[str]:
    """At most one screen of rows, and how many were left out."""
    yield from rows[:limit]
    if len(rows) > limit:
        yield t("… and {count} more", count=len(rows) - limit)

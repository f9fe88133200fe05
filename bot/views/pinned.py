"""The pinned message: what is held and at which stop, so that the owner has it when the server is gone."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bot.i18n import Translator
from bot.views.base import RULE, View, bounded, lines, titled
from bot.views.words import FROZEN, STATE_SIGNS, STATES, word
from core.model.safety import TradingState

ROWS = 40


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One position as the owner would need it in the KIS app."""

    ticker: str
    qty: int
    stop_price: Decimal
    name: str = ""
    name_ko: str = ""
    frozen: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What was held `at` an instant; `state` where the trader could be asked for it."""

    at: dt.datetime
    held: tuple[Held, ...] = ()
    state: TradingState | None = None


def row(p: Held, t: Translator) -> str:
    """• NVDA 엔비디아 7주 · 손절가 $121.72"""
    text = t(
        "• {title} {qty} · stop <b>{stop}</b>",
        title=titled(p.ticker, p.name, p.name_ko, t),
        qty=t.shares(p.qty),
        stop=t.usd(p.stop_price),
    )
    return lines(text, t("   🧊 check needed: {reason}", reason=word(FROZEN, p.frozen, t)) if p.frozen else None)


def rows(held: Sequence[Held], t: Translator) -> list[str]:
    """A line per position, bounded."""
    return list(bounded([row(p, t) for p in held], t, ROWS))


def pinned(s: Standing, t: Translator) -> View:
    """The whole message."""
    state = s.state
    sign = STATE_SIGNS[state] if state is not None else ""
    return View(
        lines(
            t("📌 <b>Holdings and stops</b> (as of {time})", time=t.clock(s.at)),
            t("{sign} Trading: <b>{state}</b>", sign=sign, state=word(STATES, state, t)) if state is not None else None,
            RULE,
            *(rows(s.held, t) or [t("💼 No positions.")]),
            RULE,
            t("As of {time}.", time=t.when(s.at)),
            t(
                "While something is held, this time moves on about every 10 minutes. "
                "If it stands still for longer, please check the server and guard the stops yourself in the KIS app."
            ),
        )
    )

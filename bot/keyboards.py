"""Inline buttons: a typed codec for their data (at most 64 bytes) and the keyboards built from it."""

import enum
import re

import msgspec
from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.i18n import Translator

LIMIT = 64
_PART = re.compile(r"[A-Za-z0-9_.\-]{0,48}")


class Act(enum.StrEnum):
    """What a button does; the value is the first part of its data."""

    APPROVE = "a"
    IGNORE = "i"
    INFO = "n"
    PANIC_PREVIEW = "p"
    SELL = "q"
    RESUME = "r"
    REFRESH = "f"
    LANGUAGE = "l"
    MODE = "m"
    DISMISS = "x"
    SETTINGS = "s"
    ANSWER = "u"
    HANDBACK_ASK = "h"
    HANDBACK = "H"


_ACTS = {act.value: act for act in Act}
# What a viewer may press; every act belongs to exactly one of the two.
READING = frozenset({Act.INFO, Act.REFRESH, Act.LANGUAGE})
CHANGING = frozenset(
    {
        Act.APPROVE,
        Act.IGNORE,
        Act.PANIC_PREVIEW,
        Act.SELL,
        Act.RESUME,
        Act.MODE,
        Act.DISMISS,
        Act.SETTINGS,
        Act.ANSWER,
        Act.HANDBACK_ASK,
        Act.HANDBACK,
    }
)
URGENT = frozenset({Act.PANIC_PREVIEW, Act.DISMISS})


class Press(msgspec.Struct, frozen=True):
    """A decoded button press. Data comes from outside: anything may be in it."""

    act: Act
    args: tuple[str, ...]


def encode(act: Act, *args: str) -> str:
    """`a:<plan>:<nonce>` and the like; refuses what Telegram would refuse or `decode` would misread."""
    if not all(_PART.fullmatch(arg) for arg in args):
        raise ValueError(f"button {act.name}: {args!r} holds what a button can't carry")
    data = ":".join((act.value, *args))
    if len(data.encode()) > LIMIT:
        raise ValueError(f"button {act.name}: {len(data)} bytes, at most {LIMIT}")
    return data


def decode(data: str | None, *, count: int | None = None) -> Press | None:
    """The press, or None for anything this codec did not write."""
    if not data or len(data.encode()) > LIMIT:
        return None
    head, *args = data.split(":")
    if head not in _ACTS or not all(_PART.fullmatch(arg) for arg in args):
        return None
    if count is not None and len(args) != count:
        return None
    return Press(_ACTS[head], tuple(args))


def pattern(act: Act) -> str:
    """A regular expression for CallbackQueryHandler."""
    return f"^{re.escape(act.value)}(:|$)"


def button(label: str, act: Act, *args: str, style: str | None = None) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=encode(act, *args), style=style)


def rows(*lines: list[InlineKeyboardButton]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([line for line in lines if line])


def approve(t: Translator, plan_id: str, nonce: str) -> InlineKeyboardMarkup:
    """Approve mode: buy or ignore."""
    return rows(
        [
            button(t.plain("✅ Approve buy"), Act.APPROVE, plan_id, nonce, style="success"),
            button(t.plain("🚫 Ignore"), Act.IGNORE, plan_id, nonce),
        ]
    )


def auto_running(t: Translator, plan_id: str, nonce: str) -> InlineKeyboardMarkup:
    """Auto mode: the first button tells the progress, the second stops what is left."""
    return rows(
        [
            button(t.plain("⏳ Auto-buy in progress"), Act.INFO, plan_id),
            button(t.plain("🚫 Ignore"), Act.IGNORE, plan_id, nonce),
        ]
    )


def running(t: Translator, plan_id: str, nonce: str) -> InlineKeyboardMarkup:
    """An approved plan: stop the tranches that are left."""
    return rows([button(t.plain("🚫 Stop remaining tranches"), Act.IGNORE, plan_id, nonce)])


def refresh(t: Translator, what: str) -> InlineKeyboardMarkup:
    return rows([button(t.plain("🔄 Refresh"), Act.REFRESH, what)])


def panic_first(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    """After everything stopped: the way to selling it all."""
    return rows([button(t.plain("🚨 Preview selling everything"), Act.PANIC_PREVIEW, nonce, style="danger")])


def panic_second(t: Translator) -> InlineKeyboardMarkup:
    """The way back; going on takes typing, so that a slip of the finger sells nothing."""
    return rows([button(t.plain("Keep the shares"), Act.DISMISS)])


def sell_confirm(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    return rows(
        [
            button(t.plain("💰 Sell now"), Act.SELL, nonce, style="danger"),
            button(t.plain("Cancel"), Act.DISMISS),
        ]
    )


def resume_confirm(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    return rows([button(t.plain("▶️ Allow buying again"), Act.RESUME, nonce), button(t.plain("Cancel"), Act.DISMISS)])


def manual(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    """Shares bought by hand: guard them like ours, or leave them alone."""
    return rows(
        [
            button(t.plain("🤖 Let the bot guard them"), Act.ANSWER, nonce, "y", style="success"),
            button(t.plain("🙋 Leave them alone"), Act.ANSWER, nonce, "n"),
        ]
    )


def frozen(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    """A frozen ticker: go on with the broker's number of shares."""
    return rows([button(t.plain("Take the broker's share count"), Act.ANSWER, nonce, "y")])


def matching(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    """Several orders look like ours."""
    return rows(
        [
            button(t.plain("It is the bot's order"), Act.ANSWER, nonce, "y"),
            button(t.plain("No, it is not"), Act.ANSWER, nonce, "n"),
        ]
    )


def handback_ask(t: Translator) -> InlineKeyboardMarkup:
    """The way to giving the watch back; the question that follows carries the one-time token."""
    return rows([button(t.plain("🤝 Give the watch back"), Act.HANDBACK_ASK)])


def handback_confirm(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    return rows(
        [
            button(t.plain("🤝 Yes, give it back"), Act.HANDBACK, nonce),
            button(t.plain("Cancel"), Act.DISMISS),
        ]
    )


def guardian(t: Translator, *, keeps: bool) -> InlineKeyboardMarkup:
    """Under the guardian's state."""
    ask = [button(t.plain("🤝 Give the watch back"), Act.HANDBACK_ASK)] if keeps else []
    return rows(ask, [button(t.plain("🔄 Refresh"), Act.REFRESH, "guardian")])

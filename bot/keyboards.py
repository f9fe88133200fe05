"""Inline buttons: a typed codec for their data, at most 64 bytes; their words are in `views/buttons.py`."""

import enum
import re
from collections.abc import Sequence

import msgspec
from telegram import InlineKeyboardButton, InlineKeyboardMarkup

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
    ALERTS = "e"
    BATCH = "b"
    MUTE = "z"
    REPORT = "R"
    PICK = "k"
    CHART = "c"
    BACKTEST = "t"
    CANDIDATE = "C"


_ACTS = {act.value: act for act in Act}
# What a viewer may press; every act belongs to exactly one of the two.
# a name is picked once, by the one whose own command asked for it; alerts are everyone's own
READING = frozenset({Act.INFO, Act.REFRESH, Act.LANGUAGE, Act.ALERTS, Act.REPORT, Act.CHART, Act.PICK})
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
        Act.BATCH,
        Act.MUTE,
        Act.BACKTEST,
        Act.CANDIDATE,
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


TIMEFRAMES = ("1m", "5m", "1d")


def carry(overlays: Sequence[str]) -> str:
    """Overlay names as one part of a button's data: vwap and ema:50 are vwap-ema.50."""
    return "-".join(overlays).replace(":", ".")


def carried(part: str) -> tuple[str, ...]:
    """Overlay names out of a button's data."""
    return tuple(name.replace(".", ":") for name in part.split("-") if name)

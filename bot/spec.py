"""What a command is: name, group, words, argument hint, handler, and whether it changes anything."""

import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telegram import Update

if TYPE_CHECKING:
    from bot.context import AppContext


class Group(enum.StrEnum):
    """The sections of /help."""

    STATE = "state"
    FINDING = "finding"
    TRADING = "trading"
    EMERGENCY = "emergency"
    RESULTS = "results"
    SETTINGS = "settings"


Callback = Callable[[Update, "AppContext", Sequence[str]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command; `description` is a catalogue message, `words` are the plain words that mean the same.

    `run` is None for a command that a conversation owns. `changes` is for owners only: viewers are refused by the gate.
    """

    name: str
    group: Group
    description: str
    run: Callback | None
    hint: str = ""
    words: tuple[str, ...] = ()
    changes: bool = False
    urgent: bool = False
    needs: int = 0

"""Where the settings dialogue is, how it moves, and what it remembers of a person between two messages."""

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from telegram import Message, Update
from telegram.ext import ConversationHandler, filters

from bot.access import command_of
from bot.context import AppContext, answer
from bot.settings import Field
from bot.spec import CommandSpec
from bot.views.replies import stale_button
from core.model.messages import Value

PENDING = "settings"
END = ConversationHandler.END


class Step(enum.IntEnum):
    """Where the dialogue is: pressing buttons, or typing a value of the chosen key."""

    CHOOSE = 0
    TYPE = 1


ANYWHERE = (END, Step.CHOOSE, Step.TYPE)
OPEN = (Step.CHOOSE, Step.TYPE)


@dataclass(frozen=True, slots=True)
class Move:
    """What an event does, where it counts, and where the dialogue is afterwards; a stale button moves nothing."""

    run: Callable[..., Awaitable[int | None]]
    to: tuple[int, ...]
    args: int = 1
    where: tuple[int, ...] = ANYWHERE


@dataclass(slots=True)
class Pending:
    """The chosen key; `value` and what it replaces once it was accepted, and the `token` of the button that applies it.

    `reset`: the value is config.yaml's own. `warned`: the person has seen that it risks more. `chosen`: ticks of a list.
    `candidate`: whose change this is.
    """

    field: Field
    chosen: str | None = None
    value: Value = None
    before: Value = None
    token: str = ""
    reset: bool = False
    warned: bool = False
    candidate: str = ""


class CommandWord(filters.MessageFilter):
    """Messages that are a command by name or plain word: they are never taken for a value."""

    def __init__(self, specs: dict[str, CommandSpec], name: str = "", *, bare: bool = False) -> None:
        super().__init__("CommandWord")
        self._specs = specs
        self._only = name
        self._bare = bare

    def filter(self, message: Message) -> bool:
        """Whether the message is this command (with `bare`: and nothing behind it), or any."""
        found = command_of(message, self._specs)
        return found is not None and self._only in {"", found[0].name} and not (self._bare and found[1])


def pending_of(context: AppContext) -> Pending | None:
    found = context.user_data.get(PENDING) if context.user_data is not None else None
    return found if isinstance(found, Pending) else None


async def stale(update: Update, context: AppContext) -> int | None:
    """A button whose time is over: says so and moves nothing."""
    await answer(update.callback_query, stale_button(context.t), alert=True)
    return None


def remember(context: AppContext, pending: Pending | None) -> None:
    if context.user_data is not None:
        context.user_data[PENDING] = pending

"""The Bot API methods, each a function (state, params) -> result; names are matched without regard to case."""

from collections.abc import Callable
from typing import Any

from sandbox.telegram.methods import chats, editing, polling, profile, sending
from sandbox.telegram.params import Params
from sandbox.telegram.state import TelegramState

Method = Callable[[TelegramState, Params], Any]

# getUpdates waits and therefore lives in bot_api.py.
METHODS: dict[str, Method] = {
    name.lower(): method
    for table in (chats.METHODS, editing.METHODS, polling.METHODS, profile.METHODS, sending.METHODS)
    for name, method in table.items()
}

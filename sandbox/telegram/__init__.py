"""A strict local Telegram: the Bot API for the bot, a chat page and a JSON API for the people."""

from sandbox.telegram.bot_api import create_bot_api_app
from sandbox.telegram.chat_app import create_chat_app
from sandbox.telegram.errors import ApiError, SimError
from sandbox.telegram.model import DEFAULT_BOT, DEFAULT_GROUPS, DEFAULT_TOKEN, DEFAULT_USERS, Fault, Group, User
from sandbox.telegram.state import TelegramState

__all__ = [
    "DEFAULT_BOT",
    "DEFAULT_GROUPS",
    "DEFAULT_TOKEN",
    "DEFAULT_USERS",
    "ApiError",
    "Fault",
    "Group",
    "SimError",
    "TelegramState",
    "User",
    "create_bot_api_app",
    "create_chat_app",
]

"""Finding the chat and message a call is about, with Telegram's refusals."""

from sandbox.telegram.errors import bad_request, forbidden
from sandbox.telegram.model import Message
from sandbox.telegram.params import Params
from sandbox.telegram.state import Conversation, TelegramState


def known_chat(state: TelegramState, params: Params) -> Conversation:
    """The chat of a person who has written to the bot, or a group."""
    chat = _lookup(state, params)
    if chat is None or not chat.opened:
        raise bad_request("chat not found")
    return chat


def writable_chat(state: TelegramState, params: Params) -> Conversation:
    """A chat the bot may send to: opened by the person and not blocked, or a group it is in."""
    chat = _lookup(state, params)
    if chat is None:
        raise bad_request("chat not found")
    if not chat.opened:
        raise forbidden("bot can't initiate conversation with a user")
    if chat.left:
        raise forbidden(f"bot is not a member of the {chat.peer.to_chat()['type']} chat")
    if chat.blocked:
        raise forbidden("bot was blocked by the user")
    return chat


def message_in(chat: Conversation, message_id: int | None, missing: str) -> Message:
    """The message or 400 with the given words."""
    message = chat.messages.get(message_id) if message_id is not None else None
    if message is None:
        raise bad_request(missing)
    return message


def _lookup(state: TelegramState, params: Params) -> Conversation | None:
    given = params.text("chat_id").strip()
    if not given:
        raise bad_request("chat_id is empty")
    # A user name never finds a private chat: Telegram resolves only channels and groups by @name.
    return state.chats.get(int(given)) if given.lstrip("-").isdigit() else None

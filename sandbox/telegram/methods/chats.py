"""getChat, getChatMember, leaveChat, getFile."""

from sandbox.telegram.errors import bad_request
from sandbox.telegram.methods.target import known_chat
from sandbox.telegram.model import Json
from sandbox.telegram.params import Params
from sandbox.telegram.state import TelegramState
from sandbox.telegram.wire import bot_wire, full_chat_wire

MAX_DOWNLOAD_BYTES = 20 * 1024 * 1024


def get_me(state: TelegramState, _params: Params) -> Json:
    """The bot itself."""
    return bot_wire(state.bot)


def get_chat(state: TelegramState, params: Params) -> Json:
    """ChatFullInfo."""
    return full_chat_wire(known_chat(state, params))


def get_chat_member(state: TelegramState, params: Params) -> Json:
    """Both sides of a private chat are members."""
    chat = known_chat(state, params)
    user = {chat.user.id: chat.user, state.bot.id: state.bot}.get(params.integer("user_id") or 0)
    if user is None:
        raise bad_request("member not found")
    return {"status": "member", "user": user.to_wire()}


def leave_chat(state: TelegramState, params: Params) -> bool:
    """The sandbox has private chats only, and a bot cannot leave those."""
    known_chat(state, params)
    raise bad_request("can't leave private chats")


def get_file(state: TelegramState, params: Params) -> Json:
    """Where to download a file; the Bot API gives out at most 20 MB."""
    file = state.files.get(params.text("file_id"))
    if file is None:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    if len(file.data) > MAX_DOWNLOAD_BYTES:
        raise bad_request("file is too big")
    return {
        "file_id": file.file_id,
        "file_unique_id": file.unique_id,
        "file_size": len(file.data),
        "file_path": file.path,
    }


METHODS = {
    "getMe": get_me,
    "getChat": get_chat,
    "getChatMember": get_chat_member,
    "leaveChat": leave_chat,
    "getFile": get_file,
}

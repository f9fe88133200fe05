"""getChat, getChatMember, leaveChat, getFile."""

from sandbox.telegram.entities import FormattedText
from sandbox.telegram.errors import bad_request, forbidden
from sandbox.telegram.methods.target import known_chat
from sandbox.telegram.model import Group, Json, Message
from sandbox.telegram.params import Params
from sandbox.telegram.state import TelegramState
from sandbox.telegram.wire import bot_wire, full_chat_wire, page_view

MAX_DOWNLOAD_BYTES = 20 * 1024 * 1024


def get_me(state: TelegramState, _params: Params) -> Json:
    """The bot itself."""
    return bot_wire(state.bot)


def get_chat(state: TelegramState, params: Params) -> Json:
    """ChatFullInfo."""
    return full_chat_wire(known_chat(state, params))


def get_chat_member(state: TelegramState, params: Params) -> Json:
    """Both sides of a private chat are members; a group's first member owns it."""
    chat = known_chat(state, params)
    user_id = params.integer("user_id") or 0
    user = state.bot if user_id == state.bot.id else state.users.get(user_id)
    if user is None or (user is not state.bot and user_id not in chat.members):
        raise bad_request("member not found")
    if user is state.bot and chat.left:
        return {"status": "left", "user": user.to_wire()}
    if isinstance(chat.peer, Group) and user_id == chat.members[0]:
        return {"status": "creator", "user": user.to_wire(), "is_anonymous": False}
    return {"status": "member", "user": user.to_wire()}


def leave_chat(state: TelegramState, params: Params) -> bool:
    """Out of a group; the people in it see that. A private chat cannot be left."""
    chat = known_chat(state, params)
    if not isinstance(chat.peer, Group):
        raise bad_request("can't leave private chats")
    if chat.left:
        raise forbidden(f"bot is not a member of the {chat.peer.kind} chat")
    chat.left = True
    notice = Message(
        state.next_message_id(),
        chat.peer,
        state.bot,
        state.now_s(),
        FormattedText(""),
        service={"left_chat_member": state.bot.to_wire()},
    )
    chat.keep(notice)
    state.emit("message", chat=chat.id, message=page_view(chat, notice))
    return True


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

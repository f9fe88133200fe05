"""What a person does in the chat: write, tap, edit, forward, block. Each makes the update the bot would get."""

from dataclasses import dataclass, replace

from sandbox.telegram.entities import FormattedText, plain
from sandbox.telegram.errors import SimError
from sandbox.telegram.keyboards import MAX_CALLBACK_BYTES, find_button
from sandbox.telegram.model import CallbackQuery, Json, Message
from sandbox.telegram.params import TEXT_LIMIT
from sandbox.telegram.state import Conversation, TelegramState
from sandbox.telegram.wire import inaccessible_wire, message_wire, page_view


@dataclass(frozen=True, slots=True)
class Tap:
    """Which button: by label or data of a keyboard, or forged data that no keyboard need show."""

    message_id: int
    label: str = ""
    data: str = ""
    forge: bool = False


def send_text(state: TelegramState, user_id: int, text: str, reply_to: int | None = None) -> Json:
    """A message; the first one opens the chat."""
    chat = state.conversation(user_id)
    body = _typed(text)
    if reply_to is not None and reply_to not in chat.messages:
        raise SimError(f"no message {reply_to} in this chat")
    _hide_one_time_keyboard(state, chat, body.text)
    message = Message(state.next_message_id(), chat.user, chat.user, state.now_s(), body, reply_to=reply_to)
    return _deliver(state, chat, message)


def edit_text(state: TelegramState, user_id: int, message_id: int, text: str) -> Json:
    """Change an own message."""
    chat = state.conversation(user_id)
    old = _message(chat, message_id)
    if old.from_bot:
        raise SimError("only own messages can be edited")
    body = _typed(text)
    if body == old.body:
        raise SimError("the text is the same")
    new = replace(old, body=body, edited=max(state.now_s(), old.date), edits=old.edits + 1)
    chat.keep(new)
    update_id = state.push_update("edited_message", message_wire(chat, new))
    state.emit("edit", chat=user_id, message=page_view(chat, new), quiet=False)
    return {"message_id": message_id, "update_id": update_id}


def forward(state: TelegramState, user_id: int, message_id: int, from_user: int | None = None) -> Json:
    """Forward a message of one's own chat, or (a leak, for tests) of another person's."""
    chat = state.conversation(user_id)
    source = _message(state.conversation(user_id if from_user is None else from_user), message_id)
    origin = source.forward_origin or {
        "type": "user",
        "date": source.date,
        "sender_user": source.sender.to_wire(),
    }
    message = Message(
        message_id=state.next_message_id(),
        chat=chat.user,
        sender=chat.user,
        date=state.now_s(),
        body=source.body,
        media=source.media,
        forward_origin=origin,
    )
    return _deliver(state, chat, message)


def tap(state: TelegramState, user_id: int, press: Tap) -> Json:
    """Press a button; callback buttons make a callback_query, the others only tell what they hold."""
    chat = state.conversation(user_id)
    message = chat.messages.get(press.message_id)
    if press.forge:
        return _press(state, chat, press.message_id, press.data)
    if message is None:
        raise SimError(f"no message {press.message_id} in this chat")
    button = find_button(message.keyboard, label=press.label, data=press.data)
    if "callback_data" in button:
        return _press(state, chat, press.message_id, str(button["callback_data"]))
    return {"button": button}


def set_blocked(state: TelegramState, user_id: int, blocked: bool) -> Json:
    """Block or unblock the bot: a my_chat_member update."""
    chat = state.conversation(user_id)
    if chat.blocked == blocked:
        return {"update_id": None}
    chat.blocked = blocked
    bot = state.bot.to_wire()
    banned = {"status": "kicked", "user": bot, "until_date": 0}
    member = {"status": "member", "user": bot}
    payload = {
        "chat": chat.user.to_chat(),
        "from": chat.user.to_wire(),
        "date": state.now_s(),
        "old_chat_member": member if blocked else banned,
        "new_chat_member": banned if blocked else member,
    }
    return {"update_id": state.push_update("my_chat_member", payload)}


def _typed(text: str) -> FormattedText:
    body = plain(text)
    if not body.text or body.length > TEXT_LIMIT:
        raise SimError("a message has 1 to 4096 characters")
    return body


def _message(chat: Conversation, message_id: int) -> Message:
    try:
        return chat.messages[message_id]
    except KeyError:
        raise SimError(f"no message {message_id} in this chat") from None


def _deliver(state: TelegramState, chat: Conversation, message: Message) -> Json:
    if chat.blocked:
        raise SimError("the bot is blocked in this chat")
    chat.opened = True
    chat.keep(message)
    update_id = state.push_update("message", message_wire(chat, message))
    state.emit("message", chat=chat.user.id, message=page_view(chat, message))
    return {"message_id": message.message_id, "update_id": update_id}


def _press(state: TelegramState, chat: Conversation, message_id: int, data: str) -> Json:
    if not 1 <= len(data.encode()) <= MAX_CALLBACK_BYTES:
        raise SimError("callback data has 1 to 64 bytes")
    message = chat.messages.get(message_id)
    query = CallbackQuery(state.unique("q"), chat.user.id, message_id, data, state.monotonic())
    state.keep_query(query)
    payload = {
        "id": query.id,
        "from": chat.user.to_wire(),
        "chat_instance": str(chat.user.id * 7_919),
        "message": inaccessible_wire(chat, message_id) if message is None else message_wire(chat, message),
        "data": data,
    }
    update_id = state.push_update("callback_query", payload)
    state.emit("pressed", chat=chat.user.id, message_id=message_id, data=data, query_id=query.id)
    return {"query_id": query.id, "update_id": update_id}


def _hide_one_time_keyboard(state: TelegramState, chat: Conversation, text: str) -> None:
    keyboard = chat.reply_keyboard
    if keyboard is None:
        return
    labels = {button["text"] for row in keyboard["keyboard"] for button in row}
    if keyboard.get("force_reply") or (keyboard.get("one_time_keyboard") and text in labels):
        chat.reply_keyboard = None
        state.emit("keyboard", chat=chat.user.id, keyboard=None)

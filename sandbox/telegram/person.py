"""What a person does in a chat: write, tap, edit, forward, block. Each makes the update the bot would get."""

from dataclasses import dataclass, replace

from sandbox.telegram.entities import FormattedText, plain, slice_utf16
from sandbox.telegram.errors import ApiError, SimError
from sandbox.telegram.keyboards import MAX_CALLBACK_BYTES, find_button
from sandbox.telegram.methods.sending import take_file
from sandbox.telegram.model import ANONYMOUS_ADMIN, CallbackQuery, Group, Json, Message, StoredFile, User
from sandbox.telegram.params import CAPTION_LIMIT, TEXT_LIMIT, Upload
from sandbox.telegram.state import Conversation, TelegramState
from sandbox.telegram.wire import inaccessible_wire, message_wire, page_view


@dataclass(frozen=True, slots=True)
class Tap:
    """Which button: by label or data of a keyboard, or forged data that no keyboard need show."""

    message_id: int
    label: str = ""
    data: str = ""
    forge: bool = False


@dataclass(frozen=True, slots=True)
class Where:
    """Into which chat (None: the private one) and how; `anonymous` is an administrator who writes as the group."""

    chat_id: int | None = None
    reply_to: int | None = None
    anonymous: bool = False
    via_bot: str = ""


HERE = Where()


def send_text(state: TelegramState, user_id: int, text: str, reply_to: int | None = None, where: Where = HERE) -> Json:
    """A message; the first one opens a private chat."""
    body = _typed(text)
    where = where if reply_to is None else replace(where, reply_to=reply_to)
    chat, message = _written(state, user_id, body, where)
    _hide_one_time_keyboard(state, chat, body.text)
    return _deliver(state, chat, message)


def send_photo(state: TelegramState, user_id: int, data: bytes, caption: str = "", where: Where = HERE) -> Json:
    """A PNG or JPEG of the person's, with or without a caption."""
    body = plain(caption)
    if body.length > CAPTION_LIMIT:
        raise SimError("a caption has at most 1024 characters")
    try:
        file = take_file(state, Upload("photo.png", "image/png", data), "photo")
    except ApiError as error:
        raise SimError(error.description) from None
    chat, message = _written(state, user_id, body, where, file)
    state.store(file)
    return _deliver(state, chat, message)


def post(state: TelegramState, user_id: int, chat_id: int, text: str) -> Json:
    """A post of a channel by its owner: a channel_post update, from nobody."""
    chat, message = _written(state, user_id, _typed(text), Where(chat_id))
    if not isinstance(chat.peer, Group) or chat.peer.kind != "channel":
        raise SimError("only channels have posts")
    message = replace(message, sender=ANONYMOUS_ADMIN, author=user_id, sender_chat=chat.peer.to_chat())
    return _deliver(state, chat, message, "channel_post")


def edit_text(state: TelegramState, user_id: int, message_id: int, text: str, chat_id: int | None = None) -> Json:
    """Change an own message: its text, or the caption of its photo."""
    chat = state.conversation(user_id, chat_id)
    old = _message(chat, message_id)
    if old.from_bot or (old.author or old.sender.id) != user_id or old.service is not None:
        raise SimError("only own messages can be edited")
    body = _typed(text)
    if body == old.body:
        raise SimError("the text is the same")
    new = replace(old, body=body, edited=max(state.now_s(), old.date), edits=old.edits + 1)
    chat.keep(new)
    kind = "edited_channel_post" if chat.peer.to_chat()["type"] == "channel" else "edited_message"
    update_id = state.push_update(kind, message_wire(chat, new)) if _bot_sees(state, chat, new) else None
    state.emit("edit", chat=chat.id, message=page_view(chat, new), quiet=False)
    return {"message_id": message_id, "update_id": update_id}


def forward(
    state: TelegramState, user_id: int, message_id: int, from_user: int | None = None, where: Where = HERE
) -> Json:
    """Forward a message of one's own chat, or (a leak, for tests) of another person's; callback buttons stay behind."""
    source = _message(_source(state, user_id, from_user, message_id), message_id)
    origin = source.forward_origin or {
        "type": "user",
        "date": source.date,
        "sender_user": source.sender.to_wire(),
    }
    chat, message = _written(state, user_id, source.body, where, source.media)
    lost = source.keyboard or source.lost_keyboard
    return _deliver(state, chat, replace(message, forward_origin=origin, lost_keyboard=lost))


def tap(state: TelegramState, user_id: int, press: Tap, chat_id: int | None = None) -> Json:
    """Press a button; callback buttons make a callback_query, the others only tell what they hold."""
    chat = state.conversation(user_id, chat_id)
    user = state.user(user_id)
    message = chat.messages.get(press.message_id)
    if press.forge:
        return _press(state, chat, user, press.message_id, press.data)
    if message is None:
        raise SimError(f"no message {press.message_id} in this chat")
    button = find_button(message.keyboard, label=press.label, data=press.data)
    if "callback_data" in button:
        return _press(state, chat, user, press.message_id, str(button["callback_data"]))
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
        "chat": chat.peer.to_chat(),
        "from": state.user(user_id).to_wire(),
        "date": state.now_s(),
        "old_chat_member": member if blocked else banned,
        "new_chat_member": banned if blocked else member,
    }
    return {"update_id": state.push_update("my_chat_member", payload)}


def add_bot(state: TelegramState, user_id: int, chat_id: int) -> Json:
    """Bring the bot (back) into a group: the service message that the bot gets too."""
    chat = state.conversation(user_id, chat_id)
    if not isinstance(chat.peer, Group) or not chat.left:
        raise SimError("the bot is already in this chat")
    chat.left = False
    _, message = _written(state, user_id, FormattedText(""), Where(chat_id))
    return _deliver(state, chat, replace(message, service={"new_chat_members": [state.bot.to_wire()]}))


def _source(state: TelegramState, user_id: int, from_user: int | None, message_id: int) -> Conversation:
    """The chat that a forwarded message is in: the private one, else a group that both are in."""
    private = state.conversation(user_id if from_user is None else from_user)
    others = [group for group in state.groups() if user_id in group.members and message_id in group.messages]
    return private if message_id in private.messages or not others else others[0]


def _written(
    state: TelegramState, user_id: int, body: FormattedText, where: Where, media: StoredFile | None = None
) -> tuple[Conversation, Message]:
    """The chat and the person's new message, not yet delivered."""
    chat = state.conversation(user_id, where.chat_id)
    if where.reply_to is not None and where.reply_to not in chat.messages:
        raise SimError(f"no message {where.reply_to} in this chat")
    sender, sender_chat = state.user(user_id), None
    if where.anonymous:
        if not isinstance(chat.peer, Group) or user_id != chat.members[0]:
            raise SimError("only the owner of a group can write as the group")
        sender, sender_chat = ANONYMOUS_ADMIN, chat.peer.to_chat()
    message = Message(
        message_id=state.next_message_id(),
        chat=chat.peer,
        sender=sender,
        date=state.now_s(),
        body=body,
        media=media,
        reply_to=where.reply_to,
        author=user_id,
        sender_chat=sender_chat,
        via_bot=User(900_001, where.via_bot, username=where.via_bot, is_bot=True) if where.via_bot else None,
    )
    return chat, message


def _bot_sees(state: TelegramState, chat: Conversation, message: Message) -> bool:
    """Privacy mode: in groups a bot gets commands not meant for another bot, replies to itself, and what happens."""
    if chat.left:
        return False
    if chat.peer.to_chat()["type"] in {"private", "channel"} or message.service is not None:
        return True
    target = chat.messages.get(message.reply_to or 0)
    if target is not None and target.from_bot:
        return True
    commands = [
        slice_utf16(message.body.text, e.offset, e.length) for e in message.body.entities if e.type == "bot_command"
    ]
    names = [command.partition("@")[2].lower() for command in commands]
    return any(name in {"", state.bot.username.lower()} for name in names)


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


def _deliver(state: TelegramState, chat: Conversation, message: Message, kind: str = "message") -> Json:
    if chat.blocked:
        raise SimError("the bot is blocked in this chat")
    chat.opened = True
    chat.keep(message)
    update_id = state.push_update(kind, message_wire(chat, message)) if _bot_sees(state, chat, message) else None
    state.emit("message", chat=chat.id, message=page_view(chat, message))
    return {"message_id": message.message_id, "update_id": update_id}


def _press(state: TelegramState, chat: Conversation, user: User, message_id: int, data: str) -> Json:
    if not 1 <= len(data.encode()) <= MAX_CALLBACK_BYTES:
        raise SimError("callback data has 1 to 64 bytes")
    if chat.left:
        raise SimError("the bot is not in this chat")
    message = chat.messages.get(message_id)
    query = CallbackQuery(state.unique("q"), user.id, chat.id, message_id, data, state.monotonic())
    state.keep_query(query)
    payload = {
        "id": query.id,
        "from": user.to_wire(),
        "chat_instance": str(chat.id * 7_919),
        "message": inaccessible_wire(chat, message_id) if message is None else message_wire(chat, message),
        "data": data,
    }
    update_id = state.push_update("callback_query", payload)
    state.emit("pressed", chat=chat.id, user=user.id, message_id=message_id, data=data, query_id=query.id)
    return {"query_id": query.id, "update_id": update_id}


def _hide_one_time_keyboard(state: TelegramState, chat: Conversation, text: str) -> None:
    keyboard = chat.reply_keyboard
    if keyboard is None:
        return
    labels = {button["text"] for row in keyboard["keyboard"] for button in row}
    if keyboard.get("force_reply") or (keyboard.get("one_time_keyboard") and text in labels):
        chat.reply_keyboard = None
        state.emit("keyboard", chat=chat.id, keyboard=None)

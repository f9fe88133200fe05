"""Editing, deleting, pinning and reacting to messages, and answering pressed buttons."""

from dataclasses import replace

from sandbox.telegram.entities import FormattedText
from sandbox.telegram.errors import NOT_MODIFIED, QUERY_TOO_OLD, bad_request
from sandbox.telegram.keyboards import inline_only
from sandbox.telegram.methods.sending import read_media
from sandbox.telegram.methods.target import known_chat, message_in, writable_chat
from sandbox.telegram.model import Group, Json, Message
from sandbox.telegram.params import Params, checked_caption, checked_text
from sandbox.telegram.state import Conversation, TelegramState
from sandbox.telegram.wire import message_wire, page_view

ANSWER_WINDOW_S = 30.0
ANSWER_LIMIT = 200
DELETE_WINDOW_S = 48 * 3600
MAX_DELETED = 100
# The emoji that Telegram lets bots react with.
_EMOJI = """
👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋
🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡
"""
REACTIONS = frozenset(_EMOJI.split())


def edit_message_text(state: TelegramState, params: Params) -> Json:
    """New text; without reply_markup the keyboard goes."""
    chat, message = _editable(state, params)
    if message.media is not None:
        raise bad_request("there is no text in the message to edit")
    keyboard = inline_only(params.mapping("reply_markup"))
    return _edit(state, chat, message, replace(message, body=checked_text(params.formatted("text")), keyboard=keyboard))


def edit_message_caption(state: TelegramState, params: Params) -> Json:
    """New caption; without reply_markup the keyboard goes."""
    chat, message = _editable(state, params)
    if message.media is None:
        raise bad_request("there is no caption in the message to edit")
    body = checked_caption(params.formatted("caption", "caption_entities"))
    keyboard = inline_only(params.mapping("reply_markup"))
    above = params.flag("show_caption_above_media")
    return _edit(state, chat, message, replace(message, body=body, keyboard=keyboard, caption_above=above))


def edit_message_media(state: TelegramState, params: Params) -> Json:
    """New photo or document, also under what was a text; without reply_markup the keyboard goes."""
    chat, message = _editable(state, params)
    media = read_media(state, params, params.mapping("media"))
    changed = replace(
        message,
        body=media.caption,
        media=media.file,
        keyboard=inline_only(params.mapping("reply_markup")),
        caption_above=media.caption_above,
        media_spoiler=media.spoiler,
    )
    return _edit(state, chat, message, changed)


def edit_message_reply_markup(state: TelegramState, params: Params) -> Json:
    """New keyboard, or none."""
    chat, message = _editable(state, params)
    return _edit(state, chat, message, replace(message, keyboard=inline_only(params.mapping("reply_markup"))))


def delete_message(state: TelegramState, params: Params) -> bool:
    """One message, at most 48 hours old."""
    chat = known_chat(state, params)
    message = message_in(chat, params.integer("message_id"), "message to delete not found")
    if state.now_s() - message.date > DELETE_WINDOW_S:
        raise bad_request("message can't be deleted for everyone")
    _check_mine(chat, message)
    _delete(state, chat, message.message_id)
    return True


def delete_messages(state: TelegramState, params: Params) -> bool:
    """Up to a hundred; those that are not there are skipped."""
    chat = known_chat(state, params)
    ids = params.sequence("message_ids") or []
    if not 1 <= len(ids) <= MAX_DELETED:
        raise bad_request("message identifiers are not specified" if not ids else "too many message identifiers")
    for message_id in ids:
        if message_id in chat.messages:
            _check_mine(chat, chat.messages[message_id])
            _delete(state, chat, message_id)
    return True


def answer_callback_query(state: TelegramState, params: Params) -> bool:
    """Exactly one answer within the window."""
    query = state.queries.get(params.text("callback_query_id"))
    if query is None or state.monotonic() - query.asked > ANSWER_WINDOW_S:
        raise bad_request(QUERY_TOO_OLD)
    text = params.text("text")
    if len(text) > ANSWER_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    url = params.text("url")
    if url and not url.startswith(f"https://t.me/{state.bot.username}?start="):
        raise bad_request("URL_INVALID")
    del state.queries[query.id]
    answer = {"query_id": query.id, "message_id": query.message_id, "data": query.data, "text": text}
    answer |= {"user": query.user_id, "show_alert": params.flag("show_alert"), "url": url}
    state.chats[query.chat_id].answers.append(answer)
    state.emit("answer", chat=query.chat_id, answer=answer)
    return True


def set_message_reaction(state: TelegramState, params: Params) -> bool:
    """At most one emoji per message."""
    chat = writable_chat(state, params)
    message = message_in(chat, params.integer("message_id"), "message to react not found")
    reactions = params.sequence("reaction") or []
    if len(reactions) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    for one in reactions:
        if not isinstance(one, dict) or one.get("type") != "emoji" or not _may_react(str(one.get("emoji"))):
            raise bad_request("REACTION_INVALID")
    chat.reactions[message.message_id] = reactions
    state.emit("edit", chat=chat.id, message=page_view(chat, message), quiet=True)
    return True


def pin_chat_message(state: TelegramState, params: Params) -> bool:
    """Pin and tell so in the chat, as Telegram does."""
    chat = writable_chat(state, params)
    _check_pinning(chat)
    message = message_in(chat, params.integer("message_id"), "message to pin not found")
    if message.message_id in chat.pinned:
        return True
    chat.pinned.append(message.message_id)
    notice = Message(
        message_id=state.next_message_id(),
        chat=chat.peer,
        sender=state.bot,
        date=state.now_s(),
        body=FormattedText(""),
        pinned_id=message.message_id,
        silent=True,
    )
    chat.keep(notice)
    state.push_update("message", message_wire(chat, notice))
    state.emit("message", chat=chat.id, message=page_view(chat, notice))
    _emit_pins(state, chat)
    return True


def unpin_chat_message(state: TelegramState, params: Params) -> bool:
    """The named pin, or the newest."""
    chat = writable_chat(state, params)
    _check_pinning(chat)
    message_id = params.integer("message_id", chat.pinned[-1] if chat.pinned else None)
    if message_id not in chat.pinned:
        raise bad_request("message to unpin not found")
    chat.pinned.remove(message_id)
    _emit_pins(state, chat)
    return True


def unpin_all_chat_messages(state: TelegramState, params: Params) -> bool:
    """All pins of the chat."""
    chat = writable_chat(state, params)
    _check_pinning(chat)
    chat.pinned.clear()
    _emit_pins(state, chat)
    return True


def _check_mine(chat: Conversation, message: Message) -> None:
    """In a group the bot is a plain member: it may delete what it wrote itself."""
    if isinstance(chat.peer, Group) and not message.from_bot:
        raise bad_request("message can't be deleted")


def _check_pinning(chat: Conversation) -> None:
    if isinstance(chat.peer, Group):
        raise bad_request("not enough rights to manage pinned messages in the chat")


def _editable(state: TelegramState, params: Params) -> tuple[Conversation, Message]:
    if params.text("inline_message_id"):
        raise bad_request("MESSAGE_ID_INVALID")
    chat = writable_chat(state, params)
    message = message_in(chat, params.integer("message_id"), "message to edit not found")
    if not message.from_bot or message.pinned_id is not None:
        raise bad_request("message can't be edited")
    return chat, message


def _edit(state: TelegramState, chat: Conversation, old: Message, new: Message) -> Json:
    if _same(old, new):
        raise bad_request(NOT_MODIFIED)
    if new.media is not None and new.media.file_id not in state.files:
        state.store(new.media)
    new = replace(new, edited=max(state.now_s(), old.date), edits=old.edits + 1)
    chat.keep(new)
    state.edits += 1
    state.emit("edit", chat=chat.id, message=page_view(chat, new), quiet=False)
    return message_wire(chat, new)


def _same(old: Message, new: Message) -> bool:
    """Photos are compared by their bytes: uploading the same chart again is no change either."""
    files = (old.media.unique_id if old.media else "", new.media.unique_id if new.media else "")
    return files[0] == files[1] and replace(new, media=old.media) == old


def _delete(state: TelegramState, chat: Conversation, message_id: int) -> None:
    del chat.messages[message_id]
    if message_id in chat.pinned:
        chat.pinned.remove(message_id)
        _emit_pins(state, chat)
    state.emit("delete", chat=chat.id, message_id=message_id)


def _emit_pins(state: TelegramState, chat: Conversation) -> None:
    state.emit("pins", chat=chat.id, pinned=list(chat.pinned))


def _may_react(emoji: str) -> bool:
    return emoji.replace("\ufe0f", "") in REACTIONS


METHODS = {
    "editMessageText": edit_message_text,
    "editMessageCaption": edit_message_caption,
    "editMessageMedia": edit_message_media,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message,
    "deleteMessages": delete_messages,
    "answerCallbackQuery": answer_callback_query,
    "setMessageReaction": set_message_reaction,
    "pinChatMessage": pin_chat_message,
    "unpinChatMessage": unpin_chat_message,
    "unpinAllChatMessages": unpin_all_chat_messages,
}

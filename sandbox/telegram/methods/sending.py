"""sendMessage, sendPhoto, sendDocument, sendMediaGroup, sendChatAction."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from sandbox.telegram.entities import FormattedText
from sandbox.telegram.errors import WRONG_FILE, ApiError, bad_request
from sandbox.telegram.images import mime_of, photo_size
from sandbox.telegram.keyboards import Markup, read_markup
from sandbox.telegram.methods.target import writable_chat
from sandbox.telegram.model import Json, Message, StoredFile
from sandbox.telegram.params import Params, Upload, checked_caption, checked_text, formatted
from sandbox.telegram.state import Conversation, TelegramState
from sandbox.telegram.wire import message_wire, page_view

MAX_DOCUMENT_BYTES = 50 * 1024 * 1024
MIN_ALBUM, MAX_ALBUM = 2, 10
CHAT_ACTIONS = frozenset(
    {
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)


@dataclass(frozen=True, slots=True)
class Media:
    """One entry of a `media` parameter, checked."""

    file: StoredFile
    caption: FormattedText
    caption_above: bool
    spoiler: bool


def send_message(state: TelegramState, params: Params) -> Json:
    """A text."""
    chat = writable_chat(state, params)
    return _send(state, chat, params, checked_text(params.formatted("text")))


def send_photo(state: TelegramState, params: Params) -> Json:
    """A photo with a caption."""
    return _send_media(state, params, "photo")


def send_document(state: TelegramState, params: Params) -> Json:
    """A file with a caption."""
    return _send_media(state, params, "document")


def send_media_group(state: TelegramState, params: Params) -> list[Json]:
    """An album; it cannot carry a keyboard."""
    chat = writable_chat(state, params)
    entries = params.sequence("media") or []
    if not entries:
        raise bad_request("there are no messages to send")
    if not MIN_ALBUM <= len(entries) <= MAX_ALBUM:
        raise bad_request("too many messages to send as an album" if len(entries) > 1 else "group send failed")
    if {entry.get("type") for entry in entries if isinstance(entry, dict)} == {"photo", "document"}:
        raise bad_request("document can't be mixed with other media types")
    media = [read_media(state, params, entry) for entry in entries]
    reply = _reply(chat, params)
    group_id = str(int.from_bytes(hashlib.sha256(state.unique("album").encode()).digest()[:6], "big"))
    sent = []
    for one in media:
        message = _new(state, chat, params, one.caption, reply)
        message = _with_media(message, one, group_id)
        sent.append(_deliver(state, chat, message, Markup()))
    return sent


def send_chat_action(state: TelegramState, params: Params) -> bool:
    """The page shows it for five seconds."""
    chat = writable_chat(state, params)
    action = params.text("action")
    if action not in CHAT_ACTIONS:
        raise bad_request("wrong parameter action in request")
    state.emit("action", chat=chat.id, action=action)
    return True


def read_media(state: TelegramState, params: Params, raw: Any) -> Media:
    """An InputMediaPhoto or InputMediaDocument."""
    if not isinstance(raw, dict):
        raise bad_request("can't parse InputMedia: Object expected")
    kind = raw.get("type")
    if kind not in {"photo", "document"}:
        raise bad_request("type must be non-empty" if not kind else "unsupported media type specified")
    given = params.attachment(str(raw.get("media") or ""))
    caption = formatted(str(raw.get("caption") or ""), str(raw.get("parse_mode") or ""), raw.get("caption_entities"))
    return Media(
        file=take_file(state, given, kind),
        caption=checked_caption(caption),
        caption_above=raw.get("show_caption_above_media") is True,
        spoiler=raw.get("has_spoiler") is True,
    )


def take_file(state: TelegramState, given: Upload | str, kind: str) -> StoredFile:
    """Store an upload, or find what an earlier file_id stands for."""
    if isinstance(given, str):
        known = state.files.get(given)
        if known is None or known.is_photo != (kind == "photo"):
            raise bad_request(WRONG_FILE if given else f"there is no {kind} in the request")
        return known
    unique_id = "AQAD" + hashlib.sha256(given.data).hexdigest()[:12]
    if kind == "photo":
        width, height = photo_size(given.data)
        mime = mime_of(given.data)
        path = f"photos/file_{len(state.files)}_{unique_id}.{'png' if mime == 'image/png' else 'jpg'}"
        return StoredFile(state.unique("AgACAgUAAx"), unique_id, path, given.name, mime, given.data, width, height)
    if not given.data:
        raise bad_request("file must be non-empty")
    if len(given.data) > MAX_DOCUMENT_BYTES:
        raise ApiError(413, "Request Entity Too Large")
    suffix = given.name.rpartition(".")[2] if "." in given.name else "bin"
    path = f"documents/file_{len(state.files)}_{unique_id}.{suffix}"
    return StoredFile(state.unique("BQACAgUAAx"), unique_id, path, given.name, given.mime, given.data)


def _send_media(state: TelegramState, params: Params, kind: str) -> Json:
    chat = writable_chat(state, params)
    file = take_file(state, params.file(kind), kind)
    caption = checked_caption(params.formatted("caption", "caption_entities"))
    above, spoiler = params.flag("show_caption_above_media"), params.flag("has_spoiler")
    return _send(state, chat, params, caption, Media(file, caption, above, spoiler))


def _send(
    state: TelegramState, chat: Conversation, params: Params, body: FormattedText, media: Media | None = None
) -> Json:
    """Check everything first, then keep the message and the file."""
    markup = read_markup(params.mapping("reply_markup"))
    message = _new(state, chat, params, body, _reply(chat, params), markup)
    if media is not None:
        message = _with_media(message, media)
    return _deliver(state, chat, message, markup)


def _new(
    state: TelegramState,
    chat: Conversation,
    params: Params,
    body: FormattedText,
    reply: tuple[int | None, str],
    markup: Markup | None = None,
) -> Message:
    return Message(
        message_id=state.next_message_id(),
        chat=chat.peer,
        sender=state.bot,
        date=state.now_s(),
        body=body,
        keyboard=markup.inline if markup else None,
        reply_to=reply[0],
        quote=reply[1],
        silent=params.flag("disable_notification"),
        protected=params.flag("protect_content"),
    )


def _with_media(message: Message, media: Media, group_id: str = "") -> Message:
    return replace(
        message,
        body=media.caption,
        media=media.file,
        group_id=group_id,
        caption_above=media.caption_above,
        media_spoiler=media.spoiler,
    )


def _deliver(state: TelegramState, chat: Conversation, message: Message, markup: Markup) -> Json:
    if message.media is not None and message.media.file_id not in state.files:
        state.store(message.media)
    chat.keep(message)
    if markup.reply is not None or markup.removes_reply:
        chat.reply_keyboard = markup.reply
        state.emit("keyboard", chat=chat.id, keyboard=markup.reply)
    state.emit("message", chat=chat.id, message=page_view(chat, message))
    return message_wire(chat, message)


def _reply(chat: Conversation, params: Params) -> tuple[int | None, str]:
    """The replied message and a manual quote, from reply_parameters or the older field."""
    raw = params.mapping("reply_parameters") or {}
    target = raw.get("message_id") or params.integer("reply_to_message_id")
    if target is None:
        return None, ""
    if int(target) not in chat.messages:
        if raw.get("allow_sending_without_reply") is True or params.flag("allow_sending_without_reply"):
            return None, ""
        raise bad_request("message to be replied not found")
    quote = str(raw.get("quote") or "")
    if quote and quote not in chat.messages[int(target)].body.text:
        raise bad_request("QUOTE_TEXT_INVALID")
    return int(target), quote


METHODS = {
    "sendMessage": send_message,
    "sendPhoto": send_photo,
    "sendDocument": send_document,
    "sendMediaGroup": send_media_group,
    "sendChatAction": send_chat_action,
}

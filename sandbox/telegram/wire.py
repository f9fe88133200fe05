"""Messages as the Bot API shows them to the bot."""

from sandbox.telegram.model import Group, Json, Message, User
from sandbox.telegram.state import Conversation

_PERMISSIONS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)


def message_wire(chat: Conversation, message: Message, *, nested: bool = False) -> Json:
    """The Bot API's Message; a quoted message is shown without what it quotes itself."""
    wire: Json = {
        "message_id": message.message_id,
        "from": message.sender.to_wire(),
        "chat": message.chat.to_chat(),
        "date": message.date,
    }
    if wire["chat"]["type"] == "channel":
        del wire["from"]
    if message.sender_chat:
        wire["sender_chat"] = message.sender_chat
    if message.via_bot:
        wire["via_bot"] = message.via_bot.to_wire()
    wire |= _content(chat, message, nested=nested)
    if message.edited:
        wire["edit_date"] = message.edited
    if message.keyboard:
        wire["reply_markup"] = message.keyboard
    if message.forward_origin:
        wire["forward_origin"] = message.forward_origin
    if message.protected:
        wire["has_protected_content"] = True
    if message.reply_to and not nested:
        target = chat.messages.get(message.reply_to)
        if target is not None:
            wire["reply_to_message"] = message_wire(chat, target, nested=True)
        if message.quote:
            wire["quote"] = {"text": message.quote, "position": 0, "is_manual": True}
    return wire


def _content(chat: Conversation, message: Message, *, nested: bool) -> Json:
    if message.pinned_id is not None:
        target = chat.messages.get(message.pinned_id)
        gone = {"chat": message.chat.to_chat(), "message_id": message.pinned_id, "date": 0}
        whole = target is not None and not nested
        return {"pinned_message": message_wire(chat, target, nested=True) if target and whole else gone}
    if message.service is not None:
        return message.service
    names = ("caption", "caption_entities") if message.media else ("text", "entities")
    wire: Json = {}
    if message.media is not None:
        wire |= (
            {"photo": [message.media.to_wire()]} if message.media.is_photo else {"document": message.media.to_wire()}
        )
    if message.body.text or message.media is None:
        wire[names[0]] = message.body.text
    if message.body.entities:
        wire[names[1]] = [entity.to_wire() for entity in message.body.entities]
    if message.group_id:
        wire["media_group_id"] = message.group_id
    if message.media and message.caption_above:
        wire["show_caption_above_media"] = True
    if message.media and message.media_spoiler:
        wire["has_media_spoiler"] = True
    return wire


def inaccessible_wire(chat: Conversation, message_id: int) -> Json:
    """InaccessibleMessage: date 0."""
    return {"chat": chat.peer.to_chat(), "message_id": message_id, "date": 0}


def bot_wire(bot: User) -> Json:
    """The User that getMe returns."""
    return bot.to_wire() | {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def full_chat_wire(chat: Conversation) -> Json:
    """ChatFullInfo."""
    gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
    wire = chat.peer.to_chat() | {
        "accent_color_id": chat.id % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(gifts, False),
    }
    if isinstance(chat.peer, Group):
        wire["permissions"] = dict.fromkeys(_PERMISSIONS, True)
    elif chat.peer.username:
        wire["active_usernames"] = [chat.peer.username]
    newest = next((chat.messages[one] for one in reversed(chat.pinned) if one in chat.messages), None)
    if newest is not None:
        wire["pinned_message"] = message_wire(chat, newest)
    return wire


def page_view(chat: Conversation, message: Message) -> Json:
    """A message for the page and the transcript: the wire form plus what only the person sees."""
    view = message_wire(chat, message)
    view |= {
        "out": not message.from_bot,
        "edits": message.edits,
        "pinned": message.message_id in chat.pinned,
        "reactions": chat.reactions.get(message.message_id, []),
        "silent": message.silent,
        "author": message.author or message.sender.id,
        "lost_keyboard": message.lost_keyboard,
    }
    return view

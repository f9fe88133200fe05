"""A chat as JSON for the page and as greppable text for people and tests."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sandbox.telegram.methods.editing import ANSWER_WINDOW_S
from sandbox.telegram.methods.profile import commands_for
from sandbox.telegram.model import Json, Message
from sandbox.telegram.state import Conversation, TelegramState
from sandbox.telegram.wire import page_view

KST = ZoneInfo("Asia/Seoul")
POLL_GRACE_S = 3.0


def chat_json(state: TelegramState, user_id: int, chat_id: int | None = None) -> Json:
    """Everything the page needs to draw one chat as this person sees it."""
    user = state.user(user_id)
    chat = state.conversation(user_id, chat_id)
    return {
        "user": user.to_wire(),
        "chat": chat.peer.to_chat(),
        "left": chat.left,
        "opened": chat.opened,
        "blocked": chat.blocked,
        "messages": [page_view(chat, message) for message in chat.messages.values()],
        "pinned": list(chat.pinned),
        "answers": list(chat.answers),
        "pending": [
            {"query_id": q.id, "message_id": q.message_id, "data": q.data}
            for q in state.queries.values()
            if q.user_id == user_id and q.chat_id == chat.id and state.monotonic() - q.asked <= ANSWER_WINDOW_S
        ],
        "reply_keyboard": chat.reply_keyboard,
        "commands": commands_for(state, user_id, chat_id),
        "description": state.profile.texts.get(("description", user.language_code))
        or state.profile.texts.get(("description", ""), ""),
    }


def chat_text(state: TelegramState, user_id: int, chat_id: int | None = None) -> str:
    """One block per message: `#12 bot 2026-11-22 22:31:05 KST [photo 800x450] [edited 2]`, body, buttons."""
    chat = state.conversation(user_id, chat_id)
    blocks = [_block(chat, message) for message in chat.messages.values()]
    answers = [f"(answer to {a['data']}: {'alert' if a['show_alert'] else 'toast'}) {a['text']}" for a in chat.answers]
    return "\n".join([*blocks, *answers]) + "\n"


def state_json(state: TelegramState) -> Json:
    """Readiness and counts."""
    recent = state.last_poll is not None and state.monotonic() - state.last_poll < POLL_GRACE_S
    return {
        "polling": state.pollers.active or recent,
        "updates_pending": len(state.updates.pending),
        "queries_unanswered": len(state.queries),
        "counts": {
            "messages": sum(len(chat.messages) for chat in state.chats.values()),
            "photos": state.photos,
            "edits": state.edits,
            "calls": len(state.outbox),
        },
        "now": state.clock.now().astimezone(UTC).isoformat(),
        "clock": {name: getattr(state.clock, name, None) for name in ("speed", "paused", "adjustable")},
        "bot": state.bot.to_wire(),
        "users": [user.to_wire() for user in state.users.values()],
        "groups": [
            {**group.peer.to_chat(), "members": list(group.members), "left": group.left} for group in state.groups()
        ],
        "faults": len(state.faults),
    }


def _block(chat: Conversation, message: Message) -> str:
    at = datetime.fromtimestamp(message.date, KST).strftime("%Y-%m-%d %H:%M:%S KST")
    marks = [f"#{message.message_id}", "bot" if message.from_bot else message.sender.first_name, at]
    if message.media is not None:
        shown = message.media
        size = f"photo {shown.width}x{shown.height}" if shown.is_photo else f"document {shown.name}"
        marks.append(f"[{size}]")
    if message.pinned_id is not None:
        marks.append(f"[pinned #{message.pinned_id}]")
    if message.reply_to:
        marks.append(f"[reply to #{message.reply_to}]")
    if message.forward_origin:
        marks.append("[forwarded]")
    if message.edits:
        marks.append(f"[edited {message.edits}]")
    if message.message_id in chat.pinned:
        marks.append("[pinned]")
    marks += [f"[reaction {one['emoji']}]" for one in chat.reactions.get(message.message_id, [])]
    rows = (message.keyboard or {}).get("inline_keyboard", [])
    lines = [" ".join(marks), *message.body.text.splitlines()]
    lines += ["  " + " ".join(f"[{button['text']}]" for button in row) for row in rows]
    return "\n".join(lines) + "\n"

"""Keyboards: what Telegram accepts under a message or under the input field, and finding a button by its label."""

from dataclasses import dataclass
from typing import Any

from sandbox.telegram.errors import SimError, bad_request
from sandbox.telegram.model import Json

MAX_CALLBACK_BYTES = 64
MAX_BUTTONS = 100
MAX_COPY_TEXT = 256
_STYLES = frozenset({"primary", "success", "danger"})
_ACTIONS = (
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
)


@dataclass(frozen=True, slots=True)
class Markup:
    """A checked reply_markup: an inline keyboard, or a change of the reply keyboard."""

    inline: Json | None = None
    reply: Json | None = None
    removes_reply: bool = False


def read_markup(raw: Json | None) -> Markup:
    """Check a reply_markup object; ApiError with Telegram's words."""
    if not raw:
        return Markup()
    if "inline_keyboard" in raw:
        rows = _rows(raw["inline_keyboard"], "inline keyboard")
        checked = [[_inline_button(button) for button in row] for row in rows]
        return Markup(inline={"inline_keyboard": checked} if checked else None)
    if "keyboard" in raw:
        rows = _rows(raw["keyboard"], "keyboard")
        checked = [[_reply_button(button) for button in row] for row in rows]
        if not checked:
            raise bad_request("reply markup keyboard is empty")
        return Markup(reply={**raw, "keyboard": checked})
    if raw.get("remove_keyboard") is True:
        return Markup(removes_reply=True)
    if raw.get("force_reply") is True:
        return Markup(reply={"keyboard": [], **raw})
    raise bad_request("object expected as reply markup")


def inline_only(raw: Json | None) -> Json | None:
    """Edits take inline keyboards only."""
    markup = read_markup(raw)
    if markup.reply is not None or markup.removes_reply:
        raise bad_request("inline keyboard expected")
    return markup.inline


def _rows(raw: Any, name: str) -> list[list[Any]]:
    if not isinstance(raw, list) or not all(isinstance(row, list) for row in raw):
        raise bad_request(f"can't parse {name}: Array of Arrays of buttons expected")
    rows = [row for row in raw if row]
    if sum(map(len, rows)) > MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    return rows


def _inline_button(raw: Any) -> Json:
    if not isinstance(raw, dict) or not isinstance(raw.get("text"), str):
        raise bad_request("can't parse inline keyboard button: Can't find field \"text\"")
    button = {name: value for name, value in raw.items() if value is not None}
    if not button["text"].strip():
        raise bad_request("Text of the button must be non-empty")
    actions = [name for name in _ACTIONS if name in button]
    if not actions:
        raise bad_request("Text buttons are not allowed in the inline keyboard")
    if len(actions) > 1:
        raise bad_request("BUTTON_TYPE_INVALID")
    _check_action(actions[0], button[actions[0]])
    if "style" in button and button["style"] not in _STYLES:
        raise bad_request("invalid button style specified")
    return button


def _check_action(action: str, value: Any) -> None:
    if action == "callback_data":
        size = len(value.encode()) if isinstance(value, str) else 0
        if not 1 <= size <= MAX_CALLBACK_BYTES:
            raise bad_request("BUTTON_DATA_INVALID")
    elif action == "copy_text":
        text = value.get("text") if isinstance(value, dict) else None
        if not isinstance(text, str) or not 1 <= len(text) <= MAX_COPY_TEXT:
            raise bad_request("BUTTON_COPY_TEXT_INVALID")
    elif action in {"url", "web_app"}:
        url = value.get("url") if isinstance(value, dict) else value
        allowed = ("https://",) if action == "web_app" else ("http://", "https://", "tg://")
        if not isinstance(url, str) or not url.startswith(allowed):
            raise bad_request("BUTTON_URL_INVALID")


def _reply_button(raw: Any) -> Json:
    button = {"text": raw} if isinstance(raw, str) else raw
    if not isinstance(button, dict) or not str(button.get("text", "")).strip():
        raise bad_request("can't parse keyboard button: Can't find field \"text\"")
    return dict(button)


def find_button(keyboard: Json | None, *, label: str = "", data: str = "") -> Json:
    """The button with this label (whole, else a unique part) or this data; SimError when there is none."""
    buttons = [button for row in (keyboard or {}).get("inline_keyboard", []) for button in row]
    if data:
        matches = [button for button in buttons if button.get("callback_data") == data]
    else:
        matches = [b for b in buttons if b["text"] == label] or [b for b in buttons if label and label in b["text"]]
    if not matches or (len(matches) > 1 and not data):
        have = ", ".join(button["text"] for button in buttons) or "none"
        raise SimError(f"{'no' if not matches else 'more than one'} such button; buttons: {have}")
    return dict(matches[0])

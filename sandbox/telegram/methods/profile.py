"""Commands, descriptions and the menu button, kept per language and scope."""

import json
import re
from collections.abc import Callable
from typing import Any

from sandbox.telegram.errors import bad_request
from sandbox.telegram.methods.target import known_chat
from sandbox.telegram.model import Json
from sandbox.telegram.params import Params
from sandbox.telegram.state import TelegramState

MAX_COMMANDS = 100
_SCOPES = frozenset(
    {
        "default",
        "all_private_chats",
        "all_group_chats",
        "all_chat_administrators",
        "chat",
        "chat_administrators",
        "chat_member",
    }
)
_TEXT_LIMITS = {"name": 64, "description": 512, "short_description": 120}


def set_my_commands(state: TelegramState, params: Params) -> bool:
    """Replace the list of one scope and language."""
    commands = params.sequence("commands")
    if commands is None or len(commands) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH" if commands else "parameter commands is required")
    state.profile.commands[_scope(state, params), _language(params)] = [_command(one) for one in commands]
    state.emit("commands")
    return True


def get_my_commands(state: TelegramState, params: Params) -> list[Json]:
    """The list of exactly this scope and language."""
    return state.profile.commands.get((_scope(state, params), _language(params)), [])


def delete_my_commands(state: TelegramState, params: Params) -> bool:
    """Forget the list of this scope and language."""
    state.profile.commands.pop((_scope(state, params), _language(params)), None)
    state.emit("commands")
    return True


def set_menu_button(state: TelegramState, params: Params) -> bool:
    """For one chat, or the default."""
    button = params.mapping("menu_button") or {"type": "default"}
    if button.get("type") not in {"commands", "web_app", "default"}:
        raise bad_request("unsupported menu button type specified")
    if params.text("chat_id"):
        known_chat(state, params).menu_button = button
    else:
        state.profile.menu_button = button
    return True


def get_menu_button(state: TelegramState, params: Params) -> Json:
    """Of one chat, or the default."""
    own = known_chat(state, params).menu_button if params.text("chat_id") else None
    return own or state.profile.menu_button


def commands_for(state: TelegramState, user_id: int, chat_id: int | None = None) -> list[Json]:
    """What this person's client offers: the narrowest scope first, own language before none."""
    language = state.user(user_id).language_code
    chat = state.conversation(user_id, chat_id)
    wide = "all_private_chats" if chat.id > 0 else "all_group_chats"
    scopes: list[Json] = [{"type": "chat", "chat_id": chat.id}, {"type": wide}, {}]
    if chat.id < 0:
        scopes.insert(0, {"type": "chat_member", "chat_id": chat.id, "user_id": user_id})
    for scope in map(_key, scopes):
        for code in (language, ""):
            found = state.profile.commands.get((scope, code))
            if found:
                return found
    return []


def _key(scope: Json) -> str:
    clean = {name: str(scope[name]) for name in ("chat_id", "user_id") if scope.get(name) is not None}
    return json.dumps({"type": scope.get("type", "default"), **clean}, sort_keys=True)


def _scope(state: TelegramState, params: Params) -> str:
    scope = params.mapping("scope") or {}
    if scope.get("type", "default") not in _SCOPES:
        raise bad_request("unsupported bot command scope type specified")
    if "chat_id" in scope:
        known_chat(state, Params(scope))
    return _key(scope)


def _language(params: Params) -> str:
    code = params.text("language_code")
    if code and not re.fullmatch(r"[a-z]{2}", code):
        raise bad_request("invalid language code specified")
    return code


def _command(raw: Any) -> Json:
    if not isinstance(raw, dict):
        raise bad_request("can't parse BotCommand: Object expected")
    name = str(raw.get("command", "")).removeprefix("/")
    description = str(raw.get("description", "")).strip()
    if not re.fullmatch(r"[a-z0-9_]{1,32}", name):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": description}


def _setter(field: str) -> Callable[[TelegramState, Params], bool]:
    def set_text(state: TelegramState, params: Params) -> bool:
        text = params.text(field)
        if len(text) > _TEXT_LIMITS[field]:
            raise bad_request(f"{field.replace('_', ' ')} is too long")
        state.profile.texts[field, _language(params)] = text
        return True

    return set_text


def _getter(field: str) -> Callable[[TelegramState, Params], Json]:
    def get_text(state: TelegramState, params: Params) -> Json:
        fallback = state.bot.first_name if field == "name" else ""
        texts = state.profile.texts
        return {field: texts.get((field, _language(params))) or texts.get((field, "")) or fallback}

    return get_text


METHODS: dict[str, Callable[[TelegramState, Params], Any]] = {
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "setChatMenuButton": set_menu_button,
    "getChatMenuButton": get_menu_button,
    "setMyName": _setter("name"),
    "getMyName": _getter("name"),
    "setMyDescription": _setter("description"),
    "getMyDescription": _getter("description"),
    "setMyShortDescription": _setter("short_description"),
    "getMyShortDescription": _getter("short_description"),
}

"""A second opinion on the Bot API: aiogram's models, generated from the official page, judge what the bot asked and got."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from aiogram import methods
from aiogram.methods.base import TelegramMethod
from pydantic import BaseModel, TypeAdapter, ValidationError

Json = dict[str, Any]
# python-telegram-bot sends its default along with this method, which takes it inside `media` only; Telegram ignores it
IGNORED = frozenset({("editmessagemedia", "parse_mode")})
METHODS: dict[str, type[TelegramMethod[Any]]] = {
    name.lower(): model for name, model in vars(methods).items() if isinstance(model, type)
}


@cache
def _answers(method: str) -> TypeAdapter[Any]:
    return TypeAdapter(METHODS[method].__returning__)


def unknown_keys(value: object) -> list[str]:
    """Names that aiogram's models (which keep extra fields) do not declare."""
    if isinstance(value, BaseModel):
        own = [f"{type(value).__name__}.{name}" for name in value.model_extra or {}]
        return own + [n for name in type(value).model_fields for n in unknown_keys(getattr(value, name))]
    if isinstance(value, list):
        return [name for one in value for name in unknown_keys(one)]
    return []


def _wrong(trouble: ValidationError) -> list[str]:
    return [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in trouble.errors()]


def _asked(method: str, params: Json) -> list[str]:
    """What is wrong with a request. Uploads stand in the log by their size, numbers of a text as numbers."""
    model = METHODS[method]
    known = set(model.model_fields)
    strange = [name for name in params if name not in known and not name.startswith("attach")]
    wrong = [f"unknown parameter {name}" for name in strange if (method, name) not in IGNORED]
    given = {name: value for name, value in params.items() if name in known}
    for name in ("text", "caption"):
        if name in given and not isinstance(given[name], str):
            given[name] = str(given[name])
    try:
        made = model.model_validate(given)
    except ValidationError as trouble:
        return wrong + _wrong(trouble)
    return wrong + [f"unknown {name}" for name in unknown_keys(made)]


def _got(method: str, result: object) -> list[str]:
    try:
        answer = _answers(method).validate_python(result)
    except ValidationError as trouble:
        return _wrong(trouble)
    return [f"unknown {name}" for name in unknown_keys(answer)]


def complaints(calls: Iterable[Json]) -> list[str]:
    """Everything that does not fit, in calls as the sandbox's outbox has them: method, params, ok, result."""
    found = []
    for call in calls:
        method = str(call["method"]).lower()
        if method not in METHODS:
            found.append(f"{call['method']}: no such method")
            continue
        wrong = _asked(method, call["params"]) + (_got(method, call["result"]) if call["ok"] else [])
        found += [f"{call['method']} #{call['seq']}: {each}" for each in wrong]
    return found

"""The settings screen's model, read from core.model.params: every key with type, unit, bounds and present value."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal, get_args, get_origin

import msgspec
from msgspec import inspect

from core.model.messages import Value
from core.model.params import Params, listed
from core.model.safety import CAPPED, Caps, exceeds

# Which account orders go to is decided in a terminal, the mode has its own command, the rest has one sensible value.
ELSEWHERE: Mapping[str, str] = {
    "trading.venue": "terminal",
    "trading.mode": "/mode",
    "scanner.feed": "file",
    "scanner.aggregates": "file",
}
# Codes of the vendor's reference data (facts: polygon.md), the usual ones first.
SECURITY_TYPES = ("CS", "ADRC", "PFD", "ETF", "ETN", "FUND", "UNIT", "RIGHT", "WARRANT")
LISTS: Mapping[str, tuple[str, ...]] = {"scanner.security_types": SECURITY_TYPES}
_TRUE, _FALSE = {"true", "on", "yes", "1", "켜기", "켬", "예"}, {"false", "off", "no", "0", "끄기", "끔", "아니요"}
NOTHING = frozenset({"none", "없음", "없애기", "-"})
# how core.model.params says that keys contradict each other
_RULES = {
    "smaller": re.compile(r"^(?P<key>\S+): must be smaller than (?P<other>\S+)$"),
    "seconds": re.compile(r"^(?P<key>\S+): must be (?P<other>\d+) or more where scanner.aggregates is second$"),
}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One key of config.yaml. `kind` is int, float, bool, str, choice or list; `elsewhere` says where it is changed instead."""

    key: str
    kind: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    pattern: str = ""
    choices: tuple[str, ...] = ()
    default: Value = None
    elsewhere: str = ""

    @property
    def section(self) -> str:
        return self.key.split(".")[0]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a value was not taken: `kind` is number, range, pattern, choice, smaller, seconds, cap or invalid."""

    kind: str
    field: Field
    given: str
    other: str = ""


def _field(key: str, node: inspect.Type, default: object) -> Field:
    while isinstance(node, inspect.Metadata):
        node = node.type
    elsewhere = ELSEWHERE.get(key, "")
    shown: Value = default if isinstance(default, str | int | float | bool) else ", ".join(map(str, _items(default)))
    match node:
        case inspect.BoolType():
            return Field(key=key, kind="bool", default=shown)
        case inspect.IntType(ge=low, le=high):
            return Field(key=key, kind="int", low=low, high=high, default=shown)
        case inspect.FloatType(ge=low, le=high):
            return Field(key=key, kind="float", low=low, high=high, default=shown)
        case inspect.LiteralType(values=values):
            only = "" if len(values) > 1 else "file"
            return Field(key=key, kind="choice", default=shown, elsewhere=elsewhere or only)
        case inspect.StrType(pattern=pattern):
            return Field(key=key, kind="str", pattern=pattern or "", default=shown)
        case inspect.VarTupleType() if key in LISTS:
            return Field(key=key, kind="list", choices=LISTS[key], default=shown)
        case _:
            return Field(key=key, kind="str", default=shown, elsewhere=elsewhere or "file")


def _items(default: object) -> tuple[object, ...]:
    return tuple(default) if isinstance(default, tuple | list) else (default,)


def _annotation(kind: object) -> tuple[str, tuple[str, ...]]:
    """The unit (`Meta.title`) and the choices in their written order, which msgspec.inspect drops."""
    if get_origin(kind) is Literal:
        return "", tuple(str(choice) for choice in get_args(kind))
    metas = [m for m in get_args(kind)[1:] if isinstance(m, msgspec.Meta)]
    return next((m.title for m in metas if m.title), ""), ()


@cache
def fields() -> Mapping[str, Field]:
    """Every key of config.yaml in its order."""
    found: dict[str, Field] = {}
    for section in msgspec.structs.fields(Params):
        struct = type(section.default)
        info = inspect.type_info(struct)
        assert isinstance(info, inspect.StructType)
        written = {f.name: _annotation(f.type) for f in msgspec.structs.fields(struct)}
        for item in info.fields:
            unit, choices = written[item.name]
            plain = _field(f"{section.name}.{item.name}", item.type, item.default)
            found[plain.key] = msgspec.structs.replace(plain, unit=unit, choices=choices or plain.choices)
    return found


def value_of(params: Params, key: str) -> Value:
    """The value in force; lists as comma-separated text."""
    section, name = key.split(".")
    value = getattr(getattr(params, section), name)
    return value if isinstance(value, str | int | float | bool) else ", ".join(map(str, value))


def with_overrides(base: Params, overrides: Mapping[str, Value]) -> Params:
    """The parameters in force; raises msgspec.ValidationError where the overrides do not fit."""
    raw = msgspec.to_builtins(base)
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        if value is not None and isinstance(raw.get(section), dict) and name in raw[section]:
            raw[section][name] = listed(str(value)) if key in LISTS else value
    return msgspec.convert(raw, Params)


def _number(field: Field, text: str) -> int | float | None:
    bare = re.sub(r"[,_\s₩$%원주개초분배]", "", text)
    scale = 1
    if bare.endswith("만"):
        bare, scale = bare[:-1], 10_000
    elif bare.endswith("억"):
        bare, scale = bare[:-1], 100_000_000
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", bare):
        return None
    number = float(bare) * scale
    if field.kind == "int":
        return int(number) if number == int(number) else None
    return number


def _list(field: Field, text: str) -> Value | Problem:
    """Comma-separated text in the order of the choices; nothing chosen is the empty list."""
    wanted = {part.upper() for part in listed(text)}
    unknown = sorted(wanted - set(field.choices))
    if unknown:
        return Problem(kind="choice", field=field, given=", ".join(unknown))
    return ", ".join(choice for choice in field.choices if choice in wanted)


def toggled(field: Field, chosen: str, option: str) -> str:
    """The list with one choice put in or taken out; what is there but unknown to the screen stays."""
    now = listed(chosen)
    if option in now:
        return ", ".join(each for each in now if each != option)
    others = [each for each in now if each not in field.choices]
    return ", ".join([choice for choice in field.choices if choice in {*now, option}] + others)


def parse(field: Field, text: str) -> Value | Problem:
    """A typed value from what a person wrote, or what is wrong with it."""
    text = text.strip()
    if field.kind in {"int", "float"}:
        number = _number(field, text)
        if number is None:
            return Problem(kind="number", field=field, given=text)
        if (field.low is not None and number < field.low) or (field.high is not None and number > field.high):
            return Problem(kind="range", field=field, given=text)
        return number
    if field.kind == "bool":
        low = text.lower()
        return True if low in _TRUE else False if low in _FALSE else Problem(kind="choice", field=field, given=text)
    if field.kind == "list":
        return _list(field, text)
    if field.kind == "choice":
        return text if text in field.choices else Problem(kind="choice", field=field, given=text)
    if text.lower() in NOTHING and field.pattern and re.search(field.pattern, ""):
        return ""
    if field.pattern and not re.search(field.pattern, text):
        return Problem(kind="pattern", field=field, given=text)
    return text


def cap_of(field: Field, caps: Caps) -> float | None:
    """The owner's hard cap on a key, None where there is none."""
    section, _, name = field.key.partition(".")
    return caps.limit_of(name) if section == "trading" else None


def check(
    base: Params, overrides: Mapping[str, Value], field: Field, value: Value, caps: Caps | None = None
) -> Problem | None:
    """Whether the value keeps to the caps and the whole configuration still makes sense with it."""
    name = field.key.removeprefix("trading.")
    capped = caps if caps is not None and cap_of(field, caps) is not None else None
    if capped is not None and isinstance(value, int | float) and exceeds(name, value, capped):
        return Problem(kind="cap", field=field, given=str(value), other=CAPPED[name])
    try:
        with_overrides(base, {**overrides, field.key: value})
    except (msgspec.ValidationError, ValueError) as trouble:
        for kind, rule in _RULES.items():
            if match := rule.match(str(trouble).split(" - at ")[0]):
                wrong = msgspec.structs.replace(field, key=match["key"])
                return Problem(kind=kind, field=wrong, given=str(value), other=match["other"])
        return Problem(kind="invalid", field=field, given=str(value))
    return None


def search(words: str, names: Mapping[str, Sequence[str]]) -> list[str]:
    """Keys whose dotted key or one of whose names is meant, best first: one exact hit, else every key that has all words.

    `names` are a key's names in every language. Case, spaces and underscores don't matter.
    """
    wanted = _bare(words)
    if not wanted:
        return []
    known = {key: [_bare(key), _bare(key.split(".")[1]), *map(_bare, names[key])] for key in names}
    exact = [key for key, forms in known.items() if wanted in forms]
    if exact:
        return exact
    parts = [_bare(word) for word in words.split()]
    return [key for key, forms in known.items() if all(any(part in form for form in forms) for part in parts)]


def _bare(text: str) -> str:
    return re.sub(r"[\s_\-:]", "", text).casefold()

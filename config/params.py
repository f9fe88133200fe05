"""config.yaml → core.model.params: every error names the key, the value and what is allowed."""

import functools
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import msgspec
import yaml

from config.caps import CapsError, caps_path, load_caps
from core.model.params import Params, listed
from core.model.safety import tightened


class ConfigError(Exception):
    """Input is wrong; the message is one line that says what to do."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One key of config.yaml as the settings screen and the validator see it."""

    key: str
    kind: type
    default: object
    unit: str = ""
    low: float | None = None
    high: float | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What the key accepts, in words that both languages share."""
        if self.choices:
            return " | ".join(self.choices)
        if self.low is not None or self.high is not None:
            return f"{_plain(self.low)} … {_plain(self.high)}"
        return self.unit or self.kind.__name__


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:,.10g}" if number < 1e15 else f"{number:g}"


@functools.cache
def settings() -> Mapping[str, Setting]:
    """Every key of config.yaml by its dotted name, in file order."""
    found: dict[str, Setting] = {}
    for section in msgspec.structs.fields(Params):
        hints = get_type_hints(section.type, include_extras=True)
        for field in msgspec.structs.fields(section.type):
            key = f"{section.name}.{field.name}"
            found[key] = _setting(key, hints[field.name], field.default)
    return types.MappingProxyType(found)


def _setting(key: str, hint: object, default: object) -> Setting:
    meta = None
    if get_origin(hint) is Annotated:
        hint, meta = get_args(hint)[:2]
    if get_origin(hint) is Literal:
        return Setting(key=key, kind=str, default=default, choices=get_args(hint))
    kind = tuple if get_origin(hint) is tuple else typing.cast("type", hint)
    if meta is None:
        return Setting(key=key, kind=kind, default=default)
    return Setting(
        key=key, kind=kind, default=default, unit=meta.title or "", low=meta.ge, high=meta.le, pattern=meta.pattern
    )


def parse_value(key: str, value: object) -> object:
    """Check one value for one key; raises ConfigError naming key, value and what is allowed."""
    known = settings()
    if key not in known:
        section = key.split(".", maxsplit=1)[0]
        near = [k for k in known if k.startswith(f"{section}.")]
        hint = f"known keys: {', '.join(near)}" if near else f"known sections: {', '.join(_sections())}"
        raise ConfigError(f"{key}: unknown key ({hint})")
    setting = known[key]
    section, name = key.split(".")
    hint = get_type_hints(getattr(Params(), section).__class__, include_extras=True)[name]
    if setting.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if setting.kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return msgspec.convert(value, hint)
    except (msgspec.ValidationError, UnicodeEncodeError):
        kind = "" if setting.choices else f"{_kind_name(setting.kind)} "
        unit = f" ({setting.unit})" if setting.unit and setting.unit != setting.allowed else ""
        raise ConfigError(f"{key}: {value!r} is not allowed; expected {kind}{setting.allowed}{unit}") from None


def _kind_name(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text", tuple: "a list"}[kind]


def _sections() -> list[str]:
    return [f.name for f in msgspec.structs.fields(Params)]


def params_from(document: object, overrides: Mapping[str, object] = types.MappingProxyType({})) -> Params:
    """Build Params from a parsed YAML document and dotted overrides; raises ConfigError."""
    values: dict[str, dict[str, object]] = {name: {} for name in _sections()}
    if document is not None and not isinstance(document, dict):
        raise ConfigError("config.yaml: expected sections such as 'scanner:' at the top level")
    for section, keys in (document or {}).items():
        if section not in values:
            raise ConfigError(f"{section}: unknown section (known sections: {', '.join(values)})")
        if keys is not None and not isinstance(keys, dict):
            raise ConfigError(f"{section}: expected 'key: value' lines below it")
        for name, value in (keys or {}).items():
            values[section][name] = parse_value(f"{section}.{name}", value)
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        # overrides are scalars; a list comes as text
        lists = key in settings() and settings()[key].kind is tuple and isinstance(value, str)
        values[section][name] = parse_value(key, listed(str(value)) if lists else value)
    try:
        return msgspec.convert(values, Params)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error).split(" - at")[0]) from None


def load_params(path: Path, overrides: Mapping[str, object] = types.MappingProxyType({})) -> Params:
    """Read config.yaml, tightened by the caps beside it; a missing file is an error, an empty one means all defaults."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; copy config.yaml from the project") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" line {place.line + 1}" if place else ""
        raise ConfigError(f"{path}:{where} is not valid YAML") from None
    try:
        params = params_from(document, overrides)
        caps = load_caps(caps_path(path))
    except CapsError as error:
        raise ConfigError(str(error)) from None
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    return msgspec.structs.replace(params, trading=tightened(params.trading, caps))

"""Changing one word of config.yaml, such as `trading.venue`: every other character stays, comments in their column."""

import re
from pathlib import Path

import msgspec
import yaml

from config.files import put_in_place
from config.params import ConfigError, params_from, parse_value

VALUE = r"""(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s#"'{}\[\],]+)(?P<gap>[ \t]*)(?P<remark>#.*)?$"""
BY_HAND = "config.yaml: {key} can't be changed here: write '{name}: {value}' below '{section}:' yourself"


def with_value(text: str, key: str, value: str) -> str:
    """The file with another word for `key`. Raises ConfigError where it has no such line, or the word is none."""
    parsed = parse_value(key, value)
    section, name = key.split(".")
    refused = ConfigError(BY_HAND.format(key=key, name=name, value=value, section=section))
    start = re.search(rf"^{section}[ \t]*:[ \t]*(?:#.*)?$", text, re.MULTILINE)
    if start is None:
        raise refused
    following = re.compile(r"^[^\s#]", re.MULTILINE).search(text, start.end())
    line = re.compile(rf"^(?P<head>[ \t]+{name}[ \t]*:[ \t]*){VALUE}", re.MULTILINE)
    found = list(line.finditer(text, start.end(), following.start() if following else len(text)))
    if len(found) != 1:
        raise refused
    old = found[0]
    room = len(old["gap"]) + len(old["value"]) - len(value)
    gap = " " * max(1, room) + old["remark"] if old["remark"] else old["gap"]
    changed = f"{text[: old.start()]}{old['head']}{value}{gap}{text[old.end() :]}"
    before, after = (params_from(yaml.safe_load(each)) for each in (text, changed))
    inner = msgspec.structs.replace(getattr(before, section), **{name: parsed})
    if after != msgspec.structs.replace(before, **{section: inner}):
        raise refused
    return changed


def set_value(path: Path, key: str, value: str) -> None:
    """Change the file in place, atomically, with its mode. Raises ConfigError where it can't be done."""
    path = path.resolve()
    try:
        text = path.read_text(encoding="utf-8")
        put_in_place(path, with_value(text, key, value).encode(), path.stat().st_mode & 0o777)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"{path}: can't be changed: {why}") from None

"""Changing .env as a person would: the lines of the names that change, everything else as it was."""

import io
import re
from collections.abc import Mapping

from dotenv.parser import Binding, parse_stream

PLAIN = re.compile(r"[A-Za-z0-9_.:/+=@,-]*", re.ASCII)
REMARK = re.compile(r"(?<=\S)[ \t]+#[^\n]*$")


def written(text: str) -> dict[str, str]:
    """The values that stand in a file; a name without one is left out."""
    return {b.key: b.value for b in parse_stream(io.StringIO(text)) if b.key and b.value}


def updated(text: str, values: Mapping[str, str]) -> str:
    """The file with these values. Of a name that stands there twice the last line counts, so that one changes.

    Raises ValueError for a value that no line can hold.
    """
    bindings = list(parse_stream(io.StringIO(text)))
    last = {b.key: number for number, b in enumerate(bindings) if b.key in values}
    parts = [
        _replaced(b, values[b.key]) if b.key and last.get(b.key) == number else b.original.string
        for number, b in enumerate(bindings)
    ]
    body = "".join(parts)
    new = [f"{name}={quoted(value)}\n" for name, value in values.items() if name not in last]
    if new and body and not body.endswith("\n"):
        body += "\n"
    return body + "".join(new)


def _replaced(binding: Binding, value: str) -> str:
    """The line with another value: blank lines before it, `export` and a remark behind it stay."""
    old = binding.original.string
    before = old[: len(old) - len(old.lstrip())]
    export = "export " if old.lstrip().startswith("export ") else ""
    return f"{before}{export}{binding.key}={quoted(value)}{_remark(old.rstrip(), binding.value)}\n"


def _remark(line: str, value: str | None) -> str:
    """The remark at the end of a line: what looks like one may be part of a quoted value."""
    found = REMARK.search(line)
    if found is None:
        return ""
    without = next(parse_stream(io.StringIO(line[: found.start()])))
    return found.group() if not without.error and without.value == value else ""


def quoted(value: str) -> str:
    """A value as dotenv reads it back."""
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError("a value of .env is one line")
    if PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

"""The door to the real account: who opened it for which account, and the one line of config.yaml that it changes."""

import hashlib
import os
import re
from pathlib import Path

import msgspec
import yaml

from config.params import ConfigError, params_from

FOLDER, FILE = "go-live", "opened.json"
LINE = re.compile(
    r"""^(?P<head>[ \t]+venue[ \t]*:[ \t]*)(?P<value>[A-Za-z_"']+)(?P<rest>[ \t]*(?:#.*)?)$""", re.MULTILINE
)


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """`account` is a digest; `at` is ISO 8601; `report` names the file of the one-share check."""

    account: str
    at: str
    report: str


def fingerprint(account: str, appkey: str) -> str:
    """Names an account and its key without telling them."""
    return hashlib.sha256(f"{account} {appkey}".encode()).hexdigest()[:16]


def opened(state_dir: Path, account: str) -> bool:
    """Whether the door is open for the account of this fingerprint; a file that can't be read is a closed door."""
    try:
        found = msgspec.json.decode((state_dir / FOLDER / FILE).read_bytes(), type=Opened)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return False
    return found.account == account


def open_door(state_dir: Path, record: Opened) -> None:
    """Write it down. Raises OSError."""
    path = state_dir / FOLDER / FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    put_in_place(path, msgspec.json.encode(record), 0o600)


def put_in_place(path: Path, content: bytes, mode: int) -> None:
    """Replace a file whole or not at all. Raises OSError."""
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(mode)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def with_venue(text: str, venue: str) -> str:
    """config.yaml with another `trading.venue` and every other character as it was. Raises ConfigError with the reason."""
    start = re.search(r"^trading[ \t]*:[ \t]*(?:#.*)?$", text, re.MULTILINE)
    following = re.compile(r"^[^\s#]", re.MULTILINE).search(text, start.end()) if start else None
    end = following.start() if following else len(text)
    found = list(LINE.finditer(text, start.end(), end)) if start else []
    if len(found) != 1:
        raise ConfigError("config.yaml: it needs one line 'venue: …' below 'trading:'")
    line = found[0]
    changed = f"{text[: line.start()]}{line['head']}{venue}{line['rest']}{text[line.end() :]}"
    before, after = (params_from(yaml.safe_load(each)) for each in (text, changed))
    expected = msgspec.structs.replace(before, trading=msgspec.structs.replace(before.trading, venue=venue))
    if after != expected:
        raise ConfigError("config.yaml: its shape is unusual: change trading.venue by hand")
    return changed


def switch_venue(path: Path, venue: str) -> None:
    """Change the file in place, atomically, with its mode. Raises ConfigError where it can't be done."""
    path = path.resolve()
    try:
        text = path.read_text(encoding="utf-8")
        put_in_place(path, with_venue(text, venue).encode(), path.stat().st_mode & 0o777)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"{path}: can't be changed: {why}") from None

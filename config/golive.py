"""The door to the real account: whether it was opened, and for which account."""

import hashlib
from pathlib import Path

import msgspec

from config.files import put_in_place

FOLDER, FILE = "go-live", "opened.json"


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

"""Where the second factor's secret lies: one file of the state directory that only its owner may read."""

import base64
import binascii
import os
from pathlib import Path

FILE = "totp"
# RFC 4226 section 4, R6
SECRET_BYTES = 16


def secret_path(state_dir: Path) -> Path:
    return state_dir / FILE


def read_secret(state_dir: Path) -> str | None:
    """The enrolled secret, None without one; raises OSError where it can't be read, others may read it, or it is none."""
    path = secret_path(state_dir)
    try:
        with path.open(encoding="ascii") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise PermissionError(f"{path} may be read by others: chmod 600")
            secret = file.read().strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        secret = ""
    if not _sound(secret):
        raise OSError(f"{path} holds no secret: ./seohak totp off, then enrol again")
    return secret


def _sound(secret: str) -> bool:
    """Whether an authenticator app could have it: base32, as long as it was made."""
    try:
        return len(base64.b32decode(secret)) >= SECRET_BYTES
    except (binascii.Error, ValueError):
        return False


def write_secret(state_dir: Path, secret: str) -> None:
    """Replace the secret in one step, mode 0600 from its first byte."""
    state_dir.mkdir(parents=True, exist_ok=True)
    fresh = secret_path(state_dir).with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(secret_path(state_dir))


def remove_secret(state_dir: Path) -> bool:
    """Whether there was one."""
    try:
        secret_path(state_dir).unlink()
    except FileNotFoundError:
        return False
    return True

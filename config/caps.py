"""caps.toml beside config.yaml: hard limits that only a person at the machine can loosen."""

import tomllib
from pathlib import Path

import msgspec

from core.model.safety import Caps

FILE = "caps.toml"


class CapsError(ValueError):
    """The file is not readable as caps; the message is one line that says what to do."""


def caps_path(config_path: Path) -> Path:
    """Where the caps of a configuration lie."""
    return config_path.with_name(FILE)


def load_caps(path: Path) -> Caps:
    """Read the caps; a missing file means none. Raises CapsError: a file that can't be read must not mean "no caps"."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Caps()
    except OSError as error:
        raise CapsError(f"{path}: {error.strerror}; without it nothing is traded") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CapsError(f"{path}: is not valid TOML ({error})") from None
    try:
        return msgspec.convert(document, Caps)
    except msgspec.ValidationError as error:
        known = ", ".join(f.name for f in msgspec.structs.fields(Caps))
        raise CapsError(f"{path}: {error} (known keys: {known})") from None

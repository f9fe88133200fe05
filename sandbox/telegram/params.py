"""Parameters of one Bot API call, whatever encoding they came in, read with Telegram's words for what is wrong."""

import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.telegram.entities import Entity, FormattedText, finish, plain
from sandbox.telegram.errors import WRONG_FILE, bad_request
from sandbox.telegram.html_parse import parse_html
from sandbox.telegram.model import Json

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
_SUMMARY_LIMIT = 16_384


@dataclass(frozen=True, slots=True)
class Upload:
    """A file part of a multipart request."""

    name: str
    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Params:
    """Fields (text or already decoded JSON) and uploaded parts by their names."""

    fields: Json = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """A string; numbers of JSON bodies become text."""
        value = self.fields.get(name)
        return default if value is None else str(value)

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number or the default."""
        value = self.fields.get(name)
        if value is None or value == "":
            return default
        try:
            return int(value)
        except (TypeError, ValueError):
            raise bad_request(f"invalid {name} specified") from None

    def flag(self, name: str) -> bool:
        """Telegram reads true, yes and 1."""
        return self.text(name).strip().lower() in {"true", "yes", "1"}

    def structure(self, name: str) -> Any:
        """A JSON value: as it is in JSON bodies, as text in forms; None when absent."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object") from None

    def mapping(self, name: str) -> Json | None:
        """A JSON object or None."""
        value = self.structure(name)
        if value is not None and not isinstance(value, dict):
            raise bad_request(f"object expected as {name.replace('_', ' ')}")
        return value

    def sequence(self, name: str) -> list[Any] | None:
        """A JSON array or None."""
        value = self.structure(name)
        if value is not None and not isinstance(value, list):
            raise bad_request(f"can't parse {name.replace('_', ' ')}: Array expected")
        return value

    def formatted(self, name: str, entities_name: str = "entities") -> FormattedText:
        """Text with entities from parse_mode, from explicit entities, or found by itself."""
        return formatted(self.text(name), self.text("parse_mode"), self.sequence(entities_name))

    def file(self, name: str) -> Upload | str:
        """An uploaded part (named directly or by attach://) or a file_id."""
        if name in self.uploads:
            return self.uploads[name]
        return self.attachment(self.text(name))

    def attachment(self, reference: str) -> Upload | str:
        """What `attach://x` or a file_id stands for."""
        if not reference.startswith("attach://"):
            return reference
        try:
            return self.uploads[reference.removeprefix("attach://")]
        except KeyError:
            raise bad_request(WRONG_FILE) from None

    def summary(self) -> Json:
        """For the log: JSON decoded where possible, long texts cut, files by name and size."""
        shown: Json = {}
        for name, value in self.fields.items():
            if isinstance(value, str):
                shown[name] = _decoded(value) if len(value) <= _SUMMARY_LIMIT else value[:_SUMMARY_LIMIT] + "…"
            else:
                shown[name] = value
        for name, upload in self.uploads.items():
            shown[name] = f"<{upload.name}, {upload.mime}, {len(upload.data)} bytes>"
        return shown


def formatted(text: str, parse_mode: str, entities: list[Any] | None) -> FormattedText:
    """HTML is the only parse mode this sandbox reads; the others are refused rather than guessed."""
    if parse_mode.lower() == "html":
        return parse_html(text)
    if parse_mode:
        raise bad_request("unsupported parse_mode")
    return finish(text, [_entity(one) for one in entities]) if entities else plain(text)


def checked_text(body: FormattedText) -> FormattedText:
    """A message text that Telegram would take."""
    if not body.text:
        raise bad_request("message text is empty")
    if body.length > TEXT_LIMIT:
        raise bad_request("message is too long")
    return body


def checked_caption(body: FormattedText) -> FormattedText:
    """A caption that Telegram would take; may be empty."""
    if body.length > CAPTION_LIMIT:
        raise bad_request("message caption is too long")
    return body


def _decoded(value: str) -> Any:
    if not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _entity(raw: Any) -> Entity:
    try:
        return Entity(
            str(raw["type"]),
            int(raw["offset"]),
            int(raw["length"]),
            url=raw.get("url"),
            language=raw.get("language"),
            unix_time=raw.get("unix_time"),
            date_time_format=raw.get("date_time_format"),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise bad_request("can't parse MessageEntity") from None

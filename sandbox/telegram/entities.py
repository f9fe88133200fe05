"""Message entities: offsets in UTF-16 units, what Telegram finds by itself in plain text, and tidying of overlaps."""

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

MAX_ENTITIES = 100
EXCLUSIVE = frozenset({"pre", "code"})
AUTOMATIC = frozenset({"bot_command", "url", "email", "hashtag", "cashtag", "mention"})
# Longer entities enclose shorter ones; with equal ranges this order decides which is outside.
_ORDER = ("blockquote", "expandable_blockquote", "text_link", "bold", "italic", "underline", "strikethrough", "spoiler")

_PATTERNS = (
    ("url", re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,!?;:)\]]")),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?!\w)")),
    ("bot_command", re.compile(r"(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])", re.ASCII)),
    ("mention", re.compile(r"(?<![\w@/])@[A-Za-z][A-Za-z0-9_]{3,31}(?!\w)")),
    ("hashtag", re.compile(r"(?<![\w#&/])#(?=\w*[^\W\d])\w{1,256}")),
    ("cashtag", re.compile(r"(?<![\w$])\$[A-Z]{1,8}(?![\w])")),
)


@dataclass(frozen=True, slots=True)
class Entity:
    """A styled range; offset and length count UTF-16 code units."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None
    custom_emoji_id: str | None = None
    unix_time: int | None = None
    date_time_format: str | None = None

    @property
    def end(self) -> int:
        """The first unit after the range."""
        return self.offset + self.length

    def to_wire(self) -> dict[str, Any]:
        """The Bot API's MessageEntity."""
        fields = ("url", "language", "custom_emoji_id", "unix_time", "date_time_format")
        extra = {name: value for name in fields if (value := getattr(self, name)) is not None}
        return {"type": self.type, "offset": self.offset, "length": self.length, **extra}


@dataclass(frozen=True, slots=True)
class FormattedText:
    """Text with its entities, as Telegram keeps it."""

    text: str
    entities: tuple[Entity, ...] = ()

    @property
    def length(self) -> int:
        """UTF-16 units, the stricter of the two ways Telegram's limits are read."""
        return utf16_len(self.text)


def utf16_len(text: str) -> int:
    """How many UTF-16 code units the text takes (an emoji takes two)."""
    return len(text) + sum(ch > "\uffff" for ch in text)


def slice_utf16(text: str, offset: int, length: int) -> str:
    """The part of the text under an entity."""
    raw = text.encode("utf-16-le")
    return raw[2 * offset : 2 * (offset + length)].decode("utf-16-le", errors="replace")


def detect(text: str) -> tuple[Entity, ...]:
    """What Telegram marks by itself: commands, links, e-mail addresses, mentions, hash- and cashtags."""
    found: list[Entity] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            entity = Entity(kind, utf16_len(text[: match.start()]), utf16_len(match.group()))
            if not any(_overlap(entity, other) for other in found):
                found.append(entity)
    return tuple(sorted(found, key=lambda entity: entity.offset))


def finish(text: str, entities: list[Entity]) -> FormattedText:
    """Trim, drop empty and overlapping ranges, add the automatic ones, sort and cap as Telegram does."""
    kept = text.rstrip()
    trimmed = kept.lstrip()
    shift = utf16_len(kept) - utf16_len(trimmed)
    limit = utf16_len(trimmed)
    clipped = [c for e in entities if (c := _clip(e, shift, limit)) is not None]
    blocks = [e for e in clipped if e.type in EXCLUSIVE]
    quotes = [e for e in clipped if e.type.endswith("blockquote")]
    styled = [p for e in clipped if e.type not in EXCLUSIVE and e not in quotes for p in _around(e, blocks)]
    links = [e for e in styled if e.type == "text_link"]
    own = [e for e in detect(trimmed) if not any(_overlap(e, other) for other in (*blocks, *links))]
    everything = [*blocks, *quotes, *_merged(styled), *own]
    return FormattedText(trimmed, tuple(sorted(everything, key=_sort_key)[:MAX_ENTITIES]))


def plain(text: str) -> FormattedText:
    """A text typed by a person or sent without parse_mode."""
    return finish(text, [])


def _sort_key(entity: Entity) -> tuple[int, int, int]:
    rank = _ORDER.index(entity.type) if entity.type in _ORDER else len(_ORDER)
    return entity.offset, -entity.length, rank


def _overlap(one: Entity, other: Entity) -> bool:
    return one.offset < other.end and other.offset < one.end


def _clip(entity: Entity, shift: int, limit: int) -> Entity | None:
    start = max(entity.offset - shift, 0)
    end = min(entity.end - shift, limit)
    return replace(entity, offset=start, length=end - start) if end > start else None


def _around(entity: Entity, blocks: list[Entity]) -> list[Entity]:
    """The pieces of a style left over when code and pre, which tolerate nothing else, are cut out."""
    cuts = sorted((b.offset, b.end) for b in blocks if _overlap(entity, b))
    edges = [(entity.offset, entity.offset), *cuts, (entity.end, entity.end)]
    pieces = [(left[1], right[0]) for left, right in pairwise(edges)]
    return [replace(entity, offset=start, length=end - start) for start, end in pieces if end > start]


def _merged(styled: list[Entity]) -> list[Entity]:
    """The same style twice over one range counts once."""
    out: list[Entity] = []
    for entity in sorted(styled, key=lambda e: (e.type, e.offset, -e.length)):
        last = out[-1] if out else None
        if last and last.type == entity.type and entity.offset < last.end and entity.type != "text_link":
            out[-1] = replace(last, length=max(last.end, entity.end) - last.offset)
        else:
            out.append(entity)
    return out

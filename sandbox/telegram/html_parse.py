"""Telegram's HTML parse mode: a scanner over UTF-8 bytes that refuses what Telegram refuses, in its words."""

import html
import re
from dataclasses import dataclass, field

from sandbox.telegram.entities import Entity, FormattedText, finish, utf16_len
from sandbox.telegram.errors import bad_request

_STYLES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
_REFERENCE = re.compile(rb"&(?:#(?:x[0-9A-Fa-f]+|[0-9]+)|lt|gt|amp|quot);?")
# Other schemes, javascript: among them, make no link at all.
_LINK = re.compile(r"(?:https?|tg|ton|tonsite)://\S+|(?![a-z][a-z0-9+-]*:)[^\s/]+\.\S+", re.IGNORECASE)
_SPACE = b" \t\r\n\v\f"


@dataclass(slots=True)
class _Open:
    """A start tag that waits for its end tag."""

    tag: str
    attributes: dict[str, str]
    offset: int
    text_index: int


@dataclass(slots=True)
class _Scan:
    """Where the scanner stands, what it has written and found."""

    raw: bytes
    at: int = 0
    units: int = 0
    out: list[str] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)

    def peek(self) -> bytes:
        return self.raw[self.at : self.at + 1]

    def skip_spaces(self) -> None:
        while self.peek() and self.peek() in _SPACE:
            self.at += 1

    def take_until(self, stops: bytes) -> str:
        start = self.at
        while self.peek() and self.peek() not in stops:
            self.at += 1
        return self.raw[start : self.at].decode()

    def write(self, text: str) -> None:
        self.out.append(text)
        self.units += utf16_len(text)


def parse_html(source: str) -> FormattedText:
    """Text and entities of a bot's HTML; ApiError 400 "can't parse entities: …" when it is not well formed."""
    scan = _Scan(source.encode("utf-8", errors="replace"))
    while scan.at < len(scan.raw):
        char = scan.peek()
        if char == b"<":
            _tag(scan)
        elif char == b"&":
            scan.write(_reference(scan))
        else:
            scan.write(scan.take_until(b"<&"))
    if scan.stack:
        raise _refused(f'Can\'t find end tag corresponding to start tag "{scan.stack[-1].tag}"')
    return finish("".join(scan.out), scan.entities)


def _refused(words: str) -> Exception:
    return bad_request(f"can't parse entities: {words}")


def _reference(scan: _Scan) -> str:
    """One `&lt;`-like reference, or the ampersand itself when it is none of the four names nor a number."""
    match = _REFERENCE.match(scan.raw, scan.at)
    if match is None:
        scan.at += 1
        return "&"
    scan.at = match.end()
    token = match.group().decode()
    return html.unescape(token if token.endswith(";") else token + ";")


def _tag(scan: _Scan) -> None:
    begin = scan.at
    scan.at += 1
    if scan.peek() == b"/":
        _end_tag(scan, begin)
    else:
        _start_tag(scan, begin)


def _start_tag(scan: _Scan, begin: int) -> None:
    tag = scan.take_until(_SPACE + b">").lower()
    if not scan.peek():
        raise _refused(f"Unclosed start tag at byte offset {begin}")
    if tag not in _STYLES:
        raise _refused(f'Unsupported start tag "{tag}" at byte offset {begin}')
    attributes: dict[str, str] = {}
    while True:
        scan.skip_spaces()
        if scan.peek() == b">":
            break
        name, value = _attribute(scan, tag, begin)
        attributes[name] = value
    scan.at += 1
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise _refused(f'Tag "span" must have class "tg-spoiler" at byte offset {begin}')
    if tag == "tg-time" and not attributes.get("unix", "").lstrip("-").isdigit():
        raise _refused(f'Tag "tg-time" must have a valid "unix" attribute at byte offset {begin}')
    scan.stack.append(_Open(tag, attributes, scan.units, len(scan.out)))


def _attribute(scan: _Scan, tag: str, begin: int) -> tuple[str, str]:
    name = scan.take_until(_SPACE + b"=>").lower()
    if not name:
        if not scan.peek():
            raise _refused(f'Unclosed start tag "{tag}" at byte offset {begin}')
        raise _refused(f'Empty attribute name in the tag "{tag}" at byte offset {begin}')
    scan.skip_spaces()
    if scan.peek() != b"=":
        if tag == "blockquote" and name == "expandable" and scan.peek():
            return name, "1"
        raise _refused(
            f'Expected equal sign in declaration of an attribute of the tag "{tag}" at byte offset {begin}'
            if scan.peek()
            else f'Unclosed start tag "{tag}" at byte offset {begin}'
        )
    scan.at += 1
    scan.skip_spaces()
    value = _quoted(scan) if scan.peek() in {b'"', b"'"} else _name_token(scan)
    if not scan.peek():
        raise _refused(f'Unclosed start tag "{tag}" at byte offset {begin}')
    return name, value


def _quoted(scan: _Scan) -> str:
    mark = scan.peek()
    scan.at += 1
    parts: list[str] = []
    while scan.peek() and scan.peek() != mark:
        parts.append(_reference(scan) if scan.peek() == b"&" else scan.take_until(b"&" + mark))
    scan.at += 1
    return "".join(parts)


def _name_token(scan: _Scan) -> str:
    begin = scan.at
    token = scan.take_until(_SPACE + b">")
    if scan.peek() and not re.fullmatch(r"[A-Za-z0-9.-]*", token):
        raise _refused(f"Unexpected end of name token at byte offset {begin}")
    return token.lower()


def _end_tag(scan: _Scan, begin: int) -> None:
    if not scan.stack:
        raise _refused(f"Unexpected end tag at byte offset {begin}")
    scan.at += 1
    name = scan.take_until(_SPACE + b">").lower()
    scan.skip_spaces()
    if scan.peek() != b">":
        raise _refused(f"Unclosed end tag at byte offset {begin}")
    scan.at += 1
    opened = scan.stack.pop()
    if name and name != opened.tag:
        raise _refused(
            f'Unmatched end tag at byte offset {begin}, expected "</{opened.tag}>", found "</{name}>"',
        )
    if scan.units > opened.offset:
        _close(scan, opened)


def _close(scan: _Scan, opened: _Open) -> None:
    given = opened.attributes
    kind = _STYLES[opened.tag]
    entity = Entity(kind, opened.offset, scan.units - opened.offset)
    last = scan.entities[-1] if scan.entities else None
    if kind in {"code", "pre"}:
        _close_code(scan, entity, last, given.get("class", ""))
    elif kind == "text_link":
        url = given.get("href") or "".join(scan.out[opened.text_index :])
        if _LINK.fullmatch(url):
            scan.entities.append(Entity(kind, entity.offset, entity.length, url=_absolute(url)))
    elif kind == "custom_emoji":
        # Only bots with a bought user name may send these; to everybody else Telegram shows the plain emoji.
        return
    elif kind == "date_time":
        form = given.get("format") or None
        unix = int(given["unix"])
        scan.entities.append(Entity(kind, entity.offset, entity.length, unix_time=unix, date_time_format=form))
    elif kind == "blockquote" and "expandable" in given:
        scan.entities.append(Entity("expandable_blockquote", entity.offset, entity.length))
    else:
        scan.entities.append(entity)


def _close_code(scan: _Scan, entity: Entity, last: Entity | None, css_class: str) -> None:
    """`<pre><code class="language-x">` becomes one pre entity with its language."""
    language = css_class.removeprefix("language-") if css_class.startswith("language-") else None
    same = last is not None and (last.offset, last.length) == (entity.offset, entity.length)
    if entity.type == "pre" and same and last is not None and last.type == "code":
        scan.entities[-1] = Entity("pre", entity.offset, entity.length, language=last.language)
    else:
        scan.entities.append(Entity(entity.type, entity.offset, entity.length, language=language))


def _absolute(url: str) -> str:
    """Telegram completes a bare host name and gives a bare host a path."""
    full = url if "://" in url else f"http://{url}"
    return f"{full}/" if re.fullmatch(r"https?://[^/?#]+", full) else full

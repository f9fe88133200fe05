"""Polygon's stream frames (facts: polygon.md 1.5, 1.6): an array that may mix status and data elements."""

from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False):
    """One element of a frame, status or aggregate. Everything is optional; volumes and sizes may be fractional."""

    ev: str = ""
    status: str = ""
    message: str = ""
    sym: str = ""
    v: float | None = None
    av: float | None = None
    op: float | None = None
    o: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741 - the vendor's name
    c: float | None = None
    s: float | None = None
    e: float | None = None
    z: float | None = None
    dv: str | None = None
    dav: str | None = None
    # of a halt: the ticker goes by another key, and its time by nanoseconds
    T: str = ""
    t: float | None = None
    i: Any = None


class Essential(msgspec.Struct, frozen=True, gc=False):
    """What a bar cannot do without, for an event whose other fields have unexpected types."""

    ev: str
    sym: str
    v: float
    o: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    c: float
    s: float
    e: float | None = None


class Kind(msgspec.Struct, frozen=True, gc=False):
    """The type of an event of which we need nothing else, such as a quote, whose fields share names with a bar's."""

    ev: str


_frame = msgspec.json.Decoder(list[Event])
_pieces = msgspec.json.Decoder(list[msgspec.Raw])
_event = msgspec.json.Decoder(Event)
_essential = msgspec.json.Decoder(Essential)
_kind = msgspec.json.Decoder(Kind)


def decode(frame: str | bytes) -> tuple[list[Event], int]:
    """The events of a frame and how many were unreadable; one bad event never loses the others. Never raises."""
    try:
        return _frame.decode(frame), 0
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        pieces = _pieces.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [], 1
    events = [event for piece in pieces if (event := _one(piece)) is not None]
    return events, len(pieces) - len(events)


def _one(piece: msgspec.Raw) -> Event | None:
    try:
        return _event.decode(piece)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        bare = _essential.decode(piece)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _foreign(piece)
    return Event(ev=bare.ev, sym=bare.sym, v=bare.v, o=bare.o, h=bare.h, l=bare.l, c=bare.c, s=bare.s, e=bare.e)


def _foreign(piece: msgspec.Raw) -> Event | None:
    """An event of a type that we do not read is no damage; an unreadable bar or status is."""
    try:
        kind = _kind.decode(piece).ev
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return None if kind in {"AM", "LULD", "status"} else Event(ev=kind)

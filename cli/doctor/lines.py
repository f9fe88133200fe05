"""What a check says: one line, and what to do where it is not well."""

import enum

import msgspec


class Level(enum.StrEnum):
    """How bad it is. Warnings let everything run; an error keeps something from working."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    ERROR = "error"


class Line(msgspec.Struct, frozen=True):
    """Korean / English in one text, as everywhere in the terminal; `remedy` begins with what the person does."""

    level: Level
    text: str
    remedy: str = ""


def ok(text: str) -> Line:
    return Line(Level.OK, text)


def skipped(text: str) -> Line:
    return Line(Level.SKIPPED, text)


def warning(text: str, remedy: str) -> Line:
    return Line(Level.WARNING, text, remedy)


def error(text: str, remedy: str) -> Line:
    return Line(Level.ERROR, text, remedy)

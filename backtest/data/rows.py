"""What readers yield: rows that could be read, and findings about those that could not or should not be."""

import enum
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from backtest.data.day import VALUES, BoolArray, CodeArray, IntArray
from core.model.bar import FloatArray


class Action(enum.StrEnum):
    """What happened to a row."""

    REFUSED = "refused"
    DUPLICATE = "duplicate"
    FLAGGED = "flagged"


class Kind(enum.StrEnum):
    """What is the matter with a row; the first that applies is the one reported."""

    MALFORMED = "malformed"
    TICKER = "ticker"
    TIME = "time"
    NUMBER = "number"
    OFF_MINUTE = "off_minute"
    LENGTH = "length"
    PRICES = "prices"
    VOLUME = "volume"
    OUTSIDE_HOURS = "outside_hours"
    CONFLICT = "conflict"
    SAME = "same"
    OUT_OF_ORDER = "out_of_order"
    FRACTIONAL = "fractional_volume"


WORDS = {
    Kind.MALFORMED: "not as many fields as the header",
    Kind.TICKER: "not a ticker",
    Kind.TIME: "not a time",
    Kind.NUMBER: "not a number",
    Kind.OFF_MINUTE: "does not start on a minute",
    Kind.LENGTH: "not a bar of one minute",
    Kind.PRICES: "impossible prices",
    Kind.VOLUME: "impossible volume",
    Kind.OUTSIDE_HOURS: "outside 04:00-20:00 in New York",
    Kind.CONFLICT: "another bar of that minute is there",
    Kind.SAME: "the same bar is there",
    Kind.OUT_OF_ORDER: "earlier than the row before",
    Kind.FRACTIONAL: "fractional volume",
}


class Finding(msgspec.Struct, frozen=True):
    """One reported row, or several of one ticker (`rows`) of which `line` is the first."""

    line: int
    action: Action
    kind: Kind
    ticker: str = ""
    start_ms: int | None = None
    rows: int = 1
    text: str = ""


class Rows(msgspec.Struct, frozen=True, eq=False):
    """Columns of one length: `names[code[i]]` is the ticker, `line[i]` the row of the file (a header is row 1)."""

    names: tuple[str, ...]
    code: CodeArray
    start_ms: IntArray
    line: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.start_ms)

    def values(self) -> tuple[FloatArray, ...]:
        """open, high, low, close, volume."""
        return (self.open, self.high, self.low, self.close, self.volume)

    def take(self, keep: BoolArray | IntArray) -> "Rows":
        """Some of the rows, by mask or by position."""
        values = (column[keep] for column in self.values())
        return Rows(self.names, self.code[keep], self.start_ms[keep], self.line[keep], *values)


class Chunk(msgspec.Struct, frozen=True):
    """A part of a file in its order: rows in = len(rows) + len(refused)."""

    rows: Rows
    refused: Sequence[Finding] = ()


def no_rows() -> Rows:
    """Columns of length 0."""
    starts, lines = np.zeros(0, np.int64), np.zeros(0, np.int64)
    return Rows((), np.zeros(0, np.int32), starts, lines, *(np.zeros(0) for _ in VALUES))


def shown(value: object, most: int = 60) -> str:
    """A value of a file in a report: one line, bounded."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= most and text.isprintable() else repr(text[:most])


def first_rows(code: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray]:
    """For each code that occurs: the position of its first row, and how many rows it has."""
    _, first, count = np.unique(code, return_index=True, return_counts=True)
    return first.astype(np.int64), count.astype(np.int64)

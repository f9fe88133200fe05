"""CSV files, plain or gzip, in blocks: Polygon's flat files, and any other whose columns are named."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from backtest.data.convert import Plan, chunk_of, plan_of
from backtest.data.day import IntArray
from backtest.data.manifest import DataProblem
from backtest.data.options import Format, Label, Layout, ReadOptions, Unit, layout_of
from backtest.data.rows import Action, Chunk, Finding, Kind, no_rows, shown

BLOCK = 8 << 20
HEAD = 64 << 10
POLYGON_HEADER = {"ticker", "volume", "open", "close", "high", "low", "window_start", "transactions"}
POLYGON_LAYOUT = Layout(
    ticker="ticker", time="window_start", date="", end="", values=("open", "high", "low", "close", "volume")
)


def read_csv(path: Path, options: ReadOptions, tick: Any) -> tuple[Format, Iterator[Chunk]]:
    """Find out what the header says; the rows come when they are asked for."""
    names, dialect = _header(path, options)
    if options.format is Format.POLYGON or (set(names) == POLYGON_HEADER and options.format is Format.AUTO):
        if set(names) != POLYGON_HEADER:
            raise DataProblem(f"{path.name} is not one of Polygon's minute_aggs_v1 files: its header is another")
        plan = Plan(path=path, layout=POLYGON_LAYOUT, label=Label.START, unit=Unit.NS)
        return Format.POLYGON, _chunks(path, names, dialect, plan, options, tick)
    plan = plan_of(path, layout_of(path, names, options), options)
    return Format.CSV, _chunks(path, names, dialect, plan, options, tick)


def _opened(path: Path) -> tuple[IO[bytes], IO[bytes]]:
    """The bytes of the text, and the file itself, whose position tells how far we are."""
    raw = path.open("rb")
    if raw.read(2) == b"\x1f\x8b":
        raw.seek(0)
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), BLOCK), raw
    raw.seek(0)
    return raw, raw


class Dialect(msgspec.Struct, frozen=True):
    """What stands between fields, and whether they are quoted: a stray quote must not swallow the rows after it."""

    delimiter: str
    quoted: bool


def _header(path: Path, options: ReadOptions) -> tuple[list[str], Dialect]:
    """The column names and the dialect; without a header the names are the columns' numbers, from 1."""
    try:
        stream, raw = _opened(path)
        with raw, stream:
            line = stream.readline(HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise _trouble(path, error) from None
    if b"\0" in line or len(line) == HEAD:
        raise DataProblem(f"{path.name} is not text with rows: CSV, CSV.gz, Parquet and Lean zips can be imported")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise DataProblem(f"{path.name}: its first row is not UTF-8 text") from None
    delimiter = options.delimiter or next((d for d in (",", ";", "\t", "|") if d in text), ",")
    names = next(csv.reader([text], delimiter=delimiter), [])
    dialect = Dialect(delimiter, '"' in text)
    return (names if options.header else [str(i + 1) for i in range(len(names))]), dialect


def _chunks(
    path: Path, names: list[str], dialect: Dialect, plan: Plan, options: ReadOptions, tick: Any
) -> Iterator[Chunk]:
    broken = _Broken(first=2 if options.header else 1)
    try:
        stream, raw = _opened(path)
        with raw, stream:
            reader = pacsv.open_csv(
                stream,
                read_options=pacsv.ReadOptions(
                    use_threads=False, block_size=BLOCK, skip_rows=1 if options.header else 0, column_names=names
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=dialect.delimiter,
                    quote_char='"' if dialect.quoted else False,
                    invalid_row_handler=broken.hear,
                    ignore_empty_lines=False,
                ),
                convert_options=pacsv.ConvertOptions(
                    check_utf8=False,
                    column_types={name: pa.binary() for name in names},
                    include_columns=plan.layout.needed(),
                    strings_can_be_null=False,
                ),
            )
            for batch in reader:
                broken.check(path)
                yield _chunk(batch, plan, broken)
                tick(raw.tell())
            broken.check(path)
            yield Chunk(no_rows(), broken.ended())
    except (OSError, EOFError, zlib.error) as error:
        raise _trouble(path, error) from None
    except pa.ArrowException as error:
        # a file with nothing but its header
        if "Empty CSV file" in str(error):
            return
        raise DataProblem(f"{path.name} can't be read as CSV ({_words(error)})") from None


def _chunk(batch: pa.RecordBatch, plan: Plan, broken: "_Broken") -> Chunk:
    """One block, without the rows that have no value at all."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    lines = broken.lines(batch.num_rows)
    blank = np.ones(batch.num_rows, np.bool_)
    for column in columns.values():
        offsets = np.frombuffer(column.buffers()[1], np.int32, batch.num_rows + 1, column.offset * 4)
        blank &= np.diff(offsets) == 0
    if blank.any():
        broken.blanks(lines[blank])
        keep = pa.array(~blank)
        columns, lines = {name: column.filter(keep) for name, column in columns.items()}, lines[~blank]
    if not len(lines):
        return Chunk(no_rows(), broken.heard())
    broken.last = max(broken.last, int(lines[-1]))
    chunk = chunk_of(columns, lines, plan)
    return Chunk(chunk.rows, [*chunk.refused, *broken.heard()])


class _Broken:
    """Rows that the CSV parser skipped, and which numbers that leaves for the others."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._skipped: set[int] = set()
        self._blanks: list[int] = []
        self._found: list[Finding] = []
        self._open_quote = 0
        self.last = 0

    def hear(self, row: Any) -> str:
        """The parser's own call: it read a row of the wrong width."""
        number = int(row.number)
        if "\n" in row.text.strip() and not self._open_quote:
            self._open_quote = number
        self._skipped.add(number)
        self.last = max(self.last, number)
        text = f"{row.actual_columns} fields, not {row.expected_columns}: {shown(row.text)}"
        self._found.append(Finding(number, Action.REFUSED, Kind.MALFORMED, text=text))
        return "skip"

    def check(self, path: Path) -> None:
        """Raises DataProblem where a row swallowed others."""
        if self._open_quote:
            raise DataProblem(f"{path.name}, row {self._open_quote}: a quote is not closed: put it right there")

    def lines(self, count: int) -> IntArray:
        """The numbers of the next `count` rows that were not skipped; the parser may be a block ahead."""
        last = self._next + count - 1
        numbers: IntArray
        if not self._skipped or min(self._skipped) > last:
            numbers = np.arange(self._next, last + 1)
        else:
            reach = np.arange(self._next, last + 1 + len(self._skipped))
            skipped = np.fromiter(self._skipped, np.int64, len(self._skipped))
            numbers = reach[~np.isin(reach, skipped)][:count]
        if count:
            self._next = int(numbers[-1]) + 1
            self._skipped = {number for number in self._skipped if number >= self._next}
        return numbers

    def blanks(self, lines: IntArray) -> None:
        """Empty rows; whether anything follows them is known at the end."""
        self._blanks += lines.tolist()

    def ended(self) -> list[Finding]:
        """What is left to tell: empty rows are rows unless they are the end of the file."""
        told = [line for line in self._blanks if line < self.last]
        return [*self.heard(), *(Finding(n, Action.REFUSED, Kind.MALFORMED, text="an empty row") for n in told)]

    def heard(self) -> list[Finding]:
        """What was found since the last call."""
        found, self._found = self._found, []
        return found


def _trouble(path: Path, error: Exception) -> DataProblem:
    if isinstance(error, EOFError):
        return DataProblem(f"{path.name} is cut off: download or copy it again")
    if isinstance(error, OSError) and error.strerror:
        return DataProblem(f"{path} can't be read ({error.strerror})")
    return DataProblem(f"{path.name} is damaged ({_words(error)}): download or copy it again")


def _words(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]

"""Which reader reads a file: by its content where that is certain, else by what the person said."""

from collections.abc import Callable, Iterator
from pathlib import Path

from backtest.data.csvfile import read_csv
from backtest.data.lean import read_lean
from backtest.data.manifest import DataProblem
from backtest.data.options import Format, ReadOptions
from backtest.data.parquetfile import read_parquet
from backtest.data.rows import Chunk

Tick = Callable[[int], None]


def format_of(path: Path, options: ReadOptions) -> Format:
    """The format that was said or that the first bytes say. Raises DataProblem for what no bars can be in."""
    if options.format is not Format.AUTO:
        return options.format
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise DataProblem(f"{path}: {error.strerror}") from None
    if not head:
        raise DataProblem(f"{path.name} is empty")
    if head == b"PAR1":
        return Format.PARQUET
    if head == b"PK\x03\x04":
        return Format.LEAN
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise DataProblem(f"{path.name} is UTF-16 text: save it as UTF-8")
    return Format.CSV


def read_file(path: Path, options: ReadOptions, tick: Tick = lambda _: None) -> tuple[Format, Iterator[Chunk]]:
    """The format and the chunks of a file, in its order; `tick` hears how many of its bytes have been read.

    Raises DataProblem for what is wrong with the file as a whole, also while it is being read.
    """
    found = format_of(path, options)
    if found is Format.PARQUET:
        return found, read_parquet(path, options, tick)
    if found is Format.LEAN:
        return found, read_lean(path, options, tick)
    return read_csv(path, options, tick)

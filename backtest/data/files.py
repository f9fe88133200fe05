"""Files that are whole or absent, and a day as Parquet."""

import contextlib
import datetime as dt
import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtest.data.day import VALUES, DayBars
from backtest.data.manifest import DataProblem

COLUMNS = ("ticker", "start_ms", *VALUES)


def write_whole(path: Path, data: bytes) -> None:
    """Write next to the target, make it durable, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def table_of(day: DayBars) -> pa.Table:
    """A day as a table."""
    names = pa.array(day.tickers, pa.string())
    ticker = pa.DictionaryArray.from_arrays(pa.array(day.ticker), names)
    return pa.table([ticker, pa.array(day.start_ms), *(pa.array(c) for c in day.values())], names=list(COLUMNS))


def encoded(day: DayBars) -> bytes:
    """A day as Parquet; the same bars make the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table_of(day),
        sink,
        # prices and volumes repeat so much that dictionaries halve the file, and then little is left for a compression
        # that takes longer to undo
        compression="lz4",
        use_dictionary=True,
        row_group_size=max(1, len(day)),
    )
    return bytes(sink.getvalue())


def decoded(on: dt.date, data: bytes, where: Path) -> DayBars:
    """A day from its Parquet. Raises DataProblem where it is not one."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=["ticker"])
        table = file.read(columns=list(COLUMNS), use_threads=False)
        ticker = table["ticker"].unify_dictionaries().combine_chunks()
        if isinstance(ticker, pa.ChunkedArray):
            ticker = ticker.chunk(0) if ticker.num_chunks else pa.array([], pa.string()).dictionary_encode()
        names = tuple(ticker.dictionary.to_pylist())
        code = ticker.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        columns = [table[name].to_numpy() for name in COLUMNS[1:]]
    except (pa.ArrowException, KeyError, OSError) as error:
        words = str(error).splitlines()
        raise DataProblem(f"{where} is damaged ({words[0] if words else error}): import its files again") from None
    if any(a >= b for a, b in itertools.pairwise(names)):
        order = sorted(range(len(names)), key=names.__getitem__)
        position = np.empty(len(names), np.int32)
        position[order] = np.arange(len(names), dtype=np.int32)
        names, code = tuple(names[i] for i in order), position[code]
    return DayBars(on, names, code, *columns)

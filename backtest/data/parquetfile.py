"""Parquet files of any layout, a row group at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtest.data.convert import Plan, chunk_of, plan_of
from backtest.data.manifest import DataProblem
from backtest.data.options import ReadOptions, layout_of
from backtest.data.rows import Chunk

BATCH = 1 << 18


def read_parquet(path: Path, options: ReadOptions, tick: Any) -> Iterator[Chunk]:
    """Find the columns; the rows come when they are asked for. Rows are numbered from 1."""
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataProblem(f"{path.name} is no readable Parquet file ({_words(error)}): copy it again") from None
    plan = plan_of(path, layout_of(path, list(file.schema_arrow.names), options), options)
    return _chunks(path, file, plan, tick)


def _chunks(path: Path, file: pq.ParquetFile, plan: Plan, tick: Any) -> Iterator[Chunk]:
    line, size, total = 1, path.stat().st_size, max(1, file.metadata.num_rows)
    try:
        with file:
            for batch in file.iter_batches(BATCH, columns=plan.layout.needed()):
                lines = np.arange(line, line + batch.num_rows)
                line += batch.num_rows
                yield chunk_of(dict(zip(batch.schema.names, batch.columns, strict=True)), lines, plan)
                tick(size * (line - 1) // total)
    except (pa.ArrowException, OSError) as error:
        raise DataProblem(f"{path.name} is damaged ({_words(error)}): copy it again") from None


def _words(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]

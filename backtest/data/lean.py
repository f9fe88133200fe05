"""QuantConnect Lean's minute files: one zip per US ticker and day, prices in ten-thousandths of a dollar."""

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backtest.data.convert import Plan, chunk_of
from backtest.data.day import VALUES, IntArray
from backtest.data.manifest import DataProblem
from backtest.data.options import Format, Label, Layout, ReadOptions, Unit
from backtest.data.rows import Action, Chunk, Finding, Kind, Rows, shown
from core.rules.days import DAY_MS, EASTERN

MEMBER = re.compile(r"(?P<day>\d{8})_(?P<ticker>.+)_minute_(?P<what>trade|quote|openinterest)\.csv", re.IGNORECASE)
# a day has 960 minutes of well under a hundred bytes
MOST_BYTES = 4 << 20
PRICE_UNIT = 10_000.0
LAYOUT = Layout(ticker="", time="start", date="", end="", values=VALUES)


def read_lean(path: Path, options: ReadOptions, tick: Any) -> Iterator[Chunk]:
    """Find out whose day it is; Lean labels a bar with its start, in milliseconds since midnight in New York."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            match = MEMBER.fullmatch(members[0].filename) if len(members) == 1 else None
            if match is None:
                raise DataProblem(f"{path.name} is a zip, but not one of Lean's minute files: unpack it first")
            if match["what"].lower() != "trade":
                raise DataProblem(f"{path.name} holds {match['what']}s, not bars: import the _trade.zip files")
            if members[0].file_size > MOST_BYTES:
                raise DataProblem(f"{path.name} is too large for one ticker's day")
            data = archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataProblem(f"{path.name} is damaged ({error}): copy it again") from None
    folders = tuple(part.lower() for part in path.resolve().parts[:-1])
    if options.format is not Format.LEAN and folders[-4:-1] != ("equity", "usa", "minute"):
        raise DataProblem(
            f"{path.name} does not lie in equity/usa/minute/TICKER: if it holds US stocks all the same, say --format lean"
        )
    try:
        on = dt.datetime.strptime(match["day"], "%Y%m%d").replace(tzinfo=EASTERN)
    except ValueError:
        raise DataProblem(f"{path.name}: {match['day']} is not a date") from None
    return _chunks(path, data, on, match["ticker"].upper(), tick)


def _chunks(path: Path, data: bytes, on: dt.datetime, ticker: str, tick: Any) -> Iterator[Chunk]:
    fields: list[list[bytes]] = []
    lines: list[int] = []
    refused = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        cells = line.strip().split(b",")
        if len(cells) == 6:
            fields.append(cells)
            lines.append(number)
        elif cells != [b""]:
            text = f"{len(cells)} fields, not 6: {shown(line.strip())}"
            refused.append(Finding(number, Action.REFUSED, Kind.MALFORMED, ticker, text=text))
    columns = {name: pa.array([row[i] for row in fields], pa.binary()) for i, name in enumerate(("since", *VALUES))}
    columns["start"] = _starts(columns["since"], on)
    plan = Plan(path=path, layout=LAYOUT, label=Label.START, ticker=ticker, unit=Unit.MS)
    chunk = chunk_of(columns, np.array(lines, np.int64), plan)
    scaled = (chunk.rows.open, chunk.rows.high, chunk.rows.low, chunk.rows.close)
    values = [*(column / PRICE_UNIT for column in scaled), chunk.rows.volume]
    rows = Rows((ticker,), chunk.rows.code, chunk.rows.start_ms, chunk.rows.line, *values)
    yield Chunk(rows, [*refused, *chunk.refused])
    tick(path.stat().st_size)


def _starts(since: pa.Array, on: dt.datetime) -> pa.Array:
    """Wall-clock milliseconds of the day as epoch milliseconds; the clocks change at 2 a.m., long before the first bar."""
    numbers = [int(cell) if cell.isdigit() and int(cell[:12]) < DAY_MS else None for cell in since.to_pylist()]
    wall = np.array([0 if n is None else n for n in numbers], np.int64)
    noon_ms = int(on.replace(hour=12).timestamp() * 1000)
    starts: IntArray = wall + noon_ms - 12 * 3_600_000
    return pc.if_else(
        pa.array([n is not None for n in numbers], pa.bool_()), pa.array(starts), pa.scalar(None, pa.int64())
    )

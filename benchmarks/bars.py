"""How fast a whole-market day is imported and read: `./seohak bench bars --json`."""

import argparse
import datetime as dt
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from adapters.calendar import XnysCalendar, compute
from backtest.data.day import day_bounds_ms
from backtest.data.importer import Importer
from backtest.data.options import ReadOptions
from backtest.data.store import Store

DAY = dt.date(2025, 1, 6)
OPENS_MIN, MINUTES, REGULAR = 240, 960, slice(330, 720)
LIMIT_S = 0.5


class Result(msgspec.Struct, kw_only=True):
    """Seconds of a day; `peak_mb` is the process's memory at most, making the day included."""

    tickers: int
    rows: int
    flat_file_mb: float
    stored_mb: float
    import_s: float
    read_median_s: float
    read_max_s: float
    peak_mb: float
    limit_s: float
    ok: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--tickers", type=int, default=11_000, metavar="N", help="how many stocks (11000)")
    parser.add_argument("--rows", type=int, default=2_500_000, metavar="N", help="about how many bars (2500000)")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="how often the day is read (7)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def flat_file(path: Path, tickers: int, rows: int) -> int:
    """A day in which few stocks print every minute and most print seldom, as Polygon writes it; the number of bars."""
    rng = np.random.default_rng(7)
    busy = rng.pareto(0.7, tickers) + 0.02
    hours = np.full(MINUTES, 0.15)
    hours[REGULAR] = 1.0
    scale = 1e-4
    while np.minimum(busy * scale, 1.0).sum() * hours.sum() < rows and scale < 1e4:
        scale *= 1.02
    ticker, minute = np.nonzero(rng.random((tickers, MINUTES)) < np.outer(np.minimum(busy * scale, 1.0), hours))
    price = np.exp(rng.normal(3, 1.2, tickers))[ticker] * (1 + rng.normal(0, 0.01, len(ticker)))
    opened, close = np.round(price, 2) + 0.02, np.round(price * 1.0005, 2) + 0.02
    names = np.array([f"T{number:05d}" for number in range(tickers)])
    start_ms = day_bounds_ms(DAY)[0] + (OPENS_MIN + minute) * 60_000
    table = {
        "ticker": names[ticker], "volume": rng.integers(1, 100_000, len(ticker)), "open": opened, "close": close,
        "high": np.round(np.maximum(opened, close) + 0.01, 2), "low": np.round(np.minimum(opened, close) - 0.01, 2),
        "window_start": start_ms * 1_000_000, "transactions": np.ones(len(ticker), np.int64),
    }  # fmt: skip
    with pa.CompressedOutputStream(str(path), "gzip") as stream:
        pacsv.write_csv(pa.table(table), stream, pacsv.WriteOptions(quoting_style="none"))
    return len(ticker)


def measure(tickers: int, rows: int, runs: int) -> Result:
    """Make, import and read a day in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="seohak-bars-") as folder:
        path = Path(folder) / f"{DAY}.csv.gz"
        count = flat_file(path, tickers, rows)
        store = Store(Path(folder) / "bars")
        importer = Importer(store, ReadOptions(), XnysCalendar(compute(DAY, DAY + dt.timedelta(days=7))))
        began = time.perf_counter()
        (result,) = importer.run([path])
        import_s = time.perf_counter() - began
        assert result.source is not None, result.problem
        assert result.source.stored == count, "every bar is stored"
        reads = []
        for _ in range(runs):
            began = time.perf_counter()
            assert len(Store(store.root).read(DAY)) == count
            reads.append(time.perf_counter() - began)
        return Result(
            tickers=tickers,
            rows=count,
            flat_file_mb=round(path.stat().st_size / 1e6, 1),
            stored_mb=round(store.day_path(DAY).stat().st_size / 1e6, 1),
            import_s=round(import_s, 2),
            read_median_s=round(statistics.median(reads), 5),
            read_max_s=round(max(reads), 5),
            peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0),
            limit_s=LIMIT_S,
            ok=statistics.median(reads) < LIMIT_S,
        )


def run(options: argparse.Namespace) -> int:
    """0 where a day is read within the limit."""
    if min(options.tickers, options.rows, options.runs) < 1:
        sys.stderr.write("seohak bench: --tickers, --rows and --runs take 1 or more\n")
        return 2
    result = measure(options.tickers, options.rows, options.runs)
    if options.json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    else:
        sys.stdout.write(
            f"{result.rows:,} bars of {result.tickers:,} stocks: imported in {result.import_s:.1f} s from "
            f"{result.flat_file_mb:.0f} MB, stored in {result.stored_mb:.0f} MB, read in {result.read_median_s:.2f} s "
            f"(at most {result.read_max_s:.2f} s, limit {LIMIT_S:g} s)\n"
        )
    return 0 if result.ok else 1

"""`./seohak data keep`: days that the collector recorded become days of the store; the collector runs it by itself."""

import argparse
import datetime as dt
import sys
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from adapters.clock import clock_from
from backtest.data.files import table_of, write_whole
from backtest.data.importer import FileResult, Outcome
from backtest.data.options import Format, Label, ReadOptions
from backtest.data.recorded import recorded_bars
from backtest.data.store import Store
from cli.data_download import day
from cli.data_import import import_files, report
from config.environment import base, environment
from core.rules.days import us_date
from services.keeping import KEPT, files_of, unkept
from services.recording import FOLDER


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """Which days."""
    sub.add_argument(
        "days", nargs="*", type=day, metavar="DAY", help="YYYY-MM-DD (every recorded day that is over and not kept yet)"
    )


def run(options: argparse.Namespace, root: Path) -> int:
    """Day by day: what is done stays done whenever this is interrupted."""
    env = environment()
    recordings = base(env).state_dir / FOLDER
    days = [str(on) for on in options.days] or unkept(recordings, us_date(clock_from(env).now()))
    results: list[FileResult] = []
    for name in days:
        results += _keep(recordings / name, dt.date.fromisoformat(name), root)
    if results:
        return report(results, root, as_json=options.json)
    if options.json:
        print(msgspec.json.encode({"store": str(root), "files": []}).decode())
    else:
        print(f"{recordings}: nothing that the store does not have")
    return 0


def _keep(folder: Path, on: dt.date, root: Path) -> list[FileResult]:
    files, path = files_of(folder), root / "downloads" / f"lived-{on}.parquet"
    results: list[FileResult] = []
    try:
        if _written(folder, on, path):
            results = import_files(Store(root), [path], ReadOptions(format=Format.PARQUET, label=Label.START))
        else:
            print(f"seohak data: {folder} holds no bar", file=sys.stderr)
    finally:
        path.unlink(missing_ok=True)
    if all(result.outcome is not Outcome.FAILED for result in results):
        write_whole(folder / KEPT, msgspec.json.encode(files))
    return results


def _written(folder: Path, on: dt.date, path: Path) -> int:
    """The recording's bars as a file; how many. They don't stay in memory while the file is imported."""
    bars = recorded_bars(folder, on)
    if len(bars):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table_of(bars), path, compression="zstd")
    return len(bars)

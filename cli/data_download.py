"""`./seohak data download`: minute bars from Polygon, by ticker over REST or whole days as flat files; it can be interrupted."""

import argparse
import asyncio
import datetime as dt
import re
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import DownloadColumn, MofNCompleteColumn

from adapters.clock import SystemClock
from adapters.polygon.flatfiles import FlatFile, FlatFiles, FlatFilesUnavailable
from adapters.polygon.rest import PolygonReference
from backtest.data.importer import FileResult, Outcome
from backtest.data.manifest import DataProblem
from backtest.data.options import Format, Label, ReadOptions
from backtest.data.store import Store
from cli.data_import import import_files, report
from cli.progress import progress
from config.environment import FlatFileSettings, environment, flat_files, polygon
from core.model.bar import Bar
from core.rules.days import EASTERN, us_date
from ports.clock import Clock
from ports.market_data import ReferenceData, ReferenceUnavailable

# the free plan's limit; a month of minutes is one call
FREE_CALLS_PER_MIN = 5
TRIES, WAIT_S = 3, 30.0
TICKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-/]{0,31}")


class Window(msgspec.Struct, frozen=True):
    """A ticker's days of one month: what one call can answer."""

    ticker: str
    first: dt.date
    last: dt.date

    @property
    def name(self) -> str:
        """Of the file that holds it."""
        return f"{self.ticker.replace('/', '-')}_{self.first}_{self.last}.parquet"

    def span(self) -> tuple[dt.datetime, dt.datetime]:
        """Midnight to midnight in New York."""
        start, end = (
            dt.datetime.combine(on, dt.time(), EASTERN) for on in (self.first, self.last + dt.timedelta(days=1))
        )
        return start.astimezone(dt.UTC), end.astimezone(dt.UTC)


def day(text: str) -> dt.date:
    """A date argument."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2025-01-03") from None


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The command's options."""
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--tickers", metavar="A,B,...", help="these, over REST (every plan)")
    what.add_argument("--flat-files", action="store_true", help="the whole market, a file a day (plan Starter or more)")
    sub.add_argument("--first", type=day, required=True, metavar="DAY", help="from this day on, YYYY-MM-DD")
    sub.add_argument("--last", type=day, metavar="DAY", help="to this day (yesterday)")
    sub.add_argument("--plan", choices=["free", "paid"], default="free", help="free: five calls a minute (free)")
    sub.add_argument("--replace", action="store_true", help="fetch what is in the store again; later bars replace it")
    sub.add_argument("--keep", action="store_true", help="keep the downloaded files after the import")


def run(options: argparse.Namespace, root: Path) -> int:
    """Fetch what is not yet in the store, import it, remove the files."""
    clock = SystemClock()
    # today's bars are still being made and corrected
    yesterday = us_date(clock.now()) - dt.timedelta(days=1)
    last = min(options.last or yesterday, yesterday)
    if options.first > last:
        raise DataProblem(f"--first {options.first} is after {last}: the last day that can be asked for is yesterday")
    store, folder = Store(root), root / "downloads"
    seen = set() if options.replace else {source.name for source in store.manifest.sources.values()}
    env = environment()
    if options.flat_files:
        paths, skipped = _flat(flat_files(env), seen, folder, options.first, last)
        reading = ReadOptions(format=Format.POLYGON)
    else:
        tickers = _tickers(options.tickers)
        settings = polygon(env)
        vendor = PolygonReference(
            settings.key, settings.rest_url, clock=clock, package=settings.package, deadline_s=60.0, threads=1
        )
        calls = FREE_CALLS_PER_MIN if options.plan == "free" else 0
        windows = list(windows_of(tickers, options.first, last))
        skipped = len(windows)
        windows = [window for window in windows if window.name not in seen]
        skipped -= len(windows)
        if options.replace:
            for window in windows:
                (folder / window.name).unlink(missing_ok=True)
        paths = asyncio.run(_rest(vendor, windows, folder, Pace(clock, calls)))
        if vendor.refused:
            print(f"{vendor.refused} impossible bars of the vendor were left out", file=sys.stderr)
        reading = ReadOptions(format=Format.PARQUET, label=Label.START)
    results = import_files(store, paths, reading, replace=options.replace) if paths else []
    if not options.keep:
        remove_imported(results)
    if skipped:
        print(f"{skipped} {'day is' if options.flat_files else 'months are'} in the store already", file=sys.stderr)
    return report(results, root, as_json=options.json) if results else _nothing(options, root, skipped)


def _nothing(options: argparse.Namespace, root: Path, skipped: int) -> int:
    if options.json:
        print(msgspec.json.encode({"store": str(root), "files": [], "in_store": skipped}).decode())
    elif not skipped:
        print("the vendor has no bars of these days")
    return 0 if skipped else 1


def _tickers(text: str) -> list[str]:
    tickers = [part.strip() for part in text.split(",") if part.strip()]
    wrong = next((ticker for ticker in tickers if not TICKER.fullmatch(ticker)), None)
    if wrong is not None or not tickers:
        raise DataProblem(f"--tickers looks like AAPL,BRK.B, not {wrong or text!r}")
    return list(dict.fromkeys(tickers))


def remove_imported(results: Sequence[FileResult]) -> None:
    """The store has them; what failed stays to be looked at."""
    for result in results:
        if result.outcome in {Outcome.IMPORTED, Outcome.SKIPPED}:
            Path(result.path).unlink(missing_ok=True)


# -- REST ----------------------------------------------------------------------------------------


def windows_of(tickers: Sequence[str], first: dt.date, last: dt.date) -> Iterator[Window]:
    """Month by month, each ticker's."""
    for ticker in tickers:
        start = first
        while start <= last:
            after = (start.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
            yield Window(ticker, start, min(last, after - dt.timedelta(days=1)))
            start = after


class Pace:
    """Calls no faster than the plan allows; `calls_per_min` 0 is no limit."""

    def __init__(self, clock: Clock, calls_per_min: int) -> None:
        self.clock = clock
        self._apart = dt.timedelta(minutes=1) / calls_per_min if calls_per_min else dt.timedelta()
        self._next_at: dt.datetime | None = None

    async def wait(self) -> None:
        """Until the next call may go out."""
        now = self.clock.now()
        if self._next_at is not None and self._next_at > now:
            await self.clock.sleep((self._next_at - now).total_seconds())
        self._next_at = self.clock.now() + self._apart


async def _rest(vendor: PolygonReference, windows: list[Window], folder: Path, pace: Pace) -> list[Path]:
    with progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("Polygon", total=len(windows))
        paths = []
        try:
            async for window, path in fetched(vendor, windows, folder, pace):
                bar.update(task, advance=1, description=f"{window.ticker} {window.first:%Y-%m}")
                paths += [path] if path else []
        finally:
            await vendor.close()
    return paths


async def fetched(
    vendor: ReferenceData, windows: Sequence[Window], folder: Path, pace: Pace
) -> AsyncIterator[tuple[Window, Path | None]]:
    """Fetch windows one by one into files (None where there are no bars); a file that is there is not fetched again."""
    for window in windows:
        path = folder / window.name
        if not path.exists():
            bars = await _asked(vendor, window, pace)
            yield window, write_bars(path, bars) if bars else None
        else:
            yield window, path


async def _asked(vendor: ReferenceData, window: Window, pace: Pace) -> Sequence[Bar]:
    words = ""
    for attempt in range(TRIES):
        if attempt:
            await pace.clock.sleep(WAIT_S)
        await pace.wait()
        try:
            return await vendor.minute_bars(window.ticker, *window.span())
        except ReferenceUnavailable as trouble:
            words = f"{window.ticker} {window.first:%Y-%m}: {trouble}"
    raise DataProblem(f"{words}; run the command again, it goes on from here")


def write_bars(path: Path, bars: Sequence[Bar]) -> Path:
    """A file that the importer reads; it appears when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    names = Bar.__struct_fields__
    pq.write_table(pa.table({name: [getattr(bar, name) for bar in bars] for name in names}), part, compression="zstd")
    return part.replace(path)


# -- flat files ----------------------------------------------------------------------------------


def _flat(
    settings: FlatFileSettings, seen: set[str], folder: Path, first: dt.date, last: dt.date
) -> tuple[list[Path], int]:
    try:
        vendor = FlatFiles(settings.access_key, settings.secret_key, settings.url)
        listed = vendor.days(first, last)
        files = [file for file in listed if file.name not in seen]
        return _fetch(vendor, files, folder), len(listed) - len(files)
    except ValueError as error:
        raise DataProblem(f"POLYGON_S3_URL: {error}") from None
    except FlatFilesUnavailable as error:
        raise DataProblem(f"flat files: {error}") from None


def _fetch(vendor: FlatFiles, files: list[FlatFile], folder: Path) -> list[Path]:
    paths: list[Path] = []
    behind = 0

    def tick(done: int) -> None:
        bar.update(task, completed=behind + done)

    with progress(DownloadColumn()) as bar:
        task = bar.add_task("Polygon", total=sum(file.size for file in files) or 1)
        for file in files:
            path = folder / file.name
            bar.update(task, completed=behind, description=file.name)
            if not path.exists() or path.stat().st_size != file.size:
                vendor.fetch(file, path, tick)
            paths.append(path)
            behind += file.size
    return paths

"""`./seohak data import`: files of minute bars into the store, with a progress bar and a summary."""

import argparse
import datetime as dt
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.progress import DownloadColumn

from adapters.calendar import XnysCalendar, compute
from backtest.data.importer import FileResult, Importer, Outcome, files_of
from backtest.data.manifest import DataProblem
from backtest.data.options import Format, Label, ReadOptions, Unit
from backtest.data.rows import WORDS, Kind
from backtest.data.store import Store
from cli.progress import progress

# before that no minute bars are sold, and after the next months no sessions are announced
FIRST_SESSIONS, SESSIONS_AHEAD = dt.date(1990, 1, 1), dt.timedelta(days=180)
SHOWN_PROBLEMS = 20


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options that say what the files do not say."""
    sub.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or folders of them")
    sub.add_argument("--format", choices=[*Format], default=Format.AUTO, help="what the files are (found out)")
    sub.add_argument("--columns", default="", metavar="F=NAME,...", help="ticker=,time=,open=,... where names differ")
    sub.add_argument("--label", choices=[*Label], help="a bar's time is when its minute starts, or when it ends")
    sub.add_argument("--timezone", default="", metavar="ZONE", help="of times that do not say theirs")
    sub.add_argument("--time-unit", choices=[*Unit], help="of times that are numbers (found out)")
    sub.add_argument(
        "--time-format", default="", metavar="FORMAT", help="like %%m/%%d/%%Y %%H:%%M; ISO 8601 needs none"
    )
    sub.add_argument("--ticker", default="", help="the one ticker of the file")
    sub.add_argument(
        "--ticker-from-name",
        nargs="?",
        const="{ticker}",
        default="",
        metavar="PATTERN",
        help="the file's name is the ticker, or fits a pattern like '{ticker}_minute*'",
    )
    sub.add_argument("--delimiter", default="", metavar="C", help="between the fields (found out)")
    sub.add_argument("--no-header", action="store_true", help="the first row is a bar; --columns takes numbers from 1")
    sub.add_argument("--strict", action="store_true", help="store nothing of a file that has a row to refuse")
    sub.add_argument(
        "--replace", action="store_true", help="a different bar of the same minute replaces the stored one"
    )


def run(options: argparse.Namespace, root: Path) -> int:
    """Import; 1 where a file was refused or had no bar, 2 where none could be read."""
    reading = ReadOptions(
        format=Format(options.format),
        columns=_columns(options.columns),
        timezone=options.timezone,
        label=Label(options.label) if options.label else None,
        time_unit=Unit(options.time_unit) if options.time_unit else None,
        time_format=options.time_format,
        ticker=options.ticker,
        ticker_from_name=options.ticker_from_name,
        delimiter=options.delimiter.replace("\\t", "\t"),
        header=not options.no_header,
    )
    paths, left = files_of(options.paths)
    if not paths:
        raise DataProblem("no file to import: CSV, CSV.gz, Parquet and Lean's _trade.zip are read")
    results = import_files(Store(root), paths, reading, replace=options.replace, strict=options.strict)
    return report(results, root, left=len(left), as_json=options.json)


def _columns(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part]
    if any(not name or not value for name, _, value in pairs):
        raise DataProblem(f"--columns looks like time=Timestamp,open=Open, not {text!r}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def import_files(
    store: Store, paths: list[Path], reading: ReadOptions, *, replace: bool = False, strict: bool = False
) -> list[FileResult]:
    """Import with a progress bar."""
    sizes = {path: path.stat().st_size for path in paths}
    with progress(DownloadColumn()) as bar:
        task = bar.add_task("calendar", total=sum(sizes.values()) or 1)
        behind = 0

        def tick(path: Path, done: int) -> None:
            bar.update(task, completed=behind + min(done, sizes[path]))

        def walked() -> Iterator[Path]:
            nonlocal behind
            for path in paths:
                bar.update(task, completed=behind, description=path.name[:40])
                yield path
                behind += sizes[path]

        sessions = XnysCalendar(compute(FIRST_SESSIONS, dt.datetime.now(dt.UTC).date() + SESSIONS_AHEAD))
        return Importer(store, reading, sessions, replace=replace, strict=strict, tick=tick).run(walked())


def report(results: list[FileResult], root: Path, *, left: int = 0, as_json: bool = False) -> int:
    """Tell what became of the files; the exit code."""
    outcomes = Counter(result.outcome for result in results)
    totals = _totals(results)
    bad = [result for result in results if result.problem or _empty(result)]
    if as_json:
        files = [msgspec.to_builtins(result) for result in results]
        facts = {"store": str(root), "files": files, "outcomes": dict(outcomes), "left_alone": left}
        print(msgspec.json.encode({**facts, **msgspec.to_builtins(totals)}).decode())
    else:
        _tell(results, root, totals, left)
    for result in bad[:SHOWN_PROBLEMS]:
        print(f"seohak data: {result.problem or f'{result.path}: no row of it could be stored'}", file=sys.stderr)
    if len(bad) > SHOWN_PROBLEMS:
        print(f"seohak data: and {len(bad) - SHOWN_PROBLEMS} more files; --json lists them", file=sys.stderr)
    if outcomes[Outcome.FAILED] == len(results):
        return 2
    return 1 if bad else 0


def _empty(result: FileResult) -> bool:
    source = result.source
    return result.outcome is Outcome.IMPORTED and source is not None and not source.stored and not source.duplicates


class Totals(msgspec.Struct):
    """Sums over the files of this run; what was skipped was counted when it came."""

    rows: int
    stored: int
    duplicates: int
    replaced: int
    refused: dict[str, int]
    flagged: dict[str, int]


def _totals(results: list[FileResult]) -> Totals:
    refused: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    sources = [r.source for r in results if r.source is not None and r.outcome is Outcome.IMPORTED]
    for source in sources:
        refused.update(source.refused)
        flagged.update(source.flagged)
    return Totals(
        rows=sum(source.rows for source in sources),
        stored=sum(source.stored for source in sources),
        duplicates=sum(source.duplicates for source in sources),
        replaced=sum(source.replaced for source in sources),
        refused=dict(sorted(refused.items())),
        flagged=dict(sorted(flagged.items())),
    )


def _tell(results: list[FileResult], root: Path, totals: Totals, left: int) -> None:
    lines = []
    outcomes = Counter(result.outcome for result in results)
    words = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    lines.append(f"{len(results)} {'file' if len(results) == 1 else 'files'}: {words}")
    if left:
        lines.append(f"{left} other files in the folders were left alone")
    if outcomes[Outcome.IMPORTED]:
        lines.append(
            f"{totals.rows:,} rows: {totals.stored:,} stored, {totals.duplicates:,} there already, "
            f"{sum(totals.refused.values()):,} refused"
        )
    for action, counts in (("refused", totals.refused), ("flagged", totals.flagged)):
        lines += [f"  {action} {count:,}: {WORDS[Kind(kind)]}" for kind, count in counts.items()]
    if totals.replaced:
        lines.append(f"  {totals.replaced:,} stored bars replaced")
    if any(result.source and result.source.report for result in results):
        lines.append(f"file and row of each: {root / 'rejects'}")
    if totals.refused.get(Kind.OUTSIDE_HOURS, 0) * 10 > totals.rows:
        lines.append("many rows are outside the hours: is --timezone right? Daily bars can't be imported")
    print("\n".join([*lines, f"store: {root}"]))

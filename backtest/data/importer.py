"""Import: files in, checked bars in the store, a report of everything else. It can be repeated and interrupted."""

import datetime as dt
import enum
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from backtest.data.checks import day_flags, flags, last_prices, minutes_apart, refusals, row_finding
from backtest.data.day import BoolArray, DayBars
from backtest.data.files import sha256_of
from backtest.data.formats import format_of, read_file
from backtest.data.manifest import DataProblem, Source, source_id
from backtest.data.options import SUFFIXES, Format, ReadOptions
from backtest.data.pending import Pending, Waiting
from backtest.data.reports import Report, write_day_report
from backtest.data.rows import Action, Finding, Kind, Rows, first_rows
from backtest.data.store import Change, Store
from ports.clock import Calendar, CalendarRange

# files are committed together until they hold this many rows, or a quarter of what their days have (see `_full`)
MOST_ROWS = 4_000_000
MOST_FILES = 5_000
# a holiday beside a weekend; prices further apart say nothing about a split over night
LONGEST_BREAK = dt.timedelta(days=5)


class Outcome(enum.StrEnum):
    """What became of a file."""

    IMPORTED = "imported"
    SKIPPED = "skipped"
    REFUSED = "refused"
    FAILED = "failed"


class FileResult(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an import; `problem` says why it was refused (--strict) or failed."""

    path: str
    outcome: Outcome
    source: Source | None = None
    problem: str = ""


class _Reading(msgspec.Struct, kw_only=True):
    """A file under way."""

    path: Path
    sha256: str
    format: Format
    options: dict[str, str]
    report: Report
    rows: int = 0
    stored: int = 0
    duplicates: int = 0
    replaced: int = 0
    days: int = 0


Told = Callable[[FileResult], None]
Tick = Callable[[Path, int], None]


def files_of(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files to import, folders walked, and those in folders that are left alone. Raises DataProblem for absent ones."""
    chosen: list[Path] = []
    left: list[Path] = []
    for path in paths:
        if path.is_dir():
            for inside in sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")):
                name = inside.name.lower()
                bars = name.endswith(SUFFIXES) and not (name.endswith(".zip") and not name.endswith("_trade.zip"))
                (chosen if bars else left).append(inside)
        elif path.is_file():
            chosen.append(path)
        else:
            raise DataProblem(f"{path} is not a file or folder that can be read")
    return list(dict.fromkeys(chosen)), left


class Importer:
    """Imports files into a store, a batch of them at a time.

    `strict` stores nothing of a file that has a row to refuse; `replace` lets later bars replace earlier ones.
    """

    def __init__(
        self,
        store: Store,
        options: ReadOptions,
        calendar: Calendar,
        *,
        replace: bool = False,
        strict: bool = False,
        told: Told = lambda _: None,
        tick: Tick = lambda _path, _bytes: None,
        batch_rows: int = MOST_ROWS,
    ) -> None:
        self._store, self._options, self._calendar = store, options, calendar
        self._replace, self._strict = replace, strict
        self._told, self._tick = told, tick
        self._rejects = store.root / "rejects"
        self._pending = Pending(store.root / "incoming")
        self._batch_rows = batch_rows
        self._batch: list[_Reading] = []
        self._dropped: set[int] = set()
        self._closes: tuple[dt.date, dict[str, float]] | None = None

    def run(self, paths: Iterable[Path]) -> list[FileResult]:
        """Import in the order given; the results come in the order in which they became final."""
        results: list[FileResult] = []
        told = self._told

        def keep(result: FileResult) -> None:
            results.append(result)
            told(result)

        self._told = keep
        self._pending.clear()
        with self._store.change() as change:
            try:
                for path in paths:
                    self._file(path)
                    if self._batch and self._full():
                        self._flush(change)
                self._flush(change)
            finally:
                self._pending.clear()
                for reading in self._batch:
                    reading.report.drop()
        return results

    # -- one file --------------------------------------------------------------------------------

    def _file(self, path: Path) -> None:
        try:
            digest = sha256_of(path)
            form = format_of(path, self._options)
            spelled = self._options.spelled() | ({"replace": "yes"} if self._replace else {})
            if found := self._known(digest, form, spelled):
                self._told(FileResult(path=str(path), outcome=Outcome.SKIPPED, source=found))
                return
            form, chunks = read_file(path, self._options, lambda done: self._tick(path, done))
            report = Report(self._rejects, path, source_id(digest, form.value, spelled))
        except (DataProblem, OSError) as problem:
            self._told(FileResult(path=str(path), outcome=Outcome.FAILED, problem=_words(problem)))
            return
        reading = _Reading(path=path, sha256=digest, format=form, options=spelled, report=report)
        number = len(self._batch)
        self._batch.append(reading)
        try:
            for chunk in chunks:
                report.add(chunk.refused)
                reading.rows += len(chunk.refused) + len(chunk.rows)
                self._pending.add(self._checked(chunk.rows, report), number)
        except (DataProblem, OSError) as problem:
            self._drop(number, Outcome.FAILED, _words(problem))
            return
        if not reading.rows:
            self._drop(number, Outcome.FAILED, f"{path.name} has no rows")
        elif self._strict and report.total(Action.REFUSED):
            self._drop(number, Outcome.REFUSED, _strict_words(report))

    def _known(self, digest: str, form: Format, spelled: dict[str, str]) -> Source | None:
        """The same file under the same options; a CSV file may turn out to be Polygon's."""
        forms = (form, Format.POLYGON) if form is Format.CSV else (form,)
        ids = [source_id(digest, f.value, spelled) for f in forms]
        return next((s for i in ids if (s := self._store.manifest.sources.get(i))), None)

    def _checked(self, rows: Rows, report: Report) -> Rows:
        found = refusals(rows)
        report.add(found.findings())
        good = rows.take(~found.refused) if found.refused.any() else rows
        report.add(flags(good))
        return good

    def _drop(self, number: int, outcome: Outcome, problem: str) -> None:
        """Nothing of this file is stored; its report stays where it says why."""
        reading = self._batch[number]
        self._dropped.add(number)
        name = reading.report.finish()
        result = FileResult(path=str(reading.path), outcome=outcome, source=_source(reading, name), problem=problem)
        self._told(result)

    # -- a batch of files ------------------------------------------------------------------------

    def _full(self) -> bool:
        """Whether to commit now: soon while little is stored, seldom once a day's file is long to rewrite."""
        if self._strict or self._pending.rows >= self._batch_rows or len(self._batch) >= MOST_FILES:
            return True
        days = self._store.manifest.days
        stored = sum(days[str(on)].rows for on in self._pending.counts if str(on) in days)
        return self._pending.rows * 4 >= stored

    def _flush(self, change: Change) -> None:
        """Lay every day of the batch, look at the days as a whole, commit."""
        ids = [source_id(r.sha256, r.format.value, r.options) for r in self._batch]
        laid = []
        for on in self._pending.days():
            waiting = self._without_coarse(self._pending.take(on, self._dropped))
            if not len(waiting.bars):
                continue
            present = [int(n) for n in np.unique(waiting.source)]
            merged = change.lay(waiting.bars, replace=self._replace, sources=[ids[n] for n in present])
            laid.append(on)
            self._report(waiting, merged.conflict, Action.REFUSED, Kind.CONFLICT)
            self._report_known(waiting, merged.duplicate)
            for n in present:
                mine, reading = waiting.source == n, self._batch[n]
                reading.stored += int(np.count_nonzero(merged.stored & mine))
                reading.duplicates += int(np.count_nonzero(merged.duplicate & mine))
                reading.days += 1
            self._batch[present[-1]].replaced += merged.replaced
        self._settle(change, laid)
        self._pending.clear()
        self._batch, self._dropped = [], set()

    def _settle(self, change: Change, laid: list[dt.date]) -> None:
        """Commit the batch, or with --strict forget it because of what its days showed."""
        kept = [reading for n, reading in enumerate(self._batch) if n not in self._dropped]
        refused = [reading for reading in kept if self._strict and reading.report.total(Action.REFUSED)]
        if refused:
            assert len(kept) == 1, "strict files are committed one by one"
            change.discard()
            reading = refused[0]
            reading.stored = reading.duplicates = reading.replaced = reading.days = 0
            self._drop(self._batch.index(reading), Outcome.REFUSED, _strict_words(reading.report))
            return
        self._flag(change, laid)
        sources = [_source(reading, reading.report.finish()) for reading in kept]
        if kept:
            change.commit({source.id: source for source in sources})
        for reading, source in zip(kept, sources, strict=True):
            self._told(FileResult(path=str(reading.path), outcome=Outcome.IMPORTED, source=source))

    def _without_coarse(self, waiting: Waiting) -> Waiting:
        """Rows of a file whose bars of that day lie on a grid coarser than a minute are refused."""
        bad = np.zeros(len(waiting.bars), np.bool_)
        for n in np.unique(waiting.source).tolist():
            mine = waiting.source == n
            if (apart := minutes_apart(waiting.bars.start_ms[mine])) > 1:
                bad |= mine
                self._report(waiting, mine, Action.REFUSED, Kind.LENGTH, f"the bars are {apart} minutes apart")
        return waiting.take(~bad) if bad.any() else waiting

    def _report(self, waiting: Waiting, mask: BoolArray, action: Action, kind: Kind, text: str = "") -> None:
        bars = waiting.bars
        rows = Rows(bars.tickers, bars.ticker, bars.start_ms, waiting.line, *bars.values())

        def findings() -> Iterator[tuple[int, Finding]]:
            for i in np.flatnonzero(mask).tolist():
                finding = row_finding(rows, i, action, kind)
                yield int(waiting.source[i]), msgspec.structs.replace(finding, text=text) if text else finding

        for n, finding in findings():
            self._batch[n].report.add([finding])

    def _report_known(self, waiting: Waiting, mask: BoolArray) -> None:
        """Bars that were there, one line per file and ticker."""
        bars = waiting.bars
        rows = Rows(bars.tickers, bars.ticker, bars.start_ms, waiting.line, *bars.values())
        for n in np.unique(waiting.source[mask]).tolist():
            positions = np.flatnonzero(mask & (waiting.source == n))
            first, count = first_rows(bars.ticker[positions])
            for i, times in zip(positions[first].tolist(), count.tolist(), strict=True):
                self._batch[n].report.add([row_finding(rows, i, Action.DUPLICATE, Kind.SAME, times)])

    # -- days as a whole -------------------------------------------------------------------------

    def _flag(self, change: Change, laid: list[dt.date]) -> None:
        """Look at each new day, and at the stored day after it, whose overnight ratio may have changed."""
        days = change.days()
        after = {b for a, b in itertools.pairwise(days) if a in set(laid)}
        for i, on in enumerate(days):
            if on not in after and on not in laid:
                continue
            bars = change.read(on)
            near = i and on - days[i - 1] <= LONGEST_BREAK
            before = self._last_prices(change, days[i - 1]) if near else {}
            try:
                session, known = self._calendar.session_on(on), True
            except CalendarRange:
                session, known = None, False
            change.flag(on, write_day_report(self._rejects, on, day_flags(bars, session, known, before)))
            self._remember(bars)

    def _last_prices(self, change: Change, on: dt.date) -> dict[str, float]:
        if self._closes is None or self._closes[0] != on:
            self._remember(change.read(on))
        assert self._closes is not None
        return self._closes[1]

    def _remember(self, bars: DayBars) -> None:
        self._closes = bars.on, last_prices(bars)


def _source(reading: _Reading, report: str) -> Source:
    counts = reading.report
    return Source(
        name=reading.path.name,
        sha256=reading.sha256,
        format=reading.format.value,
        options=reading.options,
        rows=reading.rows,
        stored=reading.stored,
        duplicates=reading.duplicates,
        replaced=reading.replaced,
        refused=counts.total(Action.REFUSED),
        flagged=counts.total(Action.FLAGGED),
        days=reading.days,
        report=report,
    )


def _strict_words(report: Report) -> str:
    refused = report.total(Action.REFUSED)
    kinds = ", ".join(f"{count} {kind}" for kind, count in refused.items())
    return f"--strict: nothing stored, because of {kinds} (see rejects/{report.path.name})"


def _words(problem: DataProblem | OSError) -> str:
    if isinstance(problem, OSError):
        return f"{problem.filename}: {problem.strerror}"
    return str(problem)

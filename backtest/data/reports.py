"""The CSV files that tell a person which rows and days were refused or flagged, and why."""

import csv
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from backtest.data.checks import DayFlag
from backtest.data.files import write_whole
from backtest.data.rows import WORDS, Action, Finding

HEADER = ("file", "line", "action", "kind", "ticker", "start", "rows", "text")
DAY_HEADER = ("kind", "ticker", "start", "text")
AT_ONCE = 2000


class Report:
    """What was found in one file; written as it comes, named at the end."""

    def __init__(self, folder: Path, file: Path, source: str) -> None:
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", file.name)[:80]
        self.path = folder / f"{stem}-{source[:8]}.csv"
        self._part = folder / f".{self.path.name}.part"
        self._file = file
        self._lines: list[tuple[object, ...]] = []
        self._begun = False
        self.counts: Counter[tuple[Action, str]] = Counter()

    def add(self, findings: Iterable[Finding]) -> None:
        """Keep and count findings."""
        for finding in findings:
            self.counts[finding.action, finding.kind.value] += finding.rows
            words = WORDS[finding.kind]
            text = f"{words}: {finding.text}" if finding.text else words
            row = (finding.action, finding.kind, finding.ticker, stamp(finding.start_ms), finding.rows, text)
            self._lines.append((self._file.name, finding.line, *row))
            if len(self._lines) >= AT_ONCE:
                self._flush()

    def total(self, action: Action) -> dict[str, int]:
        """Rows by kind."""
        return {kind: count for (what, kind), count in sorted(self.counts.items()) if what is action}

    def finish(self) -> str:
        """Give the report its name; "" where there is nothing to tell."""
        if not self._begun and not self._lines:
            self.path.unlink(missing_ok=True)
            return ""
        self._flush()
        self._part.replace(self.path)
        return self.path.name

    def drop(self) -> None:
        """Leave nothing behind."""
        self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        self._part.parent.mkdir(parents=True, exist_ok=True)
        with self._part.open("a" if self._begun else "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if not self._begun:
                writer.writerow(HEADER)
            writer.writerows(self._lines)
        self._begun, self._lines = True, []


def stamp(start_ms: int | None) -> str:
    """An instant as UTC text; nothing where it is no date."""
    if start_ms is None:
        return ""
    try:
        return dt.datetime.fromtimestamp(start_ms / 1000, dt.UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return str(start_ms)


def write_day_report(folder: Path, on: dt.date, flags: list[DayFlag]) -> dict[str, int]:
    """The day's suspicious things beside the rows' reports; their counts by kind."""
    path = folder / "days" / f"{on}.csv"
    if not flags:
        path.unlink(missing_ok=True)
        return {}
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(DAY_HEADER)
    writer.writerows((flag.kind, flag.ticker, stamp(flag.start_ms), flag.text) for flag in flags)
    write_whole(path, text.getvalue().encode())
    return dict(sorted(Counter(flag.kind for flag in flags).items()))

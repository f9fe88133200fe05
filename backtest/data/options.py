"""How a file is to be read, where it does not say so itself."""

import datetime as dt
import enum
import fnmatch
import re
import zoneinfo
from pathlib import Path

import msgspec

from backtest.data.manifest import DataProblem

NAMES: dict[str, tuple[str, ...]] = {
    "ticker": ("ticker", "symbol", "sym"),
    "time": ("time", "timestamp", "ts", "datetime", "date_time", "start_ms"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "v", "vol"),
}
# `date` stands before `time` where they are two columns; `end` is the end of the bar beside its start
FIELDS = (*NAMES, "date", "end")
SUFFIXES = (".csv.gz", ".csv", ".txt.gz", ".txt", ".parquet", ".pq", ".zip")


class Format(enum.StrEnum):
    """Kinds of files."""

    AUTO = "auto"
    POLYGON = "polygon"
    CSV = "csv"
    PARQUET = "parquet"
    LEAN = "lean"


class Label(enum.StrEnum):
    """Which end of its minute a bar's time names."""

    START = "start"
    END = "end"


class Unit(enum.StrEnum):
    """The unit of times that are numbers, counted from 1970 UTC."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


PER_SECOND = {Unit.S: 1, Unit.MS: 1_000, Unit.US: 1_000_000, Unit.NS: 1_000_000_000}


class ReadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the person said about the files; raises DataProblem at birth where it can't be meant."""

    format: Format = Format.AUTO
    columns: dict[str, str] = {}
    timezone: str = ""
    label: Label | None = None
    time_unit: Unit | None = None
    time_format: str = ""
    ticker: str = ""
    ticker_from_name: str = ""
    delimiter: str = ""
    header: bool = True

    def __post_init__(self) -> None:
        for field in self.columns:
            if field not in FIELDS:
                raise DataProblem(f"--columns: {field!r} is none of {', '.join(FIELDS)}")
        if self.timezone:
            try:
                zoneinfo.ZoneInfo(self.timezone)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                raise DataProblem(
                    f"--timezone: {self.timezone!r} is not a time zone like America/New_York or UTC"
                ) from None
        if self.time_format:
            now = dt.datetime(2025, 1, 6, 9, 30, tzinfo=dt.UTC)
            try:
                dt.datetime.strptime(now.strftime(self.time_format), self.time_format)  # noqa: DTZ007
            except (ValueError, re.error):
                raise DataProblem(
                    f"--time-format: {self.time_format!r} is not a format like '%m/%d/%Y %H:%M'"
                ) from None
        if self.ticker and self.ticker_from_name:
            raise DataProblem("--ticker and --ticker-from-name exclude each other")
        if self.ticker_from_name and self.ticker_from_name.count("{ticker}") != 1:
            raise DataProblem("--ticker-from-name: the pattern needs {ticker} once, like '{ticker}_minute*'")
        if len(self.delimiter) > 1:
            raise DataProblem("--delimiter: one character, like ';'")
        if not self.header and not self.columns:
            raise DataProblem(
                "--no-header needs --columns with numbers, like time=1,open=2,high=3,low=4,close=5,volume=6"
            )

    def ticker_of(self, path: Path) -> str:
        """The ticker of a one-ticker file, or "" where none was asked for."""
        if not self.ticker_from_name:
            return self.ticker
        stem = stem_of(path)
        before, after = (fnmatch.translate(part) for part in self.ticker_from_name.split("{ticker}"))
        pattern = _inner(before) + "(?P<ticker>.+?)" + _inner(after)
        match = re.fullmatch(pattern, stem)
        if match is None:
            raise DataProblem(
                f"{path.name}: its name does not look like {self.ticker_from_name!r} (--ticker-from-name)"
            )
        return match["ticker"]

    def spelled(self) -> dict[str, str]:
        """What was said, in words that a manifest can keep and compare."""
        words = {}
        for name, value in msgspec.to_builtins(self).items():
            if name == "format" or value in ("", None, {}) or (name == "header" and value):
                continue
            words[name] = ",".join(f"{k}={v}" for k, v in sorted(value.items())) if name == "columns" else str(value)
        return words


def stem_of(path: Path) -> str:
    """A file's name without the endings that say what is in it; dots of a ticker stay."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def _inner(translated: str) -> str:
    """The middle of fnmatch's pattern, which ends where the text ends."""
    return re.sub(r"\\[Zz]$", "", translated)


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Which column holds what, by the names in the file; `ticker` is "" where the file has one ticker."""

    ticker: str
    time: str
    date: str
    end: str
    values: tuple[str, ...]

    def needed(self) -> list[str]:
        """Every column that is read."""
        return [name for name in dict.fromkeys([self.ticker, self.date, self.time, self.end, *self.values]) if name]


def layout_of(path: Path, names: list[str], options: ReadOptions) -> Layout:
    """Find the columns. Raises DataProblem that names the option where one is missing or ambiguous."""
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataProblem(f"{path.name}: the header has {', '.join(map(shown_name, twice))} twice")
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.strip().lower(), []).append(name)

    def find(field: str, *, required: bool = True) -> str:
        if wanted := options.columns.get(field, ""):
            if wanted not in names:
                listed = ", ".join(map(shown_name, names))
                raise DataProblem(f"{path.name}: --columns {field}={wanted}, but the columns are {listed}")
            return wanted
        found = [name for known in NAMES.get(field, ()) for name in folded.get(known, [])]
        if len(found) > 1:
            raise DataProblem(f"{path.name}: {' or '.join(found)}? Say --columns {field}=...")
        if not found and required:
            listed = ", ".join(map(shown_name, names))
            raise DataProblem(f"{path.name}: no column for the {field} (columns: {listed}): say --columns {field}=...")
        return found[0] if found else ""

    one_ticker = options.ticker_of(path)
    ticker = "" if one_ticker else find("ticker", required=False)
    if not ticker and not one_ticker:
        raise DataProblem(
            f"{path.name}: no column for the ticker: say --columns ticker=..., or --ticker X or --ticker-from-name for "
            "a file of one ticker"
        )
    return Layout(
        ticker=ticker,
        time=find("time"),
        date=find("date", required=False),
        end=find("end", required=False),
        values=tuple(find(field) for field in ("open", "high", "low", "close", "volume")),
    )


def shown_name(name: str) -> str:
    """A column's name in a message."""
    return name if name.isprintable() and name else repr(name)


def needs_label(path: Path, options: ReadOptions) -> Label:
    """The label, which is never guessed."""
    if options.label is None:
        raise DataProblem(
            f"{path.name}: does a bar's time say when its minute starts or when it ends? Say --label start or --label end"
        )
    return options.label

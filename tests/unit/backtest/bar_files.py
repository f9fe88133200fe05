"""What the tests of the import share: small files, a calendar without a library, and what came of them."""

import csv
import datetime as dt
import gzip
from pathlib import Path
from zoneinfo import ZoneInfo

from backtest.data.importer import FileResult, Importer
from backtest.data.options import ReadOptions
from backtest.data.store import Store
from core.model.session import MarketSession
from ports.clock import CalendarRange

EASTERN = ZoneInfo("America/New_York")
DAY = dt.date(2025, 1, 6)
FLAT = "ticker,volume,open,close,high,low,window_start,transactions"


class Weekdays:
    """Every weekday of 2000 to 2030 is a session of 09:30 to 16:00."""

    def session_on(self, on: dt.date) -> MarketSession | None:
        if not 2000 <= on.year < 2030:
            raise CalendarRange(f"not {on}")
        if on.weekday() > 4:
            return None
        hours = [dt.time(4), dt.time(9, 30), dt.time(16), dt.time(20)]
        pre, opens, closes, post = (dt.datetime.combine(on, at, EASTERN).astimezone(dt.UTC) for at in hours)
        return MarketSession(on=on, pre_open_at=pre, open_at=opens, close_at=closes, post_close_at=post)

    current_or_next = previous = session_on


def ms(clock: str, on: dt.date = DAY) -> int:
    """A New York wall-clock time of a day in epoch milliseconds."""
    return int(dt.datetime.combine(on, dt.time.fromisoformat(clock), EASTERN).timestamp() * 1000)


def flat_row(ticker: str, clock: str, close: float = 10.0, volume: object = 100, on: dt.date = DAY) -> str:
    return f"{ticker},{volume},10,{close},{max(10.0, close)},{min(10.0, close)},{ms(clock, on)}000000,3"


def flat_file(path: Path, *rows: str) -> Path:
    path.write_bytes(gzip.compress("\n".join([FLAT, *rows, ""]).encode(), mtime=0))
    return path


def written(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def imported(root: Path, *paths: Path, options: ReadOptions | None = None, **kwargs) -> list[FileResult]:
    return Importer(Store(root), options or ReadOptions(), Weekdays(), **kwargs).run(paths)


def bars(root: Path) -> list[tuple[str, str, float, float]]:
    """(ticker, New York time, close, volume) of everything in a store."""
    found = []
    store = Store(root)
    for on in store.days():
        day = store.read(on)
        for t, start, close, volume in zip(day.ticker, day.start_ms, day.close, day.volume, strict=True):
            at = dt.datetime.fromtimestamp(int(start) / 1000, EASTERN)
            found.append((day.tickers[t], f"{at:%Y-%m-%d %H:%M}", float(close), float(volume)))
    return found


def reported(root: Path, result: FileResult) -> list[dict[str, str]]:
    """The rows of a file's report."""
    assert result.source is not None
    if not result.source.report:
        return []
    with (root / "rejects" / result.source.report).open(newline="") as file:
        return list(csv.DictReader(file))

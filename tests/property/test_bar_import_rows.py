"""Hostile rows: each is stored, there already, or refused with its line for the reason a plain reading of it gives."""

import csv
import datetime as dt
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.data import csvfile
from backtest.data.importer import Importer, Outcome
from backtest.data.options import Label, ReadOptions
from backtest.data.store import Store
from core.model.bar import LEAST, MOST
from ports.clock import CalendarRange

EASTERN = ZoneInfo("America/New_York")
OPEN_S = 1_736_173_800  # 2025-01-06 09:30 in New York
HEAD = "ticker,time,open,high,low,close,volume"


class NoCalendar:
    def session_on(self, on: dt.date) -> None:
        raise CalendarRange(str(on))

    current_or_next = previous = session_on


tickers = st.sampled_from(["A", "B", "NA", "BRK.B", "A B", "", "é", "X" * 33])
moments = st.one_of(
    st.integers(0, 5).map(lambda m: str(OPEN_S + 60 * m)),
    st.integers(0, 3).map(lambda d: str(OPEN_S + 86_400 * d)),
    st.sampled_from(
        [
            "",
            "soon",
            "0",
            "-1",
            str(OPEN_S + 1),
            str(OPEN_S - 6 * 3600),
            str(OPEN_S + 11 * 3600),
            "9" * 25,
            f"{OPEN_S}.5",
        ]
    ),
)
numbers = st.one_of(
    st.sampled_from(["10", "10", "10", "11", "9.5"]),
    st.sampled_from(["", "x", "nan", "inf", "-1", "0", "1e400", "1_0", "1e-400"]),
)
good = st.builds(
    lambda t, m, c, v: f"{t},{OPEN_S + 60 * m},10,12,9,{c},{v}",
    st.sampled_from("AB"), st.integers(0, 6), st.sampled_from(["10", "10", "11"]), st.sampled_from(["5", "5.5"]),
)  # fmt: skip
hostile = st.builds(lambda t, m, o, h, low, c, v: f"{t},{m},{o},{h},{low},{c},{v}", tickers, moments, *[numbers] * 5)
torn = st.sampled_from(
    ["", "A", "A,B,C", "A,1,2,3,4,5,6,7,8", ",,,,,,", '"', "\x00", "A,,,,,,", "ticker,time,open,high,low,close,volume"]
)
rows = st.lists(st.one_of(good, good, hostile, torn), max_size=40)


def number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def reading(line: str) -> str | tuple[str, int, tuple[float, ...]]:
    """What is wrong with a row, or its ticker, minute and values. Nothing of the product."""
    fields = line.split(",")
    if len(fields) != 7 or not any(fields):
        return "malformed"
    ticker, moment, *texts = fields
    if not ticker:
        return "ticker"
    start = int(moment) if moment.isdigit() and len(moment) < 15 else None
    if start is None or not dt.datetime(1980, 1, 1, tzinfo=dt.UTC).timestamp() <= start < 4_102_444_800:
        return "time"
    values = [number(text) for text in texts]
    if None in values:
        return "number"
    if len(ticker) > 32 or not ticker.isascii() or " " in ticker:
        return "ticker"
    if start % 60:
        return "off_minute"
    opened, high, low, close, volume = (value for value in values if value is not None)
    if not (LEAST <= low <= opened <= high and low <= close <= high <= MOST):
        return "prices"
    if not (volume == 0 or LEAST <= volume <= MOST):
        return "volume"
    if not 4 <= dt.datetime.fromtimestamp(start, EASTERN).hour < 20:
        return "outside_hours"
    return ticker, start, (opened, high, low, close, volume)


@settings(max_examples=200, deadline=None)
@given(rows, rows, st.sampled_from([96, 1 << 20]))
def test_rows_in_are_stored_or_there_already_or_refused_with_their_line(
    first: list[str], second: list[str], block: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvfile, "BLOCK", block)
        kept: dict[tuple[str, int], tuple[float, ...]] = {}
        check_one_file(Path(folder) / "1.csv", first, Path(folder) / "store", kept)
        if first != second:
            check_one_file(Path(folder) / "2.csv", second, Path(folder) / "store", kept)


def check_one_file(path: Path, lines: list[str], root: Path, kept: dict[tuple[str, int], tuple[float, ...]]) -> None:
    path.write_text("\n".join([HEAD, *lines]), encoding="utf-8")
    while lines and not lines[-1].strip(","):
        # an empty row that nothing follows is none
        lines = lines[:-1]
    refused: list[tuple[int, str]] = []
    stored = duplicates = 0
    for line, text in enumerate(lines, start=2):
        found = reading(text)
        if isinstance(found, str):
            refused.append((line, found))
        elif found[:2] not in kept:
            kept[found[:2]] = found[2]
            stored += 1
        elif kept[found[:2]] == found[2]:
            duplicates += 1
        else:
            refused.append((line, "conflict"))
    (result,) = Importer(Store(root), ReadOptions(label=Label.START), NoCalendar()).run([path])
    if not lines:
        assert result.outcome is Outcome.FAILED
        return
    source = result.source
    assert source is not None, result.problem
    counted = (source.rows, source.stored, source.duplicates, sum(source.refused.values()))
    assert counted == (len(lines), stored, duplicates, len(refused))
    assert refused_rows(root, source.report) == sorted(refused)
    assert Store(root).verify() == []
    assert stored_bars(root) == kept


def refused_rows(root: Path, report: str) -> list[tuple[int, str]]:
    if not report:
        return []
    with (root / "rejects" / report).open(newline="", encoding="utf-8") as file:
        return sorted((int(row["line"]), row["kind"]) for row in csv.DictReader(file) if row["action"] == "refused")


def stored_bars(root: Path) -> dict[tuple[str, int], tuple[float, ...]]:
    bars = {}
    store = Store(root)
    for on in store.days():
        day = store.read(on)
        for i in range(len(day)):
            key = day.tickers[day.ticker[i]], int(day.start_ms[i]) // 1000
            bars[key] = tuple(float(column[i]) for column in day.values())
    return bars

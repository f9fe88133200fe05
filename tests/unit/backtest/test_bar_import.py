"""An import can be repeated and interrupted: what is there is skipped, what was unfinished is done again."""

import datetime as dt
import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bar_files import DAY, Weekdays, bars, flat_file, flat_row, imported, reported, written

from backtest.data.importer import Importer, Outcome
from backtest.data.manifest import DataProblem
from backtest.data.options import Label, ReadOptions
from backtest.data.pending import Pending
from backtest.data.store import Change, Store

HERE = Path(__file__).parent
HEAD = "ticker,time,open,high,low,close,volume\n"


def file_of(path: Path, *clocks: str, close: float = 10.0, ticker: str = "A") -> Path:
    return flat_file(path, *(flat_row(ticker, clock, close) for clock in clocks))


def outcomes(results) -> list[str]:
    return [f"{Path(r.path).name} {r.outcome}" for r in results]


def test_a_file_is_imported_once(tmp_path: Path) -> None:
    path = file_of(tmp_path / "f.csv.gz", "09:30", "09:31")
    again = written(tmp_path / "same_bytes.csv.gz", path.read_bytes())
    assert outcomes(imported(tmp_path / "s", path)) == ["f.csv.gz imported"]
    assert outcomes(imported(tmp_path / "s", path, again)) == ["f.csv.gz skipped", "same_bytes.csv.gz skipped"]
    assert len(bars(tmp_path / "s")) == 2


def test_the_same_file_under_other_options_is_another_import(tmp_path: Path) -> None:
    path = written(tmp_path / "f.csv", f"{HEAD}A,1736173800,10,12,9,11,100\n")
    assert outcomes(imported(tmp_path / "s", path, options=ReadOptions(label=Label.START))) == ["f.csv imported"]
    assert outcomes(imported(tmp_path / "s", path, options=ReadOptions(label=Label.END))) == ["f.csv imported"]
    assert outcomes(imported(tmp_path / "s", path, options=ReadOptions(label=Label.END))) == ["f.csv skipped"]
    assert [bar[1][11:] for bar in bars(tmp_path / "s")] == ["09:29", "09:30"]


def test_bars_that_are_there_count_as_duplicates_and_different_ones_are_refused(tmp_path: Path) -> None:
    imported(tmp_path / "s", file_of(tmp_path / "f.csv.gz", "09:30", "09:31"))
    other = flat_file(
        tmp_path / "g.csv.gz",
        flat_row("A", "09:30"),
        flat_row("A", "09:31", 12),
        flat_row("A", "09:32"),
        flat_row("A", "09:32"),
    )
    (result,) = imported(tmp_path / "s", other)
    source = result.source
    assert source is not None
    assert (source.rows, source.stored, source.duplicates, source.refused) == (4, 1, 2, {"conflict": 1})
    found = [(r["line"], r["action"], r["kind"], r["rows"]) for r in reported(tmp_path / "s", result)]
    assert sorted(found) == [("2", "duplicate", "same", "2"), ("3", "refused", "conflict", "1")]
    assert [bar[2] for bar in bars(tmp_path / "s")] == [10.0, 10.0, 10.0]


def test_with_replace_later_bars_replace_earlier_ones(tmp_path: Path) -> None:
    imported(tmp_path / "s", file_of(tmp_path / "f.csv.gz", "09:30", "09:31"))
    later = file_of(tmp_path / "g.csv.gz", "09:31", close=12)
    assert outcomes(imported(tmp_path / "s", later)) == ["g.csv.gz imported"]
    (result,) = imported(tmp_path / "s", later, replace=True)
    assert result.source is not None
    assert (result.outcome, result.source.stored, result.source.replaced) == (Outcome.IMPORTED, 1, 1)
    assert [bar[2] for bar in bars(tmp_path / "s")] == [10.0, 12.0]


def test_strict_stores_nothing_of_a_file_with_a_bad_row_and_all_of_the_others(tmp_path: Path) -> None:
    bad = flat_file(tmp_path / "bad.csv.gz", flat_row("A", "09:30"), flat_row("A", "03:00"))
    good = file_of(tmp_path / "good.csv.gz", "10:00")
    conflict = file_of(tmp_path / "conflict.csv.gz", "10:00", "10:01", close=13)
    other_day = flat_file(tmp_path / "other.csv.gz", flat_row("A", "10:00", on=DAY + dt.timedelta(days=1)))
    results = imported(tmp_path / "s", bad, good, conflict, other_day, strict=True)
    assert outcomes(results) == [
        "bad.csv.gz refused", "good.csv.gz imported", "conflict.csv.gz refused", "other.csv.gz imported",
    ]  # fmt: skip
    assert "1 outside_hours" in results[0].problem
    assert "1 conflict" in results[2].problem
    assert (results[2].source.rows, results[2].source.stored, results[2].source.days) == (2, 0, 0)
    assert [(r["line"], r["kind"]) for r in reported(tmp_path / "s", results[2])] == [("2", "conflict")]
    assert [bar[1] for bar in bars(tmp_path / "s")] == ["2025-01-06 10:00", "2025-01-07 10:00"]
    assert len(Store(tmp_path / "s").manifest.sources) == 2
    assert Store(tmp_path / "s").verify() == []


def test_a_file_that_fails_half_way_leaves_nothing_and_the_others_go_on(tmp_path: Path) -> None:
    text = "".join(f"A,{1736173800 + 60 * i},10,12,9,11,100\n" for i in range(300))
    whole = written(tmp_path / "b.csv", HEAD + text.replace("A,", "B,"))
    cut = written(tmp_path / "a.csv.gz", gzip.compress((HEAD + text).encode())[:-9])
    results = imported(tmp_path / "s", cut, whole, options=ReadOptions(label=Label.START))
    assert outcomes(results) == ["a.csv.gz failed", "b.csv imported"]
    assert {bar[0] for bar in bars(tmp_path / "s")} == {"B"}


def test_small_files_are_committed_together_once_their_day_is_long(tmp_path: Path, monkeypatch) -> None:
    commits = []
    real = Change.commit
    monkeypatch.setattr(Change, "commit", lambda self, sources: (commits.append(len(sources)), real(self, sources)))
    paths = [file_of(tmp_path / f"{i}.csv.gz", "09:30", ticker=f"T{i}") for i in range(60)]
    results = imported(tmp_path / "s", *paths)
    assert [r.outcome for r in results] == [Outcome.IMPORTED] * 60
    assert sum(commits) == 60
    assert len(commits) < 25, "a growing day is not rewritten for every file"
    assert len(bars(tmp_path / "s")) == 60


def test_rows_beyond_memory_wait_on_disk(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("backtest.data.csvfile.BLOCK", 2048)
    rows = [
        f"{ticker},{1736173800 + 86_400 * day + 60 * minute},10,12,9,{11 - minute / 1000},100\n"
        for ticker in "ABCD" for day in range(3) for minute in range(60)
    ]  # fmt: skip
    rows.append("A,1736173800,10,12,9,11.5,100\n")
    path = written(tmp_path / "f.csv", HEAD + "".join(rows))
    spilled = []
    real = Pending._spill
    monkeypatch.setattr(Pending, "_spill", lambda self: (spilled.append(1), real(self)))
    options = ReadOptions(label=Label.START)
    store = Store(tmp_path / "s")
    importer = Importer(store, options, Weekdays())
    importer._pending._most = 100
    (result,) = importer.run([path])
    assert spilled
    assert result.source is not None
    assert (result.source.rows, result.source.stored, result.source.days) == (721, 720, 3)
    assert [(r["line"], r["kind"]) for r in reported(tmp_path / "s", result)][-1] == ("722", "conflict")
    assert len(bars(tmp_path / "s")) == 720
    assert not (tmp_path / "s" / "incoming").exists()


def test_it_stops_when_another_import_is_running(tmp_path: Path) -> None:
    path = file_of(tmp_path / "f.csv.gz", "09:30")
    with Store(tmp_path / "s").change(), pytest.raises(DataProblem, match="another process"):
        imported(tmp_path / "s", path)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{here!r}]
from bar_files import imported
import {module} as module
real, calls = {target}, []
def dying(*args, **kwargs):
    calls.append(1)
    if len(calls) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
{target} = dying
imported(Path({root!r}), *(Path(p) for p in {paths!r}))
"""


@pytest.mark.parametrize(
    ("module", "target", "at"),
    [
        ("backtest.data.importer", "module.read_file", 2),
        ("backtest.data.importer", "module.day_flags", 2),
        ("backtest.data.store", "module.write_whole", 3),
        ("backtest.data.store", "module.Store._finish", 3),
        ("backtest.data.store", "module.sync_folder", 4),
    ],
)
def test_an_import_killed_in_the_middle_goes_on_where_it_was(tmp_path: Path, module: str, target: str, at: int) -> None:
    """kill -9 while the second of three files is read, looked at, written or moved: the first is not read again."""
    root = tmp_path / "s"
    paths = [file_of(tmp_path / f"{i}.csv.gz", "09:30", f"1{i}:00", ticker=f"T{i}") for i in range(3)]
    program = KILLED.format(
        here=str(HERE), module=module, target=target, at=at, root=str(root), paths=[*map(str, paths)]
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(HERE.parents[2])}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    before = Store(root)
    assert before.verify() == []
    results = imported(root, *paths)
    assert outcomes(results)[0] == "0.csv.gz skipped"
    assert outcomes(results)[2] == "2.csv.gz imported"
    assert Store(root).verify() == []
    assert [bar[0] for bar in bars(root)] == ["T0", "T1", "T2", "T0", "T1", "T2"]
    assert not [p for p in root.rglob("*") if p.name in {"staging", "incoming", "manifest.next.json"}]

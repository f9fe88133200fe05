"""The store of minute bars: days are whole or absent, the same bar is kept once, another bar of its minute is a conflict."""

import datetime as dt
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import backtest.data.store as store_module
from backtest.data.day import DayBars, day_bounds_ms
from backtest.data.files import decoded, encoded
from backtest.data.manifest import DataProblem, Source
from backtest.data.store import Store

DAY = dt.date(2025, 1, 6)
OPEN_MS = day_bounds_ms(DAY)[0] + (9 * 60 + 30) * 60_000


def day_of(*rows: tuple[str, int, float], on: dt.date = DAY) -> DayBars:
    """A day of (ticker, minutes after 09:30, close)."""
    names = tuple(sorted({name for name, _, _ in rows}))
    opens = day_bounds_ms(on)[0] + (9 * 60 + 30) * 60_000
    close = np.array([close for _, _, close in rows], np.float64)
    return DayBars(
        on,
        names,
        np.array([names.index(name) for name, _, _ in rows], np.int32),
        np.array([opens + minute * 60_000 for _, minute, _ in rows], np.int64),
        close,
        close + 1,
        close - 0.5,
        close,
        np.full(len(rows), 100.0),
    )


def bars_of(day: DayBars) -> list[tuple[str, int, float]]:
    base = day_bounds_ms(day.on)[0] + (9 * 60 + 30) * 60_000
    return [
        (day.tickers[t], (s - base) // 60_000, c) for t, s, c in zip(day.ticker, day.start_ms, day.close, strict=True)
    ]


def test_a_day_comes_back_by_start_and_then_ticker(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_day(
        day_of(("MSFT", 1, 20.0), ("NA", 0, 30.0), ("AAPL", 1, 10.0), ("BRK.B", 0, 40.0), ("KIMpL", 1, 5.0))
    )
    day = Store(tmp_path).read(DAY)
    assert day.tickers == ("AAPL", "BRK.B", "KIMpL", "MSFT", "NA")
    assert bars_of(day) == [
        ("BRK.B", 0, 40.0), ("NA", 0, 30.0), ("AAPL", 1, 10.0), ("KIMpL", 1, 5.0), ("MSFT", 1, 20.0),
    ]  # fmt: skip
    assert (day.ticker.dtype, day.start_ms.dtype, day.volume.dtype) == (np.int32, np.int64, np.float64)
    assert store.days() == [DAY]
    assert store.days(first=DAY + dt.timedelta(days=1)) == []
    assert store.verify() == []


def test_chosen_tickers_are_numbered_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_day(day_of(("A", 0, 2.0), ("B", 0, 3.0), ("C", 1, 4.0)))
    day = store.read(DAY, ["C", "A", "GONE"])
    assert day.tickers == ("A", "C")
    assert bars_of(day) == [("A", 0, 2.0), ("C", 1, 4.0)]
    assert len(store.read(DAY, [])) == 0


def test_the_same_bar_is_kept_once_and_another_of_its_minute_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_day(day_of(("A", 0, 2.0)))
    merged = store.write_day(day_of(("A", 1, 2.5), ("A", 0, 2.0), ("A", 0, 3.0), ("A", 1, 2.5)))
    assert merged.stored.tolist() == [True, False, False, False]
    assert merged.duplicate.tolist() == [False, True, False, True]
    assert merged.conflict.tolist() == [False, False, True, False]
    assert bars_of(store.read(DAY)) == [("A", 0, 2.0), ("A", 1, 2.5)]


def test_with_replace_the_last_bar_of_a_minute_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_day(day_of(("A", 0, 2.0), ("A", 1, 7.0)))
    merged = store.write_day(day_of(("A", 0, 3.0), ("A", 0, 4.0), ("A", 1, 7.0), ("A", 0, 4.0)), replace=True)
    assert merged.stored.tolist() == [False, False, False, True]
    assert merged.duplicate.tolist() == [False, True, True, False]
    assert merged.conflict.tolist() == [True, False, False, False]
    assert merged.replaced == 1
    assert bars_of(store.read(DAY)) == [("A", 0, 4.0), ("A", 1, 7.0)]


def test_the_hash_of_the_data_is_of_the_bars_and_not_of_how_they_came(tmp_path: Path) -> None:
    once, twice = Store(tmp_path / "once"), Store(tmp_path / "twice")
    once.write_day(day_of(("A", 0, 2.0), ("B", 0, 3.0)))
    twice.write_day(day_of(("B", 0, 3.0)))
    before = twice.data_hash([DAY])
    twice.write_day(day_of(("A", 0, 2.0)))
    assert once.data_hash([DAY]) == twice.data_hash([DAY]) != before
    with pytest.raises(DataProblem, match="data list"):
        once.data_hash([DAY, DAY + dt.timedelta(days=1)])


def test_a_changed_file_is_told_and_never_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_day(day_of(("A", 0, 2.0)))
    path = store.day_path(DAY)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataProblem, match="import its files again"):
        Store(tmp_path).read(DAY)
    assert len(Store(tmp_path).verify()) == 1
    path.unlink()
    with pytest.raises(DataProblem, match="can't be read"):
        Store(tmp_path).read(DAY)


def test_another_days_bars_under_this_days_name_are_never_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_day(day_of(("A", 0, 2.0)))
    store.day_path(DAY).write_bytes(encoded(day_of(("A", 0, 3.0))))
    with pytest.raises(DataProblem, match="hash differs"):
        Store(tmp_path).read(DAY)


def test_names_in_any_order_are_sorted_when_they_are_read() -> None:
    day = DayBars(
        DAY, ("B", "A"), *(getattr(day_of(("A", 0, 2.0), ("B", 0, 3.0)), n) for n in DayBars.__struct_fields__[2:])
    )
    found = decoded(DAY, encoded(day), Path("x"))
    assert found.tickers == ("A", "B")
    assert found.ticker.tolist() == [1, 0]


def test_a_day_knows_every_file_it_came_from(tmp_path: Path) -> None:
    store = Store(tmp_path)
    files = [Source(name=name, sha256=name, format="csv") for name in "fg"]
    for minute, file in enumerate(files):
        store.write_day(day_of(("A", minute, 2.0)), file)
    assert Store(tmp_path).manifest.days[str(DAY)].sources == (files[0].id, files[1].id)


def test_a_file_that_nobody_imported_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_day(day_of(("A", 0, 2.0)))
    (tmp_path / "days" / "2025-01-07.parquet").write_bytes(b"")
    assert "not in the manifest" in store.verify()[0]


@pytest.mark.parametrize("text", [b"", b"{", b'{"version": 2, "days": {}, "sources": {}}', b'{"days": 3}'])
def test_a_damaged_manifest_is_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(DataProblem) as caught:
        Store(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_lost_manifest_is_not_an_empty_store(tmp_path: Path) -> None:
    Store(tmp_path).write_day(day_of(("A", 0, 2.0)))
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(DataProblem, match="missing"):
        Store(tmp_path)


def test_a_bar_of_another_day_is_a_bug(tmp_path: Path) -> None:
    day = day_of(("A", 24 * 60, 2.0))
    with pytest.raises(ValueError, match="outside"):
        Store(tmp_path).write_day(day)


def _hold(root: Path, ready: object, done: object) -> None:
    with Store(root).change():
        ready.set()
        done.wait(30)


def test_two_processes_do_not_change_it_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, ready, done))
    other.start()
    try:
        assert ready.wait(30)
        with pytest.raises(DataProblem, match="another process"):
            Store(tmp_path).write_day(day_of(("A", 0, 2.0)))
    finally:
        done.set()
        other.join(30)


class Killed(BaseException):
    """The process ends here."""


NEXT = DAY + dt.timedelta(days=1)


@pytest.mark.parametrize("at", range(12))
def test_a_change_counts_whole_or_not_at_all_wherever_the_process_dies(tmp_path: Path, monkeypatch, at: int) -> None:
    """Dies before the n-th write, rename or removal; the next one to open the store finds both days or none."""
    Store(tmp_path).write_day(day_of(("A", 0, 2.0)))
    steps = iter(range(100))

    def dying(real):
        def call(*args, **kwargs):
            if next(steps) == at:
                raise Killed
            return real(*args, **kwargs)

        return call

    died = False
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "write_whole", dying(store_module.write_whole))
        patch.setattr(store_module, "sync_folder", dying(store_module.sync_folder))
        patch.setattr(Path, "replace", dying(Path.replace))
        # what the dead process would have tidied up stays
        patch.setattr(store_module.shutil, "rmtree", lambda *_, **__: None)
        try:
            with Store(tmp_path).change() as change:
                for on in (DAY, NEXT):
                    change.lay(day_of(("B", 0, 5.0), on=on), sources=["s"])
                change.commit({"s": Source(name="f", sha256="0", format="csv")})
        except Killed:
            died = True
    store = Store(tmp_path)
    assert store.verify() == []
    found = {on: bars_of(store.read(on)) for on in store.days()}
    old, new = [("A", 0, 2.0)], [("A", 0, 2.0), ("B", 0, 5.0)]
    assert found in ({DAY: old}, {DAY: new, NEXT: [("B", 0, 5.0)]})
    assert (found[DAY] == new) == ("s" in store.manifest.sources)
    assert died == (at < 11), "every step was tried"
    store.write_day(day_of(("C", 0, 1.5)))
    assert store.verify() == []


def test_a_process_killed_after_the_commit_point_has_committed(tmp_path: Path) -> None:
    """Really killed, between the manifest that counts and the moving of the days."""
    program = f"""
import os, signal, sys
sys.path[:0] = [{str(Path(__file__).parent)!r}]
from test_bar_store import *
Store.__dict__["_finish"]
Store._finish = lambda self: os.kill(os.getpid(), signal.SIGKILL) if self._next.exists() else None
Store(Path({str(tmp_path)!r})).write_day(day_of(("A", 0, 2.0)))
"""
    root = str(Path(__file__).parents[3])
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": root}, check=False)
    assert done.returncode == -9
    store = Store(tmp_path)
    assert bars_of(store.read(DAY)) == [("A", 0, 2.0)]
    assert not (tmp_path / "staging").exists()

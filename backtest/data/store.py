"""The local store of minute bars: one Parquet file per US date, a manifest, and changes that happen whole or not at all.

A change writes its days under `staging/`, then `manifest.next.json`, which is the moment it counts; whoever opens the
store next finishes moving the files if the process died there. Without that file, what lies in `staging/` is forgotten.
"""

import contextlib
import datetime as dt
import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from backtest.data.day import DayBars, Merged, empty_day, merge
from backtest.data.files import decoded, encoded, sync_folder, write_whole
from backtest.data.manifest import DataProblem, Day, Manifest, Source, decode, encode


class Store:
    """A directory of days. Reading needs no lock; one process at a time changes it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._path = root / "manifest.json"
        self._next = root / "manifest.next.json"
        self.staging = root / "staging"
        self._verified: set[str] = set()
        if self._next.exists():
            with self._locked():
                self._finish()
        self.manifest = self._load()

    def days(self, first: dt.date | None = None, last: dt.date | None = None) -> list[dt.date]:
        """The dates that have bars, in order, both ends included."""
        return self.manifest.between(first, last)

    def day_path(self, on: dt.date) -> Path:
        """Where a day's file lies."""
        return self.root / "days" / f"{on}.parquet"

    def read(self, on: dt.date, tickers: Sequence[str] | None = None) -> DayBars:
        """One day, or these tickers of it. Raises DataProblem where it is absent or not what the manifest says."""
        bars = decoded(on, self._bytes(on), self.day_path(on))
        return bars if tickers is None else bars.only(tickers)

    def _bytes(self, on: dt.date) -> bytes:
        entry, path = self.manifest.days.get(str(on)), self.day_path(on)
        if entry is None:
            raise DataProblem(f"{self.root} has no bars of {on}: ./seohak data list shows what it has")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataProblem(f"{path} can't be read ({error.strerror}): import its files again") from None
        if entry.sha256 not in self._verified:
            if hashlib.sha256(data).hexdigest() != entry.sha256:
                raise DataProblem(
                    f"{path} is not what was imported (its hash differs): if no import is running, import its files again"
                )
            self._verified.add(entry.sha256)
        return data

    def data_hash(self, days: Sequence[dt.date]) -> str:
        """Of the bars of these days, independent of how they got here: what a result was computed from."""
        digest = hashlib.sha256()
        for on in sorted(days):
            entry = self.manifest.days.get(str(on))
            if entry is None:
                raise DataProblem(f"{self.root} has no bars of {on}: ./seohak data list shows what it has")
            digest.update(f"{on} {entry.content}\n".encode())
        return digest.hexdigest()

    def verify(self, tick: Callable[[dt.date], None] = lambda _: None) -> list[str]:
        """Read every day and compare it with the manifest; the problems, one line each."""
        problems = []
        self._verified.clear()
        for on in self.days():
            entry = self.manifest.days[str(on)]
            try:
                bars = self.read(on)
            except DataProblem as problem:
                problems.append(str(problem))
            else:
                if (len(bars), bars.content_hash()) != (entry.rows, entry.content):
                    problems.append(
                        f"{self.day_path(on)} holds other bars than the manifest says: import its files again"
                    )
            tick(on)
        known = {self.day_path(on).name for on in self.days()}
        strangers = sorted(p for p in (self.root / "days").glob("*.parquet") if p.name not in known)
        problems += [
            f"{path} is not in the manifest: import the files it came from, or remove it" for path in strangers
        ]
        return problems

    def write_day(self, bars: DayBars, source: Source | None = None, *, replace: bool = False) -> Merged:
        """Lay bars, in any order, over what the day has. Without `replace` a different bar of the same minute is refused."""
        with self.change() as change:
            merged = change.lay(bars, replace=replace, sources=() if source is None else (source.id,))
            change.commit({} if source is None else {source.id: source})
        return merged

    @contextlib.contextmanager
    def change(self) -> Iterator["Change"]:
        """Several days at once: all of them count after `commit`, or none."""
        with self._locked():
            self._finish()
            self.manifest = self._load()
            try:
                yield Change(self)
            finally:
                if not self._next.exists():
                    shutil.rmtree(self.staging, ignore_errors=True)

    # -- how a change happens --------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DataProblem(f"{self.root} is being changed by another process: wait until it is done") from None
            yield

    def _load(self) -> Manifest:
        if not self._path.exists():
            if any((self.root / "days").glob("*.parquet")):
                raise DataProblem(
                    f"{self._path} is missing beside its days: import the files again into another --store"
                )
            return Manifest()
        return decode(self._path.read_bytes(), str(self._path))

    def _finish(self) -> None:
        """Move what a committed change left in `staging/`, then forget the rest."""
        if self._next.exists():
            manifest = decode(self._next.read_bytes(), str(self._next))
            (self.root / "days").mkdir(exist_ok=True)
            for staged in sorted(self.staging.glob("*.parquet")):
                if staged.stem in manifest.days:
                    staged.replace(self.root / "days" / staged.name)
            sync_folder(self.root / "days")
            self._next.replace(self._path)
            sync_folder(self.root)
        shutil.rmtree(self.staging, ignore_errors=True)


class Change:
    """Days that wait in `staging/` for the commit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._staged: dict[str, Day] = {}

    def read(self, on: dt.date) -> DayBars:
        """A day as it will be."""
        store, entry = self._store, self._staged.get(str(on))
        path = store.staging / f"{on}.parquet"
        return decoded(on, path.read_bytes(), path) if entry and path.exists() else store.read(on)

    def days(self) -> list[dt.date]:
        """The dates as they will be."""
        return sorted({*self._store.days(), *map(dt.date.fromisoformat, self._staged)})

    def lay(self, bars: DayBars, *, replace: bool = False, sources: Sequence[str] = ()) -> Merged:
        """Merge one day, once per change, and stage its file."""
        store, name = self._store, str(bars.on)
        assert name not in self._staged, "a day is laid once per change"
        entry = store.manifest.days.get(name)
        merged = merge(store.read(bars.on) if entry else empty_day(bars.on), bars, replace=replace)
        if not len(merged.day):
            return merged
        known = entry.sources if entry else ()
        origin = known + tuple(s for s in sources if s not in known)
        if entry and not merged.stored.any():
            self._staged[name] = msgspec.structs.replace(entry, sources=origin)
            return merged
        data = encoded(merged.day)
        write_whole(store.staging / f"{name}.parquet", data)
        self._staged[name] = Day(
            rows=len(merged.day),
            tickers=len(merged.day.tickers),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            content=merged.day.content_hash(),
            sources=origin,
        )
        return merged

    def flag(self, on: dt.date, flags: dict[str, int]) -> None:
        """What the checks say about a day that is laid here or already stored."""
        name = str(on)
        entry = self._staged.get(name) or self._store.manifest.days.get(name)
        if entry is not None:
            self._staged[name] = msgspec.structs.replace(entry, flags=flags)

    def discard(self) -> None:
        """Forget what was laid since the last commit."""
        shutil.rmtree(self._store.staging, ignore_errors=True)
        self._staged = {}

    def commit(self, sources: Mapping[str, Source]) -> None:
        """From here on everything laid is in the store, whatever happens to the process."""
        store = self._store
        manifest = Manifest(days=store.manifest.days | self._staged, sources=store.manifest.sources | dict(sources))
        write_whole(store._next, encode(manifest))  # noqa: SLF001
        store._finish()  # noqa: SLF001
        store.manifest, self._staged = manifest, {}

"""The collector's notebook: what it received today, on disk within seconds, and never in its way."""

import asyncio
import datetime as dt
import logging
import re
import shutil
import zlib
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from core.model.instrument import Instrument
from core.model.messages import WatchListChanged
from core.model.recording import (
    Arrived,
    Began,
    Ended,
    Entry,
    FeedChanged,
    Holding,
    SettingsInForce,
    Watching,
    encode,
)
from core.rules.days import us_date
from services.runtime import VERSION, Runtime

log = logging.getLogger(__name__)
FOLDER = "recordings"
PART = "[0-9]" * 4 + ".ndjson.gz"
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
WRITE_EVERY_S = 5.0
# the bars of half a session of the whole market: a disk that has not taken them takes nothing today
MOST_WAITING = 500_000
# zlib's fastest: a minute of the whole market is a few milliseconds
LEVEL, GZIP = 1, 16 + zlib.MAX_WBITS

OnTrouble = Callable[[str], Awaitable[None]]


class _Part:
    """A file of its own for each start of the process and each US date, so that a torn end has nothing behind it."""

    def __init__(self, on: dt.date, keep_days: int) -> None:
        self.on = on
        self.keep_days = keep_days
        self.closed = keep_days == 0
        self.waiting: list[Entry] = []
        self.path: Path | None = None


class Recorder:
    """Takes entries on the event loop and writes them in a thread; what can't be written is told once and ends the day.

    A file is a row of gzip members of JSON lines: a process that is killed loses its last seconds.
    """

    def __init__(
        self, runtime: Runtime, on_trouble: OnTrouble, instruments: Callable[[], Iterable[Instrument]]
    ) -> None:
        """`on_trouble` hears once a day why recording stopped; `instruments` are those that the screen knows now."""
        self._runtime = runtime
        self._on_trouble = on_trouble
        self._instruments = instruments
        self._folder = runtime.settings.state_dir / FOLDER
        # one thread: what is written when the process stops comes after what was just being written
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recording")
        self._state: Began | None = None
        self._parts: list[_Part] = []
        self._size = 0
        self._written = 0
        self._untold = ""
        self.bars_on: dt.date | None = None

    def begin(self, at: dt.datetime, watch: WatchListChanged | None) -> None:
        """The process starts with this watch list."""
        params = self._runtime.params
        self._state = Began(at=at, version=VERSION, fresh=True, params=params, watch=watch)
        self._open(at, fresh=True)

    def add(self, entry: Entry) -> None:
        """Keep one thing that happened; costs no more than appending it to a list."""
        if self._state is None:
            return
        if self._parts[-1].on != us_date(entry.at):
            self._open(entry.at, fresh=False)
        if isinstance(entry, Holding) and entry.positions == self._state.held:
            return
        self._state = _changed(self._state, entry)
        part = self._parts[-1]
        if part.closed:
            return
        part.waiting.append(entry)
        if isinstance(entry, Arrived):
            self.bars_on = part.on
            self._size += len(entry.bars)
            if self._size > MOST_WAITING:
                self._give_up(part, "the disk is too slow")

    async def run(self) -> None:
        """Write until the stop."""
        while not self._runtime.stop.is_set():
            await self._runtime.pause(WRITE_EVERY_S)
            await self.write()

    async def close(self, at: dt.datetime) -> None:
        """Write the end."""
        self.add(Ended(at=at))
        await self.write()
        self._thread.shutdown(wait=False)

    async def write(self) -> None:
        """Bring to disk what waits."""
        parts = [part for part in self._parts if part.waiting]
        self._parts = self._parts[-1:]
        self._size = 0
        for part in parts:
            entries, part.waiting = part.waiting, []
            try:
                self._written += await asyncio.shield(
                    asyncio.wrap_future(self._thread.submit(self._append, part, entries))
                )
                self._runtime.note(recorded_bytes=self._written)
            except OSError as error:
                self._give_up(part, error.strerror or str(error))
        if self._untold:
            reason, self._untold = self._untold, ""
            await self._on_trouble(reason)

    def _give_up(self, part: _Part, reason: str) -> None:
        log.error("%s is not recorded any further: %s", part.on, reason)
        part.closed, part.waiting = True, []
        self._untold = reason
        self._runtime.note(recording=f"stopped: {reason}")

    def _open(self, at: dt.datetime, *, fresh: bool) -> None:
        """Another file, which begins with the state of things; the settings of this moment say whether there is one."""
        assert self._state is not None
        part = _Part(us_date(at), self._state.params.scanner.record_days)
        self._parts.append(part)
        if not part.closed:
            part.waiting.append(
                msgspec.structs.replace(self._state, at=at, fresh=fresh, instruments=tuple(self._instruments()))
            )

    def _append(self, part: _Part, entries: list[Entry]) -> int:
        """In a thread: one more member of the file."""
        if part.path is None:
            part.path = self._new_file(part)
        # one after the other: the text of many minutes is ten times as large
        packer = zlib.compressobj(LEVEL, wbits=GZIP)
        data = b"".join([*(packer.compress(encode(entry) + b"\n") for entry in entries), packer.flush()])
        with part.path.open("ab") as file:
            file.write(data)
        return len(data)

    def _new_file(self, part: _Part) -> Path:
        folder = self._folder / str(part.on)
        folder.mkdir(parents=True, exist_ok=True)
        oldest = part.on - dt.timedelta(days=part.keep_days - 1)
        for other in self._folder.iterdir():
            if DAY.fullmatch(other.name) and other.name < str(oldest):
                shutil.rmtree(other, ignore_errors=True)
        number = max((int(path.name[:4]) for path in folder.glob(PART)), default=0) + 1
        return folder / f"{number:04}.ndjson.gz"


def _changed(state: Began, entry: Entry) -> Began:
    """The state after an entry: what another file has to begin with."""
    match entry:
        case SettingsInForce(params=params):
            return msgspec.structs.replace(state, params=params)
        case Watching(watch=watch):
            return msgspec.structs.replace(state, watch=watch)
        case Holding(positions=positions):
            return msgspec.structs.replace(state, held=positions)
        case FeedChanged(up=True, at=at):
            return msgspec.structs.replace(state, feed_ms=int(at.timestamp() * 1000))
        case _:
            return state

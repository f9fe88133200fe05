"""The collector's notebook: nothing that happened is missing, and nothing that happens to the disk matters to anybody."""

import datetime as dt
import os
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from backtest.data.manifest import DataProblem
from backtest.data.recorded import entries_of, parts_of, recorded_bars
from core.model.bar import MINUTE_MS, Bar
from core.model.batch import batch_of
from core.model.instrument import Instrument
from core.model.messages import Channel, Event, EventKind, HeldPosition
from core.model.params import Params, ScannerParams
from core.model.recording import Arrived, Began, Ended, FeedChanged, HistoryCame, Holding, SettingsInForce
from services import keeping, recording
from services.collector import Collector
from services.keeping import KEPT, files_of, keep_days, unkept
from services.recording import Recorder
from services.runtime import Runtime
from tests.unit.core.builders import NOON
from tests.unit.services.conftest import FakeBus

SECOND = dt.timedelta(seconds=1)
ON = str(NOON.date())
KNOWN = (Instrument(ticker="AAA", name="A", shares_outstanding=1e8),)


def bar(ticker: str, minute: int, close: float = 10.0) -> Bar:
    start = int(NOON.timestamp() * 1000) // MINUTE_MS * MINUTE_MS + minute * MINUTE_MS
    return Bar(ticker, start, close, close, close, close, 100.0)


def arrived(*bars: Bar, after: dt.timedelta = SECOND) -> Arrived:
    return Arrived(at=NOON + after, bars=batch_of(bars))


@pytest.fixture
def troubles() -> list[str]:
    return []


@pytest.fixture
def recorder(runtime: Runtime, troubles: list[str]) -> Recorder:
    async def hear(reason: str) -> None:
        troubles.append(reason)

    made = Recorder(runtime, hear, lambda: KNOWN)
    made.begin(NOON, None)
    return made


def folder(runtime: Runtime) -> Path:
    return runtime.settings.state_dir / recording.FOLDER / ON


async def test_everything_is_there_in_order_with_the_state_it_began_in(runtime: Runtime, recorder: Recorder) -> None:
    held = Holding(at=NOON + SECOND, positions=(HeldPosition(ticker="AAA", qty=3, stop_price=Decimal(9)),))
    recorder.add(FeedChanged(at=NOON, up=True, key="connected"))
    recorder.add(arrived(bar("AAA", 0), bar("BBB", 0)))
    recorder.add(held)
    await recorder.write()
    recorder.add(held)
    recorder.add(arrived(bar("AAA", 0, 11.0)))
    await recorder.close(NOON + 2 * SECOND)
    found = list(entries_of(folder(runtime)))
    assert [type(e) for e in found] == [Began, FeedChanged, Arrived, Holding, Arrived, Ended]
    assert isinstance(found[0], Began)
    assert (found[0].fresh, found[0].params, found[0].instruments) == (True, Params(), KNOWN)
    assert isinstance(found[2], Arrived)
    assert (found[2].at, found[2].bars.bars()) == (NOON + SECOND, [bar("AAA", 0), bar("BBB", 0)])


async def test_a_revised_bar_is_the_last_that_came_and_a_look_up_fills_only_what_is_missing(
    runtime: Runtime, recorder: Recorder
) -> None:
    recorder.add(arrived(bar("AAA", 0), bar("BBB", 0)))
    recorder.add(HistoryCame(at=NOON, ticker="AAA", bars=(bar("AAA", 0, 5.0), bar("AAA", -1, 5.0))))
    recorder.add(arrived(bar("AAA", 0, 11.0)))
    await recorder.write()
    day = recorded_bars(folder(runtime), NOON.date())
    assert [(day.tickers[i], float(c)) for i, c in zip(day.ticker, day.close, strict=True)] == [
        ("AAA", 5.0),
        ("AAA", 11.0),
        ("BBB", 10.0),
    ]


async def test_a_torn_end_loses_only_itself_and_the_next_start_writes_beside_it(
    runtime: Runtime, recorder: Recorder
) -> None:
    for minute in range(3):
        recorder.add(arrived(bar("AAA", minute)))
        await recorder.write()
    (path,) = parts_of(folder(runtime))
    os.truncate(path, path.stat().st_size - 60)
    again = Recorder(runtime, recorder._on_trouble, tuple)
    again.begin(NOON, None)
    again.add(arrived(bar("AAA", 7)))
    await again.write()
    assert len(parts_of(folder(runtime))) == 2
    starts = [b.start_ms for e in entries_of(folder(runtime)) if isinstance(e, Arrived) for b in e.bars.bars()]
    assert starts == [bar("AAA", minute).start_ms for minute in (0, 1, 7)]


async def test_a_full_disk_is_told_once_and_the_next_day_is_recorded_again(
    runtime: Runtime, recorder: Recorder, troubles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        def full(*_: object, **__: object) -> bytes:
            raise OSError(28, "No space left on device")

        patched.setattr(recording.zlib, "compressobj", full)
        for minute in range(3):
            recorder.add(arrived(bar("AAA", minute)))
            await recorder.write()
    recorder.add(arrived(bar("AAA", 4)))
    await recorder.write()
    assert troubles == ["No space left on device"]
    assert runtime.progress["recording"] == "stopped: No space left on device"
    later = dt.timedelta(days=1)
    recorder.add(arrived(bar("AAA", 1440), after=later))
    await recorder.write()
    tomorrow = folder(runtime).with_name(str(NOON.date() + later))
    first, second = entries_of(tomorrow)
    assert isinstance(first, Began)
    assert not first.fresh
    assert second == arrived(bar("AAA", 1440), after=later)


async def test_a_folder_that_cannot_be_made_is_told_and_harms_nobody(
    runtime: Runtime, recorder: Recorder, troubles: list[str]
) -> None:
    runtime.settings.state_dir.joinpath(recording.FOLDER).write_text("in the way")
    recorder.add(arrived(bar("AAA", 0)))
    await recorder.write()
    assert len(troubles) == 1


async def test_bars_that_the_disk_does_not_take_are_not_heaped_up(
    recorder: Recorder, troubles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MOST_WAITING", 2)
    for minute in range(9):
        recorder.add(arrived(bar("AAA", minute)))
    assert recorder._parts[-1].waiting == []
    await recorder.write()
    assert troubles == ["the disk is too slow"]


async def test_zero_days_record_nothing_and_old_days_are_removed(runtime: Runtime, recorder: Recorder) -> None:
    root = folder(runtime).parent
    names = [str(NOON.date() - dt.timedelta(days=days)) for days in (29, 30)]
    for name in [*names, "my notes"]:
        (root / name).mkdir(parents=True)
    recorder.add(arrived(bar("AAA", 0)))
    await recorder.write()
    assert sorted(p.name for p in root.iterdir()) == sorted([names[0], ON, "my notes"])
    off = Params(scanner=ScannerParams(record_days=0))
    recorder.add(SettingsInForce(at=NOON, params=off))
    recorder.add(arrived(bar("AAA", 1440), after=dt.timedelta(days=1)))
    await recorder.close(NOON + dt.timedelta(days=1))
    assert len(list(root.iterdir())) == 3


async def test_a_day_is_kept_once_it_is_over_and_again_where_it_grew(runtime: Runtime, recorder: Recorder) -> None:
    recorder.add(arrived(bar("AAA", 0)))
    await recorder.write()
    root, today = folder(runtime).parent, NOON.date()
    tomorrow = today + dt.timedelta(days=1)
    assert (unkept(root, today), unkept(root, tomorrow)) == ([], [ON])
    (folder(runtime) / KEPT).write_bytes(msgspec.json.encode(files_of(folder(runtime))))
    assert unkept(root, tomorrow) == []
    recorder.add(arrived(bar("AAA", 1)))
    await recorder.write()
    assert unkept(root, tomorrow) == [ON]


async def test_the_store_gets_a_day_when_it_is_over_from_a_process_of_the_lowest_priority(
    runtime: Runtime, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noon in New York is collecting time; once it is the report's time in Seoul, the day is over."""
    started: list[tuple[str, ...]] = []
    priorities: list[tuple[int, int, int]] = []

    class Child:
        pid = 2**22 + 1

        async def wait(self) -> int:
            return 0

    async def start(*argv: str, env: dict[str, str], **_: object) -> Child:
        assert not [name for name in env if name.startswith("POLYGON_")]
        started.append(argv)
        return Child()

    monkeypatch.setenv("POLYGON_API_KEY", "secret")
    monkeypatch.setattr(keeping.asyncio, "create_subprocess_exec", start)
    monkeypatch.setattr(keeping.os, "setpriority", lambda *values: priorities.append(values))
    recorder.add(arrived(bar("AAA", 0)))
    await recorder.write()

    async def once(at: dt.datetime) -> None:
        monkeypatch.setattr(runtime.clock, "now", lambda: at)

        async def every(_seconds: float, work: Callable[[], Awaitable[None]], **_: float) -> None:
            await work()
            await work()

        with monkeypatch.context() as patched:
            patched.setattr(Runtime, "every", staticmethod(every))
            await keep_days(runtime, recorder)

    await once(NOON)
    assert started == []
    await once(NOON + dt.timedelta(hours=8))
    assert [argv[1:] for argv in started] == [("-m", "cli", "data", "keep", ON)]
    assert priorities == [(os.PRIO_PROCESS, Child.pid, 19)]


async def test_the_chat_is_told_that_a_day_is_not_recorded(runtime: Runtime, bus: FakeBus) -> None:
    collector = Collector(runtime, *(SimpleNamespace(),) * 3, dict)  # type: ignore[arg-type]
    runtime.settings.state_dir.joinpath(recording.FOLDER).write_text("in the way")
    collector._recorder.begin(NOON, None)
    await collector._recorder.write()
    ((channel, event),) = bus.published
    assert isinstance(event, Event)
    assert (channel, event.kind, event.values["what"]) == (Channel.EVENTS, EventKind.TROUBLE, "not_recorded")


def test_a_day_without_a_recording_says_how_one_comes_to_be(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match="record_days"):
        parts_of(tmp_path)

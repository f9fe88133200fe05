"""What every process shares."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from config.params import ConfigError
from core.model.messages import Value
from ports.bus import BusUnavailable
from ports.store import StoreUnavailable
from services.fence import process_started
from services.runtime import Runtime, only_instance, until_stopped


async def test_the_first_part_to_fail_ends_the_process_and_its_error_is_told(runtime: Runtime) -> None:
    cancelled = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def fails() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await until_stopped(runtime, waits(), fails())
    assert cancelled.is_set()
    assert runtime.stop.is_set()


async def test_the_stop_ends_all_parts_in_order(runtime: Runtime) -> None:
    async def stops() -> None:
        runtime.stop.set()
        await asyncio.Event().wait()

    await until_stopped(runtime, stops())


async def test_the_heartbeat_tells_progress(runtime: Runtime) -> None:
    runtime.note(positions=3)
    task = asyncio.create_task(runtime.beat())
    path = runtime.settings.state_dir / "beats" / "test"
    async with asyncio.timeout(5):
        while not path.exists():
            await asyncio.sleep(0)
    runtime.stop.set()
    await task
    beat = json.loads(path.read_text())
    assert beat["positions"] == "3"
    assert {"pid", "at", "version"} <= set(beat)
    assert beat["pid"] == str(os.getpid())
    assert beat["started"] == process_started(os.getpid())
    assert float(beat["mono"]) > 0


async def test_who_beats_is_looked_up_once(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat must not wait for the system's tables of processes."""
    await runtime.beat_once()
    monkeypatch.setattr("services.runtime.process_started", lambda pid: f"another of {pid}")
    await runtime.beat_once()
    beat = json.loads((runtime.settings.state_dir / "beats" / "test").read_text())
    assert (beat["pid"], beat["started"]) == (str(os.getpid()), process_started(os.getpid()))


async def test_the_heartbeats_clock_is_the_one_it_is_given(runtime: Runtime) -> None:
    runtime.monotonic = lambda: 42.5
    await runtime.beat_once()
    assert json.loads((runtime.settings.state_dir / "beats" / "test").read_text())["mono"] == "42.5"


async def test_a_bus_that_hangs_holds_up_no_heartbeat(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A paused Redis must not look like a dead trader."""

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(runtime.bus, "beat", hang)
    monkeypatch.setattr("services.runtime.BEAT_EVERY_S", 0.01)
    async with asyncio.timeout(5):
        await runtime.beat_once()
        await runtime.beat_once()
    assert (runtime.settings.state_dir / "beats" / "test").exists()


async def test_a_bus_that_is_down_costs_no_heartbeat(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise BusUnavailable

    monkeypatch.setattr(runtime.bus, "beat", refuse)
    await runtime.beat_once()
    assert (runtime.settings.state_dir / "beats" / "test").exists()


async def test_a_full_disk_does_not_end_the_process(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    await runtime.beat_once()
    assert "No space left" in caplog.text


async def test_a_pause_ends_with_the_stop(runtime: Runtime) -> None:
    runtime.stop.set()
    await runtime.pause(3600)
    await runtime.every(1, _never)


async def _never() -> None:
    raise AssertionError("work after the stop")


def test_a_bad_override_keeps_the_present_values(runtime: Runtime) -> None:
    before = runtime.params
    assert runtime.with_overrides({"trading.split_count": 0}) is before
    assert runtime.with_overrides({"trading.split_count": 4}).trading.split_count == 4


class Chat:
    """The changes made in chat, or a database that is away."""

    def __init__(self, found: dict[str, Value] | None) -> None:
        self.found = found

    async def overrides(self) -> dict[str, Value]:
        if self.found is None:
            raise StoreUnavailable("away")
        return self.found


async def test_a_process_starts_with_what_the_chat_has_changed(runtime: Runtime) -> None:
    """Also a list, kept as text, and a key that is back at config.yaml's value."""
    before = runtime.params
    found = {"trading.split_count": 4, "scanner.security_types": "CS, ETF", "trading.max_positions": None}
    await runtime.load_overrides(Chat(found))  # type: ignore[arg-type]
    assert runtime.params.trading.split_count == 4
    assert runtime.params.scanner.security_types == ("CS", "ETF")
    assert runtime.params.trading.max_positions == before.trading.max_positions
    assert runtime.with_overrides({}) == before


async def test_without_a_database_config_yaml_alone_decides(runtime: Runtime) -> None:
    before = runtime.params
    await runtime.load_overrides(Chat(None))  # type: ignore[arg-type]
    assert runtime.params == before


def test_a_second_instance_on_the_same_state_is_refused(tmp_path: Path) -> None:
    """Two traders on one account would buy twice; the lock goes with the process that holds it."""
    with only_instance("trader", tmp_path):
        with pytest.raises(ConfigError, match="another trader already runs"):
            only_instance("trader", tmp_path)
        only_instance("collector", tmp_path).close()
    only_instance("trader", tmp_path).close()

"""What every process shares."""

import asyncio
import json
from pathlib import Path

import pytest

from config.params import ConfigError
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


def test_a_second_instance_on_the_same_state_is_refused(tmp_path: Path) -> None:
    """Two traders on one account would buy twice; the lock goes with the process that holds it."""
    with only_instance("trader", tmp_path):
        with pytest.raises(ConfigError, match="another trader already runs"):
            only_instance("trader", tmp_path)
        only_instance("collector", tmp_path).close()
    only_instance("trader", tmp_path).close()

"""The bot's process offers the page for Prometheus where a port is given, also while Redis and the database are away."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import bot
from core.model.params import MonitoringParams, Params
from ports.bus import BusState, BusUnavailable
from ports.store import StoreUnavailable
from tests.unit.services.conftest import StillClock


class World:
    """What the page asks."""

    def __init__(self, state_dir: Path, port: int) -> None:
        self.down = False
        self.params = Params(monitoring=MonitoringParams(metrics_port=port))
        self.settings, self.clock = SimpleNamespace(state_dir=state_dir), StillClock()

    async def load_overrides(self, chat: object) -> None:
        """None were made."""

    async def look(self) -> BusState:
        if self.down:
            raise BusUnavailable
        return BusState(life="1")

    async def last_run(self, job: str) -> None:
        if self.down:
            raise StoreUnavailable

    async def page(self) -> asyncio.Server | None:
        deps: Any = SimpleNamespace(bus=self, chat=self)
        runtime: Any = self
        return await bot._metrics(runtime, deps)


async def ask(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost:1\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    return answer


async def test_without_a_port_nothing_listens(tmp_path: Path) -> None:
    assert await World(tmp_path, 0).page() is None


@pytest.mark.parametrize("down", [False, True])
async def test_the_page_tells_whether_servers_answer(tmp_path: Path, unused_tcp_port: int, down: bool) -> None:
    world = World(tmp_path, unused_tcp_port)
    world.down = down
    server = await world.page()
    assert server is not None
    try:
        answer = await ask(unused_tcp_port)
    finally:
        server.close()
    assert f"seohak_redis_up {float(not down)}" in answer
    assert f"seohak_database_up {float(not down)}" in answer

"""The listeners on 127.0.0.1 and the tasks that move the world, from start to a clean stop."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from sandbox.control import setup_control
from sandbox.kis import create_kis_app
from sandbox.kis.journal import Journal
from sandbox.polygon import create_polygon_app
from sandbox.proxy import Proxies
from sandbox.telegram import create_bot_api_app, create_chat_app
from sandbox.world import World

ADDRESS = "127.0.0.1"
MATCH_EVERY_S = 0.05
PARENT_CHECK_S = 0.5
LISTENERS = ("polygon", "kis", "kis_paper", "telegram", "control")


class PortBusyError(Exception):
    """Names the listener and its port."""


def _applications(world: World, proxies: Proxies) -> dict[str, web.Application]:
    control = create_chat_app(world.telegram)
    setup_control(control, world, proxies)
    return {
        "polygon": create_polygon_app(world.market, world.clock, world.faults, world.stream, world.polygon_key),
        "kis": create_kis_app(world.real, world.faults),
        "kis_paper": create_kis_app(world.paper, world.faults),
        "telegram": create_bot_api_app(world.telegram),
        "control": control,
    }


@dataclass
class Servers:
    """Running listeners: `addresses` by name."""

    world: World
    journals: Sequence[Journal]
    runners: list[web.AppRunner]
    tasks: list[asyncio.Task[None]]
    addresses: dict[str, str]
    proxies: Proxies

    async def stop(self) -> None:
        await self.proxies.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.world.stream.close()
        for runner in self.runners:
            await runner.cleanup()
        for journal in self.journals:
            journal.save()

    async def failure(self) -> None:
        """Returns never, or raises what ended a background task."""
        await asyncio.gather(*self.tasks)
        await asyncio.Event().wait()


async def start(
    world: World, ports: Mapping[str, int], journals: Sequence[Journal] = (), proxies: Mapping[str, str] | None = None
) -> Servers:
    """`proxies` are upstreams by name. Raises PortBusyError, or ValueError for a bad proxy; nothing listens then."""
    addresses: dict[str, str] = {}
    servers = Servers(world, journals, [], [], addresses, Proxies(world.faults.count, addresses))
    for name, app in _applications(world, servers.proxies).items():
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        servers.runners.append(runner)
        await runner.setup()
        port = ports.get(name, 0)
        try:
            await web.TCPSite(runner, ADDRESS, port).start()
        except OSError as error:
            await servers.stop()
            if error.errno == errno.EADDRINUSE:
                raise PortBusyError(f"port {port} for {name} is in use") from error
            raise PortBusyError(f"port {port} for {name}: {error.strerror}") from error
        servers.addresses[name] = f"{ADDRESS}:{runner.addresses[0][1]}"
    for name, upstream in (proxies or {}).items():
        try:
            await servers.proxies.create(name, upstream)
        except ValueError:
            await servers.stop()
            raise
    servers.tasks = [
        _task(world.stream.broadcast_minutes()),
        _task(world.stream.broadcast_seconds()),
        _task(_match(world, journals)),
    ]
    return servers


def _task(work: Awaitable[None]) -> asyncio.Task[None]:
    return asyncio.ensure_future(work)


async def _match(world: World, journals: Sequence[Journal]) -> None:
    while True:
        world.real.now()
        world.paper.now()
        for journal in journals:
            journal.save()
        await asyncio.sleep(MATCH_EVERY_S)


async def parent_gone(parent: int) -> None:
    """Returns when the process that started this one has died: an orphan gets another parent."""
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel sends no event that asyncio could wait for
        await asyncio.sleep(PARENT_CHECK_S)

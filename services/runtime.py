"""What every process shares: start, heartbeat, overrides, orderly stop, exit codes."""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from adapters.clock import AnyClock, clock_from
from adapters.redis.bus import RedisBus
from adapters.redis.server import socket_url
from config import logs
from config.environment import Base, base, environment
from config.params import ConfigError, load_params
from core.model.messages import Value
from core.model.params import Params
from ports.bus import Bus, BusUnavailable
from ports.store import ChatStore, StoreUnavailable
from services.fence import hold_alone, process_started
from services.looptime import LoopTime
from services.memory import give_back, keep_little, pss_mb

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1
BEAT_EVERY_S = 1.0
# trimming and reading it take a few milliseconds
MEMORY_EVERY_S = 60.0
VERSION = "0.1.0"


class Runtime(msgspec.Struct, kw_only=True):
    """One process: its settings, clock, bus and the event that asks it to stop; `loop` where it has one of its own."""

    name: str
    settings: Base
    params: Params
    clock: AnyClock
    bus: Bus
    env: dict[str, str]
    stop: asyncio.Event
    progress: dict[str, str]
    loop: LoopTime | None = None
    measured: float = float("-inf")
    monotonic: Callable[[], float] = time.monotonic

    def note(self, **fields: object) -> None:
        """Facts for the next heartbeat: progress, not just being alive."""
        self.progress.update((k, str(v)) for k, v in fields.items())

    def with_overrides(self, overrides: Mapping[str, Value]) -> Params:
        """config.yaml with the chat's overrides; a bad override is refused and the present values stay."""
        try:
            self.params = load_params(self.settings.config_path, overrides)
        except ConfigError:
            log.exception("an override was refused")
        return self.params

    async def load_overrides(self, chat: ChatStore) -> None:
        """Start with what the chat has changed; without a database config.yaml alone decides."""
        try:
            found = {key: value for key, value in (await chat.overrides()).items() if value is not None}
        except StoreUnavailable:
            log.warning("the chat's settings can't be read yet; config.yaml alone decides")
            return
        self.with_overrides(found)

    async def every(self, seconds: float, work: Callable[[], Awaitable[None]], *, least_s: float = 0.05) -> None:
        """Do `work` each `seconds` of the clock (never more often than `least_s` real seconds) until the stop."""
        while not self.stop.is_set():
            await work()
            await self.pause(max(least_s, seconds / self.clock.speed))

    async def pause(self, real_seconds: float) -> None:
        """Wait, but not beyond the stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(real_seconds):
                await self.stop.wait()

    async def beat(self) -> None:
        """Keep telling that this process lives and what it achieved."""
        while not self.stop.is_set():
            await self.beat_once()
            await self.pause(BEAT_EVERY_S)

    async def beat_once(self) -> None:
        """Tell it once: to the guardian in a file, to everybody else over the bus, which never holds up the file."""
        if "pid" not in self.progress:
            pid = os.getpid()
            self.note(pid=pid, started=process_started(pid))
            if self.loop is not None:
                self.loop.settle()
        if self.loop is not None:
            self.note(**self.loop.facts())
        if self.monotonic() - self.measured >= MEMORY_EVERY_S:
            self.measured = self.monotonic()
            give_back()
            self.note(pss_mb=pss_mb() or "")
        self.note(mono=self.monotonic(), at=self.clock.now().isoformat(), version=VERSION)
        path = self.settings.state_dir / "beats" / self.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_atomic(path, msgspec.json.encode(self.progress))
        except OSError as error:
            log.error("the heartbeat can't be written: %s", error.strerror)
        with contextlib.suppress(BusUnavailable, TimeoutError):
            async with asyncio.timeout(BEAT_EVERY_S):
                await self.bus.beat(self.name, self.progress)


def _write_atomic(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".tmp")
    partial.write_bytes(content)
    partial.replace(path)


async def until_stopped(runtime: Runtime, *work: Coroutine[object, object, None]) -> None:
    """Run the parts of a process together: the first to fail ends it, the stop event ends all in order."""
    tasks = [asyncio.create_task(w) for w in (*work, runtime.beat())]
    stopper = asyncio.create_task(runtime.stop.wait())
    try:
        await asyncio.wait([*tasks, stopper], return_when=asyncio.FIRST_COMPLETED)
        failed = next((t for t in tasks if t.done() and not t.cancelled() and t.exception()), None)
        if failed is not None:
            failed.result()
    finally:
        runtime.stop.set()
        for task in (*tasks, stopper):
            task.cancel()
        await asyncio.gather(*tasks, stopper, return_exceptions=True)


def only_instance(name: str, state_dir: Path) -> BinaryIO:
    """Hold the kernel's lock of this process name on this state directory for as long as the file is open."""
    file = hold_alone(state_dir, name)
    if file is None:
        raise ConfigError(f"another {name} already runs on {state_dir}; stop it first")
    return file


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent dies, where the starter wants that."""
    if os.environ.get("SEOHAK_DIE_WITH_PARENT") and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(name: str, main: Callable[[Runtime], Awaitable[None]], secrets: tuple[str, ...] = ()) -> int:
    """Start one process; returns its exit code (0 stopped, 1 failed, 2 wrong configuration)."""
    die_with_parent()
    keep_little()
    env = environment()
    try:
        settings = base(env)
        logs.set_up(settings.log_level, [env.get(key, "") for key in secrets])
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        params = load_params(settings.config_path)
        with only_instance(name, settings.state_dir):
            timed = LoopTime()
            with asyncio.Runner(loop_factory=timed.loop) as runner:
                return runner.run(_run(name, main, settings, params, env, timed))
    except ConfigError as error:
        print(f"seohak {name}: {error}", file=sys.stderr)  # noqa: T201  (one line for the person at the terminal)
        return 2
    except KeyboardInterrupt:
        return 0
    except Exception:
        log.exception("%s failed", name)
        return 1


async def _run(
    name: str,
    main: Callable[[Runtime], Awaitable[None]],
    settings: Base,
    params: Params,
    env: dict[str, str],
    timed: LoopTime,
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    clock = clock_from(env)
    bus = RedisBus(settings.redis_url or socket_url(settings.state_dir), consumer=f"{name}-1", speed=clock.speed)
    runtime = Runtime(
        name=name,
        settings=settings,
        params=params,
        clock=clock,
        bus=bus,
        env=env,
        stop=stop,
        progress={},
        loop=timed,
    )
    try:
        log.info("%s started", name)
        await main(runtime)
        log.info("%s stopped", name)
    finally:
        await bus.close()
    return 0

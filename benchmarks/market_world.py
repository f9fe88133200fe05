"""The real processes before a sandbox that sends a whole market, and what can be seen of them from outside."""

import asyncio
import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np

from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine, upgrade
from adapters.redis.bus import RedisBus
from adapters.redis.server import EmbeddedRedis
from backtest.data.day import DayBars
from benchmarks.peer_bars import sessions
from benchmarks.postgres import Postgres
from cli.demo_story import OWNER
from cli.live_day import replayed
from cli.processes import Family
from ports.store import WATCH_LIST

# real seconds that the processes get to start before the first bars that count
START_S = 25.0
# nothing is bought in the first minutes of a session
AFTER_OPEN_MIN = 40
# minute bars in one frame of the sandbox
FRAME_EVENTS = 200
OURS = ("collector", "analyzer", "trader", "guardian", "bot")


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """Memory in megabytes: what is a process's own, and its share of what it shares."""

    name: str
    pss_mb: float


class MarketWorld:
    """One running market; `speed` market seconds pass in a real one. The record is kept in SQLite, or in `postgres`."""

    def __init__(
        self, folder: Path, bars: DayBars, begin_at: dt.datetime, speed: float, postgres: Postgres | None = None
    ) -> None:
        self.folder, self.speed, self.postgres = folder, speed, postgres
        self.story = replayed(folder, bars, begin_at, speed, start_s=START_S)
        self.redis = EmbeddedRedis(folder)
        self.family = Family(folder, {})
        self.http: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def running(self, watched: tuple[str, ...] = ()) -> AsyncIterator[RedisBus]:
        """Start everything, with a watch list; stop it at the end."""
        self.story.env = self.story.environment()
        if self.postgres is not None:
            self.story.env["DATABASE_URL"] = self.postgres.url
        self.family = Family(self.folder, self.story.env)
        await self._watch(watched)
        try:
            await self.story.start(self.family, self.redis)
            async with aiohttp.ClientSession() as self.http, RedisBus(self.redis.url, consumer="bench") as bus:
                yield bus
        finally:
            await self.family.stop()
            self.redis.stop()

    async def _watch(self, tickers: tuple[str, ...]) -> None:
        url = self.story.env.get("DATABASE_URL", f"sqlite+aiosqlite:///{self.folder / 'seohak.db'}")
        await asyncio.to_thread(upgrade, url)
        engine = open_engine(url)
        await SqlChatStore(engine).set_preference(0, WATCH_LIST, ",".join(tickers))
        await engine.dispose()

    async def ask(self, path: str) -> dict[str, Any]:
        """The sandbox's control API."""
        return await self.story.ask(self.http, path)

    async def spread(self, tickers: int, over_s: float) -> None:
        """From now on a minute's frames arrive over so many real seconds."""
        fault = {"link": "polygon_ws", "action": "paced", "delay_s": over_s * FRAME_EVENTS / tickers}
        async with self.http.post(self.story.url("/control/faults"), json=fault) as answer:
            answer.raise_for_status()

    async def say(self, text: str) -> None:
        """The owner writes to the bot."""
        await self.http.post(self.story.url("/sim/send"), json={"user": OWNER, "text": text})

    def wall_s(self, clock: dict[str, Any], at: str) -> float:
        """The wall clock's seconds of an instant of the market, with the clock of /control/state."""
        origin = dt.datetime.fromisoformat(clock["origin"])
        passed = (dt.datetime.fromisoformat(at) - origin).total_seconds()
        return float(clock["started"]) + passed / float(clock["speed"])

    def memory(self) -> list[Process]:
        """Of our processes, of what they have started, of Redis, and of PostgreSQL with all it has forked."""
        found = []
        for name in OURS:
            process = self.family.children[name].process
            if process is not None and process.returncode is None:
                for pid in _family_of(process.pid):
                    own = name if pid == process.pid else f"{name}: {_module_of(pid)}"
                    found.append(Process(name=own, pss_mb=_pss_mb(pid)))
        found.append(Process(name="redis", pss_mb=_pss_mb(self.redis.pid or 0)))
        if self.postgres is not None and self.postgres.pid is not None:
            served = sum(_pss_mb(pid) for pid in _family_of(self.postgres.pid))
            found.append(Process(name="postgresql", pss_mb=served))
        return found


def _family_of(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for tasks in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (tasks / "children").read_text().split()]
    return found


def _module_of(pid: int) -> str:
    """What a process of ours runs: the word behind -m."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return "gone"
    return words[words.index("-m") + 1] if "-m" in words else words[0]


def _pss_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss: +(\d+)", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def dense_day(tickers: int, minutes: int, events: int, seed: int = 7) -> tuple[DayBars, list[tuple[str, int]]]:
    """A market in which every ticker prints every minute; some rise by 8 % once, on much volume. A tranche buys each of them.

    Returns the bars and what was planted: ticker and start in epoch milliseconds.
    """
    rng = np.random.default_rng(seed)
    (on,), grid = sessions(1)
    starts = grid[AFTER_OPEN_MIN : AFTER_OPEN_MIN + minutes]
    steps = rng.normal(0, 0.0004, (minutes, tickers))
    volume = rng.lognormal(7, 0.6, (minutes, tickers)).round() + 1
    names = [f"S{number:05d}" for number in range(tickers)]
    planted = []
    first = min(25, minutes - 1)
    for ticker, minute in zip(
        rng.choice(tickers, min(events, tickers), replace=False).tolist(),
        np.linspace(first, minutes - 1, min(events, tickers)).astype(int).tolist(),
        strict=True,
    ):
        steps[minute, ticker], volume[minute, ticker] = 0.08, 60_000
        planted.append((names[ticker], int(starts[minute])))
    close = np.round(np.exp(rng.normal(2.8, 0.3, tickers)) * np.exp(np.cumsum(steps, axis=0)), 2) + 1
    opened = np.vstack((close[:1], close[:-1]))
    columns = [opened, np.maximum(opened, close) + 0.01, np.minimum(opened, close) - 0.01, close, volume]
    code = np.tile(np.arange(tickers, dtype=np.int32), minutes)
    bars = DayBars(
        on, tuple(names), code, np.repeat(starts, tickers), *(c.reshape(-1).astype(np.float64) for c in columns)
    )
    return bars, planted

"""Whether the collector keeps up with second aggregates of the whole market: `./seohak bench seconds [--json]`.

In real time: the sandbox is a process of its own and sends `A.*` over a real socket, 8,000 events a second of 11,000
tickers. Here runs the collector as it is, with its record of the day, a real Redis and a database. Counted are what was
sent and what came, and how late it was read; the minutes that were passed on are compared with those of the market.
"""

import argparse
import asyncio
import datetime as dt
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from adapters.clock import clock_from
from adapters.db.engine import open_engine, upgrade
from adapters.db.records import SqlRecordStore
from adapters.polygon.connection import Session
from adapters.polygon.rest import PolygonReference
from adapters.polygon.stream import PolygonStream
from adapters.polygon.wire import Aggregate
from adapters.redis.bus import RedisBus
from adapters.redis.server import EmbeddedRedis
from backtest.data.day import DayBars
from benchmarks.market_world import AFTER_OPEN_MIN, dense_day
from cli.live_day import replayed
from cli.processes import Family
from config.environment import base
from core.model.batch import BarBatch
from core.model.params import Params, ScannerParams
from core.rules.folding import Folding
from ports.market_data import Feed
from services.collector import Collector
from services.memory import pss_mb
from services.runtime import Runtime

SUMMARY = "시장 전체의 초봉을 실시간으로 따라가는지 / whether the collector keeps up with the market's second bars"
TICKERS, EVENTS_PER_S, SECONDS = 11_000, 8_000, 600
LAG_LIMIT_S = 1.0
# what was asked for must really have been sent
LEAST_SHARE = 0.98
START_S, CONNECT_S, DRAIN_S, LOOK_S = 10.0, 30.0, 10.0, 0.05
# of a ticker that does not print every second: 1 to 47 prints a minute, 24 on average
SELDOM = 48


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`arrival_*`: from a frame's sending to its arrival; `reader_lag_max_s`: what had come and was not read yet.

    `lag_max_s` is both at their worst together. `cpu_share` is of one core, `grown_mb` what the collector needs beside
    its program; `passed_on_s` is from a minute's end to its bars; `wrong` bars differ from the market's own.
    """

    tickers: int
    asked_per_s: int
    seconds: float
    sent: int
    received: int
    dropped: int
    sent_per_s: float
    arrival_p99_s: float
    arrival_max_s: float
    reader_lag_max_s: float
    lag_max_s: float
    cpu_share: float
    grown_mb: float
    bars: int
    wrong: int
    passed_on_s: float
    ok: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--tickers", type=int, default=TICKERS, metavar="N", help=f"the market ({TICKERS})")
    parser.add_argument(
        "--events-per-s", type=int, default=EVENTS_PER_S, metavar="N", help=f"on average ({EVENTS_PER_S})"
    )
    parser.add_argument("--seconds", type=int, default=SECONDS, metavar="N", help=f"real time ({SECONDS})")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def printing_day(tickers: int, events_per_s: int, minutes: int, seed: int = 7) -> DayBars:
    """A market whose bars have so many shares that about `events_per_s` seconds have a print, each of them in one event."""
    bars, _ = dense_day(tickers, minutes, events=0, seed=seed)
    rng = np.random.default_rng(seed)
    often = round((events_per_s - tickers * SELDOM / 120) / (1 - SELDOM / 120))
    most = SELDOM if often >= 0 else max(2, round(events_per_s * 120 / tickers))
    volume = rng.integers(1, most, (minutes, tickers))
    volume[:, : max(0, often)] = rng.integers(60, 600, (minutes, max(0, often)))
    # the busy ones anywhere in the alphabet
    shuffled = rng.permutation(tickers)
    return msgspec.structs.replace(bars, volume=volume[:, shuffled].reshape(-1).astype(np.float64))


class Watched(PolygonStream):
    """The stream, with a note of when frames came, how long they waited, and what was passed on."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.came: dict[tuple[int, str], float] = {}
        self.reader_lag_s = 0.0
        self.passed: list[tuple[float, BarBatch]] = []

    @property
    def lost(self) -> int:
        """What came and was never read."""
        return self._backlog.lost

    def _received(self, session: Session, frame: str | bytes) -> None:
        text = frame if isinstance(frame, str) else frame.decode()
        if text.startswith('[{"ev":"A"'):
            self.came[_frame_key(text)] = time.time()
        super()._received(session, frame)

    def _batches_of(self, events: Sequence[Aggregate]) -> list[BarBatch]:
        self.reader_lag_s = max(self.reader_lag_s, self.lag_s())
        return super()._batches_of(events)

    async def events(self) -> AsyncGenerator[Feed, None]:
        """As they come."""
        async for item in super().events():
            if isinstance(item, BarBatch):
                self.passed.append((self._clock.now().timestamp(), item))
            yield item


def _frame_key(text: str) -> tuple[int, str]:
    """The end of the last event's second, and its ticker."""
    last = text[text.rindex('{"ev"') :]
    event = msgspec.json.decode(last[:-1])
    return int(event["e"]), str(event["sym"])


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What one run left: the stream, the sandbox's last words, real and processor time, memory."""

    stream: Watched
    sent: int
    frames: list[tuple[int, str, float]]
    spent_s: float
    used_s: float
    grown_mb: float


class SecondsWorld:
    """The sandbox in a process of its own, and the collector here."""

    def __init__(self, folder: Path, bars: DayBars) -> None:
        self.begin_at = dt.datetime.fromtimestamp(int(bars.start_ms[0]) / 1000, dt.UTC)
        self._folder = folder
        self._story = replayed(folder, bars, self.begin_at, 1.0, start_s=START_S)
        self._day, self._recording = bars.on, folder / "day.parquet"
        self._redis = EmbeddedRedis(folder)
        self._family = Family(folder, {})
        self._http: aiohttp.ClientSession

    async def sent(self) -> int:
        """How many events the sandbox has given to the connection."""
        return int((await self._story.ask(self._http, "/control/state"))["polygon"]["seconds_sent"])

    async def frames(self) -> list[tuple[int, str, float]]:
        """When the frames of second bars were sent."""
        found = await self._story.ask(self._http, "/control/frames?of=seconds")
        return [(int(end_ms), str(last), float(at)) for end_ms, last, at in found["frames"]]

    async def silence(self) -> None:
        """Nothing is sent any more."""
        fault = {"link": "polygon_ws", "action": "silent"}
        async with self._http.post(self._story.url("/control/faults"), json=fault) as answer:
            answer.raise_for_status()

    async def play(self, seconds: float) -> Played:
        """Collect for so long."""
        env = self._story.env = self._story.environment()
        self._family = Family(self._folder, env)
        arguments = ("--replay", str(self._recording), "--day", str(self._day))
        try:
            child = await self._family.start("sandbox", "sandbox", *arguments)
            self._story.sandbox = await self._story.sandbox_ready(self._family, child)
            await asyncio.to_thread(self._redis.start)
            async with aiohttp.ClientSession() as self._http:
                return await self._collect(env | self._story.addresses(self._redis.url), seconds)
        finally:
            await self._family.stop()
            self._redis.stop()

    async def _collect(self, env: dict[str, str], seconds: float) -> Played:
        url = f"sqlite+aiosqlite:///{self._folder / 'seohak.db'}"
        await asyncio.to_thread(upgrade, url)
        engine, clock = open_engine(url), clock_from(env)
        stream = Watched(env["POLYGON_API_KEY"], env["POLYGON_WS_URL"], clock=clock, fold=Folding())
        reference = PolygonReference(env["POLYGON_API_KEY"], env["POLYGON_REST_URL"], clock=clock)
        before_mb = pss_mb() or 0.0
        async with RedisBus(self._redis.url, consumer="bench") as bus:
            runtime = Runtime(
                name="collector",
                settings=base(env),
                params=Params(scanner=ScannerParams(aggregates="second", unknown_market_cap="accept")),
                clock=clock,
                bus=bus,
                env=env,
                stop=asyncio.Event(),
                progress={},
            )
            running = asyncio.create_task(Collector(runtime, stream, reference, SqlRecordStore(engine), dict).run())
            try:
                await _until(lambda: runtime.progress.get("feed") == "connected", CONNECT_S, running)
                await _until(lambda: stream.counters.bars > 0, CONNECT_S, running)
                began, used = time.monotonic(), time.process_time()
                await asyncio.wait({running}, timeout=seconds)
                spent_s, used_s = time.monotonic() - began, time.process_time() - used
                await self.silence()
                sent, frames = await self.sent(), await self.frames()
                await _until(lambda: stream.counters.bars >= sent, DRAIN_S, running)
                return Played(
                    stream=stream,
                    sent=sent,
                    frames=frames,
                    spent_s=spent_s,
                    used_s=used_s,
                    grown_mb=(pss_mb() or 0.0) - before_mb,
                )
            finally:
                runtime.stop.set()
                await asyncio.gather(running, return_exceptions=True)
                await stream.close()
                await reference.close()
                await engine.dispose()


async def _until(holds: Callable[[], bool], limit_s: float, running: "asyncio.Task[None]") -> None:
    deadline = time.monotonic() + limit_s
    while not holds() and time.monotonic() < deadline:
        if running.done():
            running.result()
        await asyncio.sleep(LOOK_S)


async def measure(folder: Path, tickers: int, events_per_s: int, seconds: int) -> Result:
    """Play so many real seconds."""
    minutes = -(-seconds // 60) + 2
    bars = printing_day(tickers, events_per_s, minutes)
    played = await SecondsWorld(folder, bars).play(seconds)
    stream, sent, spent_s, received = played.stream, played.sent, played.spent_s, played.stream.counters.bars
    came = stream.came
    arrivals = np.array([came[end, last] - at for end, last, at in played.frames if (end, last) in came] or [0.0])
    checked, wrong, late_s = _compared(bars, tickers, stream.passed)
    lag_s = float(arrivals.max()) + stream.reader_lag_s
    dropped = sent - received + stream.counters.dropped + stream.counters.refused + stream.lost
    good = dropped == 0 and wrong == 0 and lag_s < LAG_LIMIT_S and stream.counters.connections == 1
    return Result(
        tickers=tickers,
        asked_per_s=events_per_s,
        seconds=round(spent_s, 1),
        sent=sent,
        received=received,
        dropped=dropped,
        sent_per_s=round(sent / spent_s, 1),
        arrival_p99_s=round(float(np.percentile(arrivals, 99)), 3),
        arrival_max_s=round(float(arrivals.max()), 3),
        reader_lag_max_s=round(stream.reader_lag_s, 3),
        lag_max_s=round(lag_s, 3),
        cpu_share=round(played.used_s / spent_s, 3),
        grown_mb=round(played.grown_mb),
        bars=checked,
        wrong=wrong,
        passed_on_s=round(late_s, 1),
        ok=good and sent >= spent_s * events_per_s * LEAST_SHARE,
    )


def _compared(bars: DayBars, tickers: int, passed: Sequence[tuple[float, BarBatch]]) -> tuple[int, int, float]:
    """How many bars were passed on, how many are not the market's or missing, how long after their minute they came (median).

    Every ticker has a bar in every minute.
    """
    market = np.stack(bars.values(), axis=1).reshape(-1, tickers, 5)
    number = {name: place for place, name in enumerate(bars.tickers)}
    first_ms, count, wrong, late = int(bars.start_ms[0]), 0, 0, [0.0]
    for at, batch in passed:
        minute = (batch.start_ms - first_ms) // 60_000
        mine = market[minute, [number[ticker] for ticker in batch.tickers]]
        found = np.stack((batch.open, batch.high, batch.low, batch.close, batch.volume), axis=1)
        count += len(batch)
        wrong += tickers - len(batch) + int((~np.isclose(mine, found, rtol=0, atol=1e-4)).any(axis=1).sum())
        late.append(at - int(batch.start_ms.max()) / 1000 - 60)
    return count, wrong, float(np.median(late[1:] or late))


def run(options: argparse.Namespace) -> int:
    """0 where the promises hold, 1 where one does not, 2 wrong input."""
    if min(options.tickers, options.events_per_s, options.seconds) < 1 or options.events_per_s > options.tickers:
        sys.stderr.write(
            "seohak bench: --tickers, --events-per-s and --seconds take 1 or more; a ticker has one event\n"
        )
        sys.stderr.write("a second at most, so --events-per-s takes no more than --tickers\n")
        return 2
    if options.seconds > (390 - AFTER_OPEN_MIN - 2) * 60:
        sys.stderr.write("seohak bench: --seconds takes no more than a session has\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="seohak-seconds-") as folder:
        result = asyncio.run(measure(Path(folder), options.tickers, options.events_per_s, options.seconds))
    if options.json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        return 0 if result.ok else 1
    table = Table(title=f"{result.sent_per_s:,.0f} second bars a second, {result.seconds:.0f} s", title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    for name, value in (
        ("events sent / received / dropped", f"{result.sent:,} / {result.received:,} / {result.dropped:,}"),
        ("arrival behind sending, p99 / most", f"{result.arrival_p99_s:.3f} / {result.arrival_max_s:.3f} s"),
        ("reader behind arrival, most", f"{result.reader_lag_max_s:.3f} s"),
        ("both together", f"{result.lag_max_s:.3f} s (limit {LAG_LIMIT_S:g})"),
        ("processor", f"{result.cpu_share:.0%} of one core"),
        ("memory beside the program", f"{result.grown_mb:.0f} MB"),
        ("minute bars passed on / wrong", f"{result.bars:,} / {result.wrong:,}"),
        ("passed on after the minute", f"{result.passed_on_s:.1f} s"),
    ):
        table.add_row(name, value)
    Console().print(table)
    return 0 if result.ok else 1

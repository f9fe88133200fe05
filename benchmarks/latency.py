"""How soon a market's minute is screened and traded: `./seohak bench latency [--json]`.

11,000 bars arrive within one second every minute. Counted is from the moment at which the sandbox had sent the frame
with the bar, as real time: to the message on Redis, and to the order at the sandbox's broker. The settings are those
that are shipped, but that nobody is asked: five positions at most, so that the first five finds become orders.
"""

import argparse
import asyncio
import datetime as dt
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from adapters.redis.codec import decode
from benchmarks.market_world import MarketWorld, dense_day
from core.model.messages import Channel, Screened

SUMMARY = "분봉이 도착해서 주문이 나갈 때까지 / from a bar's frame to the message and to the order"
# one find a minute: each order takes six of the eighteen calls that KIS allows in a second
TICKERS, MINUTES, EVENTS = 11_000, 33, 8
SCREENED_P99_MS, ORDER_P50_MS, ORDER_P99_MS = 500.0, 40.0, 150.0
# a minute's bars are there within so many real seconds
ARRIVE_S = 0.9
SETTLE_S = 5.0


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`expected`: the finds that were planted. `dropped`: bars that were sent and did not reach the screen."""

    bars_a_minute: int
    expected: int
    dropped: int
    screened: Spread
    ordered: Spread
    ok: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--tickers", type=int, default=TICKERS, metavar="N", help=f"bars in a minute ({TICKERS})")
    parser.add_argument("--minutes", type=int, default=MINUTES, metavar="N", help=f"minutes to play ({MINUTES})")
    parser.add_argument(
        "--speed",
        type=float,
        default=3.0,
        metavar="N",
        help="market seconds per second (3); the broker's limits are the market's time",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


async def _listen(url: str, heard: dict[tuple[str, int], float]) -> None:
    """When each find was on Redis, by ticker and end of its bar."""
    async with Redis.from_url(url) as redis, redis.pubsub() as channels:
        await channels.subscribe(Channel.SCREENED.value)
        async for message in channels.listen():
            now = time.time()
            if message["type"] == "message":
                found = decode(Channel.SCREENED, message["data"])
                if isinstance(found, Screened):
                    heard.setdefault((found.ticker, found.bars[-1].end_ms), now)


async def measure(folder: Path, tickers: int, minutes: int, speed: float) -> Result:
    """Play the minutes and compare the times."""
    bars, planted = dense_day(tickers, minutes, EVENTS)
    begin_at = dt.datetime.fromtimestamp(int(bars.start_ms[0]) / 1000, dt.UTC)
    world = MarketWorld(folder, bars, begin_at, speed)
    end_at = begin_at + dt.timedelta(minutes=minutes)
    heard: dict[tuple[str, int], float] = {}
    async with world.running() as bus:
        await world.spread(tickers, ARRIVE_S)
        listener = asyncio.create_task(_listen(world.redis.url, heard))
        state: dict[str, Any] = {}
        now = begin_at
        while now < end_at + dt.timedelta(seconds=SETTLE_S * speed):
            await asyncio.sleep(1.0)
            state = await world.ask("/control/state")
            now = dt.datetime.fromisoformat(state["clock"]["now"])
        frames = (await world.ask("/control/frames"))["frames"]
        orders = (await world.ask("/control/orders?host=real"))["orders"]
        beat = (await bus.heartbeats())["collector"]
        sent_bars = (await world.ask("/control/state"))["polygon"]["bars_sent"]
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
    finds = {(ticker, start_ms + 60_000) for ticker, start_ms in planted}
    sent = {find: _sent_at(frames, *find) for find in finds}
    first_order: dict[str, float] = {}
    for order in orders:
        if order["side"] == "buy":
            at = world.wall_s(state["clock"], order["placed_at"])
            first_order[order["symbol"]] = min(at, first_order.get(order["symbol"], at))
    screened = [heard[find] - sent[find] for find in finds if find in heard]
    ordered = [first_order[ticker] - sent[ticker, end] for ticker, end in finds if ticker in first_order]
    dropped = sent_bars - int(beat.get("bars", 0))
    result = Result(
        bars_a_minute=tickers,
        expected=len(finds),
        dropped=dropped,
        screened=_spread(screened),
        ordered=_spread(ordered),
        ok=False,
    )
    quick = result.screened.p99_ms <= SCREENED_P99_MS
    quick &= result.ordered.p50_ms <= ORDER_P50_MS and result.ordered.p99_ms <= ORDER_P99_MS
    return msgspec.structs.replace(result, ok=quick and dropped == 0 and len(screened) == len(finds))


def _sent_at(frames: Sequence[Sequence[object]], ticker: str, end_ms: int) -> float:
    """When the frame with this bar had been sent; frames hold the symbols in order."""
    for end, last, at in frames:
        if end == end_ms and str(last) >= ticker:
            return float(str(at))
    return float("nan")


def _spread(seconds: Sequence[float]) -> Spread:
    values = np.array(seconds or [np.nan]) * 1000
    p50, p99, most = (round(float(np.nanpercentile(values, q)), 1) if seconds else 0.0 for q in (50, 99, 100))
    return Spread(count=len(seconds), p50_ms=p50, p99_ms=p99, max_ms=most)


def run(options: argparse.Namespace) -> int:
    """0 where the promises hold, 1 where one does not, 2 wrong input."""
    if options.tickers < 1 or options.minutes < 30 or options.speed < 1:
        sys.stderr.write("seohak bench: --tickers and --speed take 1 or more, --minutes 30 or more\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="seohak-latency-") as folder:
        result = asyncio.run(measure(Path(folder), options.tickers, options.minutes, options.speed))
    if options.json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        return 0 if result.ok else 1
    table = Table(title=f"{result.bars_a_minute:,} bars a minute, {result.dropped} lost", title_justify="left")
    for title in ("from the bar's frame to", "count", "p50", "p99", "slowest"):
        table.add_column(title, justify="left" if "frame" in title else "right")
    for name, spread in (("the message on Redis", result.screened), ("the order at the broker", result.ordered)):
        figures = (f"{ms:.0f} ms" for ms in (spread.p50_ms, spread.p99_ms, spread.max_ms))
        table.add_row(name, f"{spread.count} of {result.expected}", *figures)
    Console().print(table)
    return 0 if result.ok else 1

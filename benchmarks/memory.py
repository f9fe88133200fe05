"""How much memory the running system needs with the whole market: `./seohak bench memory [--json]`."""

import argparse
import asyncio
import contextlib
import datetime as dt
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.market_day import ROWS, TICKERS, market_day
from benchmarks.market_world import MarketWorld, Process
from benchmarks.postgres import Postgres, PostgresTrouble

SUMMARY = "시장 전체를 처리할 때의 메모리 / memory of all processes with the whole market"
LIMIT_MB, POSTGRES_LIMIT_MB, GROWTH_LIMIT_PCT = 500.0, 650.0, 1.0
WATCHED = 200
SOAK = dt.timedelta(hours=4)
# from the open to the close
SESSION = dt.timedelta(minutes=390)
LOOK_S = 2.0
# what a process usually has is looked at for so long
SPAN = dt.timedelta(minutes=15)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Megabytes of PSS after the session; `growth_pct` over its last four hours, without the picture that is drawn then.

    `grown_mb`: the same by process; of each a quarter of an hour's median, because what waits to be written comes and goes.
    `dropped`: bars that were sent and did not reach the screen.
    """

    processes: list[Process]
    total_mb: float
    growth_pct: float
    grown_mb: dict[str, float]
    bars: int
    dropped: int
    screened: int
    lag_max_s: float
    limit_mb: float
    ok: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--tickers", type=int, default=TICKERS, metavar="N", help=f"the market ({TICKERS})")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"about how many bars ({ROWS})")
    parser.add_argument("--speed", type=float, default=60.0, metavar="N", help="market seconds per second (60)")
    parser.add_argument("--postgres", action="store_true", help="the record in PostgreSQL, which is measured too")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


async def measure(folder: Path, tickers: int, rows: int, speed: float, postgres: Postgres | None) -> Result:
    """Play a session, with 200 watched tickers and a chart at its end."""
    bars = market_day(tickers, rows).bars
    begin_at = dt.datetime.fromtimestamp(int(bars.start_ms[0]) / 1000, dt.UTC)
    world = MarketWorld(folder, bars, begin_at, speed, postgres)
    limit_mb = LIMIT_MB if postgres is None else POSTGRES_LIMIT_MB
    watched = bars.tickers[:: max(1, len(bars.tickers) // WATCHED)][:WATCHED]
    lag_max_s, now = 0.0, begin_at
    looks: list[tuple[dt.datetime, list[Process]]] = []
    async with world.running(watched) as bus:
        while now < begin_at + SESSION + dt.timedelta(minutes=1):
            await asyncio.sleep(LOOK_S)
            state = await world.ask("/control/state")
            now = dt.datetime.fromisoformat(state["clock"]["now"])
            beat = (await bus.heartbeats()).get("collector", {})
            lag_max_s = max(lag_max_s, float(beat.get("lag_s") or 0.0))
            looks.append((now, world.memory()))
        await world.say(f"/chart {watched[0]}")
        await asyncio.sleep(LOOK_S * 3)
        processes = world.memory()
        sent = (await world.ask("/control/state"))["polygon"]["bars_sent"]
        beat = (await bus.heartbeats())["collector"]
    total = sum(process.pss_mb for process in processes)
    ends_at = begin_at + SESSION
    soaked, ended = _usual(looks, ends_at - SOAK), _usual(looks, ends_at - SPAN)
    growth_pct = (sum(ended.values()) / sum(soaked.values()) - 1) * 100
    dropped = sent - int(beat.get("bars", 0))
    return Result(
        processes=processes,
        total_mb=round(total, 1),
        growth_pct=round(growth_pct, 2),
        grown_mb={name: round(mb - soaked.get(name, 0.0), 1) for name, mb in ended.items()},
        bars=sent,
        dropped=dropped,
        screened=int(beat.get("published", 0)),
        lag_max_s=lag_max_s,
        limit_mb=limit_mb,
        ok=total <= limit_mb and growth_pct < GROWTH_LIMIT_PCT and dropped == 0,
    )


def _usual(looks: list[tuple[dt.datetime, list[Process]]], since: dt.datetime) -> dict[str, float]:
    """Each process's median in a span of the session."""
    found = defaultdict(list)
    for at, processes in looks:
        if since <= at < since + SPAN:
            for process in processes:
                found[process.name].append(process.pss_mb)
    return {name: statistics.median(every) for name, every in found.items()}


def run(options: argparse.Namespace) -> int:
    """0 where the promises hold, 1 where one does not, 2 wrong input."""
    if min(options.tickers, options.rows) < 1 or options.speed < 1:
        sys.stderr.write("seohak bench: --tickers, --rows and --speed take 1 or more\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="seohak-memory-") as folder, contextlib.ExitStack() as stack:
        try:
            postgres = stack.enter_context(Postgres.running()) if options.postgres else None
        except PostgresTrouble as trouble:
            sys.stderr.write(f"seohak bench: {trouble}\n")
            return 2
        result = asyncio.run(measure(Path(folder), options.tickers, options.rows, options.speed, postgres))
    if options.json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        return 0 if result.ok else 1
    table = Table(title=f"{result.bars:,} bars, {result.dropped} lost", title_justify="left")
    table.add_column("process")
    table.add_column("PSS, MB", justify="right")
    table.add_column("in four hours", justify="right")
    for process in result.processes:
        table.add_row(process.name, f"{process.pss_mb:.0f}", f"{result.grown_mb.get(process.name, 0.0):+.1f}")
    table.add_row("together", f"{result.total_mb:.0f} (limit {result.limit_mb:.0f})", f"{result.growth_pct:+.1f} %")
    table.add_row("collector's lag at most", f"{result.lag_max_s:.1f} s")
    Console().print(table)
    return 0 if result.ok else 1

"""How soon /panic reaches the trader behind a queue of other updates: `python -m benchmarks.panic --json`."""

import argparse
import asyncio
import contextlib
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.chart import Ticker, a_day
from benchmarks.panic_world import OWNER, PATIENCE_S, PanicWorld, until
from charts.worker import ChartWorker
from sandbox.telegram.person import send_text

LIMIT_S = 0.3
QUEUED = 200


class Sample(msgspec.Struct, kw_only=True):
    """Seconds from the update's arrival at Telegram to the trader, and to the words in the chat."""

    trader_s: float
    chat_s: float
    gap_s: float


class Result(msgspec.Struct, kw_only=True):
    """Seconds. `gap_s` is how late the bot's event loop was at most between the update and the trader."""

    runs: int
    queued: int
    median_s: float
    p95_s: float
    max_s: float
    chat_median_s: float
    gap_s: float
    limit_s: float
    ok: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="how often, each with a fresh bot (20)")
    parser.add_argument("--queued", type=int, default=QUEUED, metavar="N", help=f"updates before it ({QUEUED})")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


async def _draw(charts: ChartWorker) -> None:
    """Charts without end."""
    spec = a_day()
    while True:
        await charts.render(spec)


async def once(charts: ChartWorker, queued: int) -> Sample:
    """A fresh bot, `queued` updates and then /panic."""
    with tempfile.TemporaryDirectory(prefix="seohak-panic-") as root:
        world = PanicWorld(Path(root), charts)
        async with world.running():
            # the last updates of a person who has written before: presses need an open chat
            send_text(world.state, OWNER, "/version")
            await until(lambda: world.state.outbox and not world.state.updates.pending)
            drawing = asyncio.create_task(_draw(charts))
            await asyncio.sleep(0)
            try:
                return await _sample(world, queued)
            finally:
                drawing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await drawing


async def _sample(world: PanicWorld, queued: int) -> Sample:
    at_trader: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()
    at_chat: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def arrived() -> None:
        if not at_trader.done():
            at_trader.set_result((time.perf_counter(), ticker.worst_s))

    def shown(change: dict[str, object]) -> None:
        words = str(change.get("message", ""))
        if change["type"] == "message" and "🛑" in words and not at_chat.done():
            at_chat.set_result(time.perf_counter())

    world.trader.on_panic = arrived
    forget = world.state.listen(shown)
    world.queue(queued)
    began = time.perf_counter()
    send_text(world.state, OWNER, "/panic")
    ticker = Ticker()
    try:
        async with asyncio.timeout(PATIENCE_S):
            trader_at, gap_s = await at_trader
            return Sample(trader_s=trader_at - began, chat_s=await at_chat - began, gap_s=gap_s)
    finally:
        ticker.stop()
        forget()


async def measure(runs: int, queued: int) -> Result:
    """Fresh bots one after another; the drawing process is warm, as it is minutes after a start."""
    charts = ChartWorker()
    try:
        await charts.warm()
        samples = [await once(charts, queued) for _ in range(runs)]
    finally:
        charts.close()
    return summary(samples, queued)


def summary(samples: list[Sample], queued: int) -> Result:
    """The nearest-rank percentiles of at least one sample."""
    seconds = sorted(sample.trader_s for sample in samples)
    median_s = statistics.median(seconds)
    return Result(
        runs=len(seconds),
        queued=queued,
        median_s=round(median_s, 4),
        p95_s=round(seconds[-(-95 * len(seconds) // 100) - 1], 4),
        max_s=round(seconds[-1], 4),
        chat_median_s=round(statistics.median(sample.chat_s for sample in samples), 4),
        gap_s=round(max(sample.gap_s for sample in samples), 4),
        limit_s=LIMIT_S,
        ok=median_s < LIMIT_S,
    )


def report(result: Result) -> str:
    """The table as text, with the limit beside it."""
    rows = [
        (f"/panic at the trader, median of {result.runs}", result.median_s, f"< {1000 * LIMIT_S:.0f} ms"),
        ("p95", result.p95_s, ""),
        ("slowest", result.max_s, ""),
        ("answered in the chat, median", result.chat_median_s, ""),
        ("event loop late by at most", result.gap_s, ""),
    ]
    lines = [f"{name:<40}{1000 * seconds:>9.1f} ms  {limit}".rstrip() for name, seconds, limit in rows]
    return "\n".join([f"{'updates queued before it':<40}{result.queued:>9}", *lines])


def run(options: argparse.Namespace) -> int:
    """Measure and report; 1 where the limit is not kept."""
    if not 1 <= options.runs <= 1_000 or not 0 <= options.queued <= 5_000:
        sys.stderr.write("--runs: from 1 to 1000; --queued: from 0 to 5000\n")
        return 2
    logging.disable(logging.WARNING)
    try:
        result = asyncio.run(measure(options.runs, options.queued))
    finally:
        logging.disable(logging.NOTSET)
    text = msgspec.json.encode(result).decode() if options.json else report(result)
    sys.stdout.write(text + "\n")
    return 0 if result.ok else 1


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    add_arguments(arguments)
    sys.exit(run(arguments.parse_args()))

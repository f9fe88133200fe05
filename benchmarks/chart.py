"""How long a chart takes and how long the event loop stands still meanwhile: `python -m benchmarks.chart --json`."""

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from charts.spec import ChartBars, ChartSpec
from charts.worker import ChartWorker

TICK_S = 0.005
BARS = 390
FIRST_LIMIT_S, LATER_LIMIT_S, GAP_LIMIT_S = 1.5, 0.25, 0.05


class Result(msgspec.Struct, kw_only=True):
    """Seconds and megabytes. `first_s` runs from no process to the picture, `gap_s` is how late the loop's ticker was."""

    charts: int
    bars: int
    png_kb: float
    first_s: float
    median_s: float
    max_s: float
    gap_s: float
    overlay_first_s: float
    overlay_gap_s: float
    bot_mb: float
    drawer_mb: float
    drawer_with_overlays_mb: float
    ok: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--charts", type=int, default=30, metavar="N", help="charts after the first (30)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def a_day() -> ChartSpec:
    """A regular session of minutes at the default size."""
    rng = np.random.default_rng(7)
    close = 142.5 * np.exp(np.cumsum(rng.normal(0, 0.002, BARS)))
    opened = np.concatenate([[142.5], close[:-1]])
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    times = 1_735_828_200_000 + 60_000 * np.arange(BARS, dtype=np.int64)
    bars = ChartBars(times, opened, high, low, close, rng.lognormal(9, 1, BARS).round())
    return ChartSpec("NVDA", "엔비디아", "", "1m", bars)


class Ticker:
    """A ticker on the loop; `worst_s` is how much later than due it came since the last `reset`."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.worst_s = max(self.worst_s, time.perf_counter() - began - TICK_S)

    def reset(self) -> float:
        worst, self.worst_s = self.worst_s, 0.0
        return worst

    def stop(self) -> None:
        self._task.cancel()


def memory_mb(pid: int | None) -> float:
    """Resident memory of a process, 0 where /proc has no answer."""
    try:
        words = Path(f"/proc/{pid or 'self'}/status").read_text("utf-8").split("VmRSS:")
        return round(int(words[1].split()[0]) / 1024, 1)
    except (OSError, IndexError, ValueError):
        return 0.0


async def _timed(worker: ChartWorker, spec: ChartSpec) -> tuple[float, int]:
    began = time.perf_counter()
    png = await worker.render(spec)
    return time.perf_counter() - began, len(png)


async def measure(charts: int) -> Result:
    """The first chart of a fresh process, then the others, then the first overlay."""
    spec, worker = a_day(), ChartWorker()
    ticker = Ticker()
    try:
        first_s, size = await _timed(worker, spec)
        later = [(await _timed(worker, spec))[0] for _ in range(charts)]
        gap_s, drawer_mb = ticker.reset(), memory_mb(worker.pid)
        began = time.perf_counter()
        await worker.overlay("vwap", spec.bars)
        overlay_s = time.perf_counter() - began
        median_s = statistics.median(later)
        overlay_gap_s = ticker.reset()
        ok = first_s < FIRST_LIMIT_S and median_s < LATER_LIMIT_S and max(gap_s, overlay_gap_s) < GAP_LIMIT_S
        return Result(
            charts=charts,
            bars=BARS,
            png_kb=round(size / 1024, 1),
            first_s=round(first_s, 3),
            median_s=round(median_s, 3),
            max_s=round(max(later), 3),
            gap_s=round(gap_s, 4),
            overlay_first_s=round(overlay_s, 3),
            overlay_gap_s=round(overlay_gap_s, 4),
            bot_mb=memory_mb(None),
            drawer_mb=drawer_mb,
            drawer_with_overlays_mb=memory_mb(worker.pid),
            ok=ok,
        )
    finally:
        ticker.stop()
        worker.close()


def report(result: Result) -> str:
    """The table as text, with the limits beside it."""
    rows = [
        ("first chart, from no process", f"{result.first_s:.3f} s", f"< {FIRST_LIMIT_S} s"),
        (f"median of {result.charts}", f"{result.median_s:.3f} s", f"< {LATER_LIMIT_S} s"),
        ("slowest of them", f"{result.max_s:.3f} s", ""),
        ("event loop late by at most", f"{1000 * result.gap_s:.1f} ms", f"< {1000 * GAP_LIMIT_S:.0f} ms"),
        ("first overlay (imports pandas-ta)", f"{result.overlay_first_s:.3f} s", ""),
        ("event loop late meanwhile", f"{1000 * result.overlay_gap_s:.1f} ms", f"< {1000 * GAP_LIMIT_S:.0f} ms"),
        ("this process", f"{result.bot_mb:.0f} MB", ""),
        ("drawing process", f"{result.drawer_mb:.0f} MB", ""),
        ("the same after an overlay", f"{result.drawer_with_overlays_mb:.0f} MB", ""),
        ("picture", f"{result.png_kb:.0f} KB", ""),
    ]
    return "\n".join(f"{name:<36}{value:>12}  {limit}".rstrip() for name, value, limit in rows)


def run(options: argparse.Namespace) -> int:
    """Measure and report; 1 where a limit is not kept."""
    if not 1 <= options.charts <= 10_000:
        sys.stderr.write("--charts: from 1 to 10000\n")
        return 2
    result = asyncio.run(measure(options.charts))
    text = msgspec.json.encode(result).decode() if options.json else report(result)
    sys.stdout.write(text + "\n")
    return 0 if result.ok else 1


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    add_arguments(arguments)
    sys.exit(run(arguments.parse_args()))

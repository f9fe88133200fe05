"""How fast the stop is when something is broken: `python -m benchmarks.stops --runs 20 --json`."""

import argparse
import asyncio
import math
import os
import platform
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.postgres import PostgresTrouble
from benchmarks.stop_faults import FAULTS, Fault
from benchmarks.stop_runs import Run, play
from benchmarks.stop_world import StopWorld, WorldTrouble
from config.params import ConfigError

DEFAULT_RUNS, DEFAULT_POSITIONS = 20, 24
# a case that fails this often is not worth more time
MOST_FAILURES: Final = 3
# runs in one world: KIS's list of a day's orders grows with each, and a real day has no more of them
RUNS_PER_WORLD: Final = 40
# worlds that could not be started or filled with positions
MOST_UNPREPARED: Final = 10
# of the logs' errors, for each case
MOST_LINES: Final = 20
# a fault strikes at any moment of everybody's rounds, not right after what the run before it has waited for
PHASE_S: Final = 4.0


class Row(msgspec.Struct, kw_only=True):
    """One line of the table. Percentiles are by nearest rank: with 20 runs p99 is the slowest."""

    case: str
    about: str
    limit_s: float
    runs: int
    p50: float | None
    p99: float | None
    max: float | None
    by: dict[str, int]
    mended_max_s: float
    load_p50: float
    code: list[str]
    troubles: list[str]
    ok: bool


class Results(msgspec.Struct, kw_only=True):
    """The file that makes a measurement resumable, and the answer of --json."""

    machine: dict[str, str | int | float]
    positions: int
    cases: dict[str, list[Run]] = {}
    errors: dict[str, list[str]] = {}
    unprepared: list[str] = []
    rows: list[Row] = []
    ok: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS, help="runs of each case (1 to 1000)")
    parser.add_argument("--case", action="append", choices=list(FAULTS), help="only this case; may be repeated")
    parser.add_argument("--positions", type=int, default=DEFAULT_POSITIONS, help="positions held (1 to 24)")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep the runs here and go on from them")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def run(options: argparse.Namespace) -> int:
    """Measure and tell; 0 where every limit and every promise was kept, else 1. Raises ConfigError for bad input."""
    if not 1 <= options.runs <= 1000:
        raise ConfigError(f"--runs: {options.runs} is out of bounds (1 to 1000)")
    if not 1 <= options.positions <= 24:
        raise ConfigError(f"--positions: {options.positions} is out of bounds (1 to 24)")
    results = _load(options.results, options.positions)
    wanted = [FAULTS[name] for name in dict.fromkeys(options.case or FAULTS)]
    try:
        asyncio.run(_until_stopped(wanted, options.runs, results, options.results))
    except PostgresTrouble as trouble:
        raise ConfigError(str(trouble)) from None
    _finish(results, wanted, options.runs)
    _store(options.results, results)
    _write(table(results.rows))
    if options.json:
        _write(msgspec.json.encode(results).decode())
    return 0 if results.ok else 1


def _load(path: Path | None, positions: int) -> Results:
    """What is there already. Raises ConfigError for a file of another measurement."""
    if path is None or not path.exists():
        return Results(machine=machine(), positions=positions)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Results)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"--results: {path} can't be read ({error}); name another file") from None
    if found.positions != positions:
        raise ConfigError(f"--results: {path} was measured with {found.positions} positions; name another file")
    return found


def _store(path: Path | None, results: Results) -> None:
    if path is not None:
        partial = path.with_name(f"{path.name}.tmp")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
        partial.replace(path)


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _until_stopped(wanted: list[Fault], runs: int, results: Results, path: Path | None) -> None:
    """SIGTERM ends like Ctrl-C: the world is taken down, what is measured stays in the file."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    while (fault := _next(wanted, runs, results)) is not None:
        state_dir = Path(tempfile.mkdtemp(prefix="seohak-stops-"))
        try:
            async with StopWorld(state_dir, positions=results.positions) as world:
                await _in_one_world(world, wanted, runs, results, path)
        except WorldTrouble as trouble:
            # nothing was broken on purpose yet: this is no run of a case, but it is told
            results.unprepared.append(f"before {fault.name}: {trouble}")
            sys.stderr.write(f"{results.unprepared[-1]}\n")
            _store(path, results)
        finally:
            shutil.rmtree(state_dir, ignore_errors=True)


def _next(wanted: list[Fault], runs: int, results: Results) -> Fault | None:
    """The first case with runs to come; one that fails too often has none."""
    if len(results.unprepared) > MOST_UNPREPARED:
        return None
    for fault in wanted:
        done = results.cases.get(fault.name, [])
        if len(done) < runs and sum(bool(r.troubles) for r in done) < MOST_FAILURES:
            return fault
    return None


async def _in_one_world(world: StopWorld, wanted: list[Fault], runs: int, results: Results, path: Path | None) -> None:
    """Runs in one world; it ends early where one of them has broken a promise."""
    said = 0
    for _ in range(RUNS_PER_WORLD):
        fault = _next(wanted, runs, results)
        if fault is None:
            return
        done = len(results.cases.get(fault.name, []))
        phase = random.Random(f"{fault.name} {done}").uniform(0, PHASE_S)  # noqa: S311 - no secret
        ticker = await prepared(world)
        await asyncio.sleep(phase)
        run = await play(world, fault, ticker)
        lines = world.troubles()
        kept = results.errors.setdefault(fault.name, [])
        kept.extend(lines[said:][: MOST_LINES - len(kept)])
        said = len(lines)
        _keep(results, fault, run, path)
        if run.troubles:
            return


def _keep(results: Results, fault: Fault, run: Run, path: Path | None) -> None:
    """Write a run down and tell of it."""
    done = results.cases.setdefault(fault.name, [])
    done.append(run)
    _store(path, results)
    seconds = "-" if run.seconds is None else f"{run.seconds:.2f} s"
    said = f" {'; '.join(run.troubles)}" if run.troubles else ""
    sys.stderr.write(f"{fault.name} {len(done)}: {run.ticker} {seconds} by {run.by or '-'}{said}\n")
    sys.stderr.flush()


async def prepared(world: StopWorld) -> str:
    """A held ticker to play with; positions are bought first where few are left. Raises WorldTrouble."""
    held = list(world.protected())
    if len(held) <= world.positions // 2:
        await world.fill_up()
        held = list(world.protected())
    return held[0]


def row(fault: Fault, runs: list[Run]) -> Row:
    """The figures of one case."""
    times = sorted(r.seconds for r in runs if r.seconds is not None)
    troubles = [f"{r.ticker}: {trouble}" for r in runs for trouble in r.troubles]
    slowest = times[-1] if times else None
    return Row(
        case=fault.name,
        about=fault.about,
        limit_s=fault.limit_s,
        runs=len(runs),
        p50=statistics.median_low(times) if times else None,
        p99=times[math.ceil(0.99 * len(times)) - 1] if times else None,
        max=slowest,
        by={who: sum(r.by == who for r in runs) for who in sorted({r.by for r in runs if r.by})},
        mended_max_s=max(r.mended_s for r in runs),
        load_p50=round(statistics.median(r.load for r in runs), 1),
        code=sorted({r.code for r in runs if r.code}),
        troubles=troubles,
        ok=slowest is not None and slowest <= fault.limit_s and not troubles,
    )


def _finish(results: Results, wanted: list[Fault], runs: int) -> None:
    measured = [FAULTS[name] for name in FAULTS if results.cases.get(name)]
    results.rows = [row(fault, results.cases[fault.name]) for fault in measured]
    complete = all(len(results.cases.get(fault.name, [])) >= runs for fault in wanted)
    results.ok = complete and all(r.ok for r in results.rows if FAULTS[r.case] in wanted)


def table(rows: list[Row]) -> str:
    """For people."""

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    lines = [f"{'case':22}{'runs':>5}{'p50 s':>8}{'p99 s':>8}{'max s':>8}{'limit s':>9}{'load':>6}  {'sold by':26}ok"]
    for r in rows:
        by = ", ".join(f"{who} {count}" for who, count in r.by.items())
        figures = (
            f"{r.runs:>5}{number(r.p50):>8}{number(r.p99):>8}{number(r.max):>8}{r.limit_s:>9.0f}{r.load_p50:>6.1f}"
        )
        lines.append(f"{r.case:22}{figures}  {by:26}{'yes' if r.ok else 'NO'}")
        lines += [f"    {trouble}" for trouble in r.troubles]
    return "\n".join(lines)


def machine() -> dict[str, str | int | float]:
    """What the figures were measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model or platform.processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(pages / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def main() -> int:
    """`python -m benchmarks.stops`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stops", description=__doc__)
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except ConfigError as error:
        sys.stderr.write(f"stops: {error}\n")
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


if __name__ == "__main__":
    sys.exit(main())

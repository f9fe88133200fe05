"""`./seohak bench`: seeded stories of trader and guardian against a KIS that has accidents."""

import argparse
import sys

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import backtest, bars, chart, frames, latency, memory, panic, seconds, stops
from simulation.faults import LEVELS
from simulation.many import Totals, total
from simulation.run import run_seed
from simulation.table import Row, protocol_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    benches = parser.add_subparsers(dest="bench", metavar="BENCH", required=True)
    sub = benches.add_parser(
        "simulation",
        help="이야기를 무작위로 되풀이합니다 / play seeded stories",
        description="Trader and guardian as they are, on virtual time, against a KIS with lost, late and false answers.",
    )
    sub.add_argument("--seeds", type=_positive, default=200, metavar="N", help="how many stories (200)")
    sub.add_argument("--first", type=int, default=1, metavar="N", help="the first seed (1)")
    sub.add_argument("--level", choices=[*LEVELS], default="stress", help="how often what goes wrong (stress)")
    sub.add_argument("--workers", type=_positive, default=2, metavar="N", help="processes (2)")
    sub.add_argument("--json", action="store_true", help="machine-readable output")
    sub.add_argument("--protocols", action="store_true", help="compare with naive protocols on the same accidents")
    sub.add_argument("--seed", type=int, metavar="N", help="play this one story only")
    sub.add_argument("--trace", action="store_true", help="with --seed: print what happened")
    sub.set_defaults(play=_simulation)
    words = "손절 속도를 진짜 프로세스로 잽니다 / how fast the stop is when something is broken, with real processes"
    sub = benches.add_parser("stops", help=words, description=words)
    stops.add_arguments(sub)
    sub.set_defaults(play=stops.run)
    words = "하루치 분봉을 가져오고 읽는 속도를 잽니다 / how fast a whole-market day is imported and read"
    sub = benches.add_parser("bars", help=words, description=words)
    bars.add_arguments(sub)
    sub.set_defaults(play=bars.run)
    sub = benches.add_parser("backtest", help=backtest.SUMMARY, description=backtest.SUMMARY)
    backtest.add_arguments(sub)
    sub.set_defaults(play=backtest.run)
    words = "차트 속도와 메모리를 잽니다 / how long a chart takes, and what it holds up"
    sub = benches.add_parser("chart", help=words, description=words)
    chart.add_arguments(sub)
    sub.set_defaults(play=chart.run)
    sub = benches.add_parser("frames", help=frames.SUMMARY, description=frames.SUMMARY)
    frames.add_arguments(sub)
    sub.set_defaults(play=frames.run)
    for each, name in ((memory, "memory"), (latency, "latency"), (seconds, "seconds")):
        sub = benches.add_parser(name, help=each.SUMMARY, description=each.SUMMARY)
        each.add_arguments(sub)
        sub.set_defaults(play=each.run)
    words = "밀린 메시지 뒤의 /panic이 얼마나 빨리 닿는지 잽니다 / how soon /panic arrives behind a full queue"
    sub = benches.add_parser("panic", help=words, description=words)
    panic.add_arguments(sub)
    sub.set_defaults(play=panic.run)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, not {text}")
    return number


def run(options: argparse.Namespace) -> int:
    """Run one bench; 1 where a promise was broken."""
    code: int = options.play(options)
    return code


def _simulation(options: argparse.Namespace) -> int:
    """One story, many, or the protocol table."""
    if options.trace and options.seed is None:
        print("--trace needs --seed N", file=sys.stderr)
        return 2
    if options.seed is not None:
        return _one(options)
    return _protocols(options) if options.protocols else _many(options)


def again(seed: int, level: str) -> str:
    """The command that repeats a story."""
    return f"./seohak bench simulation --seed {seed} --level {level} --trace"


def _one(options: argparse.Namespace) -> int:
    result = run_seed(options.seed, options.level, trace_to=sys.stdout if options.trace else None)
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        broken = result.violation
        print(f"seed {result.seed}, {options.level}, {result.seconds:.0f} virtual s, history {result.digest}")
        print(f"BROKEN at {broken.at:.3f} s: {broken.name}: {broken.text}" if broken else "every promise was kept")
    return 1 if result.violation else 0


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _many(options: argparse.Namespace) -> int:
    with _bar() as bar:
        task = bar.add_task(f"{options.level}", total=options.seeds)

        def tick(sums: Totals) -> None:
            broken = sum(sums.violations.values())
            bar.update(task, completed=sums.runs, description=f"{options.level}, {broken} broken")

        sums = total(options.first, options.seeds, options.level, workers=options.workers, tick=tick)
    if options.json:
        print(msgspec.json.encode(_facts(sums)).decode())
    else:
        _report(sums)
    return 1 if sums.violations else 0


def _facts(sums: Totals) -> dict[str, object]:
    return {
        "level": sums.level,
        "runs": sums.runs,
        "violations": dict(sums.violations),
        "failures": [
            {"seed": seed, "name": name, "at": at, "text": text, "repeat": again(seed, sums.level)}
            for seed, name, at, text in sums.failures
        ],
        "hits": dict(sorted(sums.hits.items())),
        "stories_hit": dict(sorted(sums.stories_hit.items())),
        "intents": sums.intents,
        "human": sums.human,
        "no_fill": sums.no_fill,
        "virtual_s": round(sums.virtual_s),
        "seeds_per_s": round(sums.seeds_per_s, 2),
    }


def _report(sums: Totals) -> None:
    console = Console()
    table = Table(title=f"{sums.runs} stories, {sums.level}", title_justify="left")
    table.add_column("accident")
    table.add_column("hits", justify="right")
    table.add_column("stories", justify="right")
    for name, hits in sorted(sums.hits.items()):
        table.add_row(name, f"{hits:,}", f"{sums.stories_hit[name]:,}")
    console.print(table)
    share = sums.human / sums.intents if sums.intents else 0.0
    console.print(
        f"{sums.intents:,} intents, {sums.human} left to a person ({share:.3%}); "
        f"no fill in {sums.no_fill / sums.runs:.1%} of the stories; {sums.virtual_s / 3600:.1f} virtual hours, "
        f"{sums.seeds_per_s:.1f} stories/s"
    )
    if not sums.violations:
        console.print("every promise was kept")
        return
    for name, count in sums.violations.most_common():
        console.print(f"[bold]BROKEN {name}: {count} of {sums.runs}[/bold]")
    for seed, name, at, text in sums.failures:
        console.print(f"  {name} at {at:.3f} s: {text}\n    {again(seed, sums.level)}", highlight=False, markup=False)


def _protocols(options: argparse.Namespace) -> int:
    with _bar() as bar:
        task = bar.add_task("protocols", total=options.seeds * 7)
        rows = protocol_table(
            options.first,
            options.seeds,
            options.level,
            workers=options.workers,
            tick=lambda name: bar.update(task, advance=1, description=name),
        )
    if options.json:
        print(msgspec.json.encode(rows).decode())
    else:
        _table(rows, options.level)
    ours = rows[-1]
    return 1 if ours.over or ours.unwatched or ours.adopted or ours.other else 0


def _table(rows: list[Row], level: str) -> None:
    table = Table(title=f"{rows[0].runs} schedules each, {level}", title_justify="left")
    for name in ("protocol", "over-buy", "unwatched", "adopted", "no fill", "other", "worst"):
        table.add_column(name, justify="left" if name == "protocol" else "right")
    for row in rows:
        shares = (row.over, row.unwatched, row.adopted, row.no_fill, row.other)
        table.add_row(row.name, *(f"{count / row.runs:.2%}" if count else "0" for count in shares), f"{row.worst:.1f}x")
    Console().print(table)

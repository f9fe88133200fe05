"""How fast a backtest is, alone and beside other backtesters: `./seohak bench backtest [--peers] [--json]`."""

import argparse
import functools
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.table import Table

from backtest.data.store import Store
from benchmarks.backtest_peers import BASE, PEERS, ROOT, VENVS, Engine, Line, PeerFailed, Round, compare, engine
from benchmarks.market_day import ROWS, TICKERS, market_day
from benchmarks.measured import last_line, one_core, run_process
from benchmarks.peer_bars import MOST_DAYS, grid, write_parquet, write_store
from benchmarks.peers.harness import FAST, SLOW, WARM_BARS
from cli.progress import progress
from core.model.order import Side

OURS, CROSS = "seohak", "seohak ema-cross"
# the peers' rules: no limit by volume, and so few shares that the money lasts until sales settle
SAME_RULES = (
    *("--strategy", "ema-cross", "--set", f"strategy.fast={FAST}", "--set", f"strategy.slow={SLOW}"),
    *("--set", f"strategy.warm_bars={WARM_BARS}", "--set", "strategy.shares=10"),
    *("--set", "execution.volume_share_pct=0", "--set", "trading.paper_cash=100000000000"),
)
LIMIT_S = 600.0
SUMMARY = "백테스트 속도를 잽니다 / how fast a backtest is, also beside other backtesters"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`market`: a day of the whole market, screened, analysed and traded. `side_by_side`: the same bars for everybody."""

    market: Line
    tickers: int
    days: int
    side_by_side: list[Line]


class _Fill(msgspec.Struct):
    ticker: str
    side: str


class _Told(msgspec.Struct):
    bars: int
    seconds: float
    filled: list[_Fill]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--peers", action="store_true", help="install other backtesters and run them too")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="interleaved rounds (3)")
    parser.add_argument("--tickers", type=int, default=500, metavar="N", help="stocks that print every minute (500)")
    parser.add_argument("--days", type=int, default=5, metavar="N", help="their sessions (5)")
    parser.add_argument("--market-tickers", type=int, default=TICKERS, metavar="N", help=f"the market ({TICKERS})")
    parser.add_argument("--market-rows", type=int, default=ROWS, metavar="N", help=f"about how many bars ({ROWS})")
    parser.add_argument("--venvs", type=Path, default=VENVS, metavar="DIR", help=f"the peers' environments ({VENVS})")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """1 where our own run failed or a peer took other entries than backtesting.py; a peer that is not there is only told."""
    sizes = (options.rounds, options.tickers, options.days, options.market_tickers, options.market_rows)
    if min(sizes) < 1 or options.days > MOST_DAYS or options.tickers < 2:
        sys.stderr.write(f"seohak bench: numbers take 1 or more, --tickers 2 or more, --days {MOST_DAYS} at most\n")
        return 2
    report = measure(options)
    if options.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        _show(report)
    lines = [report.market, *report.side_by_side]
    wrong = any((line.name in {OURS, CROSS} and line.trouble) or line.agrees is False for line in lines)
    return 1 if wrong else 0


def measure(options: argparse.Namespace) -> Report:
    """Make the bars, then run everything; the folder with the bars goes away."""
    peers = PEERS if options.peers else ()
    runs = options.rounds * (3 + len(peers)) + len(peers) + 1
    with tempfile.TemporaryDirectory(prefix="seohak-backtest-") as name, progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("bars", total=runs)
        done = 0

        def tick(words: str) -> None:
            nonlocal done
            bar.update(task, completed=done, description=words)
            done += 1

        tick("making bars")
        folder = Path(name)
        Store(folder / "market").write_day(market_day(options.market_tickers, options.market_rows).bars)
        bars = grid(options.tickers, options.days)
        write_store(bars, Store(folder / "grid"))
        write_parquet(bars, folder / "grid.parquet")
        whole = Engine(OURS, options.market_tickers, functools.partial(run_ours, folder / "market"))
        (market,) = compare([whole], options.rounds, lambda words: tick(f"whole market, {words}"))
        judged = functools.partial(run_ours, folder / "grid", "--watch", "all")
        crossed = functools.partial(run_ours, folder / "grid", "--watch", "all", *SAME_RULES, entered=bars.tickers)
        ours = [Engine(CROSS, options.tickers, crossed), Engine(OURS, options.tickers, judged)]
        others = []
        for peer in peers:
            tick(f"installing {peer.name}")
            others.append(engine(peer, folder / "grid.parquet", options.tickers, options.venvs))
        lines = compare([*others, *ours], options.rounds, tick)
    return Report(market=market, tickers=options.tickers, days=options.days, side_by_side=lines)


def run_ours(store: Path, *words: str, entered: Sequence[str] = ()) -> Round:
    """The public command in a process of its own, with the shipped settings; the entries of the `entered` tickers are
    counted. Raises PeerFailed.
    """
    command = [sys.executable, "-m", "cli", "backtest", "run", "--store", str(store), "--json", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with one_core():
        ended = run_process([*command, "--config", str(ROOT / "config.yaml")], ROOT, env, LIMIT_S)
    if ended.code:
        raise PeerFailed(f"did not run: {last_line(ended.trouble)}")
    try:
        told = msgspec.json.decode(ended.out, type=_Told)
    except msgspec.MsgspecError as error:
        raise PeerFailed(f"did not say what it did: {error}") from None
    buys = Counter(fill.ticker for fill in told.filled if fill.side == Side.BUY.value)
    return Round(
        bars=told.bars,
        seconds=told.seconds,
        import_s=ended.wall_s - told.seconds,
        first_s=0.0,
        entries=tuple(buys[ticker] for ticker in entered),
        peak_mb=ended.peak_mb,
    )


def _show(report: Report) -> None:
    console = Console()
    console.print(_table(f"a day of the whole market, {report.market.bars:,} bars", [report.market]))
    title = f"{report.tickers} stocks x {report.days} sessions, ratio to {BASE}"
    console.print(_table(title, report.side_by_side))
    for line in (report.market, *report.side_by_side):
        if line.trouble:
            console.print(f"{line.name}: {line.trouble}", highlight=False, markup=False)
        if line.agrees is False:
            console.print(f"[bold]{line.name} took other entries than {BASE}[/bold]")


def _table(title: str, lines: list[Line]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("engine", no_wrap=True)
    for name in ("stocks", "bars/s", "ratio", "start s", "MB", "entries"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(line.name, *cells(line))
    return table


def cells(line: Line) -> tuple[str, ...]:
    """A line's figures as text; a dash where there is none."""
    return (
        f"{line.tickers:,}",
        "-" if line.bars_per_s is None else f"{line.bars_per_s:,.0f}",
        "-" if line.ratio is None else f"{line.ratio:.2f}",
        "-" if line.start_s is None else f"{line.start_s:.1f}",
        "-" if line.peak_mb is None else f"{line.peak_mb:.0f}",
        "-" if line.entries is None else f"{line.entries:,}",
    )

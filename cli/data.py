"""`./seohak data`: minute bars for the backtest: import files, download, look, verify."""

import argparse
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.table import Table

from backtest.data.manifest import DataProblem
from backtest.data.store import Store
from cli import data_download, data_import, data_keep
from cli.progress import progress
from config.environment import base, environment
from config.params import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sub = actions.add_parser("import", help="파일에서 분봉을 가져옵니다 / import minute bars from files")
    data_import.add_arguments(sub)
    sub.set_defaults(act=data_import.run)
    sub = actions.add_parser("download", help="Polygon에서 내려받아 가져옵니다 / download from Polygon, then import")
    data_download.add_arguments(sub)
    sub.set_defaults(act=data_download.run)
    sub = actions.add_parser(
        "keep", help="수집기가 기록한 날을 저장소로 / days that the collector recorded, into the store"
    )
    data_keep.add_arguments(sub)
    sub.set_defaults(act=data_keep.run)
    sub = actions.add_parser("list", help="저장된 날짜를 보여 줍니다 / the days that are stored")
    sub.add_argument("--first", type=data_download.day, metavar="DAY", help="from this day on, YYYY-MM-DD")
    sub.add_argument("--last", type=data_download.day, metavar="DAY", help="to this day")
    sub.set_defaults(act=_list)
    sub = actions.add_parser("verify", help="저장된 파일을 모두 검사합니다 / read every day and compare its hash")
    sub.set_defaults(act=_verify)
    for sub in actions.choices.values():
        sub.add_argument("--store", type=Path, metavar="DIR", help="where the bars lie (bars/ in the state directory)")
        sub.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """0 done, 1 something was refused or is damaged, 2 wrong input."""
    root = options.store or base(environment()).state_dir / "bars"
    try:
        code: int = options.act(options, root)
    except DataProblem as problem:
        raise ConfigError(str(problem)) from None
    except OSError as error:
        raise ConfigError(f"{error.filename or root}: {error.strerror or error}") from None
    return code


def _list(options: argparse.Namespace, root: Path) -> int:
    store = Store(root) if root.is_dir() else None
    days = store.days(options.first, options.last) if store else []
    entries = {str(on): store.manifest.days[str(on)] for on in days} if store else {}
    if options.json:
        print(msgspec.json.encode({"store": str(root), "days": entries}).decode())
        return 0
    if store is None or not days:
        print(f"{root}: no bars; ./seohak data import FILE or ./seohak data download")
        return 0
    table = Table(title=str(root), title_justify="left")
    for name in ("day", "rows", "tickers", "flags"):
        table.add_column(name, justify="left" if name in {"day", "flags"} else "right")
    for on, entry in entries.items():
        flags = ", ".join(f"{count} {kind}" for kind, count in entry.flags.items())
        table.add_row(on, f"{entry.rows:,}", f"{entry.tickers:,}", flags)
    Console().print(table)
    rows = sum(entry.rows for entry in entries.values())
    print(f"{len(days)} days, {rows:,} bars, {len(store.manifest.sources)} imported files")
    if any(entry.flags for entry in entries.values()):
        print(f"flags in words: {root / 'rejects' / 'days'}")
    return 0


def _verify(options: argparse.Namespace, root: Path) -> int:
    if not root.is_dir():
        raise DataProblem(f"{root} is not there: import something first, or say --store DIR")
    store = Store(root)
    days = store.days()
    with progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("days", total=len(days))
        problems = store.verify(lambda on: bar.update(task, advance=1, description=str(on)))
    digest = store.data_hash(days)
    if options.json:
        facts = {"store": str(root), "days": len(days), "data_hash": digest, "problems": problems}
        print(msgspec.json.encode(facts).decode())
    elif not problems:
        print(f"{len(days)} days are as they were imported; data hash {digest}")
    for problem in problems:
        print(f"seohak data: {problem}", file=sys.stderr)
    return 1 if problems else 0

"""`./seohak backtest`: the trading machines over recorded days."""

import argparse
import csv
import datetime as dt
import sys
from pathlib import Path

import msgspec
from rich.progress import MofNCompleteColumn

from adapters.calendar import XnysCalendar, compute
from backtest.data.manifest import DataProblem
from backtest.data.store import Store
from backtest.execution import Execution
from backtest.result import Result
from backtest.runner import Runner, Setup
from cli import backtest_parity
from cli.data_download import day
from cli.progress import progress
from config.environment import base, environment
from config.params import ConfigError, load_params
from core.model.instrument import Exchange, Instrument
from core.model.params import Params
from services.runtime import VERSION

EXECUTION = "execution."
MARGIN = dt.timedelta(days=10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sub = actions.add_parser("run", help="저장된 날들을 매매합니다 / trade the stored days")
    sub.add_argument("--store", type=Path, metavar="DIR", help="where the bars lie (bars/ in the state directory)")
    sub.add_argument("--first", type=day, metavar="DAY", help="from this day on, YYYY-MM-DD")
    sub.add_argument("--last", type=day, metavar="DAY", help="to this day")
    sub.add_argument("--config", type=Path, metavar="FILE", help="the settings (config.yaml)")
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting, like trading.take_profit_pct=40 or execution.half_spread_pct=0.1; as often as you like",
    )
    sub.add_argument("--watch", default="", metavar="T,...|all", help="judge these tickers without a screen")
    sub.add_argument("--no-screen", action="store_true", help="screen nothing: only what is watched")
    sub.add_argument("--instruments", type=Path, metavar="FILE", help="CSV: ticker,name,type,shares[,exchange,name_ko]")
    sub.add_argument("--json", action="store_true", help="machine-readable output")
    sub.set_defaults(act=_run)
    sub = actions.add_parser("parity", help="실제 프로그램과 결정이 같은지 / the same decisions as the live processes?")
    backtest_parity.add_arguments(sub)


def run(options: argparse.Namespace) -> int:
    """0 done, 2 wrong input."""
    try:
        code: int = options.act(options)
    except DataProblem as problem:
        raise ConfigError(str(problem)) from None
    return code


def _run(options: argparse.Namespace) -> int:
    env = base(environment())
    root = options.store or env.state_dir / "bars"
    if not root.is_dir():
        raise ConfigError(f"{root} has no bars: ./seohak data import FILE or ./seohak data download")
    store = Store(root)
    days = store.days(options.first, options.last)
    if not days:
        raise ConfigError(f"{root} has no bars of these days: ./seohak data list shows what it has")
    params, execution = settings(options.config or env.config_path, options.set)
    setup = Setup(
        params=params,
        execution=execution,
        first=options.first,
        last=options.last,
        watched=None if options.watch == "all" else tuple(t for t in options.watch.upper().split(",") if t),
        screen=not options.no_screen,
        instruments=instruments(options.instruments) if options.instruments else {},
        version=VERSION,
    )
    calendar = XnysCalendar(compute(days[0] - MARGIN, days[-1] + MARGIN))
    with progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("days", total=len(days))
        result = Runner(setup, calendar.session_on).run(
            store, lambda on: bar.update(task, advance=1, description=str(on))
        )
    _tell(result, as_json=options.json)
    return 0


def settings(path: Path, pairs: list[str]) -> tuple[Params, Execution]:
    """The configuration with what the command line sets; `execution.*` are the assumptions about the broker."""
    overrides, assumed = {}, {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise ConfigError(f"--set {pair}: KEY=VALUE, like trading.take_profit_pct=40")
        if key.startswith(EXECUTION):
            assumed[key.removeprefix(EXECUTION)] = value
        else:
            overrides[key] = value
    try:
        execution = msgspec.convert(assumed, Execution, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--set {EXECUTION}…: {error}") from None
    return load_params(path, overrides), execution


def instruments(path: Path) -> dict[str, Instrument]:
    """Securities of a CSV file by ticker."""
    found = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, row in enumerate(csv.DictReader(file), 2):
                try:
                    found[row["ticker"]] = Instrument(
                        ticker=row["ticker"],
                        name=row.get("name") or row["ticker"],
                        name_ko=row.get("name_ko") or "",
                        exchange=Exchange(row.get("exchange") or "NASD"),
                        security_type=row.get("type") or "",
                        shares_outstanding=float(row["shares"]) if row.get("shares") else None,
                    )
                except (KeyError, ValueError) as error:
                    raise ConfigError(f"{path}:{line}: {error}: ticker,name,type,shares[,exchange,name_ko]") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    return found


def _tell(result: Result, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        return
    print(result)

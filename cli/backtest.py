"""`./seohak backtest`: the trading machines over recorded days."""

import argparse
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import MofNCompleteColumn

from backtest.data.manifest import DataProblem
from backtest.report.calibration import calibration, cases, quoted, reliability, unfit
from backtest.report.metrics import measure
from backtest.report.terminal import terminal_report
from backtest.report.write import write_brief, write_report
from backtest.result import Result
from backtest.runner import Runner
from backtest.strategies import STRATEGIES, Strategy
from backtest.strategy_run import StrategyRun
from cli import backtest_bias, backtest_options, backtest_parity
from cli.progress import progress
from config.calibration import write_calibration
from config.environment import base, environment
from config.params import ConfigError
from services.runtime import die_with_parent

OWN = "strategy."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sub = actions.add_parser("run", help="저장된 날들을 매매합니다 / trade the stored days")
    backtest_options.add_arguments(sub)
    sub.add_argument(
        "--strategy",
        choices=[*STRATEGIES],
        help="trade these plain rules on what is watched instead of the product's; their settings: --set strategy.KEY=VALUE",
    )
    sub.add_argument("--report", type=Path, metavar="DIR", help="write report.html, report.json and pictures there")
    sub.add_argument(
        "--brief",
        type=Path,
        metavar="DIR",
        help="write only what the chat shows there: summary.json and, with --language, picture.png",
    )
    sub.add_argument("--language", choices=("ko", "en"), default="", help="of the picture of --brief")
    sub.add_argument(
        "--install-calibration",
        action="store_true",
        help="put the past results by confidence where the running bot quotes them on its cards, if they hold",
    )
    sub.set_defaults(act=_run)
    sub = actions.add_parser("parity", help="실제 프로그램과 결정이 같은지 / the same decisions as the live processes?")
    backtest_parity.add_arguments(sub)
    words = "미래를 엿보지 않는지, 앞선 날이 필요한지 검사합니다 / does a run look ahead, does it need earlier days"
    backtest_bias.add_arguments(actions.add_parser("bias", help=words, description=words))


def run(options: argparse.Namespace) -> int:
    """0 done, 1 two runs that should be the same differ, 2 wrong input."""
    try:
        code: int = options.act(options)
    except DataProblem as problem:
        raise ConfigError(str(problem)) from None
    return code


def _run(options: argparse.Namespace) -> int:
    # the chat's bot starts runs of its own, and none outlives it
    die_with_parent()
    own = [pair for pair in options.set if pair.startswith(OWN)]
    rules = strategy(options.strategy, own)
    if rules is not None and options.install_calibration:
        raise ConfigError("--install-calibration: plain rules have no confidence; leave --strategy out")
    options.set = [pair for pair in options.set if pair not in own]
    store, days, setup = backtest_options.opened(options)
    session_on = backtest_options.sessions(days)
    with progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("days", total=len(days))
        made = StrategyRun(setup, rules, session_on) if rules else Runner(setup, session_on)
        result = made.run(store, lambda on: bar.update(task, advance=1, description=str(on)))
    if options.json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    if options.brief is not None:
        _brief(result, options.brief, options.language)
    elif options.report is not None or not options.json:
        _report(result, options.report, quiet=options.json)
    return _install(result, quiet=options.json) if options.install_calibration else 0


def _install(result: Result, *, quiet: bool) -> int:
    """Into the state directory, where the checks let it; what the cards will say of each bin."""
    table, known = calibration(result), reliability(cases(result))
    if (refusal := unfit(table, known)) is not None:
        raise ConfigError(f"--install-calibration: {refusal}")
    try:
        path = write_calibration(base(environment()).state_dir, table)
    except OSError as error:
        raise ConfigError(f"--install-calibration: {error.strerror}") from None
    if not quiet:
        print(f"설치했습니다 / installed: {path}")
        for line in quoted(table, known):
            print(line)
    return 0


def _brief(result: Result, folder: Path, language: str) -> None:
    try:
        write_brief(result, folder, measure(result), language)
    except OSError as error:
        raise ConfigError(f"--brief {folder}: {error.strerror}") from None


def _report(result: Result, folder: Path | None, *, quiet: bool) -> None:
    """In the terminal, and as files where a folder is named."""
    measured = measure(result)
    if not quiet:
        Console().print(terminal_report(result, measured))
    if folder is not None:
        try:
            paths = write_report(result, folder, measured)
        except OSError as error:
            raise ConfigError(f"--report {folder}: {error.strerror}") from None
        if not quiet:
            print(f"report: {paths.html}")


def strategy(name: str | None, pairs: list[str]) -> Strategy | None:
    """The plain rules of this name with their settings, None for the product's own."""
    if name is None:
        if pairs:
            raise ConfigError(f"--set {pairs[0]}: needs --strategy {' or '.join(STRATEGIES)}")
        return None
    values = {}
    for pair in pairs:
        key, sign, value = pair.removeprefix(OWN).partition("=")
        if not sign:
            raise ConfigError(f"--set {pair}: KEY=VALUE, like strategy.shares=100")
        values[key] = value
    try:
        return msgspec.convert(values, STRATEGIES[name], strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--set {OWN}…: {error}") from None

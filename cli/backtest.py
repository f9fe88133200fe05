"""`./seohak backtest`: the trading machines over recorded days."""

import argparse
import sys

import msgspec
from rich.progress import MofNCompleteColumn

from backtest.data.manifest import DataProblem
from backtest.result import Result
from backtest.runner import Runner
from cli import backtest_bias, backtest_options
from cli.progress import progress
from config.params import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sub = actions.add_parser("run", help="저장된 날들을 매매합니다 / trade the stored days")
    backtest_options.add_arguments(sub)
    sub.set_defaults(act=_run)
    words = "미래를 엿보지 않는지, 앞선 날이 필요한지 검사합니다 / does a run look ahead, does it need earlier days"
    backtest_bias.add_arguments(actions.add_parser("bias", help=words, description=words))


def run(options: argparse.Namespace) -> int:
    """0 done, 1 a check found something, 2 wrong input."""
    try:
        code: int = options.act(options)
    except DataProblem as problem:
        raise ConfigError(str(problem)) from None
    return code


def _run(options: argparse.Namespace) -> int:
    store, days, setup = backtest_options.opened(options)
    with progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("days", total=len(days))
        result = Runner(setup, backtest_options.sessions(days)).run(
            store, lambda on: bar.update(task, advance=1, description=str(on))
        )
    _tell(result, as_json=options.json)
    return 0


def _tell(result: Result, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        return
    print(result)

"""`./seohak backtest bias`: does a run look into the future, and does it need days that it was not shown."""

import argparse

import msgspec
from rich.progress import MofNCompleteColumn

from backtest.bias import Decision, Findings, Run, Told, lookahead, warmup, watching
from backtest.data.memory import DaySource
from backtest.result import Result
from backtest.runner import Runner
from cli import backtest_options
from cli.numbers import at_least
from cli.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    checks = parser.add_subparsers(dest="check", metavar="CHECK", required=True)
    words = "미래를 가려도 그때까지의 판단이 같은지 봅니다 / hide the future: is everything decided until then the same"
    sub = checks.add_parser("lookahead", help=words, description=words)
    sub.add_argument("--cuts", type=at_least(1), default=10, metavar="N", help="instants to hide the future at (10)")
    sub.set_defaults(act=_run)
    words = "더 늦게 시작해도 판단이 같은지 봅니다 / begin later: are the common days judged the same"
    sub = checks.add_parser("warmup", help=words, description=words)
    sub.add_argument("--cuts", type=at_least(1), default=5, metavar="N", help="days to begin with (5)")
    sub.set_defaults(act=_run)
    for sub in checks.choices.values():
        backtest_options.add_arguments(sub)


def _run(options: argparse.Namespace) -> int:
    """0 no difference, 1 a difference."""
    store, days, setup = backtest_options.opened(options)
    session_on = backtest_options.sessions(days)
    if options.check == "warmup":
        setup = msgspec.structs.replace(setup, params=watching(setup.params))

    def run(source: DaySource) -> Result:
        return Runner(setup, session_on).run(source)

    with progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("whole run", total=None)

        def told(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, description="cuts")

        findings = _check(options, run, store, told)
    if options.json:
        print(msgspec.json.encode(findings).decode())
    else:
        _tell(options.check, findings)
    return 1 if findings.differences else 0


def _check(options: argparse.Namespace, run: Run, store: DaySource, told: Told) -> Findings:
    if options.check == "lookahead":
        return lookahead(run, store, cuts=options.cuts, told=told)
    return warmup(run, store, starts=options.cuts, told=told)


def _tell(check: str, findings: Findings) -> None:
    future = check == "lookahead"
    for found in findings.differences:
        print(f"{'the future hidden at' if future else 'begun on'} {found.cut:%Y-%m-%d %H:%M} UTC, first difference:")
        print(f"  {'with the future' if future else 'with earlier days'}:    {_words(found.whole)}")
        print(f"  {'without the future' if future else 'without earlier days'}: {_words(found.part)}")
    hidden = "with the future hidden" if future else "that begin later"
    print(
        f"{findings.decisions} decisions, {findings.compared} compared in {len(findings.cuts)} runs {hidden}: "
        f"{len(findings.differences)} of them differ"
    )
    if not findings.compared and not findings.differences:
        print("nothing was decided, so nothing is shown: take more days, or --set wider rules")


def _words(decision: Decision | None) -> str:
    return "nothing" if decision is None else f"{decision.at} {decision.kind} {decision.ticker}: {decision.values}"

"""`./seohak optimize`: search settings on recorded days, and see what they are worth on days they were not chosen on."""

import argparse
import datetime as dt
import hashlib

import msgspec
from optuna.study import Study
from optuna.trial import TrialState
from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.table import Table

from adapters.candidates import propose
from backtest.data.manifest import DataProblem
from backtest.optimize.folds import walk_forward
from backtest.optimize.goals import GOALS
from backtest.optimize.outcome import Outcome, outcome, present
from backtest.optimize.proposal import proposal
from backtest.optimize.space import space
from backtest.optimize.study import Search, finished, open_study
from backtest.optimize.trial import BacktestJudge
from backtest.optimize.workers import start, watch
from backtest.runner import Setup
from cli import backtest_options
from cli.numbers import at_least
from cli.progress import progress
from config.caps import caps_path, load_caps
from config.environment import base, environment
from config.params import ConfigError
from core.model.candidate import Candidate, Pair

PRESENT = "present"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="KEY[=RANGE]",
        help="what to search: KEY=LOW:HIGH, KEY=LOW:HIGH:STEP, KEY=A,B,C, or KEY for all that config.yaml allows",
    )
    parser.add_argument("--goal", choices=[*GOALS], default="expectancy", help="what is better (expectancy)")
    parser.add_argument("--train", type=at_least(1), default=60, metavar="N", help="days to search in (60)")
    parser.add_argument(
        "--test", type=at_least(0), default=20, metavar="M", help="days behind them to check on (20); 0 for no check"
    )
    parser.add_argument("--trials", type=at_least(1), default=100, metavar="N", help="candidates of all workers (100)")
    parser.add_argument("--workers", type=at_least(1), default=1, metavar="K", help="processes on this machine (1)")
    parser.add_argument(
        "--seed", type=at_least(0), default=1, metavar="N", help="chances; another one on each machine (1)"
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="where the study lies: sqlite:///PATH (optimize.db in the state directory), postgresql://… or redis://…",
    )
    parser.add_argument(
        "--propose",
        action="store_true",
        help="찾은 값을 텔레그램 봇에 제안합니다 / send what was found to the owners of the running bot",
    )
    backtest_options.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """0 done, 1 a worker died, 2 wrong input, or nothing that could be run."""
    try:
        return _run(options)
    except DataProblem as problem:
        raise ConfigError(str(problem)) from None


def _run(options: argparse.Namespace) -> int:
    search = _search(options)
    study = open_study(search)
    before = finished(study)
    with progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("candidates", total=search.trials, completed=before)
        workers = start(search, options.workers) if before < search.trials else []
        died = watch(study, workers, lambda done: bar.update(task, completed=done))
        if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            raise ConfigError(_nothing(study, died))
        told = outcome(study, search, _present(study, search))
    if options.json:
        print(msgspec.json.encode(told).decode())
    else:
        _tell(told, search, died)
    if options.propose:
        _propose(proposal(told, search, dt.datetime.now(dt.UTC)), quiet=options.json)
    return 1 if died else 0


def _propose(candidate: Candidate | None, *, quiet: bool) -> None:
    """Where the bot looks; settings that are the present ones are no proposal."""
    if candidate is None:
        raise ConfigError("--propose: what was found are the present settings; there is nothing to propose")
    try:
        path = propose(base(environment()).state_dir, candidate)
    except OSError as error:
        raise ConfigError(f"--propose: {error.strerror}") from None
    if not quiet:
        print(f"제안했습니다 / proposed: {path}")


def _search(options: argparse.Namespace) -> Search:
    dimensions = space(options.param)
    store, days, setup = backtest_options.opened(options)
    folds = walk_forward(days, train=options.train, test=options.test)
    session_on = backtest_options.sessions(days)
    sessions = {on: session_on(on) for on in days}
    data_hash = store.data_hash(days)
    env = base(environment())
    state_dir = env.state_dir
    state_dir.mkdir(parents=True, exist_ok=True)
    return Search(
        goal=options.goal,
        identity=_identity(setup, data_hash),
        data_hash=data_hash,
        storage=options.storage or f"sqlite:///{state_dir / 'optimize.db'}",
        dimensions=dimensions,
        base=setup.params,
        folds=folds,
        judge=BacktestJudge(store.root.resolve(), setup, sessions, options.goal),
        trials=options.trials,
        caps=load_caps(caps_path(options.config or env.config_path)),
        seed=options.seed,
    )


def _identity(setup: Setup, data_hash: str) -> str:
    facts = (data_hash, setup.version, setup.execution, setup.watched, setup.screen, dict(setup.instruments))
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()


def _present(study: Study, search: Search) -> list[Pair]:
    """The present settings' figures, reckoned once a study."""
    known = study.user_attrs.get(PRESENT)
    if known is None:
        known = msgspec.to_builtins(present(search))
        study.set_user_attr(PRESENT, known)
    return msgspec.convert(known, list[Pair])


def _nothing(study: Study, died: int) -> str:
    if died:
        return f"{died} workers died before a candidate was complete: their words are above"
    reasons = {trial.user_attrs.get("refused", "") for trial in study.get_trials(deepcopy=False)} - {""}
    return f"no candidate was complete: {'; '.join(sorted(reasons)[:2]) or 'more --trials'}"


def _tell(told: Outcome, search: Search, died: int) -> None:
    console = Console()
    table = Table(title=f"{told.goal}, in sample | out of sample", title_justify="left")
    for name in ("searched in", "checked on", "found", "present", "own best"):
        table.add_column(name, justify="left" if name in {"searched in", "checked on"} else "right")
    for fold in told.folds:
        tested = f"{fold.test[0]} … {fold.test[1]}" if fold.test else "–"
        pairs = [_pair(pair) for pair in (fold.found, fold.present, fold.own)]
        table.add_row(f"{fold.train[0]} … {fold.train[1]}", tested, *pairs)
    table.add_section()
    means = (told.found, told.present, told.walked)
    table.add_row("mean", "", *(_pair(pair) for pair in means))
    table.add_row("round trips", "", *(f"{pair.trips_inside} | {pair.trips_outside}" for pair in means))
    console.print(table)
    values = Table()
    for name in ("setting", "present", "found"):
        values.add_column(name)
    for key, value in told.values.items():
        values.add_row(key, f"{told.present_values[key]}", _plain(value))
    console.print(values)
    print(
        f"{told.complete} candidates complete, {told.pruned} stopped early, {told.refused} impossible, "
        f"{told.failed} failed; study {told.study} in {search.storage.rpartition('@')[2]}"
    )
    words = " ".join(f"--set {key}={_plain(value)}" for key, value in told.values.items())
    print(f"try it: ./seohak backtest run {words}")
    for warning in told.warnings:
        print(f"warning: {warning}")
    if died:
        print(f"warning: {died} workers died; what they had finished counts, the same command goes on")


def _plain(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _pair(pair: Pair) -> str:
    return f"{pair.inside:.3g} | {'–' if pair.outside is None else f'{pair.outside:.3g}'}"

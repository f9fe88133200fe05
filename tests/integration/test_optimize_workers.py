"""Workers of one study: what the machine takes away from one of them, another one does."""

import contextlib
import os
import signal
import threading
import time
import uuid
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import fmean

import optuna
import pytest
from made_days import weekdays
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from sqlalchemy import text

from adapters.db.engine import open_engine
from backtest.optimize.folds import walk_forward
from backtest.optimize.outcome import outcome, present
from backtest.optimize.space import space
from backtest.optimize.study import FINISHED, INSIDE, OUTSIDE, Search, finished, open_study, work
from backtest.optimize.trial import Figure
from backtest.optimize.workers import start, watch
from config.params import ConfigError
from core.model.params import Params

pytestmark = pytest.mark.integration
BEST = {"trading.take_profit_pct": 40.0, "analyzer.ema_fast": 7}
FOLDS = walk_forward(weekdays(12), train=4, test=2)


class Hill:
    """The planted optimum; whoever is first to have judged so many windows stays in the next one for ever."""

    def __init__(self, folder: Path, held_after: int) -> None:
        self.folder = folder
        self.held_after = held_after
        self.calls = 0

    def __call__(self, params: Params, days) -> Figure:
        self.calls += 1
        if self.calls > self.held_after:
            with contextlib.suppress(FileExistsError), (self.folder / "held").open("x") as file:
                file.write(str(os.getpid()))
                file.flush()
                threading.Event().wait()
            # nobody runs away while one is being killed
            while not (self.folder / "go").exists():
                threading.Event().wait(0.02)
        off = (params.trading.take_profit_pct - 40) / 10, params.analyzer.ema_fast - 7
        return Figure(10 - off[0] ** 2 - off[1] ** 2 + days[0].day / 1_000, trips=3)


@pytest.fixture(params=["postgresql", "redis", "sqlite"])
async def storage(request, tmp_path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'studies.db'}"
    elif request.param == "redis":
        yield request.getfixturevalue("redis_server").url
    else:
        server, name = request.getfixturevalue("postgres"), f"t{uuid.uuid4().hex[:12]}"
        admin = open_engine(server.url)
        async with admin.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(f"CREATE DATABASE {name}"))
            yield server.url_of(name)
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await admin.dispose()


def hill(storage: str, folder: Path, *, held_after: int = 12, trials: int = 45, **more) -> Search:
    return Search(
        goal="expectancy",
        identity=folder.name,
        storage=storage,
        dimensions=space(["trading.take_profit_pct=10:60:10", "analyzer.ema_fast=3:12"]),
        base=Params(),
        folds=FOLDS,
        judge=Hill(folder, held_after),
        trials=trials,
        **more,
    )


def states(study: optuna.Study) -> dict[int, tuple[TrialState, float | None]]:
    return {trial.number: (trial.state, trial.value) for trial in study.get_trials()}


async def test_a_killed_worker_loses_nothing(storage, tmp_path) -> None:
    search = hill(storage, tmp_path)
    study = open_study(search)
    before = {}

    def told(_done: int) -> None:
        held = tmp_path / "held"
        if not before and held.exists() and (pid := held.read_text()):
            before.update(states(study))
            os.kill(int(pid), signal.SIGKILL)
        elif before and study.get_trials(states=(TrialState.FAIL,)):
            (tmp_path / "go").touch()

    assert watch(study, start(search, 2), told) == 1
    after = states(study)
    ended = {number: end for number, end in before.items() if end[0].is_finished()}
    assert ended
    assert ended.items() <= after.items()
    assert finished(study) >= search.trials
    # what it was at is tried again, by the other one
    (lost,) = study.get_trials(states=(TrialState.FAIL,))
    again = [trial for trial in study.get_trials(states=FINISHED) if trial.params == lost.params]
    assert lost.params
    assert any(trial.number > lost.number for trial in again)
    assert all(state.is_finished() for state, _ in after.values())
    told_outcome = outcome(study, search, present(search))
    assert told_outcome.values == BEST
    assert (told_outcome.found.trips_inside, told_outcome.found.trips_outside) == (3 * len(FOLDS), 3 * len(FOLDS))
    assert (told_outcome.failed, told_outcome.complete >= 20) == (1, True)


async def test_the_same_command_goes_on(storage, tmp_path) -> None:
    """Another process, or another machine: the name of the study is made of what is searched."""
    work(hill(storage, tmp_path, held_after=10_000, trials=5), 0)
    first = open_study(hill(storage, tmp_path, trials=5))
    assert finished(first) == 5
    work(hill(storage, tmp_path, held_after=10_000, trials=8, seed=2), 0)
    second = open_study(hill(storage, tmp_path, trials=8))
    assert finished(second) == 8
    assert states(first).items() <= states(second).items()
    work(hill(storage, tmp_path, held_after=0, trials=8), 0)
    assert finished(second) == 8


@pytest.mark.parametrize("storage", ["postgresql"], indirect=True)
async def test_what_a_dead_machine_was_at_is_tried_again(storage, tmp_path) -> None:
    """Nobody is left to say that the worker died: its heart does."""
    search = hill(storage, tmp_path, held_after=4, trials=8, beat_s=1)
    (process,) = start(search, 1)
    deadline = time.monotonic() + 60
    held = tmp_path / "held"
    while not (held.exists() and held.read_text()):
        assert time.monotonic() < deadline
        process.join(0.05)
    process.kill()
    process.join()
    (tmp_path / "go").touch()
    study = open_study(search)
    (running,) = study.get_trials(states=(TrialState.RUNNING,))
    alone = threading.Event()
    while study.get_trials()[running.number].state is TrialState.RUNNING:
        assert time.monotonic() < deadline
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)
        alone.wait(0.2)
    (waiting,) = study.get_trials(states=(TrialState.WAITING,))
    assert waiting.params == running.params
    work(search, 1)
    assert study.get_trials()[waiting.number].state in {TrialState.COMPLETE, TrialState.PRUNED}


async def test_figures_of_every_window_are_kept(tmp_path) -> None:
    search = hill(f"sqlite:///{tmp_path / 'studies.db'}", tmp_path, held_after=10_000, trials=12)
    work(search, 0)
    for trial in open_study(search).get_trials(states=(TrialState.COMPLETE,)):
        assert (len(trial.user_attrs[INSIDE]), len(trial.user_attrs[OUTSIDE])) == (len(FOLDS), len(FOLDS))
        assert trial.value == pytest.approx(fmean(figure["value"] for figure in trial.user_attrs[INSIDE]))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nowhere", "expected sqlite:///PATH"),
        ("mysql://a/b", "expected sqlite:///PATH"),
        ("sqlite:////no/such/folder/studies.db", "unable to open"),
        ("postgresql://me:secret@127.0.0.1:1/none", "127.0.0.1"),
        ("redis://:secret@127.0.0.1:1/0", "127.0.0.1"),
    ],
)
async def test_a_storage_that_is_not_there_is_said_in_one_line(tmp_path, url, words) -> None:
    with pytest.raises(ConfigError, match=words) as told:
        open_study(hill(url, tmp_path))
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)

"""The study that all workers share: where it lies, how a trial goes, what becomes of a trial whose worker died."""

import hashlib
import os
import platform
import warnings
from collections.abc import Sequence
from statistics import fmean

import msgspec
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalRedisBackend
from optuna.study import MaxTrialsCallback, Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.pool import NullPool

from backtest.optimize.folds import Fold
from backtest.optimize.space import NO_CAPS, Dimension, applied
from backtest.optimize.trial import Figure, Judge
from config.params import ConfigError
from core.model.params import Params
from core.model.safety import Caps

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
REDIS = ("redis://", "rediss://", "unix://")
POSTGRES = ("postgres://", "postgresql://", "postgresql+asyncpg://", "postgresql+psycopg://")
MOST_RETRIES = 3
# attributes of a trial: figure and round trips of each window, why it was not run, who runs it
INSIDE, OUTSIDE, REFUSED, WORKER = "in", "out", "refused", "worker"


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs. `base` are the present settings, `trials` how many all workers finish together.

    `identity` says what the figures were made of besides; studies of another one have another name, so that the same
    command goes on with its study, on any machine, and no other command mixes its trials in.
    """

    goal: str
    identity: str
    storage: str
    dimensions: tuple[Dimension, ...]
    base: Params
    folds: tuple[Fold, ...]
    judge: Judge
    trials: int
    caps: Caps = NO_CAPS
    data_hash: str = ""
    seed: int = 1
    beat_s: int = 10

    @property
    def study(self) -> str:
        """The study's name."""
        facts = (self.goal, self.identity, self.dimensions, self.base, self.folds, self.caps)
        return f"seohak-{self.goal}-{hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:12]}"


def open_study(search: Search, worker: int = 0) -> Study:
    """The study, made where it is not there; raises ConfigError where the storage can't be used."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            return optuna.create_study(
                study_name=search.study,
                storage=_storage(search.storage, search.beat_s),
                direction="maximize",
                load_if_exists=True,
                sampler=optuna.samplers.TPESampler(seed=search.seed * 1_000 + worker),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=8),
            )
        except Exception as error:
            # every driver has errors of its own
            raise ConfigError(f"--storage {_shown(search.storage)}: {str(error).splitlines()[0]}") from None


def _storage(url: str, beat_s: int) -> BaseStorage:
    if url.startswith(REDIS):
        return JournalStorage(JournalRedisBackend(url, prefix="seohak:optimize"))
    scheme, _, rest = url.partition("://")
    if not rest or not f"{scheme}://".startswith(("sqlite://", *POSTGRES)):
        raise ValueError("expected sqlite:///PATH, postgresql://… or redis://…")
    sqlite = scheme == "sqlite"
    return RDBStorage(
        url if sqlite else f"postgresql+psycopg://{rest}",
        # no connection is left open by a worker that ends, and none goes stale in hours of runs between two questions
        engine_kwargs={"poolclass": NullPool, "connect_args": {"timeout": 60} if sqlite else {}},
        heartbeat_interval=beat_s,
        grace_period=beat_s * 3,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=MOST_RETRIES),
    )


def _shown(url: str) -> str:
    """Without the password."""
    scheme, sign, rest = url.partition("://")
    return f"{scheme}{sign}{rest.rpartition('@')[2]}"


def finished(study: Study) -> int:
    """How many trials came to an end."""
    return len(study.get_trials(deepcopy=False, states=FINISHED))


def work(search: Search, worker: int) -> None:
    """Try candidates until the study has enough of them."""
    study = open_study(search, worker)
    if finished(study) >= search.trials:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.optimize(
            lambda trial: _objective(trial, search),
            callbacks=[MaxTrialsCallback(search.trials, states=FINISHED)],
        )


def worker_name(pid: int) -> str:
    """A process among those of all machines."""
    return f"{platform.node()}:{pid}"


def _objective(trial: optuna.Trial, search: Search) -> float:
    trial.set_user_attr(WORKER, worker_name(os.getpid()))
    values = {dimension.key: dimension.suggest(trial) for dimension in search.dimensions}
    try:
        params = applied(search.base, values, search.caps)
    except ConfigError as refused:
        trial.set_user_attr(REFUSED, str(refused))
        raise optuna.TrialPruned(str(refused)) from None
    if known := _same(trial):
        trial.set_user_attr(INSIDE, known.user_attrs[INSIDE])
        trial.set_user_attr(OUTSIDE, known.user_attrs[OUTSIDE])
        assert known.value is not None
        return known.value
    inside = _inside(trial, params, search)
    outside = [search.judge(params, fold.test) for fold in search.folds if fold.test]
    trial.set_user_attr(INSIDE, msgspec.to_builtins(inside))
    trial.set_user_attr(OUTSIDE, msgspec.to_builtins(outside))
    return fmean(figure.value for figure in inside)


def _same(trial: optuna.Trial) -> FrozenTrial | None:
    """A finished trial of the same values: a run is the same every time."""
    done = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((other for other in done if other.params == trial.params), None)


def _inside(trial: optuna.Trial, params: Params, search: Search) -> list[Figure]:
    """The figure of each window in sample; hopeless candidates end after some of them."""
    inside: list[Figure] = []
    for step, fold in enumerate(search.folds):
        inside.append(search.judge(params, fold.train))
        # by window and not by session: the pruner goes by a trial's best value so far, which a lucky first day would be
        trial.report(fmean(figure.value for figure in inside), step)
        if step + 1 < len(search.folds) and trial.should_prune():
            raise optuna.TrialPruned(f"worse than most after {step + 1} windows")
    return inside


def give_back(study: Study, workers: Sequence[str]) -> int:
    """What dead workers were at is tried again by others; returns how many trials that were.

    Databases have heartbeats besides, for machines that die as a whole.
    """
    count = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.user_attrs.get(WORKER) in workers:
            study.tell(trial.number, state=TrialState.FAIL)
            if trial.params:
                study.enqueue_trial(trial.params)
            count += 1
    return count

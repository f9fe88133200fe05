"""One candidate: its settings, judged on the windows of the search by a figure of real runs."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from backtest.data.memory import DaySource, RememberedDays
from backtest.data.store import Store
from backtest.optimize.goals import GOALS
from backtest.runner import Runner, Setup
from core.model.params import Params
from core.model.session import MarketSession


class Figure(msgspec.Struct, frozen=True):
    """The goal's figure, more is better, and the round trips that it is made of."""

    value: float
    trips: int = 0


# settings and the days of a window → a figure; it goes to other processes
Judge = Callable[[Params, Sequence[dt.date]], Figure]


class BacktestJudge:
    """Runs the machines over a window; `sessions` are those of all days."""

    def __init__(self, root: Path, setup: Setup, sessions: Mapping[dt.date, MarketSession | None], goal: str) -> None:
        self._root = root
        self._setup = setup
        self._sessions = sessions
        self._goal = goal
        self._source: DaySource | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_source": None}

    def __call__(self, params: Params, days: Sequence[dt.date]) -> Figure:
        """The goal's figure of a run over these days, which begins with fresh cash."""
        if self._source is None:
            self._source = RememberedDays(Store(self._root))
        setup = msgspec.structs.replace(self._setup, params=params, first=days[0], last=days[-1])
        result = Runner(setup, self._sessions.get).run(self._source)
        return Figure(GOALS[self._goal](result), len(result.trips))

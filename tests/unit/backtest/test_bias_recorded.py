"""The bias checks on recorded days of stocks that jumped."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest
from bar_files import imported

from adapters.calendar import XnysCalendar, compute
from backtest.bias import lookahead, warmup, watching
from backtest.data.options import Label, ReadOptions
from backtest.data.store import Store
from backtest.runner import Runner, Setup
from core.model.params import Params, TradingParams

GAPPERS = Path("/work/shared/data/minute/no_licence_stated/gappers_alpaca.parquet")
PARAMS = Params(trading=TradingParams(mode="auto"))
pytestmark = [pytest.mark.shared, pytest.mark.skipif(not GAPPERS.exists(), reason="needs ../shared/data")]


@pytest.fixture(scope="module")
def setup_of(tmp_path_factory):
    root = tmp_path_factory.mktemp("gappers")
    imported(root, GAPPERS, options=ReadOptions(label=Label.START))
    store = Store(root)
    days = store.days()
    calendar = XnysCalendar(compute(days[0] - dt.timedelta(days=10), days[-1] + dt.timedelta(days=10)))

    def made(params: Params):
        setup = Setup(params=params, watched=None)
        return store, lambda source: Runner(setup, calendar.session_on).run(source)

    return made


def test_recorded_days_show_no_look_ahead(setup_of) -> None:
    store, run = setup_of(PARAMS)
    findings = lookahead(run, store, cuts=6)
    assert findings.differences == ()
    assert findings.compared > 100


def test_recorded_days_need_no_earlier_ones(setup_of) -> None:
    store, run = setup_of(watching(PARAMS))
    findings = warmup(run, store, starts=5)
    assert findings.differences == ()
    assert findings.compared > 100


def test_watching_buys_nothing(setup_of) -> None:
    store, run = setup_of(watching(msgspec.structs.replace(PARAMS)))
    result = run(store)
    assert result.judged
    assert (result.proposed, result.filled, result.held) == ((), (), ())

"""The bias checks find what is planted, and nothing in the machines that trade."""

import datetime as dt

import msgspec
import numpy as np
import pytest
from made_days import MemoryDays, made_day, session_on, weekdays

from backtest.bias import Run, lookahead, warmup, watching
from backtest.data.memory import PartOfDays, RememberedDays, closed_by
from backtest.runner import Runner, Setup
from backtest.tape import TapeHistories
from core.model.bar import BarColumns
from core.model.params import Params, ScannerParams, TradingParams
from core.rules.history import BarLists
from core.stages.analyze import AnalyzeStage
from core.stages.collect import CollectStage

PARAMS = Params(trading=TradingParams(mode="auto"), scanner=ScannerParams(price_change_pct=3.0))
DAYS = [made_day(on, seed=3, tickers=5) for on in weekdays(3)]
SOURCE = MemoryDays(DAYS)


def runs(params: Params = PARAMS, spoil=lambda runner: None) -> Run:
    def run(source):
        runner = Runner(Setup(params=params, watched=None), session_on)
        spoil(runner)
        return runner.run(source)

    return run


class NextBar(TapeHistories):
    """Shows the analyzer the bar that has not closed yet."""

    def window(self, ticker: str, upto_ms: int | None, count: int) -> BarColumns:
        shown = super().window(ticker, upto_ms, count)
        mine = self._tape.columns(ticker)
        end = int(np.searchsorted(mine.start_ms, shown.start_ms[-1], side="right")) + 1
        part = slice(max(0, end - count), end)
        return BarColumns(*(getattr(mine, name)[part] for name in BarColumns.__struct_fields__))


class Forever(BarLists):
    """Never forgets a day."""

    def load(self, tape) -> None:
        pass

    def clear(self) -> None:
        pass


def with_histories(histories):
    def spoil(runner: Runner) -> None:
        runner._histories = histories()
        runner._analyze = AnalyzeStage(PARAMS.analyzer, PARAMS.scanner, runner._histories)

    return spoil


def rising_only(runner: Runner) -> None:
    """The screen lets through only what will stand higher some time later that day."""

    class Survivors(CollectStage):
        def _screen(self, state, bar, at):
            mine = runner._histories._tape.columns(bar.ticker)
            later = mine.close[mine.start_ms > bar.start_ms]
            return super()._screen(state, bar, at) if (later > bar.close).any() else []

    runner._collect = Survivors(runner._collect._params)


@pytest.mark.parametrize("spoil", [with_histories(NextBar), rising_only], ids=["next bar", "rest of the day"])
def test_a_planted_look_ahead_is_found(spoil) -> None:
    findings = lookahead(runs(spoil=spoil), SOURCE, cuts=8)
    assert findings.differences
    first = findings.differences[0]
    assert first.whole != first.part
    assert all(d.at <= first.cut for d in (first.whole, first.part) if d)


def test_our_machines_do_not_look_ahead() -> None:
    told = []
    findings = lookahead(runs(), SOURCE, cuts=8, told=lambda done, of: told.append((done, of)))
    assert findings.differences == ()
    assert findings.compared > findings.decisions > 100
    assert len(findings.cuts) == 8
    assert told[-1] == (8, 8)
    # ends of days, and instants at which something was decided
    assert sum(cut.hour == 5 for cut in findings.cuts) == 2


def test_a_planted_memory_of_earlier_days_is_found() -> None:
    params = watching(PARAMS)
    findings = warmup(runs(params, with_histories(Forever)), SOURCE, starts=2)
    assert findings.differences


def test_our_machines_need_no_earlier_days() -> None:
    findings = warmup(runs(watching(PARAMS)), SOURCE, starts=5)
    assert findings.differences == ()
    assert findings.compared > 50
    assert [cut.astimezone(dt.UTC).date() for cut in findings.cuts] == [day.on for day in DAYS[1:]]


def test_days_without_decisions_show_nothing() -> None:
    deaf = msgspec.structs.replace(PARAMS, scanner=ScannerParams(min_price=100_000.0))
    run = lambda source: Runner(Setup(params=deaf), session_on).run(source)  # noqa: E731
    findings = lookahead(run, SOURCE, cuts=4)
    assert (findings.decisions, findings.compared, findings.differences) == (0, 0, ())


def test_a_cut_hides_bars_that_have_not_closed() -> None:
    day = DAYS[0]
    cut = dt.datetime.fromtimestamp(int(day.start_ms[len(day) // 2]) / 1000 + 30, dt.UTC)
    left = closed_by(day, cut)
    closed = day.start_ms + 60_000 <= cut.timestamp() * 1000
    assert 0 < len(left) == closed.sum()
    names = np.array(day.tickers)
    assert (np.array(left.tickers)[left.ticker] == names[day.ticker][closed]).all()
    assert len(closed_by(day, dt.datetime(2025, 1, 6, tzinfo=dt.UTC))) == 0


def test_a_part_has_no_days_behind_its_cut() -> None:
    first, second, third = (day.on for day in DAYS)
    before_open = dt.datetime.combine(second, dt.time(9), dt.UTC)
    assert PartOfDays(SOURCE, until=before_open).days() == [first]
    assert PartOfDays(SOURCE, until=before_open + dt.timedelta(hours=8)).days() == [first, second]
    assert PartOfDays(SOURCE, first=second).days(last=second) == [second]
    assert PartOfDays(SOURCE, first=second).data_hash([third]) == SOURCE.data_hash([third])
    assert PartOfDays(SOURCE, until=before_open).data_hash([first, second]) != SOURCE.data_hash([first, second])


def test_remembered_days_are_the_same_days() -> None:
    size = len(DAYS[0])
    remembered = RememberedDays(SOURCE, most_bars=size + 1)
    for on in [day.on for day in DAYS] * 2:
        assert remembered.read(on) is SOURCE.read(on)
    assert remembered.days() == SOURCE.days()
    assert len(remembered._kept) == 1

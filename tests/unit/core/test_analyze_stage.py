"""The analyzer's machine."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pytest

from core.model.bar import Bar
from core.model.instrument import Exchange, Instrument
from core.model.messages import (
    BarsClosed,
    HeldPosition,
    HoldingsChanged,
    Screened,
    Signal,
    TrendAsked,
    WatchListChanged,
)
from core.model.params import AnalyzerParams, ScannerParams
from core.model.signal import Condition, Discovery, SignalType, TrendState
from core.stages.analyze import AnalyzeStage
from tests.unit.core.builders import TICKER, bar, bars

AT = dt.datetime(2026, 11, 17, 16, 0, 1, tzinfo=dt.UTC)
FALL = [*np.linspace(100, 130, 70), 128.0, 124.0, 119.0, 113.0]


def surge() -> list[Bar]:
    """A rise on nine times the volume: a BUY."""
    closes = [*np.linspace(110, 100, 76), 101.0, 103.0, 105.0, 108.0]
    return bars(closes, [1000.0] * 79 + [9000.0])


def flat(n: int = 80) -> list[Bar]:
    """A slow drift down: never an uptrend."""
    return bars([100.0 - 0.01 * i for i in range(n)])


def screened(found: list[Bar]) -> Screened:
    last = found[-1]
    return Screened(
        id=f"s{last.start_ms}",
        ticker=last.ticker,
        discovery=Discovery(
            price=last.close,
            change_pct=8.0,
            volume=last.volume,
            volume_ratio_pct=900.0,
            market_cap=1e9,
            name="N",
            bar_end_at=last.end_at,
        ),
        reference_close=100.0,
        average_volume=1000.0,
        bars=tuple(found[-120:]),
        feed_delay_ms=0,
        created_at=last.end_at,
    )


def closed(*found: Bar) -> BarsClosed:
    return BarsClosed(id=f"b{found[-1].start_ms}", bars=found, created_at=found[-1].end_at)


def hold(stage: AnalyzeStage, stop: str = "1.00") -> None:
    held = HeldPosition(ticker=TICKER, qty=7, stop_price=Decimal(stop))
    stage.holdings_changed(HoldingsChanged(id="h", positions=(held,), at=AT))


@pytest.fixture
def stage() -> AnalyzeStage:
    return AnalyzeStage(AnalyzerParams(), ScannerParams())


def kinds(signals: list[Signal]) -> list[SignalType]:
    return [s.verdict.signal for s in signals]


def test_a_screened_ticker_is_a_buy_or_a_watch(stage: AnalyzeStage) -> None:
    (buy,) = stage.screened(screened(surge()), AT)
    assert buy.verdict.signal is SignalType.BUY
    assert buy.discovery is not None
    assert buy.valid_until == AT + dt.timedelta(seconds=45)
    (watch,) = AnalyzeStage(AnalyzerParams(), ScannerParams()).screened(screened(flat()), AT)
    assert watch.verdict.signal is SignalType.WATCH


def test_the_same_bar_gives_the_same_signal_id(stage: AnalyzeStage) -> None:
    again = AnalyzeStage(AnalyzerParams(), ScannerParams())
    later = AT + dt.timedelta(seconds=9)
    assert stage.screened(screened(surge()), AT)[0].id == again.screened(screened(surge()), later)[0].id


def test_a_late_buy_comes_once_within_the_cool_down(stage: AnalyzeStage) -> None:
    calm = flat(76)
    stage.screened(screened(calm), AT)
    rise = [bar(76 + i, c, v) for i, (c, v) in enumerate([(101, 1e3), (103, 5e3), (105, 9e3), (108, 3e4), (110, 9e4)])]
    told = [s for b in rise for s in stage.bars_closed(closed(b), AT)]
    assert kinds(told) == [SignalType.BUY]
    assert told[0].discovery is not None
    assert told[0].discovery.price == Decimal(str(told[0].verdict.indicators.close))
    assert told[0].discovery.announce


def test_a_screened_buy_is_not_repeated_by_the_next_bars(stage: AnalyzeStage) -> None:
    found = surge()
    stage.screened(screened(found), AT)
    assert stage.bars_closed(closed(bar(80, 112, 20_000)), AT) == []


def test_a_late_buy_does_not_come_after_the_cool_down(stage: AnalyzeStage) -> None:
    stage.screened(screened(flat(40)), AT)
    for b in surge_after(40, 31):
        assert stage.bars_closed(closed(b), AT) == []


def surge_after(start: int, gap: int) -> list[Bar]:
    calm = [bar(start + i, 100.0, 1000) for i in range(gap - 1)]
    return [*calm, *(bar(start + gap + i, 102.0 + 2 * i, 20_000) for i in range(4))]


def test_sell_only_when_held(stage: AnalyzeStage) -> None:
    history = bars(FALL)
    stage.remember(closed(*history[:-1]))
    assert stage.bars_closed(closed(history[-1]), AT) == []
    held = AnalyzeStage(AnalyzerParams(), ScannerParams())
    held.remember(closed(*history[:-1]))
    hold(held)
    assert kinds(held.bars_closed(closed(history[-1]), AT)) == [SignalType.SELL]


@pytest.mark.parametrize(("close", "expected"), [(85.01, []), (85.0, [SignalType.STOP]), (80.0, [SignalType.STOP])])
def test_the_stop_of_a_held_ticker(stage: AnalyzeStage, close: float, expected: list[SignalType]) -> None:
    stage.remember(closed(*flat(5)))
    hold(stage, "85.00")
    told = stage.bars_closed(closed(bar(5, close)), AT)
    assert kinds(told) == expected
    assert all(s.verdict.met == (Condition.STOP_REACHED,) for s in told)


def test_every_bar_of_a_batch_is_judged_with_the_bars_up_to_it(stage: AnalyzeStage) -> None:
    history = bars(FALL)
    one_by_one, at_once = stage, AnalyzeStage(AnalyzerParams(), ScannerParams())
    hold(one_by_one)
    hold(at_once)
    singles = [s for b in history for s in one_by_one.bars_closed(closed(b), AT)]
    assert at_once.bars_closed(closed(*history), AT) == singles
    assert singles


def test_a_bar_that_is_sent_again_gives_no_new_signal(stage: AnalyzeStage) -> None:
    """The newest bar may be judged once more, but under the id that was acted on already."""
    history = bars(FALL)
    hold(stage)
    first = {s.id for s in stage.bars_closed(closed(*history), AT)}
    assert first
    assert {s.id for s in stage.bars_closed(closed(*history), AT)} <= first


def test_trend_answers(stage: AnalyzeStage) -> None:
    def ask(ticker: str = TICKER) -> TrendState:
        question = TrendAsked(id="q", ticker=ticker, asked_at=AT)
        answer = stage.trend_asked(question, AT)
        assert (answer.question, answer.ticker) == ("q", ticker)
        return answer.state

    assert ask() is TrendState.UNKNOWN
    stage.remember(closed(*bars([100.0, 101.0])))
    assert ask() is TrendState.UNKNOWN
    stage.remember(closed(*bars(list(np.linspace(100, 130, 70)))))
    assert ask() is TrendState.INTACT
    stage.remember(closed(*bars(FALL)))
    assert ask() is TrendState.BROKEN


def test_a_restart_that_remembers_the_history_gives_the_same_signals_afterwards(stage: AnalyzeStage) -> None:
    history = bars(FALL)
    hold(stage)
    before = [s for b in history[:72] for s in stage.bars_closed(closed(b), AT)]
    again = AnalyzeStage(AnalyzerParams(), ScannerParams())
    for b in history[:72]:
        again.remember(closed(b))
    hold(again)
    rest = [s for b in history[72:] for s in stage.bars_closed(closed(b), AT)]
    assert [s for b in history[72:] for s in again.bars_closed(closed(b), AT)] == rest
    assert rest or before


def test_a_bar_that_was_not_acknowledged_before_the_crash_is_judged_when_it_is_delivered_again(
    stage: AnalyzeStage,
) -> None:
    stage.remember(closed(*flat(5)))
    unacknowledged = closed(bar(5, 80.0))
    stage.remember(unacknowledged)
    hold(stage, "85.00")
    assert kinds(stage.bars_closed(unacknowledged, AT)) == [SignalType.STOP]


def test_a_restart_does_not_repeat_a_buy(stage: AnalyzeStage) -> None:
    found = surge()
    (buy,) = stage.screened(screened(found), AT)
    assert buy.verdict.signal is SignalType.BUY
    again = AnalyzeStage(AnalyzerParams(), ScannerParams())
    again.remember(screened(found))
    again.remember(buy)
    assert again.bars_closed(closed(bar(80, 109, 20_000)), AT) == []


def test_a_new_day_forgets_bars_and_discoveries(stage: AnalyzeStage) -> None:
    stage.remember(closed(*flat(80)))
    tomorrow = bar(0, 50.0, day_ms=flat(1)[0].start_ms + 86_400_000)
    stage.bars_closed(closed(tomorrow), AT)
    assert stage.trend_asked(TrendAsked(id="q", ticker=TICKER, asked_at=AT), AT).state is TrendState.UNKNOWN


def test_the_feed_delay_is_measured(stage: AnalyzeStage) -> None:
    found = surge()
    at = found[-1].end_at + dt.timedelta(minutes=15)
    assert stage.screened(screened(found), at)[0].feed_delay_ms == 900_000


def watching(*tickers: str, known: bool = True) -> WatchListChanged:
    securities = tuple(Instrument(ticker=t, name=f"{t} Inc", exchange=Exchange.NYSE) for t in tickers) if known else ()
    return WatchListChanged(id="w", tickers=tickers, securities=securities, at=AT)


def judged(stage: AnalyzeStage, found: list[Bar]) -> list[Signal]:
    signals = []
    for each in found:
        signals += stage.bars_closed(BarsClosed(id=str(each.start_ms), bars=(each,), created_at=AT), AT)
    return signals


def test_a_watched_ticker_is_judged_without_a_screen_and_offered_once_a_day() -> None:
    stage = AnalyzeStage(AnalyzerParams(), ScannerParams())
    stage.watch_list_changed(watching(TICKER))
    (signal,) = judged(stage, surge())
    found = signal.discovery
    assert signal.verdict.signal is SignalType.BUY
    assert found is not None
    assert (found.exchange, found.name, found.price) == ("NYSE", f"{TICKER} Inc", signal.verdict.indicators.close)
    assert found.change_pct > 0
    assert judged(stage, surge()[-1:]) == []


@pytest.mark.parametrize("message", [watching("OTHER"), watching(TICKER, known=False), watching()])
def test_what_is_not_watched_or_has_no_known_venue_is_not_offered(message: WatchListChanged) -> None:
    stage = AnalyzeStage(AnalyzerParams(), ScannerParams())
    stage.watch_list_changed(message)
    assert judged(stage, surge()) == []

"""What the backtest leaves out could not have mattered: its two filters against the stages that see every bar."""

import datetime as dt

import msgspec
import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from made_days import MONDAY, MemoryDays, made_day, minute_ms, session_on, weekdays

import backtest.runner
from backtest.data.day import DayBars
from backtest.entries import possible_buys
from backtest.execution import Execution
from backtest.result import Result
from backtest.runner import Runner, Setup
from backtest.screening import ByTicker, candidates
from backtest.tape import Tape
from core.model.bar import MINUTE_MS, BarColumns
from core.model.batch import batch_of
from core.model.messages import Screened
from core.model.params import AnalyzerParams, Params, ScannerParams, TradingParams
from core.model.signal import SignalType
from core.rules.trend import judge_entry
from core.stages.analyze import WINDOW_BARS
from core.stages.collect import CollectStage, FetchInstrument, Publish

# -- the screen ---------------------------------------------------------------------------------------------------

SCREENS = st.builds(
    ScannerParams,
    min_price=st.sampled_from([0.0001, 1.0, 5.0]),
    min_volume=st.sampled_from([0, 1, 300, 10_000]),
    price_change_pct=st.one_of(st.sampled_from([0.1, 1.0, 5.0, 10.0, 100.0]), st.floats(0.1, 30.0)),
    volume_spike_pct=st.one_of(st.sampled_from([0.0, 100.0, 200.0]), st.floats(0.0, 1000.0)),
    timeframe=st.sampled_from(["1min", "2min", "5min", "30min"]),
    volume_lookback=st.integers(2, 120),
    max_reference_age_min=st.sampled_from([0, 1, 5, 15, 960]),
    unknown_market_cap=st.just("accept"),
    security_types=st.just(()),
)
# round numbers, so that rules are met to the very digit
PRICES = st.sampled_from([0.5, 0.99, 1.0, 1.01, 1.05, 1.1, 2.0, 2.1, 5.0, 5.25, 10.5])
VOLUMES = st.one_of(
    st.sampled_from([0.0, 1.0, 100.0, 200.0, 300.0, 10_000.0, 30_000.0, 3e9]),
    st.floats(0.0, 1e6).map(lambda shares: round(shares, 3)),
)


@st.composite
def small_days(draw) -> DayBars:
    """Few bars at few minutes: gaps, first bars, exact thresholds."""
    rows = []
    for ticker in range(draw(st.integers(1, 3))):
        minutes = draw(st.lists(st.integers(0, 60), min_size=1, max_size=25, unique=True))
        rows += [(minute, ticker, draw(PRICES), draw(VOLUMES)) for minute in minutes]
    rows.sort()
    minute, ticker, price, volume = (np.array(column) for column in zip(*rows, strict=True))
    start = minute_ms(MONDAY, 0) + minute * MINUTE_MS
    names = tuple(f"T{i}" for i in range(int(ticker.max()) + 1))
    return DayBars(
        MONDAY, names, ticker.astype(np.int32), start, price, price.copy(), price.copy(), price.copy(), volume * 1.0
    )


MADE_DAYS = st.builds(made_day, st.just(MONDAY), st.integers(0, 10_000), tickers=st.just(3), minutes=st.just(150))


def screened_by_the_collector(day: DayBars, params: ScannerParams) -> set[str]:
    """Every bar of the day, in the order of time."""
    stage, tape, found = CollectStage(params), Tape(day), set()
    for start_ms in np.unique(day.start_ms):
        bars = [bar for name in day.tickers if (bar := tape.at(name, int(start_ms)))]
        at = dt.datetime.fromtimestamp((int(start_ms) + MINUTE_MS) / 1000, dt.UTC)
        effects = stage.bars_arrived(batch_of(bars), at)
        while effects:
            effect = effects.pop(0)
            match effect:
                case FetchInstrument(ticker):
                    effects += stage.instrument_loaded(ticker, None, at)
                case Publish(Screened(ticker=ticker)):
                    found.add(ticker)
    return found


@given(st.one_of(small_days(), MADE_DAYS), SCREENS)
@settings(max_examples=400, deadline=None)
def test_every_ticker_that_is_screened_is_a_candidate(day, params) -> None:
    found = screened_by_the_collector(day, params)
    event(f"screened: {bool(found)}")
    chosen = {day.tickers[i] for i in candidates(ByTicker(day), params)}
    assert found <= chosen


# -- the trend ----------------------------------------------------------------------------------------------------


@st.composite
def trend_rules(draw) -> AnalyzerParams:
    period = st.one_of(st.integers(2, 30), st.integers(2, 130), st.integers(2, 400))
    ema, macd = (sorted((draw(period), draw(period))) for _ in range(2))
    return AnalyzerParams(
        ema_fast=min(ema[0], 399),
        ema_slow=max(ema[1], min(ema[0], 399) + 1),
        macd_fast=min(macd[0], 399),
        macd_slow=max(macd[1], min(macd[0], 399) + 1),
        macd_signal=draw(period),
        rsi_period=draw(period),
        rsi_overbought=draw(st.integers(50, 100)),
        rsi_oversold=draw(st.integers(0, 50)),
        bollinger_period=draw(period),
        bollinger_deviations=draw(st.floats(0.5, 5.0)),
        volume_lookback=draw(st.integers(2, 120)),
        breakout_relative_volume=draw(st.sampled_from([0.0, 1.0, 2.0, 5.0])),
        surge_relative_volume=draw(st.sampled_from([0.0, 1.0, 3.0, 10.0])),
        signal_window_bars=draw(st.one_of(st.integers(1, 10), st.integers(1, 60))),
        min_signals_for_buy=draw(st.sampled_from([1, 1, 2, 3, 4])),
    )


@st.composite
def ticker_days(draw) -> BarColumns:
    """One ticker: spells of walking, of rest and of regular steps, with jumps between them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts, price = [], draw(st.sampled_from([0.02, 1.0, 7.77, 100.0, 4_000.0]))
    for _ in range(draw(st.integers(1, 6))):
        size = draw(st.integers(1, 90))
        kind = draw(st.sampled_from(["walk", "rest", "rise", "fall", "zigzag"]))
        step = draw(st.sampled_from([1e-5, 1e-3, 1e-2]))
        steps = {
            "walk": rng.normal(0, step, size),
            "rest": np.zeros(size),
            "rise": np.full(size, step),
            "fall": np.full(size, -step),
            "zigzag": step * np.where(np.arange(size) % 2, 1.0, -1.0),
        }[kind]
        steps[0] += draw(st.sampled_from([0.0, 0.0, 0.3, -0.3, 2.0, -2.0]))
        part = price * np.exp(np.cumsum(steps))
        price = float(part[-1])
        parts.append(part)
    close = np.maximum(np.concatenate(parts), 1e-3)
    if draw(st.booleans()):
        close = np.maximum(close.round(2), 0.01)
    size = len(close)
    volume = rng.lognormal(6, draw(st.sampled_from([0.0, 1.0, 2.5])), size)
    volume[rng.random(size) < draw(st.sampled_from([0.0, 0.0, 0.9]))] = 0.0
    if draw(st.booleans()):
        volume = np.floor(volume)
    start = minute_ms(MONDAY, -300) + np.arange(size, dtype=np.int64) * MINUTE_MS
    return BarColumns(start, close, close, close, close, volume)


def may_buy(bars: BarColumns, params: AnalyzerParams) -> np.ndarray:
    """The bars of a day by itself on which a BUY is possible."""
    flags = np.zeros(len(bars.close), np.bool_)
    flags[possible_buys([bars], [params])[0]] = True
    return flags


def bought_by_the_analyzer(bars: BarColumns, params: AnalyzerParams, first: int = 0) -> list[int]:
    """Bars from the first on at which the newest 120 say BUY."""
    found = []
    for end in range(first + 1, len(bars.close) + 1):
        part = slice(max(0, end - WINDOW_BARS), end)
        window = BarColumns(*(getattr(bars, name)[part] for name in BarColumns.__struct_fields__))
        if judge_entry(window, params).signal is SignalType.BUY:
            found.append(end - 1)
    return found


@given(ticker_days(), trend_rules())
@settings(max_examples=300, deadline=None)
def test_a_buy_is_possible_wherever_the_analyzer_buys(bars, params) -> None:
    bought = bought_by_the_analyzer(bars, params)
    event(f"bought: {bool(bought)}")
    possible = may_buy(bars, params)
    assert len(possible) == len(bars.close)
    assert [i for i in bought if not possible[i]] == []


@given(st.lists(ticker_days(), min_size=1, max_size=4), trend_rules())
@settings(max_examples=60, deadline=None)
def test_days_that_are_looked_at_together_are_like_each_by_itself(days, params) -> None:
    together = possible_buys([*days, *days], [params])
    for places, day in zip(together, [*days, *days], strict=True):
        assert np.array_equal(places, np.flatnonzero(may_buy(day, params)))


@given(st.lists(ticker_days(), min_size=1, max_size=3), st.lists(trend_rules(), min_size=2, max_size=3))
@settings(max_examples=40, deadline=None)
def test_what_any_of_the_settings_may_buy_is_possible(days, rules) -> None:
    for places, day in zip(possible_buys(days, rules), days, strict=True):
        assert np.array_equal(places, np.flatnonzero(np.logical_or.reduce([may_buy(day, each) for each in rules])))


def test_a_crossing_that_only_the_window_sees_is_possible() -> None:
    """Bars before the window still weigh in the whole day's averages: its crossings lie elsewhere, or nowhere."""
    params = AnalyzerParams(
        ema_fast=5, ema_slow=80, macd_fast=13, macd_slow=84, macd_signal=21, rsi_oversold=0, rsi_overbought=50,
        signal_window_bars=20, min_signals_for_buy=1, breakout_relative_volume=1000.0, surge_relative_volume=1000.0,
    )  # fmt: skip
    seen = 0
    for seed in range(600):
        steps = np.random.default_rng(seed).normal(0, 1e-3, WINDOW_BARS + 6)
        steps[:15] -= 1e-3
        close = 10 * np.exp(np.cumsum(steps))
        bars = BarColumns(np.arange(len(close)) * MINUTE_MS, close, close, close, close, np.full(len(close), 100.0))
        possible = may_buy(bars, params)
        bought = bought_by_the_analyzer(bars, params, first=WINDOW_BARS)
        seen += len(bought)
        assert [i for i in bought if not possible[i]] == []
    assert seen > 100


def test_an_ordinary_day_is_mostly_left_out() -> None:
    """A filter that says yes to everything would pass the other tests."""
    share = []
    for seed in range(10):
        tape = Tape(made_day(MONDAY, seed))
        share += [may_buy(tape.columns(name), AnalyzerParams()).mean() for name in tape.names]
    assert np.mean(share) < 0.4
    day = made_day(MONDAY, seed=3, tickers=12)
    strict = ScannerParams(price_change_pct=20.0, volume_spike_pct=2_000.0)
    assert len(candidates(ByTicker(day), strict)) < 4


# -- a whole run --------------------------------------------------------------------------------------------------


class EveryBar:
    """Feed in plain words: every minute of the day, with the bars of every ticker, through the screen."""

    def __init__(self, tape: Tape, _screened, _possible, **span) -> None:
        self.screened = frozenset(tape.names)
        self._tape = tape
        self._last_ms = span["last_ms"]

    def signalled(self, signal) -> None:
        pass

    def minutes(self, _trader):
        for start_ms in range(int(self._tape.bars.start_ms[0]), self._last_ms, MINUTE_MS):
            yield start_ms, [bar for name in sorted(self._tape.names) if (bar := self._tape.at(name, start_ms))]


RUNS = st.builds(
    lambda scanner, analyzer, trading, watched, execution: Setup(
        params=Params(scanner=scanner, analyzer=analyzer, trading=trading), watched=watched, execution=execution
    ),
    scanner=st.builds(
        ScannerParams,
        price_change_pct=st.sampled_from([2.0, 5.0]),
        discovery_cooldown_min=st.sampled_from([0, 5, 30]),
        timeframe=st.sampled_from(["3min", "5min"]),
    ),
    analyzer=st.builds(
        AnalyzerParams,
        min_signals_for_buy=st.integers(1, 3),
        min_signals_for_sell=st.integers(1, 3),
        signal_window_bars=st.sampled_from([1, 5, 20]),
        ema_slow=st.sampled_from([20, 60]),
    ),
    trading=st.builds(
        TradingParams,
        mode=st.sampled_from(["auto", "approve"]),
        venue=st.sampled_from(["paper", "kis_real"]),
        take_profit_pct=st.sampled_from([3.0, 30.0]),
        stop_loss_pct=st.sampled_from([-2.0, -15.0]),
        split_interval_sec=st.sampled_from([60, 300]),
    ),
    watched=st.sampled_from([None, (), ("T00", "T02", "ABSENT")]),
    execution=st.builds(Execution, approve_after_s=st.sampled_from([-1, 0, 90, 600])),
)


def runs(seed: int, setup: Setup) -> tuple[Result, Result]:
    """The run, and one that sees every bar."""
    source = MemoryDays([made_day(on, seed, tickers=4) for on in weekdays(2)])
    result = Runner(setup, session_on).run(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backtest.runner, "Feed", EveryBar)
        expected = Runner(setup, session_on).run(source)
    return msgspec.structs.replace(result, seconds=0.0), msgspec.structs.replace(expected, seconds=0.0)


@given(st.integers(0, 10_000), RUNS)
@settings(max_examples=20, deadline=None)
def test_a_run_is_the_same_as_one_that_sees_every_bar(seed, setup) -> None:
    result, expected = runs(seed, setup)
    event(f"filled: {bool(expected.filled)}")
    assert result == expected


@pytest.mark.parametrize(
    ("seed", "change_pct", "approve_after_s", "watched"),
    [
        # a person approves later, at the price of then
        (0, 5.0, 90, None),
        (2, 5.0, 90, None),
        (0, 5.0, 90, ("T00", "T02")),
        # sold inside a bar: it is not followed any more when it closes
        (7, 5.0, 90, ("T00", "T02")),
        (7, 2.0, None, ()),
        (36, 2.0, None, ()),
        # sold before the first bar of the day was handed over
        (12, 5.0, 90, None),
    ],
)
def test_what_once_made_a_difference(seed, change_pct, approve_after_s, watched) -> None:
    mode = "auto" if approve_after_s is None else "approve"
    setup = Setup(
        params=Params(
            scanner=ScannerParams(price_change_pct=change_pct), trading=TradingParams(mode=mode, stop_loss_pct=-2.0)
        ),
        watched=watched,
        execution=Execution(approve_after_s=approve_after_s or 0),
    )
    result, expected = runs(seed, setup)
    assert result == expected

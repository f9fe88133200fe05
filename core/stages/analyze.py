"""The analyzer's machine: screened tickers, closed bars and questions in; signals and answers out."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from core.model.bar import MINUTE_MS, Bar, BarColumns
from core.model.instrument import Instrument
from core.model.messages import (
    BarsClosed,
    HeldPosition,
    HoldingsChanged,
    Screened,
    Signal,
    TrendAnswered,
    TrendAsked,
    WatchListChanged,
    message_id,
)
from core.model.params import AnalyzerParams, ScannerParams
from core.model.signal import Condition, Discovery, SignalType, TrendState, Verdict
from core.rules import history
from core.rules.days import us_day_bounds_ms
from core.rules.indicators import IndicatorSeries
from core.rules.trend import judge_entry, judge_exit, trend_state

# Every judgement looks at exactly the newest bars of the day up to this many: the same in live and backtest.
WINDOW_BARS = 120


class AnalyzeStage:
    """Judges each closed bar of the tickers that matter once, in order of arrival."""

    def __init__(
        self, params: AnalyzerParams, scanner: ScannerParams, histories: history.Histories | None = None
    ) -> None:
        self._params = params
        self._scanner = scanner
        self._bars = histories or history.BarLists()
        self._day_end_ms = 0
        self._discoveries: dict[str, Discovery] = {}
        self._bought: set[str] = set()
        self._held: dict[str, HeldPosition] = {}
        # sold inside a bar that is still open: that bar may yet bear witness to the stop
        self._sold: dict[str, HeldPosition] = {}
        self._witnessed: set[str] = set()
        self._watched: dict[str, Instrument] = {}

    def settings_changed(self, params: AnalyzerParams, scanner: ScannerParams) -> None:
        """Use new parameters from the next bar on."""
        self._params = params
        self._scanner = scanner

    def remember(self, message: Screened | BarsClosed | Signal) -> None:
        """Take one message of the past, in order of creation, after a restart, without judging it."""
        match message:
            case Signal():
                if message.verdict.signal is SignalType.BUY:
                    self._bought.add(message.ticker)
            case Screened():
                self._merge(message.bars)
                self._discoveries[message.ticker] = message.discovery
                self._bought.discard(message.ticker)
            case BarsClosed():
                self._merge((*message.past, *message.bars))

    def holdings_changed(self, message: HoldingsChanged) -> None:
        """Replace the held positions."""
        held = {p.ticker: p for p in message.positions}
        gone = {ticker: p for ticker, p in self._held.items() if ticker not in held}
        self._sold |= {ticker: p for ticker, p in gone.items() if ticker not in self._witnessed}
        self._witnessed &= held.keys()
        self._held = held

    def watch_list_changed(self, message: WatchListChanged) -> None:
        """Replace the watched securities; one whose venue is unknown can't be bought and is not judged."""
        watched = set(message.tickers)
        self._watched = {each.ticker: each for each in message.securities if each.ticker in watched}

    def screened(self, message: Screened, at: dt.datetime) -> list[Signal]:
        """Judge a ticker that passed the screen: BUY or WATCH."""
        self._merge(message.bars)
        self._discoveries[message.ticker] = message.discovery
        self._bought.discard(message.ticker)
        last = message.bars[-1]
        verdict = judge_entry(self._window(message.ticker, last.start_ms), self._params)
        if verdict.signal is SignalType.BUY:
            self._bought.add(message.ticker)
        return [self._signal(message.ticker, verdict, last, at, discovery=message.discovery)]

    def bars_closed(self, message: BarsClosed, at: dt.datetime) -> list[Signal]:
        """Judge new bars: SELL and STOP for held tickers, a late BUY for screened ones; none across a hole."""
        self._merge(message.past)
        fresh = self._merge(message.bars)
        signals = []
        for bar in fresh:
            if bar.ticker in self._held:
                signals += self._judge_held(bar, at)
            elif (sold := self._sold.pop(bar.ticker, None)) and Decimal(str(bar.close)) <= sold.stop_price:
                signals.append(self._stop(bar, at))
            elif bar.ticker in message.holed:
                continue
            elif (late := self._judge_late_entry(bar, at)) or (late := self._judge_watched(bar, at)):
                signals.append(late)
        return signals

    def trend_asked(self, question: TrendAsked, at: dt.datetime) -> TrendAnswered:
        """Answer whether a trend is intact, UNKNOWN where no bars are known."""
        window = self._bars.window(question.ticker, None, WINDOW_BARS)
        state, verdict = TrendState.UNKNOWN, None
        if len(window.close):
            state = trend_state(window, self._params)
            verdict = judge_exit(window, self._params)
        return TrendAnswered(
            id=message_id("answer", question.id),
            question=question.id,
            ticker=question.ticker,
            state=state,
            verdict=verdict,
            answered_at=at,
        )

    def _judge_held(self, bar: Bar, at: dt.datetime) -> list[Signal]:
        held = self._held[bar.ticker]
        window = self._window(bar.ticker, bar.start_ms)
        if Decimal(str(bar.close)) <= held.stop_price:
            self._witnessed.add(bar.ticker)
            return [self._stop(bar, at)]
        broken = judge_exit(window, self._params)
        return [self._signal(bar.ticker, broken, bar, at)] if broken else []

    def _stop(self, bar: Bar, at: dt.datetime) -> Signal:
        window = self._window(bar.ticker, bar.start_ms)
        verdict = Verdict(
            signal=SignalType.STOP,
            confidence=100.0,
            met=(Condition.STOP_REACHED,),
            indicators=IndicatorSeries(window, self._params).latest(),
        )
        return self._signal(bar.ticker, verdict, bar, at)

    def _judge_late_entry(self, bar: Bar, at: dt.datetime) -> Signal | None:
        discovery = self._discoveries.get(bar.ticker)
        if discovery is None or bar.ticker in self._bought:
            return None
        age_min = (bar.end_at - discovery.bar_end_at).total_seconds() / 60
        if not 0 < age_min <= self._scanner.discovery_cooldown_min:
            return None
        verdict = judge_entry(self._window(bar.ticker, bar.start_ms), self._params)
        if verdict.signal is not SignalType.BUY:
            return None
        self._bought.add(bar.ticker)
        return self._signal(bar.ticker, verdict, bar, at, discovery=_repriced(discovery, bar))

    def _judge_watched(self, bar: Bar, at: dt.datetime) -> Signal | None:
        """A watched ticker needs no screen, only the trend; it is offered once a day unless it is screened as well."""
        security = self._watched.get(bar.ticker)
        if security is None or bar.ticker in self._bought:
            return None
        window = self._window(bar.ticker, bar.start_ms)
        verdict = judge_entry(window, self._params)
        if verdict.signal is not SignalType.BUY or (seen := _seen(security, bar, window)) is None:
            return None
        self._bought.add(bar.ticker)
        return self._signal(bar.ticker, verdict, bar, at, discovery=seen)

    def _merge(self, bars: Iterable[Bar]) -> list[Bar]:
        """Insert or replace bars; returns those that are the newest of their ticker.

        A bar that is known already counts as new too: after a restart the one that was not acknowledged comes again, and
        a signal's id says whether it was acted on.
        """
        fresh = []
        for bar in bars:
            if bar.start_ms >= self._day_end_ms:
                self._day_end_ms = us_day_bounds_ms(bar.start_ms)[1]
                self._bars.clear()
                self._sold.clear()
                self._discoveries.clear()
                self._bought.clear()
            if self._bars.put(bar):
                fresh.append(bar)
        return fresh

    def _window(self, ticker: str, upto_ms: int) -> BarColumns:
        return self._bars.window(ticker, upto_ms, WINDOW_BARS)

    def _signal(
        self, ticker: str, verdict: Verdict, bar: Bar, at: dt.datetime, *, discovery: Discovery | None = None
    ) -> Signal:
        return Signal(
            id=message_id("signal", ticker, verdict.signal.value, bar.start_ms),
            ticker=ticker,
            verdict=verdict,
            bar_end_at=bar.end_at,
            created_at=at,
            valid_until=at + dt.timedelta(seconds=self._params.signal_valid_sec),
            feed_delay_ms=max(0, int(at.timestamp() * 1000) - bar.end_ms),
            discovery=discovery,
        )


def _seen(security: Instrument, bar: Bar, window: BarColumns) -> Discovery | None:
    """A watched ticker's newest bar for people; None where there is too little before it to compare it with."""
    before = window.volume[-21:-1].tolist()
    reference = int(window.start_ms.searchsorted(bar.start_ms - 5 * MINUTE_MS, side="right")) - 1
    average = sum(before) / len(before) if before else 0.0
    if reference < 0 or average <= 0 or bar.volume <= 0:
        return None
    return Discovery(
        price=bar.close,
        change_pct=(bar.close / float(window.close[reference]) - 1) * 100,
        volume=bar.volume,
        volume_ratio_pct=bar.volume / average * 100,
        market_cap=security.market_cap(bar.close),
        name=security.name,
        name_ko=security.name_ko,
        exchange=security.exchange.value,
        announce=True,
        bar_end_at=bar.end_at,
    )


def _repriced(discovery: Discovery, bar: Bar) -> Discovery:
    """The discovery of a ticker whose BUY came later, at the price of that later bar; always announced."""
    reference = discovery.price / (1 + discovery.change_pct / 100)
    average = discovery.volume / discovery.volume_ratio_pct
    shares = None if discovery.market_cap is None else discovery.market_cap / discovery.price
    return Discovery(
        price=bar.close,
        change_pct=(bar.close / reference - 1) * 100,
        volume=bar.volume,
        volume_ratio_pct=bar.volume / average,
        market_cap=None if shares is None else shares * bar.close,
        name=discovery.name,
        name_ko=discovery.name_ko,
        exchange=discovery.exchange,
        announce=True,
        bar_end_at=bar.end_at,
    )

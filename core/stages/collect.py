"""The collector's machine: bars in, screened tickers and requests for missing facts out."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import numpy as np

from core.model.bar import MINUTE_MS, Bar
from core.model.batch import BarBatch, Rows
from core.model.instrument import Instrument, Listing
from core.model.messages import BarsClosed, Screened, message_id
from core.model.params import ScannerParams
from core.model.signal import Discovery
from core.rules.days import us_day_bounds_ms
from core.rules.history import KEPT
from core.rules.market import FEW, MarketBars
from core.rules.screen import (
    Halt,
    Measures,
    ScreenRule,
    cap_rule,
    cheap_rules,
    fake_rule,
    halt_rule,
    measure,
    type_rule,
)
from core.rules.sieve import sieve

HISTORY_BARS = 120


class FetchHistory(msgspec.Struct, frozen=True):
    """Ask for the ticker's bars of the day up to (not including) `until_ms`, then call `history_loaded`."""

    ticker: str
    from_ms: int
    until_ms: int


class FetchInstrument(msgspec.Struct, frozen=True):
    """Ask for type, names and share count, then call `instrument_loaded`."""

    ticker: str


class Publish(msgspec.Struct, frozen=True):
    """Send a message."""

    message: Screened | BarsClosed


CollectEffect = FetchHistory | FetchInstrument | Publish


class _Ticker:
    """What one ticker's day has come to, beside its bars."""

    __slots__ = ("announced_ms", "asked_since_ms", "complete", "fetching", "gapped", "held", "pending")

    def __init__(self, *, complete: bool, gapped: bool) -> None:
        self.complete = complete
        # bars of a followed ticker are held until the gap before them is filled
        self.gapped = gapped
        self.asked_since_ms: int | None = None
        # tuples: thousands of tickers have none, which is one and the same
        self.held: tuple[Bar, ...] = ()
        self.fetching = False
        self.pending: tuple[int, ...] = ()
        self.announced_ms: int | None = None


class CollectStage:
    """Screens every bar of the market. One instance sees the bars of one feed in order of arrival.

    `room`: how many tickers there is memory for from the start.
    """

    def __init__(self, params: ScannerParams, room: int = FEW) -> None:
        self._params = params
        self._day = (0, 0)
        self._market = MarketBars(room)
        self._tickers: dict[str, _Ticker] = {}
        self._instruments: dict[str, Instrument] = {}
        self._listings: dict[str, Listing] = {}
        self._asked: set[str] = set()
        self._fired: set[tuple[str, int]] = set()
        self._followed: frozenset[str] = frozenset()
        self._screened_today: set[str] = set()
        self._unknown_caps: set[str] = set()
        self._complete_from_ms: int | None = None
        self._reconnected = False
        self._newest_end_ms = 0
        self._halts: dict[str, Halt] = {}
        self.gaps: list[tuple[int, int]] = []
        self.rejections: dict[ScreenRule, int] = {}

    def settings_changed(self, params: ScannerParams) -> None:
        """Use new thresholds from the next bar on."""
        self._params = params

    def follow(self, tickers: Iterable[str]) -> None:
        """Forward the bars of these tickers (watched or held) besides those screened today."""
        self._followed = frozenset(tickers)

    def know(self, instruments: Iterable[Instrument]) -> None:
        """Take cached reference data; a share count that is unknown here is looked up when it is needed."""
        self._instruments.update((i.ticker, i) for i in instruments)

    def known(self) -> tuple[Instrument, ...]:
        """The securities that are known now."""
        return tuple(self._instruments.values())

    def listings_known(self, listings: Mapping[str, Listing]) -> None:
        """Take the broker's own venues and Korean names; they outrank the market data vendor's."""
        self._listings = dict(listings)

    def feed_started(self, at_ms: int) -> None:
        """The stream begins (or begins again after a gap): earlier bars of the day must come from history.

        After a gap the bars of followed tickers wait for the missing minutes; `gaps` are the day's, from the end of the
        last bar to the reconnect.
        """
        if self._complete_from_ms is not None:
            self._reconnected = True
            if self._newest_end_ms:
                self.gaps.append((self._newest_end_ms, max(at_ms, self._newest_end_ms)))
        self._complete_from_ms = at_ms
        for ticker in self._tickers.values():
            ticker.complete = False
            ticker.gapped = self._reconnected

    def halt_changed(self, ticker: str, at_ms: int, *, halted: bool) -> None:
        """The exchange halts a ticker, or lets it trade again."""
        known = self._halts.get(ticker)
        if halted:
            self._halts[ticker] = Halt(at_ms)
        elif known is not None:
            known.until_ms = at_ms
        else:
            # halted before we listened
            self._halts[ticker] = Halt(at_ms, at_ms)

    def bars_arrived(self, batch: BarBatch, at: dt.datetime) -> list[CollectEffect]:
        """Screen a batch; returns requests and messages in order. A bar that is sent again replaces the old one."""
        batch = self._of_the_day(batch)
        if not len(batch):
            return []
        numbers = self._market.numbers(batch)
        self._market.put(batch, numbers)
        self._newest_end_ms = max(self._newest_end_ms, int(batch.start_ms.max()) + MINUTE_MS)
        effects: list[CollectEffect] = []
        for row in self._worth_a_look(batch, numbers):
            ticker = batch.tickers[row]
            bar = self._market.at(ticker, int(batch.start_ms[row]))
            if bar is not None:
                effects += self._screen(self._state(ticker), bar, at)
        return effects + self._forward(batch, numbers, at)

    def _of_the_day(self, batch: BarBatch) -> BarBatch:
        """Without what is older than the day; a bar of the next one begins it."""
        if len(batch):
            self._roll_day(int(batch.start_ms.max()))
            if int(batch.start_ms.min()) < self._day[0]:
                return batch.pick(np.flatnonzero(batch.start_ms >= self._day[0]))
        return batch

    def _worth_a_look(self, batch: BarBatch, numbers: Rows) -> list[int]:
        """Rows that may pass the screen, or whose ticker has something to be looked up or a halt to be remembered."""
        special: Callable[[str], bool] | None = None
        if self._halts or not self._whole():
            special = self._is_special
        found, refused = sieve(self._market, batch, numbers, self._params, special)
        for rule, count in refused.items():
            self.rejections[rule] = self.rejections.get(rule, 0) + count
        return found

    def _is_special(self, ticker: str) -> bool:
        return ticker in self._halts or not self._state(ticker).complete

    def _forward(self, batch: BarBatch, numbers: Rows, at: dt.datetime) -> list[CollectEffect]:
        """Bars of followed tickers; those behind a gap wait until it is filled."""
        wanted = [self._market.number(ticker) for ticker in self._followed | self._screened_today]
        effects: list[CollectEffect] = []
        forward: list[Bar] = []
        for row in np.flatnonzero(np.isin(numbers, wanted)).tolist():
            bar = batch.bar(row)
            state = self._state(bar.ticker)
            if state.gapped:
                state.held = (*state.held, bar)
                effects += self._ask_history(state, bar)
            else:
                forward.append(bar)
        if forward:
            effects.append(_closed(forward, at))
        return effects

    def history_loaded(self, ticker: str, bars: Sequence[Bar], at: dt.datetime) -> list[CollectEffect]:
        """Merge back-filled bars, screen again what waited for them, and forward a followed ticker's missing minutes.

        From before the stream (re)started the history outranks what we heard: it has the revisions of the gap.
        """
        state = self._state(ticker)
        state.fetching = False
        mine = [bar for bar in bars if self._day[0] <= bar.start_ms < self._day[1]]
        changed = self._market.fill(ticker, mine, outranked_from_ms=self._complete_from_ms or 0)
        if state.asked_since_ms != self._complete_from_ms:
            # asked before the newest gap: the next bar asks for what that one swallowed
            return self._give_up(state, at, past=changed)
        state.complete, state.gapped = True, False
        effects = self._retry(ticker, state, at)
        held, state.held = state.held, ()
        return [*effects, _closed(held, at, past=changed[-HISTORY_BARS:])] if held else effects

    def history_failed(self, ticker: str, at: dt.datetime) -> list[CollectEffect]:
        """The history could not be fetched; the next qualifying bar asks again.

        What was held goes on with its hole marked: a sale may depend on it, and nothing is bought by it.
        """
        state = self._state(ticker)
        state.fetching = False
        return self._give_up(state, at)

    def _give_up(self, state: _Ticker, at: dt.datetime, past: Sequence[Bar] = ()) -> list[CollectEffect]:
        state.pending = ()
        held, state.held = state.held, ()
        return [_closed(held, at, past=past[-HISTORY_BARS:], holed=(held[0].ticker,))] if held else []

    def instrument_loaded(self, ticker: str, instrument: Instrument | None, at: dt.datetime) -> list[CollectEffect]:
        """Store a looked-up security (None: the vendor does not know it) and screen what waited for it."""
        self._asked.discard(ticker)
        self._instruments[ticker] = instrument or Instrument(ticker=ticker, name=ticker)
        known = self._instruments[ticker]
        if known.shares_outstanding is None:
            # remembered as unknown for the day, so that it is not asked again at every bar
            self._unknown_caps.add(ticker)
        return self._retry(ticker, self._state(ticker), at)

    def instrument_failed(self, ticker: str) -> None:
        """The look-up failed; the next qualifying bar asks again."""
        self._asked.discard(ticker)
        self._state(ticker).pending = ()

    def _roll_day(self, start_ms: int) -> None:
        if start_ms >= self._day[1]:
            self._day = us_day_bounds_ms(start_ms)
            self._market.clear()
            self._tickers.clear()
            self._fired.clear()
            self._screened_today.clear()
            self._asked.clear()
            self._unknown_caps.clear()
            self._halts = {t: halt for t, halt in self._halts.items() if halt.from_ms >= self._day[0]}
            self.gaps.clear()

    def _whole(self) -> bool:
        """Whether the feed has been there since the day's beginning: 04:00 New York is when the first bars appear."""
        started = self._complete_from_ms
        return started is None or started <= self._day[0] + 4 * 3_600_000

    def _state(self, ticker: str) -> _Ticker:
        state = self._tickers.get(ticker)
        if state is None:
            complete = self._whole()
            state = self._tickers[ticker] = _Ticker(complete=complete, gapped=self._reconnected and not complete)
        return state

    def _retry(self, ticker: str, state: _Ticker, at: dt.datetime) -> list[CollectEffect]:
        waiting, state.pending = state.pending, ()
        effects: list[CollectEffect] = []
        for start_ms in waiting:
            bar = self._market.at(ticker, start_ms)
            if bar is not None:
                effects += self._screen(state, bar, at)
        return effects

    def _reject(self, rule: ScreenRule) -> list[CollectEffect]:
        self.rejections[rule] = self.rejections.get(rule, 0) + 1
        return []

    def _screen(self, state: _Ticker, bar: Bar, at: dt.datetime) -> list[CollectEffect]:
        """Apply the rules to one bar with the bars up to it; a later one never counts."""
        if (bar.ticker, bar.start_ms) in self._fired:
            return []
        if failed := cheap_rules(bar, self._params):
            return self._reject(failed)
        if (halt := self._halts.get(bar.ticker)) and (failed := halt_rule(bar, halt, self._params.timeframe_min)):
            return self._reject(failed)
        if not state.complete:
            state.pending = (*state.pending, bar.start_ms)
            return self._ask_history(state, bar)
        bars = self._market.bars(bar.ticker, bar.start_ms, KEPT)
        measured = measure(bars, bar, self._params, first_ms=self._market.first_ms(bar.ticker))
        if isinstance(measured, ScreenRule):
            return self._reject(measured)
        if failed := fake_rule(bar.ticker):
            return self._reject(failed)
        instrument = self._instruments.get(bar.ticker)
        if instrument is None or (instrument.shares_outstanding is None and bar.ticker not in self._unknown_caps):
            return self._wait_for_instrument(state, bar, instrument)
        cap = instrument.market_cap(bar.close)
        if failed := type_rule(instrument.security_type, self._params) or cap_rule(cap, self._params):
            return self._reject(failed)
        return [Publish(self._fire(state, bars, measured, instrument, at))]

    def _ask_history(self, state: _Ticker, bar: Bar) -> list[CollectEffect]:
        if state.fetching:
            return []
        state.fetching = True
        state.asked_since_ms = self._complete_from_ms
        return [FetchHistory(bar.ticker, self._day[0], bar.start_ms)]

    def _wait_for_instrument(self, state: _Ticker, bar: Bar, known: Instrument | None) -> list[CollectEffect]:
        if known is not None and (failed := type_rule(known.security_type, self._params)):
            return self._reject(failed)
        state.pending = (*state.pending, bar.start_ms)
        if bar.ticker in self._asked:
            return []
        self._asked.add(bar.ticker)
        return [FetchInstrument(bar.ticker)]

    def _fire(
        self, state: _Ticker, bars: Sequence[Bar], measured: Measures, instrument: Instrument, at: dt.datetime
    ) -> Screened:
        bar = bars[-1]
        self._fired.add((bar.ticker, bar.start_ms))
        self._screened_today.add(bar.ticker)
        cooldown_ms = self._params.discovery_cooldown_min * 60_000
        announce = state.announced_ms is None or bar.start_ms - state.announced_ms >= cooldown_ms
        if announce:
            state.announced_ms = bar.start_ms
        listing = self._listings.get(bar.ticker)
        return Screened(
            id=message_id("screened", bar.ticker, bar.start_ms),
            ticker=bar.ticker,
            discovery=Discovery(
                price=bar.close,
                change_pct=measured.change_pct,
                volume=bar.volume,
                volume_ratio_pct=measured.volume_ratio_pct,
                market_cap=instrument.market_cap(bar.close),
                name=instrument.name,
                name_ko=listing.name_ko if listing else instrument.name_ko,
                exchange=(listing or instrument).exchange.value,
                announce=announce,
                bar_end_at=bar.end_at,
            ),
            reference_close=measured.reference_close,
            average_volume=measured.average_volume,
            bars=tuple(bars[-HISTORY_BARS:]),
            feed_delay_ms=max(0, int(at.timestamp() * 1000) - bar.end_ms),
            created_at=at,
        )


def _closed(bars: Sequence[Bar], at: dt.datetime, *, past: Sequence[Bar] = (), holed: tuple[str, ...] = ()) -> Publish:
    key = message_id("bars", *((b.ticker, b.start_ms, b.close, b.volume) for b in bars))
    return Publish(BarsClosed(id=key, bars=tuple(bars), created_at=at, past=tuple(past), holed=holed))

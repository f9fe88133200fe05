"""One run: collector, analyzer and trader's machines over recorded days, in one process, on event time."""

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from backtest.data.day import DayBars
from backtest.data.memory import DaySource
from backtest.desk import Clock, Desk
from backtest.entries import possible_buys
from backtest.exchange import SimulatedAccount
from backtest.execution import Execution
from backtest.feed import Feed, Interested
from backtest.moments import Moment, moments
from backtest.recorder import Recorder
from backtest.result import UNCHECKED, Day, Result
from backtest.screening import Indices, candidates
from backtest.tape import Tape, TapeHistories
from core.model.bar import MINUTE_MS, Bar
from core.model.batch import batch_of
from core.model.instrument import Instrument
from core.model.messages import BarsClosed, HoldingsChanged, Signal, WatchListChanged, message_id
from core.model.params import Params
from core.model.session import MarketSession, Phase
from core.rules.schedule import collecting, entry_window, order_phases
from core.stages.analyze import AnalyzeStage
from core.stages.collect import CollectEffect, CollectStage, FetchHistory, FetchInstrument, Publish

MARKET = "SPY"
# the broker's list goes back over a long weekend
LISTED = dt.timedelta(days=4)


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `begin_at` and `end_at` cut the first and the last day: as if the processes had been started in the
    middle of it, with what came before as history. `watched`: tickers that are judged without a screen; None for every ticker of the data.

    `instruments` are what is known of securities. Without any, market cap and type are not checked, because old data
    rarely come with them, and the report says so.
    """

    params: Params
    execution: Execution = Execution()
    first: dt.date | None = None
    last: dt.date | None = None
    begin_at: dt.datetime | None = None
    end_at: dt.datetime | None = None
    watched: tuple[str, ...] | None = ()
    screen: bool = True
    instruments: Mapping[str, Instrument] = {}
    version: str = ""


class Runner:
    """`session_on` gives the session of a US date, None where there is none."""

    def __init__(self, setup: Setup, session_on: Callable[[dt.date], MarketSession | None]) -> None:
        self._setup = setup
        self._session_on = session_on
        params = setup.params
        trading = params.trading
        self._account = SimulatedAccount(
            setup.execution,
            cash_krw=trading.paper_cash,
            krw_per_usd=trading.paper_krw_per_usd,
            commission_pct=trading.commission_pct,
        )
        scanner = params.scanner
        if not setup.instruments:
            scanner = msgspec.structs.replace(scanner, unknown_market_cap="accept", security_types=())
        self._collect = CollectStage(scanner)
        self._histories = TapeHistories()
        self._analyze = AnalyzeStage(params.analyzer, params.scanner, self._histories)
        self._recorder = Recorder()
        self._desk: Desk | None = None
        self._held: frozenset[str] = frozenset()
        self._watched: tuple[str, ...] = ()
        self._followed: frozenset[str] = frozenset()
        self._market: dict[dt.date, float] = {}
        self._bars = 0
        self._outside: list[dt.date] = []

    def run(self, store: DaySource, tick: Callable[[dt.date], None] = lambda _: None) -> Result:
        """Read the store day by day; `tick` hears of each day that is done."""
        began = time.perf_counter()
        setup = self._setup
        days = store.days(setup.first, setup.last)
        for on in days:
            session = self._session_on(on)
            if session is None:
                self._outside.append(on)
            else:
                self._day(store.read(on), session)
            tick(on)
        return self._result(days, store.data_hash(days), time.perf_counter() - began)

    # -- one day --------------------------------------------------------------------------------------------------

    def _day(self, bars: DayBars, session: MarketSession) -> None:
        tape = Tape(bars)
        self._bars += len(bars)
        self._histories.load(tape)
        desk = self._opened(session)
        feed = self._feed(tape, session)
        start, end = entry_window(session, self._setup.params.schedule)
        phases = order_phases(self._setup.params.trading.venue)
        for start_ms, arrived in feed.minutes(self._interested(desk)):
            closed_at = dt.datetime.fromtimestamp((start_ms + MINUTE_MS) / 1000, dt.UTC)
            clock = Clock(in_window=start <= closed_at < end, market_open=session.phase(closed_at) in phases)
            self._inside(desk, arrived, start_ms, session, phases)
            self._closed(desk, feed, arrived, closed_at, clock)
        self._finish(desk, tape, session)

    def _interested(self, desk: Desk) -> Interested:
        """Whose prices matter while nothing is screened."""
        return desk

    def _settings(self) -> Sequence[Params]:
        """All settings that are in force at some time of the day."""
        return (self._setup.params,)

    def _feed(self, tape: Tape, session: MarketSession) -> Feed:
        """The bars that can matter: of tickers that may pass the screen, and of watched ones where a BUY is possible."""
        setup, settings = self._setup, self._settings()
        screened: set[str] = set()
        for params in settings if setup.screen else ():
            screened.update(tape.bars.tickers[i] for i in candidates(tape.layout, params.scanner))
        self._watched = tape.bars.tickers if setup.watched is None else setup.watched
        securities = tuple(self._instrument(t) for t in self._watched)
        self._analyze.watch_list_changed(
            WatchListChanged(
                id=message_id("watch", str(session.on)),
                tickers=tuple(self._watched),
                securities=securities,
                at=session.pre_open_at,
            )
        )
        self._follow()
        judged = [t for t in self._watched if t in tape.names and t not in screened]
        places = possible_buys([tape.columns(t) for t in judged], [params.analyzer for params in settings])
        possible = dict(zip(judged, places, strict=True))
        begin, end = session.pre_open_at, session.post_close_at
        if setup.begin_at is not None and setup.begin_at > begin:
            begin = setup.begin_at
            self._collect.feed_started(int(begin.timestamp() * 1000))
        if setup.end_at is not None:
            end = min(end, setup.end_at)
        first_ms, last_ms = (int(at.timestamp() * 1000) for at in (begin, end))
        self._begin_day(tape, possible, first_ms)
        return Feed(tape, screened, possible, first_ms=first_ms, last_ms=last_ms)

    def _begin_day(self, tape: Tape, possible: dict[str, Indices], first_ms: int) -> None:
        """The analyzer's day begins with the first bar that it is handed: that one is among the possible ones."""
        params = self._setup.params
        span = range(max(first_ms, int(tape.bars.start_ms[0])), int(tape.bars.start_ms[-1]) + 1, MINUTE_MS)
        for awake_ms in span:
            closed_at = dt.datetime.fromtimestamp((awake_ms + MINUTE_MS) / 1000, dt.UTC)
            if collecting(closed_at, params.schedule, params.notification.report_time):
                places = {t: int(tape.columns(t).start_ms.searchsorted(awake_ms)) for t in possible}
                firsts = [
                    (int(tape.columns(t).start_ms[i]), t) for t, i in places.items() if i < len(tape.columns(t).close)
                ]
                if firsts:
                    first = min(firsts)[1]
                    possible[first] = np.union1d(possible[first], [places[first]])
                return

    def _opened(self, session: MarketSession) -> Desk:
        """The account's and the trader's day begins."""
        at, setup = session.pre_open_at, self._setup
        self._account.begin_session((session.on - LISTED).strftime("%Y%m%d"))
        if self._desk is None:
            self._desk = Desk(
                setup.params.trading,
                self._account,
                self._recorder,
                at=at,
                approve_after_s=setup.execution.approve_after_s,
                ask_trend=self._analyze.trend_asked,
                hold=self._hold,
            )
        self._desk.begin(at)
        return self._desk

    def _hold(self, message: HoldingsChanged) -> None:
        self._held = frozenset(p.ticker for p in message.positions)
        self._analyze.holdings_changed(message)
        self._follow()

    def _follow(self) -> None:
        self._followed = frozenset((*self._watched, *self._held))
        self._collect.follow(self._followed)

    def _inside(
        self, desk: Desk, arrived: Sequence[Bar], start_ms: int, session: MarketSession, phases: frozenset[Phase]
    ) -> None:
        """What happens while the bars form: orders fill, and prices are looked at where shares are held."""
        interest = set(desk.interest()) if desk.active else set()
        mine = [bar for bar in arrived if bar.ticker in interest]
        opened_at = dt.datetime.fromtimestamp(start_ms / 1000, dt.UTC)
        if not mine or session.phase(opened_at) not in phases:
            return
        moving = [bar for bar in mine if not desk.idle(bar)]
        rooms = {bar.ticker: self._account.volume(bar.volume) for bar in moving}
        path = sorted(
            ((m, bar.ticker) for bar in moving for m in moments(bar, desk.book.positions.get(bar.ticker))),
            key=lambda entry: entry[0].after_s,
        )
        for moment, ticker in path:
            self._moment(desk, ticker, moment, opened_at, rooms)
        for bar in mine:
            self._recorder.traded_between(desk.book.positions, bar)

    def _moment(self, desk: Desk, ticker: str, moment: Moment, opened_at: dt.datetime, rooms: dict[str, int]) -> None:
        account, at = self._account, opened_at + dt.timedelta(seconds=moment.after_s)
        account.see(ticker, moment.price)
        filled = account.match(ticker, moment.price, rooms[ticker], passing=moment.passing)
        if filled:
            rooms[ticker] -= filled
            desk.read_orders(at)
        if ticker not in desk.book.positions:
            return
        desk.quote(ticker, at)
        if ticker in desk.book.below_stop and ticker not in desk.book.exits:
            # a stop needs a second look, and the live trader takes it at once
            at += dt.timedelta(seconds=2)
            desk.quote(ticker, at)
        filled = account.match(ticker, moment.price, rooms[ticker]) if account.working(ticker) else 0
        if filled:
            rooms[ticker] -= filled
            desk.read_orders(at)

    def _closed(self, desk: Desk, feed: Feed, arrived: Sequence[Bar], at: dt.datetime, clock: Clock) -> None:
        """The bars are closed: they are screened and judged, and whatever is decided now trades in the next ones."""
        for bar in arrived:
            self._account.see(bar.ticker, bar.close)
        told = desk.active
        if told:
            desk.look(at, clock)
        for signal in self._signals(feed, arrived, at):
            if not told:
                desk.look(at, clock)
                told = True
            if desk.signal(signal, at):
                # what is decided begins at once, as a second later in the live trader
                desk.look(at, clock)

    def _signals(self, feed: Feed, arrived: Sequence[Bar], at: dt.datetime) -> Iterator[Signal]:
        params = self._setup.params
        if not arrived or not collecting(at, params.schedule, params.notification.report_time):
            return
        screened = [bar for bar in arrived if bar.ticker in feed.screened]
        # what was sold inside the bar is not followed any more when it closes
        forwarded = [bar for bar in arrived if bar.ticker not in feed.screened and bar.ticker in self._followed]
        effects: list[CollectEffect] = list(self._collect.bars_arrived(batch_of(screened), at))
        while effects:
            effect = effects.pop(0)
            match effect:
                case Publish(message):
                    if isinstance(message, BarsClosed):
                        forwarded += message.bars
                        continue
                    self._recorder.screened(message)
                    yield from self._analyze.screened(message, at)
                case FetchInstrument(ticker):
                    effects[:0] = self._collect.instrument_loaded(ticker, self._instrument(ticker), at)
                case FetchHistory(ticker, from_ms, until_ms):
                    before = feed.history(ticker, from_ms, until_ms)
                    effects[:0] = self._collect.history_loaded(ticker, before, at)
        if forwarded:
            bars = tuple(sorted(forwarded, key=lambda bar: bar.ticker))
            for signal in self._analyze.bars_closed(BarsClosed(id="", bars=bars, created_at=at), at):
                feed.signalled(signal)
                yield signal

    def _instrument(self, ticker: str) -> Instrument:
        return self._setup.instruments.get(ticker) or Instrument(ticker=ticker, name=ticker)

    def _finish(self, desk: Desk, tape: Tape, session: MarketSession) -> None:
        """The session is over: day orders expire, and everything is counted at the last prices."""
        at = session.post_close_at
        if self._account.end_session():
            desk.look(at, Clock(in_window=False, market_open=False))
        account = self._account
        self._recorder.days.append(
            Day(
                on=session.on,
                equity_usd=account.equity_usd(),
                equity_krw=account.equity_krw(),
                invested_usd=account.invested_usd(),
                positions=len(desk.book.positions),
                bars=len(tape.bars),
            )
        )
        if MARKET in tape.names:
            self._market[session.on] = float(tape.columns(MARKET).close[-1])

    def _result(self, days: Sequence[dt.date], data_hash: str, seconds: float) -> Result:
        setup, recorder = self._setup, self._recorder
        notes = []
        if self._outside:
            notes.append(f"{len(self._outside)} days are no trading days and were left out: {self._outside[0]} …")
        if not setup.instruments and recorder.found:
            notes.append(UNCHECKED)
        return Result(
            first=days[0],
            last=days[-1],
            params=setup.params,
            execution=setup.execution,
            data_hash=data_hash,
            config_hash=hashlib.sha256(
                msgspec.json.encode((setup.params, setup.execution), order="sorted")
            ).hexdigest(),
            version=setup.version,
            cash_krw=setup.params.trading.paper_cash,
            bars=self._bars,
            seconds=seconds,
            found=tuple(recorder.found),
            judged=tuple(recorder.judged),
            proposed=tuple(recorder.proposed),
            filled=tuple(recorder.filled),
            trips=tuple(recorder.trips),
            held=tuple(self._desk.book.positions.values()) if self._desk else (),
            days=tuple(recorder.days),
            refused=recorder.refused,
            events=recorder.events,
            market=self._market,
            notes=tuple(notes),
        )

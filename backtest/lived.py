"""A day that the collector recorded, lived again: by the machines in the order of arrival, and by the backtest."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from backtest.data.day import DayBars
from backtest.data.manifest import DataProblem
from backtest.data.memory import between, hash_of
from backtest.data.recorded import Laid, entries_of
from backtest.desk import Clock, Desk
from backtest.execution import Execution
from backtest.feed import Feed, Interested
from backtest.runner import Runner, Setup
from backtest.tape import Tape
from core.model.bar import MINUTE_MS, Bar
from core.model.instrument import Instrument
from core.model.messages import BarsClosed, HeldPosition, HoldingsChanged, Screened, Signal, WatchListChanged
from core.model.params import Params
from core.model.recording import (
    Arrived,
    BarsLost,
    Began,
    Ended,
    Entry,
    FeedChanged,
    Found,
    Halted,
    HistoryCame,
    Holding,
    InstrumentCame,
    SettingsInForce,
    Watching,
)
from core.model.session import MarketSession
from core.stages.analyze import AnalyzeStage
from core.stages.collect import CollectEffect, CollectStage, Publish

Changed = SettingsInForce | Watching | Holding | Halted
Span = tuple[dt.datetime, dt.datetime]


class Lived(msgspec.Struct, kw_only=True):
    """What a recording says of a day. `began` is the state at its start, `gaps` are spans of which nothing is known.

    `lost_batches` are the numbers of the batches of bars that nobody heard of, `arrivals` says when the first bar of a
    start was here.
    """

    on: dt.date
    began: Began
    bars: DayBars
    first_feed_at: dt.datetime | None
    ended_at: dt.datetime
    found: tuple[Found, ...]
    changes: tuple[Changed, ...]
    instruments: Mapping[str, Instrument]
    gaps: tuple[Span, ...]
    lost_batches: frozenset[int]
    arrivals: Mapping[int, dt.datetime]

    def params_at(self, at: dt.datetime) -> Params:
        """The settings in force at an instant."""
        found = self.began.params
        for change in self.changes:
            if isinstance(change, SettingsInForce) and change.at <= at:
                found = change.params
        return found

    def settings(self) -> tuple[Params, ...]:
        """All that were in force."""
        changed = (change.params for change in self.changes if isinstance(change, SettingsInForce))
        return tuple(dict.fromkeys((self.began.params, *changed)))


def lived_day(folder: Path, on: dt.date) -> Lived:
    """Read a recording once. Raises DataProblem where there is none or it is of another version."""
    reading = _Reading(on)
    for entry in entries_of(folder):
        reading.take(entry)
    lived = reading.lived()
    if lived is None:
        raise DataProblem(f"{folder} holds nothing whole: the collector was killed within seconds")
    return lived


class _Reading:
    """What is known of a day so far."""

    def __init__(self, on: dt.date) -> None:
        self._on = on
        self._laid = Laid(on)
        self._began: Began | None = None
        self._feed_at: dt.datetime | None = None
        self._found: list[Found] = []
        self._changes: list[Changed] = []
        self._instruments: dict[str, Instrument] = {}
        self._gaps: list[Span] = []
        self._lost: set[int] = set()
        self._arrivals: dict[int, dt.datetime] = {}
        self._batches = 0
        self._last_at: dt.datetime | None = None
        self._down_at: dt.datetime | None = None

    def take(self, entry: Entry) -> None:
        """The next entry."""
        self._laid.take(entry)
        match entry:
            case Began():
                self._part(entry)
            case Arrived(bars=bars):
                self._batches += 1
                for start_ms in set(bars.start_ms.tolist()):
                    self._arrivals.setdefault(start_ms, entry.at)
            case BarsLost():
                self._lost.add(self._batches)
            case FeedChanged():
                self._feed(entry)
            case Found():
                self._found.append(entry)
            case InstrumentCame(instrument=Instrument() as each):
                self._instruments[each.ticker] = each
            case SettingsInForce() | Watching() | Holding() | Halted():
                self._changes.append(entry)
            case _:
                pass
        self._last_at = entry.at

    def _part(self, entry: Began) -> None:
        self._instruments |= {each.ticker: each for each in entry.instruments}
        if self._began is None or self._last_at is None:
            self._began = entry
        elif entry.fresh:
            self._gaps.append((self._last_at, entry.at))
            self._down_at = None
            self._changes += _differences(entry)

    def _feed(self, entry: FeedChanged) -> None:
        if not entry.up:
            self._down_at = self._down_at or entry.at
            return
        self._feed_at = self._feed_at or entry.at
        if self._down_at is not None:
            self._gaps.append((self._down_at, entry.at))
            self._down_at = None

    def lived(self) -> Lived | None:
        """All of it."""
        began, ended_at = self._began, self._last_at
        if began is None or ended_at is None:
            return None
        feed_at = self._feed_at
        if began.feed_ms is not None:
            feed_at = dt.datetime.fromtimestamp(began.feed_ms / 1000, dt.UTC)
        open_gap = [] if self._down_at is None else [(self._down_at, ended_at)]
        return Lived(
            on=self._on,
            began=began,
            bars=self._laid.day(),
            first_feed_at=feed_at,
            ended_at=ended_at,
            found=tuple(self._found),
            changes=tuple(self._changes),
            instruments=self._instruments,
            gaps=tuple(sorted([*self._gaps, *open_gap])),
            lost_batches=frozenset(self._lost),
            arrivals=self._arrivals,
        )


def _differences(began: Began) -> Iterator[Changed]:
    """What a process that starts again brings with it."""
    yield SettingsInForce(at=began.at, params=began.params)
    if began.watch is not None:
        yield Watching(at=began.at, watch=began.watch)


class Arrivals:
    """Collector's and analyzer's machines over a recording, entry by entry: what had to be decided then."""

    def __init__(self, lived: Lived) -> None:
        self.found: list[Screened] = []
        self.judged: list[Signal] = []
        self._lived = lived
        self._lost = {(each.ticker, each.discovery.bar_end_at) for each in lived.found if each.lost}
        params = lived.began.params
        self._collect = CollectStage(params.scanner)
        self._analyze = AnalyzeStage(params.analyzer, params.scanner)
        self._held: tuple[HeldPosition, ...] = ()
        self._watch: WatchListChanged | None = None
        self._batches = 0

    def replay(self, entries: Iterable[Entry]) -> None:
        """All of a day."""
        for entry in entries:
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        match entry:
            case Began():
                self._began(entry)
            case Arrived():
                self._batches += 1
                self._perform(self._collect.bars_arrived(entry.bars, entry.at), entry.at)
            case FeedChanged(up=True):
                self._collect.feed_started(int(entry.at.timestamp() * 1000))
            case SettingsInForce(params=params):
                self._collect.settings_changed(params.scanner)
                self._analyze.settings_changed(params.analyzer, params.scanner)
            case Watching(watch=watch):
                self._watching(watch)
            case Holding(positions=positions):
                self._held = positions
                self._analyze.holdings_changed(HoldingsChanged(id="", positions=positions, at=entry.at))
                self._follow()
            case Halted():
                self._collect.halt_changed(entry.ticker, entry.at_ms, halted=entry.halted)
            case HistoryCame(ticker=ticker, bars=None):
                self._perform(self._collect.history_failed(ticker, entry.at), entry.at)
            case HistoryCame(ticker=ticker, bars=bars):
                self._perform(self._collect.history_loaded(ticker, bars or (), entry.at), entry.at)
            case InstrumentCame(ticker=ticker, failed=True):
                self._collect.instrument_failed(ticker)
            case InstrumentCame(ticker=ticker, instrument=instrument):
                self._perform(self._collect.instrument_loaded(ticker, instrument, entry.at), entry.at)
            case FeedChanged() | Found() | BarsLost() | Ended():
                pass

    def _began(self, entry: Began) -> None:
        """A process that starts knows no bar; the analyzer is another process and goes on."""
        if not entry.fresh and self._batches:
            return
        params = entry.params
        self._collect = CollectStage(params.scanner)
        self._collect.know(entry.instruments)
        if entry.feed_ms is not None:
            self._collect.feed_started(entry.feed_ms)
        self._analyze.settings_changed(params.analyzer, params.scanner)
        self._held = entry.held
        if entry.held:
            self._analyze.holdings_changed(HoldingsChanged(id="", positions=entry.held, at=entry.at))
        if entry.watch is not None:
            self._watching(entry.watch)
        self._follow()

    def _watching(self, watch: WatchListChanged) -> None:
        self._watch = watch
        self._analyze.watch_list_changed(watch)
        self._follow()

    def _follow(self) -> None:
        watched = self._watch.tickers if self._watch else ()
        self._collect.follow({*watched, *(each.ticker for each in self._held)})

    def _perform(self, effects: Sequence[CollectEffect], at: dt.datetime) -> None:
        for effect in effects:
            match effect:
                case Publish(Screened() as message):
                    self.found.append(message)
                    if (message.ticker, message.discovery.bar_end_at) not in self._lost:
                        self.judged += self._analyze.screened(message, at)
                case Publish(BarsClosed() as message):
                    if self._batches not in self._lived.lost_batches:
                        self.judged += self._analyze.bars_closed(message, at)
                case _:
                    # what was looked up comes as an entry of its own
                    pass


def _ever_watched(lived: Lived) -> tuple[str, ...]:
    lists = [lived.began.watch, *(change.watch for change in lived.changes if isinstance(change, Watching))]
    return tuple(dict.fromkeys(ticker for each in lists if each is not None for ticker in each.tickers))


class OneDay:
    """A source of one day."""

    def __init__(self, bars: DayBars) -> None:
        self._bars = bars

    def days(self, first: dt.date | None = None, last: dt.date | None = None) -> list[dt.date]:
        """Its date."""
        return between([self._bars.on], first, last)

    def read(self, on: dt.date) -> DayBars:
        """Its bars."""
        assert on == self._bars.on
        return self._bars

    def data_hash(self, days: Sequence[dt.date]) -> str:
        """As the store reckons it."""
        return hash_of(self, days)


class _Around:
    """The backtest's desk trades nothing here; what the day held is given."""

    def __init__(self, run: "LivedRun") -> None:
        self._run = run

    @property
    def active(self) -> bool:
        """Whether time alone may change anything."""
        return bool(self._run.held)

    def interest(self) -> list[str]:
        """Tickers whose bars matter now."""
        return list(self._run.held)


class LivedRun(Runner):
    """The backtest over the day's bars as they were in the end, with settings, watch list and holdings of each minute."""

    def __init__(self, lived: Lived, session_on: Callable[[dt.date], MarketSession | None]) -> None:
        params, feed_at = lived.began.params, lived.first_feed_at
        trading = msgspec.structs.replace(params.trading, mode="watch", venue="paper")
        super().__init__(
            Setup(
                params=msgspec.structs.replace(params, trading=trading),
                execution=Execution(),
                begin_at=feed_at and feed_at.replace(second=0, microsecond=0),
                end_at=lived.ended_at.replace(second=0, microsecond=0),
                watched=_ever_watched(lived),
                instruments=lived.instruments,
            ),
            session_on,
        )
        self._lived = lived
        self._collect = CollectStage(params.scanner)
        self._due = sorted(lived.changes, key=lambda change: change.at, reverse=True)
        self._held = frozenset(each.ticker for each in lived.began.held)

    @property
    def held(self) -> frozenset[str]:
        """What is held now."""
        return self._held

    def _settings(self) -> Sequence[Params]:
        return self._lived.settings()

    def _interested(self, _desk: Desk) -> Interested:
        return _Around(self)

    def _hold(self, message: HoldingsChanged) -> None:
        """The desk holds nothing, and what it says of it does not count."""

    def _feed(self, tape: Tape, session: MarketSession) -> Feed:
        feed = super()._feed(tape, session)
        began = self._lived.began
        if began.watch is not None:
            self._analyze.watch_list_changed(began.watch)
        self._watched = began.watch.tickers if began.watch else ()
        if began.held:
            self._analyze.holdings_changed(HoldingsChanged(id="", positions=began.held, at=began.at))
        self._follow()
        return feed

    def _closed(self, desk: Desk, feed: Feed, arrived: Sequence[Bar], at: dt.datetime, clock: Clock) -> None:
        here_at = self._lived.arrivals.get(int(at.timestamp() * 1000) - MINUTE_MS, at)
        while self._due and self._due[-1].at <= here_at:
            self._apply(self._due.pop())
        super()._closed(desk, feed, arrived, at, clock)

    def _apply(self, change: Changed) -> None:
        match change:
            case SettingsInForce(params=params):
                self._collect.settings_changed(params.scanner)
                self._analyze.settings_changed(params.analyzer, params.scanner)
            case Watching(watch=watch):
                self._watched = watch.tickers
                self._analyze.watch_list_changed(watch)
            case Holding(positions=positions):
                self._held = frozenset(each.ticker for each in positions)
                self._analyze.holdings_changed(HoldingsChanged(id="", positions=positions, at=change.at))
            case Halted():
                self._collect.halt_changed(change.ticker, change.at_ms, halted=change.halted)
        self._follow()

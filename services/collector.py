"""The collector: the market's minute bars in, screened tickers out."""

import asyncio
import datetime as dt
import logging
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence

import msgspec

from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine
from adapters.db.records import SqlRecordStore
from adapters.kis.master import fetch_listings
from config import environment
from core.model.batch import BarBatch
from core.model.instrument import Instrument, Listing
from core.model.messages import (
    BarsClosed,
    Channel,
    EventKind,
    HoldingsChanged,
    Screened,
    SettingsChanged,
    Value,
    WatchListChanged,
)
from core.model.recording import (
    Arrived,
    BarsLost,
    FeedChanged,
    Found,
    Halted,
    HistoryCame,
    Holding,
    InstrumentCame,
    SettingsInForce,
    Watching,
)
from core.rules.days import us_date
from core.rules.feed import FeedNews
from core.rules.market import FEW, MARKET
from core.rules.schedule import collecting
from core.stages.collect import CollectEffect, CollectStage, FetchHistory, FetchInstrument, Publish
from ports.bus import BusUnavailable
from ports.market_data import BarStream, FeedStatus, HaltChange, ReferenceData, ReferenceUnavailable
from ports.store import RecordStore
from services.feed_health import FeedHealth
from services.feeds import Following, open_feed, seen_by_feed
from services.halts import HaltNews
from services.keeping import keep_days
from services.recording import Recorder
from services.runtime import Runtime, run, until_stopped
from services.securities import Securities
from services.watched import load_watch_list

log = logging.getLogger(__name__)
PARALLEL_LOOKUPS = 8
MOST_FOUND = 40
# of the account whose market data `scanner.feed: kis` reads
KIS_SECRETS = ("KIS_APPKEY", "KIS_APPSECRET", "KIS_ACCOUNT", "KIS_HTS_ID")


class Collector:
    """Connects the feed to the stage and the stage to the bus."""

    def __init__(
        self,
        runtime: Runtime,
        stream: BarStream,
        reference: ReferenceData,
        records: RecordStore,
        listings: Callable[[], Mapping[str, Listing]],
        watched: WatchListChanged | None = None,
        following: Following | None = None,
    ) -> None:
        """`listings` blocks; it runs in a thread of its own. `watched` is the watch list at the start.

        `following` is told which tickers are needed, for a feed that does not bring the whole market.
        """
        self._runtime = runtime
        runtime.params = seen_by_feed(runtime.params)
        self._stream = stream
        self._reference = reference
        # a feed of KIS brings a few tickers only
        room = MARKET if runtime.params.scanner.feed == "polygon" else FEW
        self._stage = CollectStage(runtime.params.scanner, room)
        self._slots = asyncio.Semaphore(PARALLEL_LOOKUPS)
        self._lookups: set[asyncio.Task[None]] = set()
        self._held: tuple[str, ...] = ()
        self._watch_list = watched
        self._watched = watched.tickers if watched else ()
        self._following = following or Following()
        self._found: dict[str, dt.date] = {}
        self._follow()
        self._securities = Securities(runtime, reference, records, listings, self._stage, self._known_anew)
        self._recorder = Recorder(runtime, self._not_recorded, self._stage.known)
        self._health = FeedHealth(runtime, stream)
        self._halt_news = HaltNews(runtime)
        self._bars = self._published = self._lost = self._finds = 0

    async def run(self) -> None:
        """Work until the stop."""
        await self._securities.load()
        await self._halt_news.remember()
        self._recorder.begin(self._runtime.clock.now(), self._watch_list)
        try:
            await until_stopped(
                self._runtime,
                self._feed(),
                self._health.look_after(),
                self._control(),
                self._securities.keep(),
                self._recorder.run(),
                keep_days(self._runtime, self._recorder),
            )
        finally:
            for task in self._lookups:
                task.cancel()
            await asyncio.gather(*self._lookups, return_exceptions=True)
            await self._recorder.close(self._runtime.clock.now())

    async def _feed(self) -> None:
        async for item in self._stream.events():
            match item:
                case FeedStatus():
                    await self._status_changed(item)
                case HaltChange():
                    await self._halt_changed(item)
                case _:
                    await self._bars_arrived(item)

    async def _halt_changed(self, halt: HaltChange) -> None:
        now = self._runtime.clock.now()
        at_ms = halt.at_ms or int(now.timestamp() * 1000)
        self._recorder.add(Halted(at=now, ticker=halt.ticker, at_ms=at_ms, halted=halt.halted))
        self._stage.halt_changed(halt.ticker, at_ms, halted=halt.halted)
        await self._halt_news.changed(halt.ticker, at_ms, halted=halt.halted)

    async def _status_changed(self, status: FeedStatus) -> None:
        at = self._runtime.clock.now()
        log.info("feed: %s %s", status.key, status.detail)
        self._recorder.add(FeedChanged(at=at, up=status.up, key=status.key))
        if status.up:
            self._stage.feed_started(int(at.timestamp() * 1000))
        await self._health.status_changed(status, at)
        self._runtime.note(gaps=len(self._stage.gaps))

    async def _not_recorded(self, reason: str) -> None:
        values: dict[str, Value] = {"where": "collector", "what": "not_recorded", "detail": reason}
        await self._health.tell([FeedNews(EventKind.TROUBLE, values)], self._runtime.clock.now())

    async def _bars_arrived(self, batch: BarBatch) -> None:
        now = self._runtime.clock.now()
        if not collecting(now, self._runtime.params.schedule, self._runtime.params.notification.report_time):
            return
        self._bars += len(batch)
        self._recorder.add(Arrived(at=now, bars=batch))
        await self._perform(self._stage.bars_arrived(batch, now))
        self._health.bars_arrived(batch, now)
        await self._halt_news.bars_arrived(batch)
        self._runtime.note(bars=self._bars, published=self._published, lost=self._lost, found=self._finds)
        self._runtime.note(bars_at=now.isoformat(), refused=msgspec.json.encode(self._stage.rejections).decode())

    async def _perform(self, effects: Sequence[CollectEffect]) -> None:
        for effect in effects:
            match effect:
                case Publish(message):
                    await self._publish(message)
                case FetchHistory():
                    self._look_up(self._fetch_history(effect))
                case FetchInstrument():
                    self._look_up(self._fetch_instrument(effect))

    async def _publish(self, message: Screened | BarsClosed) -> None:
        channel = Channel.BARS
        if isinstance(message, Screened):
            channel, message = Channel.SCREENED, self._securities.marked(message)
        lost = False
        try:
            await self._runtime.bus.publish(channel, message)
            self._published += 1
        except BusUnavailable:
            # losing an entry is safe, acting on an old one is not: it is counted and dropped
            self._lost += 1
            lost = True
        at = self._runtime.clock.now()
        if isinstance(message, Screened):
            self._finds += 1
            on = us_date(at)
            self._found = {t: day for t, day in self._found.items() if day == on and t != message.ticker} | {
                message.ticker: on
            }
            self._follow()
            self._recorder.add(Found(at=at, ticker=message.ticker, discovery=message.discovery, lost=lost))
        elif lost:
            self._recorder.add(BarsLost(at=at))

    def _look_up(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._lookups.add(task)
        task.add_done_callback(self._looked_up)
        self._runtime.note(lookups=len(self._lookups))

    def _looked_up(self, task: asyncio.Task[None]) -> None:
        self._lookups.discard(task)
        self._runtime.note(lookups=len(self._lookups))

    async def _fetch_history(self, ask: FetchHistory) -> None:
        start = dt.datetime.fromtimestamp(ask.from_ms / 1000, dt.UTC)
        end = dt.datetime.fromtimestamp(ask.until_ms / 1000, dt.UTC)
        async with self._slots:
            try:
                bars = await self._reference.minute_bars(ask.ticker, start, end)
            except ReferenceUnavailable:
                log.warning("no history for %s", ask.ticker)
                now = self._runtime.clock.now()
                self._recorder.add(HistoryCame(at=now, ticker=ask.ticker, bars=None))
                await self._perform(self._stage.history_failed(ask.ticker, now))
                return
        now = self._runtime.clock.now()
        self._recorder.add(HistoryCame(at=now, ticker=ask.ticker, bars=tuple(bars)))
        await self._perform(self._stage.history_loaded(ask.ticker, bars, now))

    async def _fetch_instrument(self, ask: FetchInstrument) -> None:
        async with self._slots:
            try:
                found = await self._reference.instrument(ask.ticker)
            except ReferenceUnavailable:
                log.warning("no reference data for %s", ask.ticker)
                if (known := self._securities.last_known(ask.ticker)) is not None:
                    await self._instrument_came(ask.ticker, known)
                    return
                self._recorder.add(InstrumentCame(at=self._runtime.clock.now(), ticker=ask.ticker, failed=True))
                self._stage.instrument_failed(ask.ticker)
                return
        found = self._securities.adjusted(found) if found else None
        await self._instrument_came(ask.ticker, found)
        if found is not None:
            await self._securities.looked_up(found, self._runtime.clock.now())

    async def _instrument_came(self, ticker: str, found: Instrument | None) -> None:
        now = self._runtime.clock.now()
        self._recorder.add(InstrumentCame(at=now, ticker=ticker, instrument=found))
        await self._perform(self._stage.instrument_loaded(ticker, found, now))

    def _known_anew(self, each: Instrument) -> None:
        self._recorder.add(InstrumentCame(at=self._runtime.clock.now(), ticker=each.ticker, instrument=each))

    def _follow(self) -> None:
        mine = tuple(dict.fromkeys((*self._held, *self._watched)))
        self._stage.follow(mine)
        # what was found today is judged, and its past is drawn, until the day ends
        self._following.tickers = tuple(dict.fromkeys((*mine, *list(self._found)[-MOST_FOUND:])))

    async def _control(self) -> None:
        bus = self._runtime.bus
        async for delivery in bus.consume("collector", [Channel.CONTROL]):
            message, at = delivery.message, self._runtime.clock.now()
            match message:
                case HoldingsChanged():
                    self._held = tuple(p.ticker for p in message.positions)
                    self._recorder.add(Holding(at=at, positions=message.positions))
                    await self._halt_news.concern(self._held, message.planned)
                case WatchListChanged():
                    self._watched = message.tickers
                    self._recorder.add(Watching(at=at, watch=message))
                case SettingsChanged():
                    params = seen_by_feed(self._runtime.with_overrides(dict(message.overrides)))
                    self._runtime.params = params
                    self._stage.settings_changed(params.scanner)
                    self._recorder.add(SettingsInForce(at=at, params=params))
                case _:
                    pass
            self._follow()
            await self._securities.concern((*self._held, *self._watched))
            await bus.ack("collector", delivery)


async def main(runtime: Runtime) -> None:
    """Wire the collector."""
    engine = open_engine(runtime.settings.database_url, runtime.name)
    chat = SqlChatStore(engine)
    await runtime.load_overrides(chat)
    feed = open_feed(runtime)
    try:
        records = SqlRecordStore(engine)
        url, folder = environment.master_url(runtime.env), runtime.settings.state_dir / "master"
        watched = await load_watch_list(chat, records, runtime.clock.now())

        def listings() -> Mapping[str, Listing]:
            return fetch_listings(url, folder)

        await Collector(runtime, feed.stream, feed.reference, records, listings, watched, feed.following).run()
    finally:
        await feed.close()
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(run("collector", main, secrets=("POLYGON_API_KEY", "MASSIVE_API_KEY", *KIS_SECRETS)))

"""The collector: the market's minute bars in, screened tickers out."""

import asyncio
import datetime as dt
import logging
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence

import msgspec

from adapters.calendar import load_calendar
from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine
from adapters.db.records import SqlRecordStore
from adapters.kis.master import fetch_listings
from adapters.polygon.rest import PolygonReference
from adapters.polygon.stream import PolygonStream
from adapters.redis.lock import RedisLock
from adapters.redis.server import socket_url
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
from core.model.session import Phase
from core.rules.feed import FeedNews
from core.rules.schedule import collecting
from core.stages.collect import CollectEffect, CollectStage, FetchHistory, FetchInstrument, Publish
from ports.bus import BusUnavailable
from ports.market_data import BarStream, FeedStatus, HaltChange, ReferenceData, ReferenceUnavailable
from ports.store import RecordStore, StoreUnavailable
from services.feed_health import FeedHealth
from services.feed_turn import TurnedFeed, holder_of
from services.keeping import keep_days
from services.recording import Recorder
from services.runtime import Runtime, run, until_stopped
from services.watched import load_watch_list

log = logging.getLogger(__name__)
PARALLEL_LOOKUPS = 8
INSTRUMENT_MAX_AGE = dt.timedelta(hours=24)
# halts, where the plan has them
EXTRAS = ("LULD.*",)
LISTINGS_EVERY = dt.timedelta(hours=24)


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
    ) -> None:
        """`listings` blocks; it runs in a thread of its own. `watched` is the watch list at the start."""
        self._runtime = runtime
        self._stream = stream
        self._reference = reference
        self._records = records
        self._listings = listings
        self._stage = CollectStage(runtime.params.scanner)
        self._slots = asyncio.Semaphore(PARALLEL_LOOKUPS)
        self._lookups: set[asyncio.Task[None]] = set()
        self._held: tuple[str, ...] = ()
        self._watch_list = watched
        self._watched = watched.tickers if watched else ()
        self._stage.follow(self._watched)
        self._recorder = Recorder(runtime, self._not_recorded, self._stage.known)
        self._names: dict[str, Instrument] = {}
        self._stored: dict[str, tuple[Instrument, dt.datetime]] = {}
        self._health = FeedHealth(runtime, stream)
        self._bars = self._published = self._lost = self._found = 0

    async def run(self) -> None:
        """Work until the stop."""
        await self._load_instruments()
        self._recorder.begin(self._runtime.clock.now(), self._watch_list)
        try:
            await until_stopped(
                self._runtime,
                self._feed(),
                self._health.look_after(),
                self._control(),
                self._keep_listings(),
                self._recorder.run(),
                keep_days(self._runtime, self._recorder),
            )
        finally:
            for task in self._lookups:
                task.cancel()
            await asyncio.gather(*self._lookups, return_exceptions=True)
            await self._recorder.close(self._runtime.clock.now())

    async def _load_instruments(self) -> None:
        """Cached share counts that are not too old, then the list of all active securities."""
        oldest = self._runtime.clock.now() - INSTRUMENT_MAX_AGE
        try:
            rows = await self._records.instruments()
            self._stored = {i.ticker: (i, at) for i, at in rows}
            cached = [i for i, at in rows if at >= oldest]
        except StoreUnavailable:
            log.warning("the database does not answer; starting without cached instruments")
            cached = []
        try:
            listed = await self._reference.instruments()
        except ReferenceUnavailable:
            log.warning("the list of securities is not available; types are looked up one by one")
            listed = []
        self._names = {i.ticker: i for i in listed}
        self._stage.know(listed)
        self._stage.know(cached)
        self._runtime.note(instruments=len(listed), cached=len(cached))

    async def _keep_listings(self) -> None:
        """The broker's venues and Korean names, renewed once a day; until they are here the vendor's must do."""

        async def renew() -> None:
            found = await asyncio.to_thread(self._listings)
            self._stage.listings_known(found)
            self._runtime.note(listings=len(found))
            await self._keep_names(found)

        await self._runtime.every(LISTINGS_EVERY.total_seconds(), renew, least_s=60.0)

    async def _keep_names(self, listings: Mapping[str, Listing]) -> None:
        """Store what people may call a security by; a share count that is known keeps the age it has."""
        now = self._runtime.clock.now()
        fresh: list[Instrument] = []
        try:
            for ticker, each in self._names.items():
                listing = listings.get(ticker)
                name_ko = listing.name_ko if listing else each.name_ko
                exchange = listing.exchange if listing else each.exchange
                stored, at = self._stored.get(ticker, (None, now))
                shares = stored.shares_outstanding if stored else None
                named = msgspec.structs.replace(each, name_ko=name_ko, exchange=exchange, shares_outstanding=shares)
                if named == stored:
                    continue
                self._stored[ticker] = (named, at)
                if shares is None:
                    fresh.append(named)
                else:
                    await self._records.put_instruments([named], at)
            await self._records.put_instruments(fresh, now)
        except StoreUnavailable:
            self._stored.clear()
            log.warning("the database does not answer; names are stored tomorrow")

    async def _feed(self) -> None:
        async for item in self._stream.events():
            match item:
                case FeedStatus():
                    await self._status_changed(item)
                case HaltChange():
                    self._halt_changed(item)
                case _:
                    await self._bars_arrived(item)

    def _halt_changed(self, halt: HaltChange) -> None:
        now = self._runtime.clock.now()
        at_ms = halt.at_ms or int(now.timestamp() * 1000)
        self._recorder.add(Halted(at=now, ticker=halt.ticker, at_ms=at_ms, halted=halt.halted))
        self._stage.halt_changed(halt.ticker, at_ms, halted=halt.halted)

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
        self._runtime.note(bars=self._bars, published=self._published, lost=self._lost, found=self._found)
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
        channel = Channel.SCREENED if isinstance(message, Screened) else Channel.BARS
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
            self._found += 1
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
                self._recorder.add(InstrumentCame(at=self._runtime.clock.now(), ticker=ask.ticker, failed=True))
                self._stage.instrument_failed(ask.ticker)
                return
        now = self._runtime.clock.now()
        self._recorder.add(InstrumentCame(at=now, ticker=ask.ticker, instrument=found))
        await self._perform(self._stage.instrument_loaded(ask.ticker, found, now))
        if found is not None:
            known = self._stored.get(ask.ticker)
            if known is not None:
                found = msgspec.structs.replace(found, name_ko=known[0].name_ko, exchange=known[0].exchange)
            self._stored[ask.ticker] = (found, now)
            try:
                await self._records.put_instruments([found], now)
            except StoreUnavailable:
                log.warning("the database does not answer; %s is not cached", ask.ticker)

    async def _control(self) -> None:
        bus = self._runtime.bus
        async for delivery in bus.consume("collector", [Channel.CONTROL]):
            message, at = delivery.message, self._runtime.clock.now()
            match message:
                case HoldingsChanged():
                    self._held = tuple(p.ticker for p in message.positions)
                    self._recorder.add(Holding(at=at, positions=message.positions))
                case WatchListChanged():
                    self._watched = message.tickers
                    self._recorder.add(Watching(at=at, watch=message))
                case SettingsChanged():
                    params = self._runtime.with_overrides(dict(message.overrides))
                    self._stage.settings_changed(params.scanner)
                    self._recorder.add(SettingsInForce(at=at, params=params))
                case _:
                    pass
            self._stage.follow((*self._held, *self._watched))
            await bus.ack("collector", delivery)


async def main(runtime: Runtime) -> None:
    """Wire the collector."""
    polygon = environment.polygon(runtime.env)
    calendar = load_calendar(runtime.settings.state_dir, runtime.clock.now().date())
    engine = open_engine(runtime.settings.database_url, runtime.name)
    chat = SqlChatStore(engine)
    await runtime.load_overrides(chat)

    def expects_data(at: dt.datetime) -> bool:
        return calendar.current_or_next(at).phase(at) is Phase.REGULAR

    lock = RedisLock(
        runtime.settings.redis_url or socket_url(runtime.settings.state_dir),
        polygon.key,
        holder=holder_of(runtime.settings.state_dir),
    )
    stream = TurnedFeed(
        lambda: PolygonStream(
            polygon.key,
            polygon.ws_url,
            clock=runtime.clock,
            package=polygon.package,
            extras=EXTRAS,
            expects_data=expects_data,
        ),
        lock,
    )
    reference = PolygonReference(polygon.key, polygon.rest_url, clock=runtime.clock, package=polygon.package)
    try:
        records = SqlRecordStore(engine)
        url, folder = environment.master_url(runtime.env), runtime.settings.state_dir / "master"
        watched = await load_watch_list(chat, records, runtime.clock.now())
        await Collector(runtime, stream, reference, records, lambda: fetch_listings(url, folder), watched).run()
    finally:
        await stream.close()
        await lock.close()
        await reference.close()
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(run("collector", main, secrets=("POLYGON_API_KEY", "MASSIVE_API_KEY")))

"""An invented day lived by the real collector and analyzer in this process, with a recording, a database and a journal."""

import asyncio
import datetime as dt
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from adapters.db.engine import open_engine, upgrade
from adapters.db.records import SqlRecordStore
from adapters.journal import SqliteJournal
from config.environment import base
from core.model.bar import MINUTE_MS, Bar
from core.model.batch import BarBatch, batch_of
from core.model.instrument import Exchange, Instrument, Split
from core.model.journal import PutDecision
from core.model.messages import (
    AnyMessage,
    BarsClosed,
    Channel,
    HeldPosition,
    HoldingsChanged,
    Screened,
    Signal,
    WatchListChanged,
)
from core.model.params import AnalyzerParams, Params, ScheduleParams
from core.model.signal import SignalType
from ports.bus import Delivery
from ports.market_data import FeedStatus, NotInPlan
from services.analyzer import Analyzer
from services.collector import Collector
from services.runtime import Runtime
from tests.made_days import MONDAY, made_day

Batch = tuple[dt.datetime, tuple[Bar, ...]]
PARAMS = Params(schedule=ScheduleParams(rest_when_closed=False))
START = dt.datetime.combine(MONDAY, dt.time(8, 30), dt.UTC)
DELAY = dt.timedelta(seconds=2)


def day_of_bars(seed: int = 4, tickers: int = 10) -> list[Batch]:
    """Each minute's bars, two seconds after it closed."""
    day = made_day(MONDAY, seed, tickers=tickers)
    rows = [
        Bar(day.tickers[day.ticker[i]], int(day.start_ms[i]), *(float(c[i]) for c in day.values()))
        for i in range(len(day))
    ]
    return [
        (dt.datetime.fromtimestamp(start_ms / 1000 + 60, dt.UTC) + DELAY, tuple(bars))
        for start_ms, bars in itertools.groupby(rows, key=lambda bar: bar.start_ms)
    ]


class WorldClock:
    """Stands where the feed is."""

    speed = 1.0

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def now(self) -> dt.datetime:
        return self.at

    async def sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0)


class World:
    """`control` are messages that come before the so-many-th batch; a `deaf` analyzer does not hear them.

    `analyzer` are settings that the analyzer alone has.
    """

    def __init__(
        self,
        folder: Path,
        batches: Sequence[Batch],
        *,
        analyzer: AnalyzerParams | None = None,
        held: tuple[HeldPosition, ...] = (),
        control: Mapping[int, AnyMessage] = {},
        deaf: bool = False,
    ) -> None:
        self.settings = base({"SEOHAK_STATE_DIR": str(folder)})
        self._batches = batches
        self._control, self._deaf = dict(control), deaf
        if held:
            self._control[0] = HoldingsChanged(id="h", positions=held, at=START)
        self._decided: set[str] = set()
        self._analyzer = analyzer or PARAMS.analyzer
        self._clock = WorldClock(START)
        self._inbox: asyncio.Queue[AnyMessage] = asyncio.Queue()

    def live(self, until: Callable[[Batch], bool] = lambda _: False) -> None:
        """All of the day, or up to a batch at which the collector is killed."""
        upgrade(self.settings.database_url)
        asyncio.run(self._live(until))

    def _runtime(self, params: Params) -> Runtime:
        return Runtime(
            name="world",
            settings=self.settings,
            params=params,
            clock=self._clock,  # type: ignore[arg-type]
            bus=self,  # type: ignore[arg-type]
            env={},
            stop=asyncio.Event(),
            progress={},
        )

    async def _live(self, until: Callable[[Batch], bool]) -> None:
        engine = open_engine(self.settings.database_url)
        self._records, self._journal = SqlRecordStore(engine), SqliteJournal(self.settings.state_dir / "journal.db")
        try:
            params = msgspec.structs.replace(PARAMS, analyzer=self._analyzer)
            known = watch_list("T00", "T03")
            self._judge = Analyzer(self._runtime(params), self._records, known)
            remaining = iter(self._batches)
            while True:
                runtime = self._runtime(PARAMS)
                self._source = self._events(remaining, until, runtime)
                self._collector = Collector(runtime, self, self, self._records, dict, known)  # type: ignore[arg-type]
                await self._collector.run()
                if (following := next(remaining, None)) is None:
                    return
                remaining = itertools.chain([following], remaining)
        finally:
            self._journal.close()
            await engine.dispose()

    # -- the feed, the vendor's look-ups -------------------------------------------------------------------------------

    async def _events(
        self, batches: "itertools.chain[Batch]", until: Callable[[Batch], bool], runtime: Runtime
    ) -> AsyncIterator[BarBatch | FeedStatus]:
        places = {id(batch): place for place, batch in enumerate(self._batches)}
        yield FeedStatus(up=True, key="connected")
        for batch in batches:
            if until(batch):
                break
            if (message := self._control.pop(places[id(batch)], None)) is not None:
                self._inbox.put_nowait(message)
                if not self._deaf:
                    await self._judge._handle(message)
                await self._inbox.join()
            self._clock.at = batch[0]
            yield batch_of(batch[1])
            # look-ups answer before the next minute
            await asyncio.sleep(0)
            while self._collector._lookups:
                await asyncio.wait(self._collector._lookups)
        runtime.stop.set()

    def events(self) -> AsyncIterator[BarBatch | FeedStatus]:
        return self._source

    def lag_s(self) -> float:
        return 0.0

    async def instruments(self) -> list[Instrument]:
        return []

    async def instrument(self, ticker: str) -> Instrument:
        return _security(ticker)

    async def share_counts(self) -> dict[str, float]:
        raise NotInPlan("counts come one by one")

    async def splits(self, on: dt.date) -> list[Split]:
        assert on
        return []

    async def minute_bars(self, ticker: str, start: dt.datetime, end: dt.datetime) -> list[Bar]:
        first, last = int(start.timestamp() * 1000), int(end.timestamp() * 1000)
        known = {b.start_ms: b for _, bars in self._batches for b in bars if b.ticker == ticker}
        return [known[at] for at in sorted(known) if first <= at < last - MINUTE_MS]

    # -- the bus: the analyzer hears at once, the trader refuses -------------------------------------------------------

    async def publish(self, channel: Channel, message: AnyMessage) -> None:
        match message:
            case Screened() | BarsClosed():
                await self._judge._handle(message)
            case Signal():
                assert channel is Channel.SIGNAL
                await self._records.add_signal(message)
                if message.verdict.signal is SignalType.BUY and message.id not in self._decided:
                    self._decided.add(message.id)
                    self._journal.commit([PutDecision(message.id, "mode_watch", self._clock.now())])
            case _:
                pass

    async def consume(self, _group: str, _channels: Sequence[Channel]) -> AsyncIterator[Delivery]:
        while True:
            yield Delivery(channel=Channel.CONTROL, receipt="1", message=await self._inbox.get())

    async def ack(self, _group: str, _delivery: Delivery) -> None:
        self._inbox.task_done()

    async def history(self, _channel: Channel, _limit: int) -> list[AnyMessage]:
        return []

    async def beat(self, _process: str, _fields: dict[str, str]) -> None:
        pass

    async def heartbeats(self) -> dict[str, dict[str, str]]:
        return {}


def _security(ticker: str) -> Instrument:
    return Instrument(
        ticker=ticker, name=ticker, exchange=Exchange.NYSE, security_type="CS", shares_outstanding=1_000_000_000
    )


def watch_list(*tickers: str) -> WatchListChanged:
    """The owner's list, with what is known of each."""
    return WatchListChanged(id="w", tickers=tickers, securities=tuple(map(_security, tickers)), at=START)

"""The collector on KIS's rankings at the sandbox: the story's breakout is found without any other vendor."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import msgspec
import pytest

from adapters.kis.auth import KisCredentials
from adapters.kis.client import KisGateway
from adapters.kis.market import KisMarket
from adapters.kis.master import fetch_rows
from adapters.kis.reference import KisReference
from adapters.kis.stream import MOST_FOLLOWED, KisStream
from config.environment import base
from core.model.bar import Bar
from core.model.batch import batch_of
from core.model.instrument import Exchange, Instrument
from core.model.messages import AnyMessage, BarsClosed, Channel, EventKind, HeldPosition, HoldingsChanged, Screened
from core.model.params import AnalyzerParams, Params, ScannerParams
from core.model.signal import SignalType
from core.stages.analyze import AnalyzeStage
from core.stages.collect import CollectStage, Publish
from ports.bus import Delivery
from ports.market_data import FeedStatus
from sandbox import scenarios
from sandbox.faults import parse
from sandbox.kis import REAL, create_host, create_kis_app
from services.collector import Collector
from services.feeds import Following
from services.runtime import Runtime
from tests.contract.conftest import DAY
from tests.contract.serving import listening

SCANNER = ScannerParams(feed="kis")


class Bus:
    """Remembers what was published; `said` are the control messages that wait for the collector."""

    def __init__(self) -> None:
        self.published: list[AnyMessage] = []

    async def publish(self, _channel: Channel, message: AnyMessage) -> None:
        self.published.append(message)

    async def heartbeats(self) -> dict[str, dict[str, str]]:
        return {}

    async def ack(self, *_args: object) -> None:
        """Nothing."""


class Records:
    """An empty table of securities."""

    async def instruments(self) -> list:
        return []

    async def put_instruments(self, *_args: object) -> None:
        """Nothing."""


class World:
    """A collector that has KIS's key and no other, on a clock that moves while nothing is on its way."""

    def __init__(self, url: str, host, clock, tmp_path, scanner: ScannerParams = SCANNER) -> None:
        self.url, self.host, self.clock, self.bus = url, host, clock, Bus()
        self.begin_ms = int(clock.now().timestamp() * 1000)
        self.runtime = Runtime(
            name="collector",
            settings=base({"SEOHAK_STATE_DIR": str(tmp_path)}),
            params=Params(scanner=scanner),
            clock=clock,
            bus=self.bus,
            env={},
            stop=asyncio.Event(),
            progress={},
        )
        keys = KisCredentials(hts_id=REAL.hts_id, appkey=REAL.appkey, appsecret=REAL.appsecret, account=REAL.account)
        self.gateway = KisGateway(
            keys, url, paper=False, clock=clock, token_dir=tmp_path / "tokens", timeout_s=2.0, speed=1e6
        )
        self.market, self.following = KisMarket(self.gateway), Following()
        self.reference = KisReference(self.market, lambda: fetch_rows(url, tmp_path / "master"), clock=clock)
        self.stream = KisStream(
            self.market,
            self.reference,
            clock=clock,
            params=lambda: self.runtime.params.scanner,
            wanted=lambda: self.following.tickers,
        )
        args = (self.runtime, self.stream, self.reference, Records(), dict)
        self.collector = Collector(*args, following=self.following)
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.collector._securities.load()
        self.task = asyncio.create_task(self.collector._feed())

    async def until(self, holds: Callable[[], bool], *, step_s: float = 2.0) -> None:
        async with asyncio.timeout(20):
            while not holds():
                if self.task.done():
                    self.task.result()
                if self.clock.waiting and not self.collector._lookups:
                    self.clock.advance(step_s)
                await asyncio.sleep(0.001)

    async def until_minute(self, minute: float) -> None:
        end = dt.datetime.fromtimestamp(self.begin_ms / 1000 + 60 * minute, dt.UTC)
        await self.until(lambda: self.clock.now() >= end)

    @property
    def finds(self) -> list[Screened]:
        return [m for m in self.bus.published if isinstance(m, Screened)]

    def minute(self, bar: Bar) -> int:
        return (bar.start_ms - self.begin_ms) // 60_000

    async def end(self) -> None:
        await self.stream.close()
        if self.task:
            await self.task
        for lookup in self.collector._lookups:
            lookup.cancel()
        await self.gateway.close()


@pytest.fixture(scope="module")
def market():
    """The story with few others beside it."""
    return scenarios.build("story", DAY, tickers=16)


@pytest.fixture
async def world(market, clock, faults, tmp_path) -> AsyncIterator[World]:
    host = create_host(market, clock, paper=False)
    host.limit.per_second = 10_000
    async with listening(create_kis_app(host, faults)) as address:
        made = World(f"http://{address}", host, clock, tmp_path)
        yield made
        await made.end()


def by_the_whole_market(market, ticker: str, until: int) -> Screened:
    """The find of a feed that sees every trade, minute by minute."""
    stage, listed = CollectStage(ScannerParams()), market.instruments[ticker]
    security = Instrument(
        ticker=ticker,
        name=listed.name,
        name_ko=listed.korean_name,
        exchange=Exchange(listed.kis_exchange),
        security_type=listed.type,
        shares_outstanding=listed.shares_outstanding,
    )
    stage.know([security])
    found = []
    for minute in range(until - 120, until):
        each = market.bar_of_minute(ticker, minute)
        bar = Bar(ticker, each.start_ms, each.open, each.high, each.low, each.close, float(each.volume))
        effects = stage.bars_arrived(batch_of([bar]), market.minute_at(minute + 1) + dt.timedelta(seconds=3))
        found += [e.message for e in effects if isinstance(e, Publish) and isinstance(e.message, Screened)]
    return found[0]


async def test_the_storys_breakout_is_found_in_time_with_the_same_facts_and_judged_alike(world, market):
    world.clock.advance(5 * 60)
    await world.start()
    await world.until_minute(8.5)
    await world.until(lambda: not world.collector._lookups)
    (find,) = world.finds
    assert (find.ticker, world.minute(find.bars[-1])) == ("HELI", 7)
    assert find.feed_delay_ms < 30_000
    whole = by_the_whole_market(market, "HELI", market.minute_of(world.clock.now()))
    mine, theirs = find.discovery, whole.discovery
    assert mine.volume == theirs.volume // 2
    assert mine.volume_ratio_pct == pytest.approx(theirs.volume_ratio_pct, rel=0.01)
    # KIS writes English names in capitals
    same = {"volume": 0, "volume_ratio_pct": 1, "name": theirs.name}
    assert mine.name == theirs.name.upper()
    assert msgspec.structs.replace(mine, **same) == msgspec.structs.replace(theirs, **same)
    judged = [
        AnalyzeStage(AnalyzerParams(), SCANNER).screened(message, message.created_at)[0].verdict
        for message in (find, whole)
    ]
    assert [verdict.signal for verdict in judged] == [SignalType.BUY] * 2
    assert judged[0].met == judged[1].met
    assert not world.host.order_posts
    assert world.following.tickers == ("HELI",), "a find is followed to the end of the day"


async def test_bars_of_what_is_held_come_each_minute_once_whatever_the_rankings_say(world):
    await world.start()
    position = HeldPosition(ticker="BRK.B", qty=1, stop_price=Decimal(400), exchange="NYSE")
    held = HoldingsChanged(id="h", positions=(position,), at=world.clock.now())

    async def one_message(*_args):
        yield Delivery(channel=Channel.CONTROL, receipt="1", message=held)

    world.bus.consume = one_message
    await world.collector._control()
    assert world.following.tickers == ("BRK.B",)
    await world.until_minute(2.5)
    bars = [b for m in world.bus.published if isinstance(m, BarsClosed) for b in m.bars if b.ticker == "BRK.B"]
    assert [world.minute(bar) for bar in bars][-2:] == [0, 1]
    assert len({bar.start_ms for bar in bars}) == len(bars)


async def test_a_refused_key_is_told_at_once_and_its_end_is_found_by_itself(world, faults):
    faults.add(
        parse(
            {
                "link": "kis",
                "action": "error",
                "match": {"path_contains": "/ranking/"},
                "code": "EGW00103",
                "times": None,
            }
        )
    )
    await world.start()
    await world.until(lambda: world.runtime.progress.get("feed") == "kis_refused")
    (told,) = [m for m in world.bus.published if getattr(m, "kind", None) is EventKind.FEED_DOWN]
    assert told.values["key"] == "kis_refused"
    faults.clear()
    await world.until(lambda: world.runtime.progress.get("feed") == "connected", step_s=20)


async def test_after_an_outage_the_day_is_asked_for_again(world, faults):
    world.clock.advance(5 * 60)
    await world.start()
    await world.until(lambda: world.runtime.progress.get("feed") == "connected")
    faults.add(
        parse(
            {
                "link": "kis",
                "action": "error",
                "match": {"path_contains": "/ranking/"},
                "code": "EGW00300",
                "times": None,
            }
        )
    )
    await world.until(lambda: world.runtime.progress.get("feed") == "kis_away")
    faults.clear()
    await world.until(lambda: world.runtime.progress.get("feed") == "connected")
    await world.until_minute(8.5)
    await world.until(lambda: not world.collector._lookups)
    assert [f.ticker for f in world.finds] == ["HELI"]
    assert len(world.collector._stage.gaps) == 1


async def test_the_token_and_the_rate_are_the_traders(world, tmp_path):
    await world.start()
    await world.until(lambda: world.runtime.progress.get("feed") == "connected")
    other = World(world.url, world.host, world.clock, tmp_path)
    assert await other.market.shares("HELI", Exchange.NASD) == 62_000_000
    assert len(list((tmp_path / "tokens").glob("kis-token-*.json"))) == 1
    assert len(list((tmp_path / "tokens").glob("kis-rate-*.json"))) == 1
    await other.gateway.close()


async def test_the_chart_is_read_back_through_the_day_and_the_running_minute_is_no_bar(world, market, clock):
    await world.collector._securities.load()
    start = market.minute_at(330)
    clock.advance(20)
    bars = await world.reference.minute_bars("HELI", start, clock.now())
    assert [b.start_ms for b in bars] == [b.start_ms for b in market.closed_bars("HELI", clock.now())]
    assert bars[-1].end_ms <= clock.now().timestamp() * 1000
    sent = market.bar_of_minute("HELI", market.minute_of(bars[-1].start_at))
    assert (bars[-1].close, bars[-1].volume) == (sent.close, sent.volume // 2)


async def test_a_security_comes_with_its_shares_and_a_class_share_by_our_name(world):
    found = await world.reference.instrument("BRK.B")
    assert (found.exchange, found.shares_outstanding, found.security_type) == (Exchange.NYSE, 1_310_000_000, "CS")
    assert found.name_ko == "버크셔 해서웨이 B"
    assert (await world.reference.instrument("SPY")).security_type == "ETF"
    assert await world.reference.instrument("NOPE") is None


async def test_a_search_brings_share_counts_that_need_not_be_asked_for(world):
    movers = await world.market.search(
        Exchange.NASD, least_price=1, least_rate=-100, least_cap=50_000_000, least_volume=1
    )
    assert {m.ticker: m.shares for m in movers}["HELI"] == 62_000_000
    assert "TINY" not in {m.ticker for m in movers}
    world.reference.learn(movers)
    await world.reference.instruments()
    before = world.gateway
    world.market._gateway = None
    assert (await world.reference.instrument("HELI")).shares_outstanding == 62_000_000
    world.market._gateway = before


async def test_the_most_that_are_followed_are_those_who_rose_last_and_what_is_held_stays(world):
    now = world.clock.now()
    world.following.tickers = ("BRK.B",)
    await world.reference.instruments()
    stream = world.stream
    for number in range(MOST_FOLLOWED + 20):
        stream._follow(f"T{number}", Exchange.NASD).ranked_at = now - dt.timedelta(seconds=number)
    stream._followed["T0"].until_ms = 99
    stream._follow("GONE", Exchange.NASD).ranked_at = now - dt.timedelta(minutes=31)
    assert stream._due(now) == "BRK.B"
    assert len(stream._followed) == MOST_FOLLOWED
    assert stream._followed.keys() & {"T0", "BRK.B", "GONE", f"T{MOST_FOLLOWED}"} == {"T0", "BRK.B"}
    stream._forget((), now + dt.timedelta(hours=1))
    assert stream._follow("T0", Exchange.NASD).until_ms == 99, "from where it was left"


async def test_before_the_first_bars_of_another_day_the_connection_is_told_anew(world):
    """The collector asks for the history of what this feed has not followed since midnight."""
    today = Bar("HELI", world.begin_ms, 1.0, 1.0, 1.0, 1.0, 9.0)
    tomorrow = Bar("HELI", world.begin_ms + 86_400_000, 1.0, 1.0, 1.0, 1.0, 9.0)
    stream = world.stream
    stream._say(up=True, key="connected")
    for bar in (today, tomorrow, tomorrow):
        stream._waiting = [bar]
        stream._emit()
    told = [stream._out.get_nowait() for _ in range(stream._out.qsize())]
    up = "connected"
    said = [item.key if isinstance(item, FeedStatus) else item.bars() for item in told]
    assert said == [up, [today], up, [tomorrow], [tomorrow]]

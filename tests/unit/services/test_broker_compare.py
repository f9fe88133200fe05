"""The broker's prices beside the feed's: a difference that lasts is told, and nothing else is."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from core.model.instrument import Exchange
from core.model.messages import BarsClosed
from core.model.quote import FEED_SOURCE, Quote
from core.stages.trade.inputs import BrokerHealth, ClockRead, PricesApart, TradeInput
from ports.broker import BrokerUnavailable, PriceUnknown
from services.broker_watch import DOWN_AFTER, BrokerWatch
from services.runtime import Runtime
from services.venues import PriceBoard
from tests.unit.core.builders import DAY_MS, NOON, D, bar


class MovingClock:
    """A clock that the test moves."""

    speed = 1.0

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> dt.datetime:
        return self.at


class Broker:
    """One price for everything."""

    def __init__(self, clock: MovingClock) -> None:
        self.clock, self.last, self.source = clock, D("110"), "kis"
        self.trouble: BrokerUnavailable | None = None

    async def quote(self, ticker: str, *_: object, **__: object) -> Quote:
        if self.trouble is not None:
            raise self.trouble
        return Quote(ticker=ticker, last=self.last, at=self.clock.now(), source=self.source)

    async def buying_power(self, *_: object) -> object:
        return SimpleNamespace()

    async def order_book(self) -> object:
        return SimpleNamespace(orders=(), complete=True)

    def clock_skew_s(self) -> float:
        return -3.2


class World:
    """A watch on a broker and a board of the feed's bars."""

    def __init__(self, runtime: Runtime) -> None:
        self.clock = MovingClock()
        runtime.clock = self.clock  # type: ignore[assignment]
        self.runtime, self.broker, self.board = runtime, Broker(self.clock), PriceBoard()
        self.told: list[TradeInput] = []
        book = SimpleNamespace(
            broker_ok=True, positions={}, exits={}, below_stop={}, open_plans=tuple, quoted_tickers=lambda: ["NVDA"]
        )
        stage: Any = SimpleNamespace(book=book)
        self.watch = BrokerWatch(runtime, self.broker, stage, self._tell, self.board)  # type: ignore[arg-type]

    async def _tell(self, message: TradeInput) -> None:
        self.told.append(message)

    async def minutes(self, count: int, *, late_s: float = 2.0) -> list[TradeInput]:
        for minute in range(count):
            self.clock.at = dt.datetime.fromtimestamp(DAY_MS / 1000 + (minute + 1) * 60 + late_s, dt.UTC)
            closed = BarsClosed(id=str(minute), bars=(bar(minute, 100.0),), created_at=self.clock.at)
            self.board.see(closed, self.clock.at)
            await self.watch.entry_facts("NVDA", Exchange.NASD)
        return [m for m in self.told if isinstance(m, PricesApart)]


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


async def test_a_difference_that_lasts_is_told_once(world: World) -> None:
    (told,) = await world.minutes(10)
    assert (told.ticker, round(told.apart_pct)) == ("NVDA", 10)


async def test_the_threshold_is_the_one_that_refuses_a_buy(world: World) -> None:
    trading = msgspec.structs.replace(world.runtime.params.trading, max_divergence_pct=12.0)
    world.runtime.params = msgspec.structs.replace(world.runtime.params, trading=trading)
    assert not await world.minutes(10)


async def test_the_paper_accounts_prices_are_the_feeds_own(world: World) -> None:
    world.broker.source = FEED_SOURCE
    assert not await world.minutes(10)


async def test_late_bars_are_a_matter_of_delay_not_of_prices(world: World) -> None:
    assert not await world.minutes(10, late_s=902.0)


async def test_without_bars_there_is_nothing_to_compare(world: World) -> None:
    await world.watch.entry_facts("AMD", Exchange.NASD)
    assert not world.told


@pytest.mark.parametrize(
    ("trouble", "told"), [(PriceUnknown("no price of it"), []), (BrokerUnavailable("no answer"), [False])]
)
async def test_a_stock_without_a_price_is_no_broker_that_is_away(
    world: World, trouble: BrokerUnavailable, told: list[bool]
) -> None:
    """Entries end while the broker is away; a halted stock or an account that has just started must not do that."""
    world.broker.trouble = trouble
    for _ in range(2 * DOWN_AFTER):
        await world.watch._read_quotes()
    assert [m.ok for m in world.told if isinstance(m, BrokerHealth)] == told


async def test_the_heartbeat_says_how_far_the_clocks_are_apart(world: World) -> None:
    await world.watch._read_orders()
    assert world.runtime.progress["skew_s"] == "-3.2"
    assert any(isinstance(m, ClockRead) for m in world.told)

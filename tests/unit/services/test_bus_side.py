"""What the trader hears over Redis reaches its machine."""

import datetime as dt
from types import SimpleNamespace

from core.model.bar import MINUTE_MS
from core.model.instrument import Split
from core.model.messages import BarsClosed, Channel, HoldingsChanged, SplitsOfDay
from core.stages.trade.inputs import SplitsTold, TradeInput
from services.bus_side import BusSide
from services.runtime import Runtime
from services.venues import PriceBoard
from tests.unit.core.builders import DAY_MS, NOON, TICKER, bar
from tests.unit.core.harness import World
from tests.unit.services.conftest import FakeBus
from tests.unit.services.test_settings_reach import Stream


async def test_the_trader_hears_of_the_days_splits(runtime: Runtime) -> None:
    told: list[TradeInput] = []

    async def tell(each: TradeInput) -> None:
        told.append(each)

    on = dt.date(2026, 11, 17)
    splits = (Split(ticker="NVDA", on=on, new=5, old=4),)
    nothing = SimpleNamespace()
    runtime.bus = Stream(SplitsOfDay(id="s", on=on, splits=splits, at=NOON))  # type: ignore[assignment]
    board = PriceBoard()
    side = BusSide(runtime, nothing, nothing, board, tell=tell, start=lambda _: None)  # type: ignore[arg-type]
    await side.consume()
    assert board.splits() == splits, "the paper account counts by them"
    (heard,) = told
    assert isinstance(heard, SplitsTold)
    assert (heard.on, heard.splits) == (on, splits)
    assert len(runtime.bus.acked) == 1  # type: ignore[attr-defined]


async def test_the_others_hear_of_what_may_be_bought_next(runtime: Runtime, bus: FakeBus) -> None:
    world, nothing = World(), SimpleNamespace()
    world.buy_signal()
    side = BusSide(runtime, world.stage, nothing, nothing, tell=nothing, start=nothing)  # type: ignore[arg-type]
    await side.publish_holdings()
    ((channel, message),) = bus.published
    assert channel is Channel.CONTROL
    assert isinstance(message, HoldingsChanged)
    assert (message.positions, message.planned) == ((), (TICKER,))


def test_a_price_of_before_the_split_is_none() -> None:
    """The paper account would sell new shares at it."""
    board, on, next_day_ms = PriceBoard(), dt.date(2026, 11, 18), DAY_MS + 24 * 60 * MINUTE_MS
    board.see(BarsClosed(id="b", bars=(bar(1, 100.0),), created_at=NOON), NOON)
    board.see(SplitsOfDay(id="s", on=on, splits=(Split(ticker=TICKER, on=on, new=10, old=1),), at=NOON), NOON)
    assert board.newest(TICKER) is None
    new = bar(1, 10.2, day_ms=next_day_ms)
    board.see(BarsClosed(id="c", bars=(new,), created_at=NOON), NOON)
    assert board.newest(TICKER) == (new, NOON)

"""What the trader hears over Redis reaches its machine."""

import datetime as dt
from types import SimpleNamespace

from core.model.instrument import Split
from core.model.messages import Channel, HoldingsChanged, SplitsToday
from core.stages.trade.inputs import SplitsTold, TradeInput
from services.bus_side import BusSide
from services.runtime import Runtime
from tests.unit.core.builders import NOON, TICKER
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
    runtime.bus = Stream(SplitsToday(id="s", on=on, splits=splits, at=NOON))  # type: ignore[assignment]
    side = BusSide(runtime, nothing, nothing, nothing, tell=tell, start=lambda _: None)  # type: ignore[arg-type]
    await side.consume()
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

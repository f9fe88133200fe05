"""Every service takes over a setting that was changed in chat, and keeps the last one after a restart."""

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

from core.model.messages import AnyMessage, Channel, SettingsChanged
from core.model.params import TradingParams
from core.stages.trade.inputs import ParamsChanged, TradeInput
from ports.bus import Delivery
from services.analyzer import Analyzer
from services.bus_side import BusSide
from services.collector import Collector
from services.runtime import Runtime
from tests.unit.core.builders import NOON

CHANGED = {
    "trading.split_count": 4,
    "scanner.security_types": "CS, ETF",
    "scanner.min_price": 2.5,
    "analyzer.ema_fast": 6,
}


def message(**overrides: Any) -> SettingsChanged:
    return SettingsChanged(id="s", overrides={**CHANGED, **overrides}, at=NOON)


class Stream:
    """One message on the control channel, and what the streams remember."""

    def __init__(self, *messages: AnyMessage) -> None:
        self.messages = messages
        self.acked: list[Delivery] = []

    async def consume(self, group: str, channels: Sequence[Channel]) -> AsyncIterator[Delivery]:
        assert group
        assert Channel.CONTROL in channels
        for number, each in enumerate(self.messages):
            yield Delivery(channel=Channel.CONTROL, receipt=str(number), message=each)

    async def ack(self, _group: str, delivery: Delivery) -> None:
        self.acked.append(delivery)

    async def history(self, channel: Channel, _limit: int) -> list[AnyMessage]:
        return list(self.messages) if channel is Channel.CONTROL else []


async def test_the_collector_takes_it(runtime: Runtime) -> None:
    runtime.bus = Stream(message())  # type: ignore[assignment]
    collector = Collector(runtime, *(SimpleNamespace(),) * 3, dict)  # type: ignore[arg-type]
    await collector._control()
    assert collector._stage._params.security_types == ("CS", "ETF")
    assert collector._stage._params.min_price == 2.5
    assert len(runtime.bus.acked) == 1  # type: ignore[attr-defined]


async def test_thresholds_are_those_of_what_the_feed_sees_however_often_they_change(runtime: Runtime) -> None:
    by_kis = message(**{"scanner.feed": "kis", "scanner.min_volume": 8_000, "scanner.kis_volume_pct": 25})
    runtime.bus = Stream(by_kis, by_kis)  # type: ignore[assignment]
    collector = Collector(runtime, *(SimpleNamespace(),) * 3, dict)  # type: ignore[arg-type]
    assert collector._stage._params.min_volume == 10_000
    await collector._control()
    assert collector._stage._params.min_volume == 2_000
    assert runtime.params.scanner.min_volume == 2_000, "a recorded day is replayed with what was in force"


async def test_the_analyzer_takes_it_and_remembers_the_last_one_after_a_restart(runtime: Runtime) -> None:
    stream = Stream(message(), message(**{"analyzer.ema_fast": 7}))
    runtime.bus = stream  # type: ignore[assignment]
    analyzer = Analyzer(runtime, SimpleNamespace())  # type: ignore[arg-type]
    await analyzer._handle(message())
    assert analyzer._stage._params.ema_fast == 6
    again = Analyzer(runtime, SimpleNamespace())  # type: ignore[arg-type]
    await again._remember()
    assert again._stage._params.ema_fast == 7


async def test_the_trader_commits_it(runtime: Runtime) -> None:
    told: list[TradeInput] = []

    async def tell(each: TradeInput) -> None:
        told.append(each)

    nothing = SimpleNamespace()
    runtime.bus = Stream(message())  # type: ignore[assignment]
    side = BusSide(runtime, nothing, nothing, nothing, tell=tell, start=lambda _: None)  # type: ignore[arg-type]
    await side.consume()
    (taken,) = told
    assert isinstance(taken, ParamsChanged)
    assert isinstance(taken.params, TradingParams)
    assert taken.params.split_count == 4

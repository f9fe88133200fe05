"""Trading halts of what is held or planned are told once when they begin, once when they end."""

import pytest

from core.model.bar import Bar
from core.model.batch import BarBatch, batch_of
from core.model.messages import Channel, Event, EventKind
from services.halts import HaltNews
from services.runtime import Runtime
from tests.unit.services.conftest import FakeBus

SINCE = 1_795_188_630_000
BEGUN, ENDED = EventKind.TICKER_HALTED, EventKind.TICKER_RESUMED


@pytest.fixture
def news(runtime: Runtime) -> HaltNews:
    return HaltNews(runtime)


def told(bus: FakeBus) -> list[tuple[EventKind, str]]:
    assert all(channel is Channel.EVENTS for channel, _ in bus.published)
    return [(m.kind, m.ticker) for _, m in bus.published if isinstance(m, Event)]


def minute(ticker: str, start_ms: int) -> BarBatch:
    return batch_of([Bar(ticker, start_ms, 1.0, 1.0, 1.0, 1.0, 100.0)])


async def test_a_halt_and_its_end_are_told_once_however_often_they_are_heard(news: HaltNews, bus: FakeBus) -> None:
    await news.concern(["NVDA"], [])
    for halted in (True, True, False, False):
        await news.changed("NVDA", SINCE, halted=halted)
        await news.concern(["NVDA"], [])
    assert told(bus) == [(BEGUN, "NVDA"), (ENDED, "NVDA")]
    assert bus.published[0][1].values == {"since_ms": SINCE, "held": True}
    await news.changed("NVDA", SINCE + 600_000, halted=True)
    assert told(bus)[2:] == [(BEGUN, "NVDA")]
    assert len({m.id for _, m in bus.published}) == 3


async def test_of_the_others_nothing_is_said(news: HaltNews, bus: FakeBus) -> None:
    await news.concern(["NVDA"], ["AMD"])
    for halted in (True, False):
        await news.changed("TSLA", SINCE, halted=halted)
    await news.changed("NVDA", SINCE, halted=False)
    assert not bus.published, "an end without a beginning is no news either"


async def test_what_is_planned_counts_and_what_becomes_ours_in_a_halt_is_told_then(
    news: HaltNews, bus: FakeBus
) -> None:
    await news.changed("NVDA", SINCE, halted=True)
    assert not bus.published
    await news.concern([], ["NVDA"])
    assert bus.published[0][1].values["held"] is False
    await news.concern([], [])
    await news.changed("NVDA", SINCE, halted=False)
    assert told(bus) == [(BEGUN, "NVDA"), (ENDED, "NVDA")], "who was told of a halt hears of its end"


async def test_a_bar_from_after_the_beginning_ends_a_halt_whose_end_was_missed(news: HaltNews, bus: FakeBus) -> None:
    await news.concern(["NVDA"], [])
    await news.bars_arrived(minute("NVDA", SINCE))
    await news.changed("NVDA", SINCE, halted=True)
    await news.bars_arrived(minute("NVDA", SINCE - 30_000))
    await news.bars_arrived(minute("AMD", SINCE + 300_000))
    assert told(bus) == [(BEGUN, "NVDA")], "the minute of the halt itself and others' minutes show nothing"
    await news.bars_arrived(minute("NVDA", SINCE + 300_000))
    assert told(bus)[1:] == [(ENDED, "NVDA")]


async def test_what_redis_does_not_take_is_told_at_the_next_look(news: HaltNews, bus: FakeBus) -> None:
    await news.concern(["NVDA"], [])
    bus.down = True
    await news.changed("NVDA", SINCE, halted=True)
    bus.down = False
    await news.concern(["NVDA"], [])
    assert told(bus) == [(BEGUN, "NVDA")]


async def test_after_a_restart_a_halt_is_not_told_again_and_its_end_is(
    news: HaltNews, runtime: Runtime, bus: FakeBus
) -> None:
    await news.concern(["NVDA", "AMD"], [])
    for ticker, halted in (("AMD", True), ("AMD", False), ("NVDA", True)):
        await news.changed(ticker, SINCE, halted=halted)
    again = HaltNews(runtime)
    await again.remember()
    await again.concern(["NVDA", "AMD"], [])
    await again.changed("NVDA", SINCE, halted=True)
    assert len(bus.published) == 3
    await again.changed("NVDA", SINCE + 300_000, halted=False)
    assert told(bus)[3:] == [(ENDED, "NVDA")]


async def test_without_redis_it_starts_all_the_same(news: HaltNews, bus: FakeBus) -> None:
    bus.down = True
    await news.remember()

"""Charts for who has no vendor: the bars that went over the bus."""

import datetime as dt

import pytest

from cli.bot import Heard
from core.model.bar import Bar
from core.model.messages import BarsClosed, Channel, Screened
from core.model.signal import Discovery
from ports.bus import BusUnavailable
from ports.market_data import ReferenceUnavailable
from tests.unit.core.builders import NOON


def bar(ticker: str, minute: int, close: float = 10.0) -> Bar:
    return Bar(ticker, int(NOON.timestamp() * 1000) + minute * 60_000, close, close, close, close, 100.0)


class Past:
    """What a bus remembers."""

    down = False

    async def history(self, channel: Channel, _limit: int) -> list:
        if self.down:
            raise BusUnavailable
        if channel is Channel.BARS:
            heard = (bar("NVDA", 2), bar("AMD", 2)), (bar("NVDA", 1, 11.0),)
            return [BarsClosed(id="b", bars=heard[0], past=heard[1], created_at=NOON)]
        found = Discovery(price=1, change_pct=6, volume=9, volume_ratio_pct=300, market_cap=None, bar_end_at=NOON)
        bars = (bar("NVDA", 0), bar("NVDA", 1))
        return [
            Screened(
                id="s",
                ticker="NVDA",
                discovery=found,
                reference_close=1,
                average_volume=1,
                bars=bars,
                feed_delay_ms=0,
                created_at=NOON,
            )
        ]


async def test_the_past_of_a_find_and_the_minutes_after_it_are_one_line_without_the_future():
    heard = Heard(Past())
    until = NOON + dt.timedelta(minutes=3)
    assert list(await heard.bars("NVDA", until)) == [bar("NVDA", 0), bar("NVDA", 1, 11.0), bar("NVDA", 2)]
    assert list(await heard.bars("NVDA", NOON + dt.timedelta(minutes=1))) == [bar("NVDA", 0)]


async def test_of_what_was_never_heard_there_is_nothing_to_draw():
    past = Past()
    with pytest.raises(ReferenceUnavailable):
        await Heard(past).bars("TSLA", NOON)
    past.down = True
    with pytest.raises(ReferenceUnavailable):
        await Heard(past).bars("NVDA", NOON)

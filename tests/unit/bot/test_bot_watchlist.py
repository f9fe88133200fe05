"""The watch list under two owners."""

import asyncio
from types import SimpleNamespace

from bot_samples import NOW

from bot.watchlist import WatchList


class SlowChat:
    """A database whose every answer takes a turn of the event loop."""

    def __init__(self):
        self.kept = ""

    async def preference(self, who, name):
        found = self.kept
        await asyncio.sleep(0)
        return found

    async def set_preference(self, who, name, value):
        await asyncio.sleep(0)
        self.kept = value


class Bus:
    """Hears every message."""

    def __init__(self):
        self.told = []

    async def publish(self, channel, message):
        self.told.append(message.tickers)


async def nothing():
    return []


async def test_two_who_change_it_at_once_both_get_what_they_asked_for():
    """What one adds is not lost in what the other writes, and the services hear every change once."""
    bus = Bus()
    deps = SimpleNamespace(
        chat=SlowChat(), bus=bus, records=SimpleNamespace(instruments=nothing), clock=SimpleNamespace(now=lambda: NOW)
    )
    watched = WatchList(deps)
    await asyncio.gather(*(watched.change(lambda now, t=t: (*now, t)) for t in ("TSLA", "NVDA")))
    assert await watched.tickers() == ("TSLA", "NVDA")
    assert await watched.change(lambda now: now) == (("TSLA", "NVDA"), False)
    assert bus.told == [("TSLA",), ("TSLA", "NVDA")]

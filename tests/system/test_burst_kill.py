"""A burst of notices, and the bot dies by SIGKILL in the middle: after the restart each one has arrived once, in order."""

import asyncio
import datetime as dt
import re
from collections import Counter
from pathlib import Path

import pytest
from journeys import Person
from system_world import OWNER, BotOnly, body, until

from adapters.redis.bus import RedisBus
from core.model.messages import Channel, Event, EventKind, message_id

# at this speed of the market's clock sandbox and bot allow six messages a second
SPEED, BURST, TICKERS = 60.0, 180, 20
NUMBER = re.compile(r"no-(\d{4})")


def notice(number: int, at: dt.datetime) -> Event:
    """The number-th message, about one of twenty positions."""
    return Event(
        id=message_id("burst", number),
        kind=EventKind.ORDER_REJECTED,
        ticker=f"T{number % TICKERS:02}",
        values={"message": f"no-{number:04}", "qty": 1, "side": "sell"},
        at=at,
    )


async def play(folder: Path) -> tuple[list[int], list[str], int]:
    async with BotOnly(folder, speed=SPEED) as world:

        async def texts() -> list[str]:
            return [body(m) for m in await world.chat.messages() if not m.get("out")]

        async def arrived() -> list[int]:
            return [int(found[1]) for text in await texts() if (found := NUMBER.search(text))]

        owner = Person(world, OWNER, "ko")
        await owner.says("/alerts", "모아 보내기")
        await owner.presses("e:budgets", "📚")
        await owner.presses("e:budget:0$", "📚")
        bus = RedisBus(world.redis.url, consumer="burst")
        at = dt.datetime.fromisoformat((await world.chat.state())["clock"]["now"])
        for number in range(BURST):
            await bus.publish(Channel.EVENTS, notice(number, at))
        await bus.close()

        async def some() -> bool:
            return len(await arrived()) >= BURST // 3

        await until("a third has arrived", some)
        await world.kill("bot")

        async def everything() -> bool:
            return len(set(await arrived())) == BURST

        await until("all have arrived", everything)
        refused = [c for c in (await world.chat.get("/sim/outbox"))["calls"] if not c["ok"] and c["error_code"] == 429]
        return await arrived(), [t for t in await texts() if "다시 보낸 알림" in t], len(refused)


@pytest.mark.xdist_group("burst-kill")
def test_a_burst_survives_the_death_of_the_bot(tmp_path: Path) -> None:
    """None lost, none doubled without saying so, order per position kept, flood limits respected."""
    numbers, again, refused = asyncio.run(play(tmp_path))
    twice = [n for n, count in Counter(numbers).items() if count > 1]
    assert len(twice) <= len(again) <= 1
    assert refused == 0
    for position in range(TICKERS):
        mine = [n for n in dict.fromkeys(numbers) if n % TICKERS == position]
        assert mine == sorted(mine)

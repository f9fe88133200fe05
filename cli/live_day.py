"""A recorded day through the live processes, on the sandbox's fast clock, for comparing it with the backtest."""

import asyncio
import contextlib
import datetime as dt
import sqlite3
from decimal import Decimal
from pathlib import Path

import aiohttp
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from adapters.redis.bus import RedisBus
from adapters.redis.server import EmbeddedRedis
from backtest.data.day import DayBars
from backtest.parity import Decisions, lived
from cli.demo_story import READY_TIMEOUT_S, DemoOptions, Story
from cli.processes import Family
from config.params import ConfigError, load_params
from core.model.messages import Channel, Screened, Signal
from core.model.params import Params
from core.model.position import Plan, RoundTrip

# the processes get so many real seconds to start before the span begins
START_S = 17.0
# and at most so many after its end to finish what the last bars began
SETTLE_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.05
MOST = 100_000


class LiveDay(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes decided, the settings they had, and the exchange rate that the account had.

    `listened_at`: the start of the first bar that the collector got as it closed. The processes start before the span
    does, and what happens meanwhile is theirs as well.
    """

    listened_at: dt.datetime
    decisions: Decisions
    params: Params
    krw_per_usd: Decimal
    troubles: tuple[str, ...]


def recording(bars: DayBars, path: Path) -> Path:
    """The day as the sandbox replays it."""
    names = pa.array(bars.tickers)
    columns = {"ticker": names.take(pa.array(bars.ticker)), "ts": bars.start_ms}
    columns |= dict(zip(("open", "high", "low", "close", "volume"), bars.values(), strict=True))
    pq.write_table(pa.table(columns), path)
    return path


def replayed(folder: Path, bars: DayBars, begin_at: dt.datetime, speed: float, *, start_s: float) -> Story:
    """A day as the processes will live it, bought without asking; they get so many real seconds to start before it begins."""
    return Story(
        DemoOptions(
            state_dir=folder,
            origin=begin_at - dt.timedelta(seconds=start_s * speed),
            speed=speed,
            port=0,
            seed=7,
            replay=recording(bars, folder / "day.parquet"),
            day=bars.on,
            seconds=None,
            approve_after_s=None,
            quiet=True,
            settings={"trading": {"mode": "auto"}},
        )
    )


async def _listening(story: Story, http: aiohttp.ClientSession) -> dt.datetime:
    """Wait until the collector has subscribed; the minute in which it did."""
    deadline = asyncio.get_running_loop().time() + READY_TIMEOUT_S
    while asyncio.get_running_loop().time() < deadline:
        state = await story.ask(http, "/control/state")
        if "AM.*" in state["polygon"]["subscribed"]:
            now = dt.datetime.fromisoformat(state["clock"]["now"])
            return now.replace(second=0, microsecond=0)
        await asyncio.sleep(LOOK_EVERY_S)
    raise ConfigError("the collector did not subscribe to the bars")


async def _settled(
    story: Story, http: aiohttp.ClientSession, bus: RedisBus, journal: Path, end_at: dt.datetime
) -> None:
    """Wait until the last bars were sent and received, and until nobody has anything left to do about them."""
    deadline = asyncio.get_running_loop().time() + SETTLE_TIMEOUT_S
    sent: int | None = None
    while asyncio.get_running_loop().time() < deadline:
        if sent is None:
            polygon = (await story.ask(http, "/control/state"))["polygon"]
            ended = polygon["last_bar_end"]
            sent = polygon["bars_sent"] if ended and dt.datetime.fromisoformat(ended) >= end_at else None
        elif await _caught_up(bus, journal, sent):
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise ConfigError("the processes did not finish what the last bars began")


async def _caught_up(bus: RedisBus, journal: Path, sent: int) -> bool:
    """Whether so many bars were screened, what was found was judged, and the trader has told what it decided."""
    beat = (await bus.heartbeats()).get("collector", {})
    if int(beat.get("bars", 0)) < sent or int(beat.get("lookups", 0)):
        return False
    for group, channels in (("analyzer", (Channel.SCREENED, Channel.BARS)), ("trader", (Channel.SIGNAL,))):
        if await bus.behind(group, channels):
            return False
    with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=5)) as database:
        return not database.execute("SELECT count(*) FROM outbox").fetchone()[0]


async def live_day(
    folder: Path,
    *,
    bars: DayBars,
    begin_at: dt.datetime,
    end_at: dt.datetime,
    speed: float,
) -> LiveDay:
    """Play a span of the day with the settings of config.yaml, but that the trader buys without asking.

    What the last bars began is waited for; what later bars begin meanwhile does not count.
    """
    story = replayed(folder, bars, begin_at, speed, start_s=START_S)
    story.env = story.environment()
    redis = EmbeddedRedis(folder)
    family = Family(folder, story.env)
    try:
        await story.start(family, redis)
        async with aiohttp.ClientSession() as http:
            listened_at = await _listening(story, http)
            now = dt.datetime.fromisoformat((await story.ask(http, "/control/state"))["clock"]["now"])
            await asyncio.sleep(max(0.0, (end_at - now).total_seconds() / speed))
            async with RedisBus(redis.url, consumer="parity") as bus:
                await _settled(story, http, bus, folder / "journal.db", end_at)
        async with RedisBus(redis.url, consumer="parity") as bus:
            found = [m for m in await bus.history(Channel.SCREENED, MOST) if isinstance(m, Screened)]
            judged = [m for m in await bus.history(Channel.SIGNAL, MOST) if isinstance(m, Signal)]
    finally:
        await family.stop()
        redis.stop()
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as journal:
        plans = [msgspec.json.decode(b, type=Plan) for (b,) in journal.execute("SELECT body FROM plan ORDER BY rowid")]
        trips = [
            msgspec.json.decode(b, type=RoundTrip) for (b,) in journal.execute("SELECT body FROM trip ORDER BY rowid")
        ]
        rate = dict(journal.execute("SELECT key, value FROM state")).get("krw_per_usd", "0")
    signals = [m for m in judged if m.bar_end_at <= end_at]
    known = {m.id for m in signals}
    return LiveDay(
        listened_at=listened_at,
        decisions=lived(
            [m for m in found if m.discovery.bar_end_at <= end_at],
            signals,
            [plan for plan in plans if plan.signal_id in known],
            [trip for trip in trips if trip.closed_at <= end_at],
        ),
        params=load_params(folder / "config.yaml"),
        krw_per_usd=Decimal(rate),
        troubles=tuple(line for name in family.children for line in family.log_lines(name) if " ERROR " in line),
    )

"""A recorded real day through the live processes: the collector finds what the independent reference found."""

import asyncio
import csv
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis
from system_world import CollectorOnly, Json, leftovers, until

from cli.programs import ROOT

DATA = ROOT.parent / "shared" / "data"
BARS = DATA / "minute" / "no_licence_stated" / "gappers_alpaca.parquet"
EVENTS = DATA / "expected_events" / "no_licence_stated" / "gappers_alpaca.csv"
# five stocks, fifty events, from the pre-market to the close
DAY = dt.date(2025, 1, 6)
SPEED = 2400.0
MINUTE_MS = 60_000

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not BARS.exists() or not EVENTS.exists(), reason="needs ../shared/data"),
]


class Screening(msgspec.Struct, kw_only=True):
    """What the collector published and what it says of itself."""

    found: list[Json]
    log: list[str]


async def screen_the_day(folder: Path) -> Screening:
    # early enough for the collector to listen before the first bar at 04:00 New York, however slow the machine
    opens = dt.datetime(2025, 1, 6, 9, 0, tzinfo=dt.UTC)
    origin = opens - dt.timedelta(seconds=SPEED * 12)
    async with CollectorOnly(folder, origin=origin, speed=SPEED, replay=BARS, day=DAY) as world:

        async def subscribed() -> bool:
            state = await world.chat.state()
            assert state["polygon"]["last_bar_end"] is None, "the collector was too slow for the first bar"
            return "AM.*" in state["polygon"]["subscribed"]

        await until("the collector listens", subscribed)

        async def over() -> bool:
            return (await world.chat.state())["replay_done"]

        await until("the day is over", over, seconds=150)
        redis = Redis.from_url(world.redis.url, legacy_responses=False)

        async def quiet() -> bool:
            before = await redis.xlen("channel:bars")
            await asyncio.sleep(1.0)
            return before == await redis.xlen("channel:bars")

        await until("nothing more comes", quiet)
        entries = await redis.xrange("channel:screened")
        await redis.aclose()
        found = [json.loads(fields[b"m"]) for _, fields in entries]
        return Screening(found=found, log=world.family.log_lines("collector"))


@pytest.fixture(scope="module")
def screening(tmp_path_factory: pytest.TempPathFactory) -> Screening:
    """The day once."""
    return asyncio.run(screen_the_day(tmp_path_factory.mktemp("replay")))


def expected() -> set[tuple[str, int]]:
    with EVENTS.open(newline="") as file:
        return {
            (row["ticker"], int(row["ts"]))
            for row in csv.DictReader(file)
            if row["clock_event"] == "True" and row["et"].startswith(str(DAY))
        }


def bar_of(message: Json) -> tuple[str, int]:
    """Ticker and start of the bar, in milliseconds."""
    end = dt.datetime.fromisoformat(message["discovery"]["bar_end_at"])
    return message["ticker"], int(end.timestamp() * 1000) - MINUTE_MS


@pytest.mark.xdist_group("replay")
def test_the_live_collector_screens_exactly_the_reference_bars(screening: Screening) -> None:
    """Nothing is missed, nothing is added, nothing comes twice."""
    found = [bar_of(message) for message in screening.found]
    assert len(found) == len(set(found))
    assert set(found) == expected(), {"missed": expected() - set(found), "added": set(found) - expected()}


@pytest.mark.xdist_group("replay")
def test_what_is_published_carries_the_bars_it_was_judged_by(screening: Screening) -> None:
    """The last of them is the bar of the event; all of them are of the day and in order."""
    for message in screening.found:
        starts = [bar[1] for bar in message["bars"]]
        assert starts == sorted(set(starts))
        assert starts[-1] == bar_of(message)[1]
        assert message["discovery"]["change_pct"] >= 5


@pytest.mark.xdist_group("replay")
def test_the_collector_has_no_trouble_with_a_real_day(screening: Screening) -> None:
    """No error, no traceback."""
    assert not [line for line in screening.log if " ERROR " in line or line.startswith("Traceback")]


@pytest.mark.xdist_group("replay-demo")
def test_the_demo_plays_a_recorded_day_to_its_end(tmp_path: Path) -> None:
    """All processes on real bars; it ends by itself when the recording is over."""
    state_dir = tmp_path / "state"
    command = [sys.executable, "-m", "cli", "demo", "--headless", "--json", "--state-dir", str(state_dir)]
    command += ["--replay", str(BARS), "--day", "2023-12-27", "--speed", "2000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["errors"] == 0, result["troubles"]
    assert result["discoveries"] >= 1
    assert result["messages"] >= 2
    assert leftovers(state_dir) == []

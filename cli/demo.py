"""`./seohak demo`: the real programs against the sandbox, in a browser, without any account."""

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from cli.demo_story import DemoOptions, DemoResult, Story
from config.params import ConfigError

# the story's first breakout; the programs get real seconds to start before it, whatever the speed
BREAKOUT = dt.datetime(2026, 11, 18, 19, 37, tzinfo=dt.UTC)
START_S = 17.0
DEFAULT_SPEED, REPLAY_SPEED = 60.0, 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--headless", action="store_true", help="브라우저 없이 승인까지 스스로 / approve by itself, soon"
    )
    parser.add_argument("--json", action="store_true", help="마지막 줄에 결과 JSON / last line is one JSON object")
    parser.add_argument("--seconds", type=float, help="이만큼 뒤에 끝냄 / stop after so many seconds")
    parser.add_argument("--speed", type=float, help="시장 시간의 배속 / market seconds per second")
    parser.add_argument("--port", type=int, default=0, help="채팅 페이지의 포트 / port of the chat page")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="실제 분봉(parquet, csv) / recorded minute bars")
    parser.add_argument("--day", help="재생할 날 / the day of the replay, YYYY-MM-DD")
    parser.add_argument("--seed", type=int, default=7, help="샌드박스 시장의 씨앗 / seed of the market")
    parser.add_argument("--approve-after", type=float, help="이 초 뒤 자동 승인 (-1 = 안 함) / auto-approve delay")
    parser.add_argument("--state-dir", type=Path, help="상태를 남길 폴더 / keep the state here")


def run(options: argparse.Namespace) -> int:
    """Check the options, run the story, print the result."""
    day = _day(options)
    if options.speed is not None and not 1 <= options.speed <= 5000:
        raise ConfigError(f"--speed: {options.speed:g} is out of bounds (1 to 5000)")
    if options.seconds is not None and options.seconds < 5:
        raise ConfigError("--seconds: at least 5")
    kept = options.state_dir is not None
    state_dir = (options.state_dir or Path(tempfile.mkdtemp(prefix="seohak-demo-"))).resolve()
    state_dir.mkdir(parents=True, exist_ok=True)
    approve_after = options.approve_after if options.approve_after is not None else 2.0 if options.headless else 8.0
    speed = options.speed or (DEFAULT_SPEED if day is None else REPLAY_SPEED)
    story = Story(
        DemoOptions(
            state_dir=state_dir,
            origin=BREAKOUT - dt.timedelta(seconds=START_S * speed) if day is None else _replay_origin(day),
            speed=speed,
            port=options.port,
            seed=options.seed,
            replay=options.replay,
            day=day,
            seconds=options.seconds,
            approve_after_s=None if approve_after < 0 else approve_after,
            quiet=options.json,
        )
    )
    try:
        result = asyncio.run(_until_stopped(story))
    finally:
        if not kept:
            shutil.rmtree(state_dir, ignore_errors=True)
    print(msgspec.json.encode(result).decode() if options.json else json.dumps(msgspec.to_builtins(result), indent=1))
    return 0 if result.errors == 0 else 1


def _day(options: argparse.Namespace) -> dt.date | None:
    if options.replay is None:
        if options.day:
            raise ConfigError("--day needs --replay FILE")
        return None
    if not options.replay.is_file():
        raise ConfigError(f"--replay: {options.replay} is not a readable file")
    if not options.day:
        raise ConfigError("--replay needs --day YYYY-MM-DD")
    try:
        return dt.date.fromisoformat(options.day)
    except ValueError:
        raise ConfigError(f"--day: {options.day!r} is not a date like 2025-01-03") from None


def _replay_origin(day: dt.date) -> dt.datetime:
    """A little before the first bars of a day in New York."""
    from zoneinfo import ZoneInfo

    return dt.datetime.combine(day, dt.time(3, 40), ZoneInfo("America/New_York")).astimezone(dt.UTC)


async def _until_stopped(story: Story) -> DemoResult:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    began = time.monotonic()
    result = await story.tell(stop)
    with contextlib.suppress(BrokenPipeError):
        print(f"({time.monotonic() - began:.0f} s)", file=sys.stderr)
    return result

"""`./seohak up`: every process in the foreground, restarted when it dies; Ctrl-C stops all in order."""

import argparse
import asyncio
import os
import signal
import sys

from adapters.db.engine import upgrade
from adapters.redis.server import EmbeddedRedis
from cli.processes import Family
from config import environment
from config.params import ConfigError, load_params

SERVICES = (
    ("guardian", "services.guardian"),
    ("collector", "services.collector"),
    ("analyzer", "services.analyzer"),
    ("trader", "services.trader"),
    ("bot", "cli.bot"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--without", action="append", default=[], choices=[n for n, _ in SERVICES], help="leave one out"
    )


def run(options: argparse.Namespace) -> int:
    """Check the configuration, then run until stopped."""
    env = environment.environment()
    settings = environment.base(env)
    params = load_params(settings.config_path)
    environment.telegram(env)
    environment.check_feed(env, params.scanner.feed)
    if params.trading.venue != "paper":
        environment.kis(env, params.trading.venue)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database_url)
    env["SEOHAK_VENUE"] = params.trading.venue
    env["SEOHAK_FEED"] = params.scanner.feed
    return asyncio.run(_up(settings, env, frozenset(options.without)))


async def _up(settings: environment.Base, env: dict[str, str], without: frozenset[str]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    redis = None
    if not os.environ.get("REDIS_URL") and "REDIS_URL" not in env:
        redis = EmbeddedRedis(settings.state_dir)
        redis.start()
        env["REDIS_URL"] = redis.url
    family = Family(settings.state_dir, env)
    try:
        for name, module in SERVICES:
            if name not in without:
                await family.start(name, module)
        print(f"서학 실행 중, 로그: {settings.state_dir / 'logs'} / running; Ctrl-C stops", flush=True)
        while not stop.is_set():
            try:
                async with asyncio.timeout(1.0):
                    await stop.wait()
            except TimeoutError:
                if refused := family.refused():
                    raise ConfigError(family.last_words(refused.name) or f"{refused.name} refused to start") from None
        return 0
    finally:
        await family.stop()
        if redis is not None:
            redis.stop()
        print("멈췄습니다 / stopped", file=sys.stderr)

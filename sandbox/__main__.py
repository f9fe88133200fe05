"""python -m sandbox: starts every server, says where they are in one JSON line, runs until told to stop."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from sandbox import calendar, replay, scenarios, servers
from sandbox.clock import SandboxClock, clock_from
from sandbox.kis.journal import Journal, JournalError
from sandbox.market import Market
from sandbox.polygon import DEFAULT_KEY
from sandbox.telegram import DEFAULT_TOKEN
from sandbox.world import World, create_world

USAGE_ERROR = 2


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--scenario", choices=list(scenarios.SCENARIOS), default="story")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tickers", type=int, help="how many tickers the market lists (default: about 50)")
    parser.add_argument("--day", type=date.fromisoformat, help="ET date (default: the clock's, or the next session)")
    parser.add_argument("--replay", type=Path, help="parquet or CSV of minute bars to serve instead of a scenario")
    parser.add_argument("--clock-origin", help="market time at the start, ISO 8601 with offset")
    parser.add_argument("--clock-started", type=float, help="Unix seconds at which the market clock was at its origin")
    parser.add_argument("--clock-speed", type=float, help="market seconds per second")
    parser.add_argument("--state-dir", type=Path, help="keep the KIS accounts here and continue from them")
    parser.add_argument("--polygon-key", default=DEFAULT_KEY)
    parser.add_argument("--telegram-token", default=DEFAULT_TOKEN)
    parser.add_argument("--revise-every", type=int, default=0, help="send every Nth bar short at first, then complete")
    parser.add_argument("--no-partial", action="store_true", help="orders of any size fill at once")
    parser.add_argument(
        "--proxy",
        action="append",
        default=[],
        type=_proxy,
        metavar="NAME=UPSTREAM",
        help="put a TCP proxy before a listener (polygon, kis, kis_paper, telegram), host:port or unix:/path",
    )
    for name in servers.LISTENERS:
        parser.add_argument(f"--{name.replace('_', '-')}-port", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _proxy(text: str) -> tuple[str, str]:
    name, equals, upstream = text.partition("=")
    if not equals or not name or not upstream:
        raise argparse.ArgumentTypeError(f"{text}: NAME=UPSTREAM is needed")
    return name, upstream


def _market(options: argparse.Namespace, clock: SandboxClock) -> Market:
    """Raises ReplayError."""
    if options.replay is None:
        day = options.day or calendar.session_day(clock.now())
        return scenarios.build(options.scenario, day, options.seed, options.tickers)
    if options.day is None:
        raise replay.ReplayError("--replay needs --day YYYY-MM-DD")
    return replay.load(options.replay, options.day)


def _world(options: argparse.Namespace) -> World:
    """Raises ValueError or ReplayError."""
    clock = clock_from(origin=options.clock_origin, started=options.clock_started, speed=options.clock_speed)
    return create_world(
        _market(options, clock),
        clock,
        scenario="replay" if options.replay else options.scenario,
        polygon_key=options.polygon_key,
        telegram_token=options.telegram_token,
        revise_every=options.revise_every,
        partial=not options.no_partial,
    )


def _ready(world: World, running: servers.Servers) -> str:
    return json.dumps(
        {
            "ready": True,
            **running.addresses,
            "proxies": {proxy.name: str(proxy.listen) for proxy in running.proxies.all()},
            "chat_url": f"http://{running.addresses['control']}/",
            "scenario": world.scenario,
            "day": str(world.market.day),
            "credentials": world.credentials(),
        }
    )


def _journals(options: argparse.Namespace, world: World) -> list[Journal]:
    """Raises JournalError."""
    if options.state_dir is None:
        return []
    journals = [Journal(options.state_dir, host) for host in (world.real, world.paper)]
    for journal in journals:
        journal.load()
    return journals


async def _run(
    world: World, ports: dict[str, int], journals: list[Journal], proxies: dict[str, str], parent: int
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    running = await servers.start(world, ports, journals, proxies)
    print(_ready(world, running), flush=True)
    ends = [asyncio.ensure_future(work) for work in (stopping.wait(), servers.parent_gone(parent), running.failure())]
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in done:
            end.result()
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await running.stop()


def main(argv: Sequence[str] | None = None) -> int:
    parent = os.getppid()
    options = _arguments(argv)
    try:
        world = _world(options)
        ports = {name: getattr(options, f"{name}_port") for name in servers.LISTENERS}
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(world, ports, _journals(options, world), dict(options.proxy), parent))
    except (replay.ReplayError, servers.PortBusyError, JournalError, ValueError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return USAGE_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main())

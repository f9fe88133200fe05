"""`./seohak backtest parity`: a day through the live processes and through the backtest, and the first difference."""

import argparse
import asyncio
import datetime as dt
import sys
import tempfile
from pathlib import Path

import msgspec

from adapters.calendar import XnysCalendar, compute
from backtest.data.day import DayBars
from backtest.data.store import Store
from backtest.execution import Execution
from backtest.parity import Decisions, differences, replayed
from backtest.runner import Runner, Setup
from cli import backtest_lived
from cli.data_download import day
from cli.live_day import LiveDay, live_day
from config.environment import base, environment
from config.params import ConfigError
from core.rules.days import EASTERN
from services.runtime import VERSION

MARGIN = dt.timedelta(days=10)
# what the sandbox's account can spend, far beyond every limit of a day
CASH_KRW = 19_000_000
SHOWN = 20


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """Both lists of decisions, and what only one of them has, the earliest first."""

    backtest: Decisions
    live: Decisions
    differences: tuple[str, ...]
    troubles: tuple[str, ...]


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The day, the span of it, and how fast."""
    sub.add_argument("day", type=day, metavar="DAY", help="YYYY-MM-DD, a day of the store, or a recorded one")
    sub.add_argument("--store", type=Path, metavar="DIR", help="where the bars lie (bars/ in the state directory)")
    sub.add_argument("--from", dest="begin", default="", metavar="HH:MM", help="from this New York time on (04:00)")
    sub.add_argument("--to", dest="end", default="", metavar="HH:MM", help="to this New York time (20:00)")
    sub.add_argument("--speed", type=float, default=60.0, help="market seconds per second; above 60 the trader is late")
    sub.add_argument(
        "--lived", action="store_true", help="compare with what the running system decided on a day that it recorded"
    )
    sub.add_argument("--json", action="store_true", help="machine-readable output")
    sub.set_defaults(act=run)


def run(options: argparse.Namespace) -> int:
    """0 the same, 1 different."""
    if options.lived:
        return backtest_lived.run(options)
    if not 1 <= options.speed <= 600:
        raise ConfigError(f"--speed: {options.speed:g} is out of bounds (1 to 600)")
    root = options.store or base(environment()).state_dir / "bars"
    bars = Store(root).read(options.day)
    calendar = XnysCalendar(compute(options.day - MARGIN, options.day + MARGIN))
    session = calendar.session_on(options.day)
    if session is None:
        raise ConfigError(f"{options.day} is no trading day")
    begin = _instant(options.day, options.begin, session.pre_open_at)
    end = _instant(options.day, options.end, session.post_close_at)
    if begin >= end:
        raise ConfigError("--from must be before --to")
    with tempfile.TemporaryDirectory(prefix="seohak-parity-") as folder:
        live = asyncio.run(live_day(Path(folder), bars=bars, begin_at=begin, end_at=end, speed=options.speed))
    found = compare(bars, live, calendar, end)
    _tell(found, as_json=options.json)
    return 1 if found.differences or found.troubles else 0


def compare(bars: DayBars, live: LiveDay, calendar: XnysCalendar, end: dt.datetime) -> Parity:
    """Replay what the processes saw, with the very settings that they had."""
    trading = msgspec.structs.replace(
        live.params.trading, paper_cash=CASH_KRW, paper_krw_per_usd=float(live.krw_per_usd)
    )
    params = msgspec.structs.replace(live.params, trading=trading)
    setup = Setup(params=params, execution=Execution(), begin_at=live.listened_at, end_at=end, version=VERSION)
    with tempfile.TemporaryDirectory(prefix="seohak-parity-") as folder:
        store = Store(Path(folder))
        store.write_day(bars)
        mine = replayed(Runner(setup, calendar.session_on).run(store))
    return Parity(
        backtest=mine,
        live=live.decisions,
        differences=tuple(differences(mine, live.decisions)),
        troubles=live.troubles,
    )


def _instant(on: dt.date, text: str, otherwise: dt.datetime) -> dt.datetime:
    if not text:
        return otherwise
    try:
        return dt.datetime.combine(on, dt.time.fromisoformat(text), EASTERN).astimezone(dt.UTC)
    except ValueError:
        raise ConfigError(f"{text!r} is no time of day like 09:30") from None


def _tell(found: Parity, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    for kind in ("discoveries", "signals", "proposals", "exits"):
        print(f"{kind}: {len(getattr(found.backtest, kind))} in the backtest, {len(getattr(found.live, kind))} live")
    for line in found.troubles:
        print(f"seohak backtest: {line}", file=sys.stderr)
    if not found.differences:
        print("the same decisions")
    for line in found.differences[:SHOWN]:
        print(f"seohak backtest: {line}", file=sys.stderr)

"""What every command over recorded days asks for: which bars, which settings, what is watched."""

import argparse
import asyncio
import csv
import datetime as dt
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from adapters.calendar import XnysCalendar, compute
from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine
from backtest.data.store import Store
from backtest.execution import Execution
from backtest.runner import Setup
from cli.data_download import day
from config.environment import Base, base, environment
from config.params import ConfigError, load_params, parse_value
from config.params import settings as every_setting
from core.model.instrument import Exchange, Instrument
from core.model.params import Params
from core.model.session import MarketSession
from ports.store import StoreUnavailable
from services.runtime import VERSION

EXECUTION = "execution."
MARGIN = dt.timedelta(days=10)
SessionOn = Callable[[dt.date], MarketSession | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--store", type=Path, metavar="DIR", help="where the bars lie (bars/ in the state directory)")
    parser.add_argument("--first", type=day, metavar="DAY", help="from this day on, YYYY-MM-DD")
    parser.add_argument("--last", type=day, metavar="DAY", help="to this day")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the settings (config.yaml)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting, like trading.take_profit_pct=40 or execution.half_spread_pct=0.1; as often as you like",
    )
    parser.add_argument(
        "--overrides",
        metavar="FILE|-|chat",
        help="settings on top of the file: a JSON object of keys and values, - reads it from the input, "
        "chat takes what was changed in Telegram",
    )
    parser.add_argument("--watch", default="", metavar="T,...|all", help="judge these tickers without a screen")
    parser.add_argument("--no-screen", action="store_true", help="screen nothing: only what is watched")
    parser.add_argument(
        "--instruments", type=Path, metavar="FILE", help="CSV: ticker,name,type,shares[,exchange,name_ko]"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def opened(options: argparse.Namespace) -> tuple[Store, list[dt.date], Setup]:
    """The store, its days between the ends, and what to run."""
    env = base(environment())
    root = options.store or env.state_dir / "bars"
    if not root.is_dir():
        raise ConfigError(f"{root} has no bars: ./seohak data import FILE or ./seohak data download")
    store = Store(root)
    days = store.days(options.first, options.last)
    if not days:
        raise ConfigError(f"{root} has no bars of these days: ./seohak data list shows what it has")
    params, execution = settings(options.config or env.config_path, options.set, overrides(options.overrides, env))
    setup = Setup(
        params=params,
        execution=execution,
        first=options.first,
        last=options.last,
        watched=None if options.watch == "all" else tuple(t for t in options.watch.upper().split(",") if t),
        screen=not options.no_screen,
        instruments=instruments(options.instruments) if options.instruments else {},
        version=VERSION,
    )
    return store, days, setup


def sessions(days: list[dt.date]) -> SessionOn:
    """The exchange's calendar around these days."""
    return XnysCalendar(compute(days[0] - MARGIN, days[-1] + MARGIN)).session_on


def overrides(source: str | None, env: Base) -> dict[str, object]:
    """Settings from a file, the input or the chat, by dotted key; raises ConfigError."""
    if source is None:
        return {}
    if source == "chat":
        return asyncio.run(_changed_in_chat(env))
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        found = msgspec.json.decode(text, type=dict[str, object])
    except OSError as error:
        raise ConfigError(f"--overrides {source}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigError(
            f'--overrides {source}: expected one JSON object like {{"trading.take_profit_pct": 40}}'
        ) from None
    for key in found:
        if key not in every_setting():
            # says which keys there are
            parse_value(key, None)
    return found


async def _changed_in_chat(env: Base) -> dict[str, object]:
    engine = open_engine(env.database_url)
    try:
        kept = await SqlChatStore(engine).overrides()
    except StoreUnavailable as trouble:
        raise ConfigError(f"--overrides chat: the database can't be read: {trouble}") from None
    finally:
        await engine.dispose()
    return {key: value for key, value in kept.items() if value is not None}


def settings(
    path: Path, pairs: list[str], below: Mapping[str, object] = types.MappingProxyType({})
) -> tuple[Params, Execution]:
    """The configuration with `below` and, above it, what the command line sets.

    `execution.*` are the assumptions about the broker.
    """
    chosen: dict[str, object] = dict(below)
    assumed = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise ConfigError(f"--set {pair}: KEY=VALUE, like trading.take_profit_pct=40")
        if key.startswith(EXECUTION):
            assumed[key.removeprefix(EXECUTION)] = value
        else:
            chosen[key] = typed(key, value)
    try:
        execution = msgspec.convert(assumed, Execution, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--set {EXECUTION}…: {error}") from None
    return load_params(path, chosen), execution


def typed(key: str, text: str) -> object:
    """A setting's text as its own type; what is none of that is left for the check to refuse."""
    known = every_setting().get(key)
    if known is None or known.kind not in {int, float, bool}:
        return text
    try:
        return msgspec.convert(text, known.kind, strict=False)
    except msgspec.ValidationError:
        return text


def instruments(path: Path) -> dict[str, Instrument]:
    """Securities of a CSV file by ticker."""
    found = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, row in enumerate(csv.DictReader(file), 2):
                try:
                    found[row["ticker"]] = Instrument(
                        ticker=row["ticker"],
                        name=row.get("name") or row["ticker"],
                        name_ko=row.get("name_ko") or "",
                        exchange=Exchange(row.get("exchange") or "NASD"),
                        security_type=row.get("type") or "",
                        shares_outstanding=float(row["shares"]) if row.get("shares") else None,
                    )
                except (KeyError, ValueError) as error:
                    raise ConfigError(f"{path}:{line}: {error}: ticker,name,type,shares[,exchange,name_ko]") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    return found

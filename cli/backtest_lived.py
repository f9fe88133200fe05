"""`./seohak backtest parity --lived`: what the running system decided on a recorded day, and what its replays decide."""

import argparse
import asyncio
import contextlib
import datetime as dt
import sqlite3
import sys
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import select

from adapters.calendar import XnysCalendar, compute
from adapters.db import tables
from adapters.db.engine import open_engine
from adapters.db.work import UnitOfWork
from backtest.data.recorded import entries_of
from backtest.lived import Arrivals, Lived, LivedRun, OneDay, lived_day
from backtest.lived_parity import Compared, Record, Row, compare
from backtest.parity import Decisions, replayed
from config.environment import Base, base, environment
from config.params import ConfigError
from core.model.position import ExitRun, Plan, Position, RoundTrip
from core.model.signal import Verdict
from ports.store import StoreUnavailable
from services.recording import FOLDER

MARGIN = dt.timedelta(days=10)
# the analyzer answers a moment after the collector's last word
AFTER = dt.timedelta(minutes=2)
SHOWN = 20
T = TypeVar("T")


def run(options: argparse.Namespace) -> int:
    """0 the same, 1 different."""
    if options.begin or options.end or options.store:
        raise ConfigError("--lived compares the whole recorded day: without --from, --to and --store")
    found = compared(base(environment()), options.day)
    if options.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        _tell(found)
    return 1 if found.differences else 0


def compared(settings: Base, on: dt.date) -> Compared:
    """Read the recording, the database and the journal of this state directory, and replay the day."""
    folder = settings.state_dir / FOLDER / str(on)
    calendar = XnysCalendar(compute(on - MARGIN, on + MARGIN))
    session = calendar.session_on(on)
    if session is None:
        raise ConfigError(f"{on} is no trading day")
    day = lived_day(folder, on)
    arrivals = Arrivals(day)
    arrivals.replay(entries_of(folder))
    empty = Decisions(discoveries=(), signals=(), proposals=(), exits=())
    backtest = replayed(LivedRun(day, calendar.session_on).run(OneDay(day.bars))) if len(day.bars) else empty
    record = _record(settings, day)
    return compare(day, (arrivals.found, arrivals.judged), backtest, record, session, entries_of(folder))


def _record(settings: Base, day: Lived) -> Record:
    since, until = day.began.at, day.ended_at + AFTER
    journal = _journal(settings.state_dir / "journal.db")
    try:
        signals = asyncio.run(_signals(settings.database_url, since, until))
    except StoreUnavailable as error:
        raise ConfigError(f"the database does not answer: {error}") from None
    return msgspec.structs.replace(
        journal,
        signals=signals,
        plans=tuple(plan for plan in journal.plans if since <= plan.created_at <= until),
        trips=tuple(trip for trip in journal.trips if since <= trip.closed_at <= until),
    )


async def _signals(url: str, since: dt.datetime, until: dt.datetime) -> tuple[Row, ...]:
    engine, table = open_engine(url), tables.signals
    try:
        within = (table.c.created_at >= since, table.c.created_at <= until, table.c.message_id.is_not(None))
        rows = await UnitOfWork(engine).rows(select(table).where(*within).order_by(table.c.created_at))
    finally:
        await engine.dispose()
    found = []
    for row in rows:
        verdict = msgspec.convert(row["indicators"], Verdict)
        met = tuple(condition.value for condition in verdict.met)
        found.append(
            Row(
                id=row["message_id"],
                ticker=row["ticker"],
                signal=verdict.signal.value,
                confidence=verdict.confidence,
                met=met,
                at=row["created_at"],
            )
        )
    return tuple(found)


def _journal(path: Path) -> Record:
    """What the trader wrote, read beside one that may be running; nothing where none ever did."""
    if not path.exists():
        return Record(signals=(), verdicts={}, plans=(), trips=())
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as journal:
        try:
            frozen = {each.ticker for each in _bodies(journal, "position", Position) if each.frozen}
            return Record(
                signals=(),
                verdicts=dict(journal.execute("SELECT signal_id, verdict FROM decision")),
                plans=tuple(_bodies(journal, "plan", Plan)),
                trips=tuple(_bodies(journal, "trip", RoundTrip)),
                waiting=frozenset(frozen | {run.ticker for run in _bodies(journal, "exit_run", ExitRun)}),
            )
        except sqlite3.Error as error:
            raise ConfigError(f"{path} can't be read ({error})") from None


def _bodies(journal: sqlite3.Connection, table: str, kind: type[T]) -> list[T]:
    rows = journal.execute(f"SELECT body FROM {table} ORDER BY rowid")  # noqa: S608  (names of ours)
    return [msgspec.json.decode(body, type=kind) for (body,) in rows]


def _tell(found: Compared) -> None:
    for kind in ("discoveries", "signals"):
        backtest, live = found.counts[kind]
        print(f"{kind}: {backtest} in the backtest, {live} live")
    print("proposals: {} as replayed, {} live".format(*found.counts["proposals"]))
    print("exits: {} seen in the bars, {} live".format(*found.counts["exits"]))
    for words, count in found.outside.items():
        print(f"  {words}: {count}")
    for gap in found.gaps:
        print(f"nothing was recorded: {gap}")
    for line in found.world[:SHOWN]:
        print(f"not the rules: {line}")
    if len(found.world) > SHOWN:
        print(f"and {len(found.world) - SHOWN} more; --json lists them")
    for line in found.differences[:SHOWN]:
        print(f"seohak backtest: {line}", file=sys.stderr)
    if not found.differences:
        print("the same decisions")

"""The trader's journal: one local SQLite file, one writer, every commit on disk before it returns.

Budget, plans and orders live here, not in the database of records, so that no other service stands between a decision
and its order (facts: reliability.md 2.2).
"""

import datetime as dt
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from core.model.commands import Lock
from core.model.journal import (
    AddFill,
    AddLedger,
    AddTrip,
    Change,
    DropExit,
    DropLock,
    DropPosition,
    Emit,
    PutDecision,
    PutExit,
    PutIntent,
    PutLock,
    PutManual,
    PutPlan,
    PutPosition,
    PutState,
    SawOrders,
    Snapshot,
)
from core.model.order import LIVE_STATES, BrokerRef, Intent, ManualOrder
from core.model.position import ExitRun, Plan, Position
from ports.journal import JournalConflict, Outgoing

SCHEMA_VERSION = 2
_LIVE = ", ".join(f"'{s.value}'" for s in sorted(LIVE_STATES))
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS intent (
  id TEXT PRIMARY KEY, dedup_key TEXT NOT NULL UNIQUE, plan_id TEXT NOT NULL, ticker TEXT NOT NULL, side TEXT NOT NULL,
  state TEXT NOT NULL, updated_at TEXT NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS one_live ON intent (ticker, side) WHERE state IN ({_LIVE});
CREATE TABLE IF NOT EXISTS plan (
  id TEXT PRIMARY KEY, ticker TEXT NOT NULL, state TEXT NOT NULL, created_at TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS position (ticker TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS exit_run (ticker TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS decision (signal_id TEXT PRIMARY KEY, verdict TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lock (ticker TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seen_order (
  ord_dt TEXT NOT NULL, branch TEXT NOT NULL, odno TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (ord_dt, branch, odno));
CREATE TABLE IF NOT EXISTS manual_order (
  ord_dt TEXT NOT NULL, odno TEXT NOT NULL, seen_at TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (ord_dt, odno));
CREATE TABLE IF NOT EXISTS fill (
  ord_dt TEXT NOT NULL, branch TEXT NOT NULL, odno TEXT NOT NULL, cum_qty INTEGER NOT NULL, intent_id TEXT NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (ord_dt, branch, odno, cum_qty));
CREATE TABLE IF NOT EXISTS ledger (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, intent_id TEXT NOT NULL, kind TEXT NOT NULL, usd TEXT NOT NULL,
  at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trip (key TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
"""

_encode = msgspec.json.Encoder().encode
_outgoing = msgspec.json.Decoder(Outgoing)
T = TypeVar("T")


class JournalCorrupt(Exception):
    """The file does not pass SQLite's own check; restore it from a backup before trading."""


class SqliteJournal:
    """Implements ports.journal.Journal. `keep_days` is how far back finished orders are loaded."""

    def __init__(self, path: Path, *, keep_days: int = 9) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._keep = dt.timedelta(days=keep_days)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA busy_timeout=5000")
        if self._db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            self._db.close()
            raise JournalCorrupt(f"{path} is damaged; restore it from a backup")
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            self._db.close()
            raise JournalCorrupt(f"{path} was written by a newer version (schema {found}); upgrade Seohak")
        self._db.executescript(SCHEMA)
        self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def load(self) -> Snapshot:
        """Read the state to start from: everything open, and what was finished in the last days."""
        since = (dt.datetime.now(dt.UTC) - self._keep).isoformat()
        newest = self._db.execute(
            "SELECT max(at) FROM (SELECT max(updated_at) AS at FROM intent UNION ALL SELECT max(created_at) FROM plan"
            " UNION ALL SELECT max(at) FROM seen_order UNION ALL SELECT max(seen_at) FROM manual_order)"
        ).fetchone()[0]
        if newest is not None:
            # a scaled clock's instants may lie in the past or future of the machine's
            since = (dt.datetime.fromisoformat(newest) - self._keep).isoformat()
        live = f"SELECT body FROM intent WHERE updated_at >= ? OR state IN ({_LIVE})"  # noqa: S608  (constant)
        plans = "SELECT body FROM plan WHERE created_at >= ? OR state IN ('PROPOSED', 'RUNNING')"
        refs = self._db.execute("SELECT ord_dt, branch, odno FROM seen_order WHERE at >= ?", (since,))
        return Snapshot(
            plans=self._bodies(Plan, plans, since),
            positions=self._bodies(Position, "SELECT body FROM position"),
            exits=self._bodies(ExitRun, "SELECT body FROM exit_run"),
            intents=self._bodies(Intent, live, since),
            decisions=frozenset(row[0] for row in self._db.execute("SELECT signal_id FROM decision")),
            locks=self._bodies(Lock, "SELECT body FROM lock"),
            seen=frozenset(BrokerRef(*row) for row in refs),
            manual=self._bodies(ManualOrder, "SELECT body FROM manual_order WHERE seen_at >= ?", since),
            state=dict(self._db.execute("SELECT key, value FROM state")),
        )

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all changes in one transaction."""
        if not changes:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for change in changes:
                self._write(change)
            self._db.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            self._db.execute("ROLLBACK")
            raise JournalConflict(str(error)) from error
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def outbox(self, limit: int) -> Sequence[tuple[int, Outgoing]]:
        """The oldest undelivered items with their sequence numbers."""
        rows = self._db.execute("SELECT seq, body FROM outbox ORDER BY seq LIMIT ?", (limit,))
        return [(seq, _outgoing.decode(body)) for seq, body in rows]

    def waiting(self) -> int:
        """How many outbox items are not delivered yet."""
        return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def delivered(self, upto: int) -> None:
        """Forget outbox items up to and including a sequence number."""
        self._db.execute("DELETE FROM outbox WHERE seq <= ?", (upto,))

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _bodies(self, kind: type[T], query: str, *values: str) -> tuple[T, ...]:
        return tuple(msgspec.json.decode(row[0], type=kind) for row in self._db.execute(query, values))

    def _put(self, statement: str, *values: object) -> None:
        self._db.execute(statement, values)

    def _write(self, change: Change) -> None:  # one line per kind of change
        put = self._put
        match change:
            case PutPlan(plan):
                row = (plan.id, plan.ticker, plan.state.value, plan.created_at.isoformat(), _encode(plan))
                put("INSERT OR REPLACE INTO plan VALUES (?, ?, ?, ?, ?)", *row)
            case PutPosition(position):
                put("INSERT OR REPLACE INTO position VALUES (?, ?)", position.ticker, _encode(position))
            case DropPosition(ticker):
                put("DELETE FROM position WHERE ticker = ?", ticker)
            case PutExit(run):
                put("INSERT OR REPLACE INTO exit_run VALUES (?, ?)", run.ticker, _encode(run))
            case DropExit(ticker):
                put("DELETE FROM exit_run WHERE ticker = ?", ticker)
            case PutIntent(intent):
                self._write_intent(intent)
            case PutDecision(signal_id, verdict, at):
                put("INSERT INTO decision VALUES (?, ?, ?)", signal_id, verdict, at.isoformat())
            case PutState(key, value):
                put("INSERT OR REPLACE INTO state VALUES (?, ?)", key, value)
            case PutLock(lock):
                put("INSERT OR REPLACE INTO lock VALUES (?, ?)", lock.ticker, _encode(lock))
            case DropLock(ticker):
                put("DELETE FROM lock WHERE ticker = ?", ticker)
            case AddFill():
                number = (change.ref.ord_dt, change.ref.branch, change.ref.odno, change.cum_qty)
                put("INSERT INTO fill VALUES (?, ?, ?, ?, ?, ?)", *number, change.intent_id, _encode(change))
            case AddLedger(intent_id, kind, usd, at):
                values = (intent_id, kind.value, str(usd), at.isoformat())
                put("INSERT INTO ledger (intent_id, kind, usd, at) VALUES (?, ?, ?, ?)", *values)
            case SawOrders(refs, at):
                for ref in refs:
                    row4 = (ref.ord_dt, ref.branch, ref.odno, at.isoformat())
                    put("INSERT OR IGNORE INTO seen_order VALUES (?, ?, ?, ?)", *row4)
            case PutManual(order):
                row5 = (order.ref.ord_dt, order.ref.odno, order.seen_at.isoformat(), _encode(order))
                put("INSERT OR REPLACE INTO manual_order VALUES (?, ?, ?, ?)", *row5)
            case AddTrip(key, trip):
                put("INSERT OR IGNORE INTO trip VALUES (?, ?)", key, _encode(trip))
            case Emit():
                pass
        if isinstance(change, Emit | AddFill | AddTrip | PutPosition | DropPosition):
            put("INSERT INTO outbox (body) VALUES (?)", _encode(change))

    def _write_intent(self, intent: Intent) -> None:
        """Upsert by id only: a second intent with the same dedup key, or a second live one, must fail."""
        request = intent.request
        self._put(
            "INSERT INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "state = excluded.state, updated_at = excluded.updated_at, body = excluded.body",
            intent.id,
            intent.dedup_key,
            intent.plan_id,
            request.ticker,
            request.side.value,
            intent.state.value,
            intent.updated_at.isoformat(),
            _encode(intent),
        )

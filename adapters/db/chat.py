"""`ports.store.ChatStore`: cards, what was told, audit, changed settings, jobs and preferences."""

import datetime as dt
import uuid
from collections.abc import Sequence

import msgspec
from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.db import tables
from adapters.db.work import UnitOfWork
from core.model.messages import Value, message_id
from ports.store import Card, Override


class SqlChatStore:
    """Every write is idempotent; the engine stays its opener's to dispose of. All methods raise StoreUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._work = UnitOfWork(engine)

    async def put_card(self, card: Card) -> None:
        """Insert or replace; a card is the message (chat_id, message_id)."""
        changing = ("key", "kind", "state", "data")
        statement = self._work.upsert(tables.cards, ["chat_id", "message_id"], changing)
        await self._work.execute(statement.values(msgspec.structs.asdict(card)))

    async def cards(self, key: str) -> Sequence[Card]:
        """The messages that show `key`, in all chats, oldest first."""
        table = tables.cards
        rows = await self._work.rows(select(table).where(table.c.key == key).order_by(table.c.id))
        return [_card(row) for row in rows]

    async def recent_cards(self, kind: str, *, limit: int) -> Sequence[Card]:
        """The newest `limit` cards of a kind, newest first."""
        table = tables.cards
        query = select(table).where(table.c.kind == kind).order_by(table.c.id.desc()).limit(limit)
        return [_card(row) for row in await self._work.rows(query)]

    async def audit(self, *, at: dt.datetime, who: str, what: str, allowed: bool, detail: str) -> None:
        """Append a line; the token keeps a repeated transaction from writing it twice."""
        row = {"token": uuid.uuid4().hex, "at": at, "who": who, "what": what, "allowed": allowed, "detail": detail}
        await self._work.execute(self._work.insert_once(tables.audit, "token").values(row))

    async def audit_entries(self, *, limit: int) -> Sequence[tuple[dt.datetime, str, str, bool, str]]:
        """The newest `limit` lines (at, who, what, allowed, detail), newest first."""
        rows = await self._work.rows(select(tables.audit).order_by(tables.audit.c.id.desc()).limit(limit))
        return [(row["at"], row["who"], row["what"], row["allowed"], row["detail"]) for row in rows]

    async def put_override(self, override: Override) -> None:
        """Append to the history, once per (key, new value, by, at)."""
        digest = message_id(override.key, repr(override.new), override.by, override.at.astimezone(dt.UTC).isoformat())
        row = {**msgspec.structs.asdict(override), "digest": digest}
        await self._work.execute(self._work.insert_once(tables.overrides, "digest").values(row))

    async def overrides(self) -> dict[str, Value]:
        """The value in force of every key changed in chat: the one put last, None included."""
        table = tables.overrides
        last = select(func.max(table.c.id)).group_by(table.c.key)
        rows = await self._work.rows(select(table.c.key, table.c.new).where(table.c.id.in_(last)).order_by(table.c.key))
        return {row["key"]: row["new"] for row in rows}

    async def override_history(self, *, limit: int) -> Sequence[Override]:
        """The newest `limit` changes, newest first."""
        rows = await self._work.rows(select(tables.overrides).order_by(tables.overrides.c.id.desc()).limit(limit))
        return [Override(key=row["key"], old=row["old"], new=row["new"], by=row["by"], at=row["at"]) for row in rows]

    async def last_run(self, job: str) -> dt.datetime | None:
        """When the job last ran."""
        rows = await self._work.rows(select(tables.job_runs.c.at).where(tables.job_runs.c.job == job))
        return rows[0]["at"] if rows else None

    async def ran(self, job: str, at: dt.datetime) -> None:
        """Record a run."""
        await self._work.execute(self._work.upsert(tables.job_runs, ["job"], ["at"]).values(job=job, at=at))

    async def preference(self, user_id: int, key: str) -> str | None:
        """A person's own choice."""
        table = tables.preferences
        rows = await self._work.rows(select(table.c.value).where(table.c.user_id == user_id, table.c.key == key))
        return rows[0]["value"] if rows else None

    async def set_preference(self, user_id: int, key: str, value: str) -> None:
        """Insert or replace."""
        statement = self._work.upsert(tables.preferences, ["user_id", "key"], ["value"])
        await self._work.execute(statement.values(user_id=user_id, key=key, value=value))


def _card(row: RowMapping) -> Card:
    return Card(**{name: row[name] for name in Card.__struct_fields__})

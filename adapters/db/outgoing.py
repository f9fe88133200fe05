"""`ports.store.OutboxStore`: messages to people that have not reached Telegram yet."""

import datetime as dt
from collections.abc import Sequence

import msgspec
from sqlalchemy import RowMapping, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.db.tables import outgoing
from adapters.db.work import UnitOfWork
from ports.store import OutMessage

WAITING, SENDING, SENT, DROPPED = "waiting", "sending", "sent", "dropped"
OPEN = (WAITING, SENDING)
# a message that was told stays known for as long as its event may come again
KEEP = dt.timedelta(days=30)


class SqlOutbox:
    """Every write is idempotent; the engine stays its opener's to dispose of. All methods raise StoreUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._work = UnitOfWork(engine)

    async def put(self, messages: Sequence[OutMessage]) -> Sequence[OutMessage]:
        """Keep what is new, all or nothing; returns those that still wait, also where they were put before."""
        if not messages:
            return []
        once = self._work.insert_once(outgoing, "key", "chat_id")
        rows = [
            {"key": m.key, "chat_id": m.chat_id, "state": WAITING, "at": m.at, "body": msgspec.to_builtins(m)}
            for m in messages
        ]
        ours = tuple_(outgoing.c.key, outgoing.c.chat_id).in_([(m.key, m.chat_id) for m in messages])
        query = select(outgoing).where(ours, outgoing.c.state == WAITING).order_by(outgoing.c.id)

        async def write(connection: AsyncConnection) -> Sequence[RowMapping]:
            for row in rows:
                await connection.execute(once.values(row))
            return (await connection.execute(query)).mappings().all()

        return [_message(row) for row in await self._work.write(write)]

    async def waiting(self) -> Sequence[OutMessage]:
        """What has not been sent, oldest first; one that was handed over before a restart is unsure."""
        query = select(outgoing).where(outgoing.c.state.in_(OPEN)).order_by(outgoing.c.id)
        return [_message(row) for row in await self._work.rows(query)]

    async def handed_over(self, ids: Sequence[int]) -> None:
        """Mark them as being sent."""
        await self._work.execute(update(outgoing).where(outgoing.c.id.in_(ids)).values(state=SENDING))

    async def sent(self, ids: Sequence[int], message_id: int | None, at: dt.datetime) -> None:
        """Close them; what was closed long ago is forgotten."""
        state = SENT if message_id is not None else DROPPED
        closing = update(outgoing).where(outgoing.c.id.in_(ids)).values(state=state, message_id=message_id, sent_at=at)
        old = delete(outgoing).where(outgoing.c.state.in_((SENT, DROPPED)), outgoing.c.sent_at < at - KEEP)

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(closing)
            await connection.execute(old)

        await self._work.write(write)


def _message(row: RowMapping) -> OutMessage:
    kept = msgspec.convert(row["body"], OutMessage)
    return msgspec.structs.replace(kept, id=row["id"], unsure=row["state"] == SENDING)

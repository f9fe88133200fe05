"""`ports.store.ForegoneStore`: finds that were not bought, and what became of them."""

import datetime as dt
from collections.abc import Sequence

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.db.tables import foregone
from adapters.db.work import UnitOfWork
from core.model.foregone import Foregone, Outcome


class SqlForegone:
    """Every write is idempotent; the engine stays its opener's to dispose of. All methods raise StoreUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._work = UnitOfWork(engine)

    async def add(self, found: Foregone) -> None:
        """Once per key."""
        row = {"key": found.key, "at": found.at, "open": True, "body": msgspec.to_builtins(found)}
        await self._work.execute(self._work.insert_once(foregone, "key").values(row))

    async def open(self, before: dt.datetime) -> Sequence[Foregone]:
        """Those decided before an instant whose outcome is not known yet, oldest first."""
        mine = (foregone.c.open.is_(True), foregone.c.at < before)
        rows = await self._work.rows(select(foregone.c.body).where(*mine).order_by(foregone.c.at, foregone.c.id))
        return [msgspec.convert(row["body"], Foregone) for row in rows]

    async def close(self, key: str, outcome: Outcome | None) -> None:
        """Write down what followed, None where it can't be known any more."""
        kept = msgspec.to_builtins(outcome) if outcome is not None else None
        await self._work.execute(update(foregone).where(foregone.c.key == key).values(open=False, outcome=kept))

    async def between(self, since: dt.datetime, until: dt.datetime) -> Sequence[tuple[Foregone, Outcome | None]]:
        """By decision, oldest first."""
        query = select(foregone).where(foregone.c.at >= since, foregone.c.at < until)
        rows = await self._work.rows(query.order_by(foregone.c.at, foregone.c.id))
        return [(msgspec.convert(r["body"], Foregone), _outcome(r["outcome"])) for r in rows]


def _outcome(kept: object) -> Outcome | None:
    return msgspec.convert(kept, Outcome) if kept is not None else None

"""One unit of work: a transaction, done again once when its connection was lost, with the outside's errors typed."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

from sqlalchemy import Executable, RowMapping, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.db.engine import READ_ONLY
from ports.store import StoreUnavailable

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

BUGS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
"""Statements that can't succeed however often they are tried; everything else is the world's doing."""

SERVERS_DOING: Final = {"42P01": "it has no tables", "42501": "it does not let us", "25006": "it is read-only"}
"""PostgreSQL's codes for a server that is not ready for us, such as the wrong one after a failover."""

OUR_DOING: Final = ("22", "23", "42")
"""SQLSTATE classes of values and statements that never will be taken; the driver types not all of them."""

READ_ONLY_SERVER: Final = "25006"


class UnitOfWork:
    """Runs reads and idempotent writes on an engine that it does not own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert: Callable[[Table], Any] = (
            postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        )

    async def read(self, work: Work[T]) -> T:
        """The answer of a transaction that only reads. Raises StoreUnavailable."""
        return await self._twice(work, read_only=True)

    async def rows(self, query: Executable) -> Sequence[RowMapping]:
        """All rows of a query. Raises StoreUnavailable."""

        async def fetch(connection: AsyncConnection) -> Sequence[RowMapping]:
            return (await connection.execute(query)).mappings().all()

        return await self.read(fetch)

    async def execute(self, statement: Executable) -> None:
        """One idempotent statement in its own transaction. Raises StoreUnavailable."""

        async def run(connection: AsyncConnection) -> None:
            await connection.execute(statement)

        await self.write(run)

    async def write(self, work: Work[T]) -> T:
        """The answer of a committed transaction; it must bear being run twice. Raises StoreUnavailable."""
        return await self._twice(work, read_only=False)

    def insert_once(self, table: Table, *conflict: str) -> Any:
        """INSERT that does nothing where the key is known already."""
        return self._insert(table).on_conflict_do_nothing(index_elements=conflict)

    def upsert(self, table: Table, conflict: Iterable[str], changing: Iterable[str]) -> Any:
        """INSERT that replaces the `changing` columns where the key is known already."""
        statement = self._insert(table)
        return statement.on_conflict_do_update(
            index_elements=list(conflict), set_={name: statement.excluded[name] for name in changing}
        )

    async def _twice(self, work: Work[T], *, read_only: bool) -> T:
        try:
            return await self._once(work, read_only=read_only)
        except (DBAPIError, OSError) as error:
            if not _lost(error):
                raise _typed(error) from error
        try:
            return await self._once(work, read_only=read_only)
        except (DBAPIError, OSError) as error:
            raise _typed(error) from error

    async def _once(self, work: Work[T], *, read_only: bool) -> T:
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self._engine.connect())
            except Exception as error:
                # whatever stops a connection (refused, wrong password, no such database, pool empty) is the outside
                raise StoreUnavailable(f"the database can't be reached: {error}") from error
            await connection.execution_options(**{READ_ONLY: read_only})
            try:
                async with connection.begin():
                    return await work(connection)
            except DBAPIError as error:
                if _code(error) == READ_ONLY_SERVER:
                    # a standby now: the next connection may find the server that took over
                    await connection.invalidate()
                raise


def _lost(error: DBAPIError | OSError) -> bool:
    """Whether the connection broke, so that a new one may serve; drivers let some socket errors through raw."""
    return error.connection_invalidated if isinstance(error, DBAPIError) else isinstance(error, ConnectionError)


def _code(error: DBAPIError | OSError) -> str:
    """PostgreSQL's SQLSTATE, or SQLite's way of saying that a table is missing."""
    if not isinstance(error, DBAPIError):
        return ""
    return "42P01" if "no such table" in str(error.orig) else str(getattr(error.orig, "sqlstate", None) or "")


def _typed(error: DBAPIError | OSError) -> Exception:
    if (why := SERVERS_DOING.get(_code(error))) is not None:
        return StoreUnavailable(f"the database can't be used: {why} (./seohak db upgrade makes tables)")
    ours = isinstance(error, BUGS) or _code(error).startswith(OUR_DOING)
    if isinstance(error, DBAPIError) and ours and not error.connection_invalidated:
        return error
    return StoreUnavailable(f"the database failed: {error.orig if isinstance(error, DBAPIError) else error!r}")

"""The records as JSON lines that either engine can write and read, so that a backup may move from SQLite to PostgreSQL."""

import asyncio
import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, BinaryIO, Final

import msgspec
from sqlalchemy import Column, Connection, MetaData, Table, func, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import JSON, DateTime

from adapters.db.engine import READ_ONLY, alembic_config, open_engine
from adapters.db.tables import metadata

BATCH: Final = 500


class Unreadable(Exception):
    """The lines are not records as `write_records` makes them; the text says where."""


def revision_of(url: str) -> str | None:
    """The schema's revision; None for a database without our tables. Blocks; not from inside an event loop."""

    async def look() -> str | None:
        engine = open_engine(url)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(_revision)
        finally:
            await engine.dispose()

    return asyncio.run(look())


def _revision(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def known_revisions(url: str) -> list[str]:
    """Every revision that this version can bring a schema to, oldest first."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(alembic_config(url)).walk_revisions()
    return [script.revision for script in found][::-1]


def write_records(url: str, sink: BinaryIO) -> tuple[str | None, dict[str, int]]:
    """Write every row as of one instant; returns the schema's revision and the number of rows by table."""

    async def write() -> tuple[str | None, dict[str, int]]:
        engine = open_engine(url)
        counts: dict[str, int] = {}
        try:
            async with engine.connect() as plain:
                options: dict[str, Any] = {READ_ONLY: True}
                if engine.dialect.name == "postgresql":
                    options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                connection = await plain.execution_options(**options)
                if engine.dialect.name == "postgresql":
                    await connection.execute(text("SET LOCAL statement_timeout = 0"))
                for table, columns in await connection.run_sync(_present):
                    counts[str(table.name)] = await _write_table(connection, table, columns, sink)
                return await connection.run_sync(_revision), counts
        finally:
            await engine.dispose()

    return asyncio.run(write())


def _present(connection: Connection) -> list[tuple[Table, list[Column[Any]]]]:
    """Our tables and columns that are there: an older schema has fewer."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    found = []
    for table in metadata.sorted_tables:
        if table.name in there:
            names = {column["name"] for column in inspector.get_columns(table.name)}
            found.append((table, [column for column in table.columns if column.name in names]))
    return found


async def _write_table(
    connection: AsyncConnection, table: Table, columns: Sequence[Column[Any]], sink: BinaryIO
) -> int:
    sink.write(msgspec.json.encode({"table": str(table.name), "columns": [str(c.name) for c in columns]}) + b"\n")
    count = 0
    result = await connection.stream(select(*columns).order_by(*table.primary_key.columns))
    async for row in result:
        line = [_encoded(value, column) for value, column in zip(row, columns, strict=True)]
        sink.write(msgspec.json.encode(line) + b"\n")
        count += 1
    return count


def _encoded(value: object, column: Column[Any]) -> object:
    """A value as JSON; what JSON has no type for is tagged."""
    if value is None:
        return None
    if isinstance(column.type, JSON):
        return {"json": value}
    match value:
        case Decimal():
            return {"decimal": str(value)}
        case dt.datetime():
            return {"instant": value.isoformat()}
        case dt.date():
            return {"date": value.isoformat()}
        case _:
            return value


def _decoded(value: object) -> object:
    match value:
        case {"json": found}:
            return found
        case {"decimal": str(found)}:
            return Decimal(found)
        case {"instant": str(found)}:
            return dt.datetime.fromisoformat(found)
        case {"date": str(found)}:
            return dt.date.fromisoformat(found)
        case _:
            return value


def read_records(url: str, source: BinaryIO) -> dict[str, int]:
    """Put the rows into the empty tables of the revision that they were written from, all or none. Raises Unreadable."""

    async def read() -> dict[str, int]:
        engine = open_engine(url)
        try:
            async with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    await connection.execute(text("SET LOCAL statement_timeout = 0"))
                return await connection.run_sync(_fill, source)
        finally:
            await engine.dispose()

    return asyncio.run(read())


def _fill(connection: Connection, source: BinaryIO) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, columns, rows in _sections(source):
        table = _table(connection, name, columns)
        instants = [c for c in columns if isinstance(table.c[c].type, DateTime)]
        batch: list[dict[str, object]] = []
        counts[name] = 0
        for row in rows:
            fields = dict(zip(columns, row, strict=True))
            for column in instants:
                fields[column] = _plain_instant(fields[column], connection.dialect.name)
            batch.append(fields)
            counts[name] += 1
            if len(batch) == BATCH:
                connection.execute(table.insert(), batch)
                batch = []
        if batch:
            connection.execute(table.insert(), batch)
        if connection.dialect.name == "postgresql" and "id" in table.c:
            newest = connection.execute(select(func.max(table.c.id))).scalar()
            if newest is not None:
                connection.execute(select(func.setval(func.pg_get_serial_sequence(name, "id"), newest)))
    return counts


def _plain_instant(value: object, dialect: str) -> object:
    """An instant for a column that is not ours any more: SQLite's own type has no zone, PostgreSQL's needs one."""
    if not isinstance(value, dt.datetime):
        return value
    aware = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
    return aware.astimezone(dt.UTC).replace(tzinfo=None) if dialect == "sqlite" else aware


def _table(connection: Connection, name: str, columns: Sequence[str]) -> Table:
    """Our own description where it has every column, else what the old schema in the database says."""
    known = metadata.tables.get(name)
    if known is not None and all(column in known.c for column in columns):
        return known
    if name not in inspect(connection).get_table_names():
        raise Unreadable(f"the schema has no table {name!r}")
    found = Table(name, MetaData(), autoload_with=connection)
    if missing := [column for column in columns if column not in found.c]:
        raise Unreadable(f"{name} has no column {missing[0]!r}")
    return found


def _sections(source: BinaryIO) -> Iterator[tuple[str, list[str], Iterator[list[object]]]]:
    """Tables with their rows; each table's rows are read before the next table is asked for."""
    header = _line(source)
    while header is not None:
        match header:
            case {"table": str(name), "columns": list(columns)} if all(isinstance(c, str) for c in columns):
                following: list[object] = []
                yield name, columns, _rows(source, len(columns), following)
                header = following[0] if following else None
            case _:
                raise Unreadable("a table's rows do not begin with its name and columns")


def _rows(source: BinaryIO, width: int, following: list[object]) -> Iterator[list[object]]:
    while (line := _line(source)) is not None:
        if isinstance(line, dict):
            following.append(line)
            return
        if not isinstance(line, list) or len(line) != width:
            raise Unreadable("a row has another number of values than its table has columns")
        yield [_decoded(value) for value in line]


def _line(source: BinaryIO) -> object:
    line = source.readline()
    if not line:
        return None
    try:
        found: object = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("a line is no JSON") from None
    return found

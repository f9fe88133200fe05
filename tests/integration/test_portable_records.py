"""Records written from one engine and read into the other are the same records."""

import asyncio
import datetime as dt
import io
import uuid
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from adapters.db.engine import open_engine, upgrade
from adapters.db.portable import Unreadable, known_revisions, read_records, revision_of, write_records
from adapters.db.tables import metadata
from adapters.db.types import Exact, Instant

AT = dt.datetime(2026, 11, 18, 14, 30, 0, 123456, tzinfo=dt.UTC)
Made = Callable[[str], Any]


@pytest.fixture
async def new(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Made]:
    """Makes empty databases of either engine."""
    made: list[str] = []
    server = request.getfixturevalue("postgres")
    admin = open_engine(server.url)

    async def run(statement: str) -> None:
        async with admin.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(statement))

    async def make(backend: str) -> str:
        name = f"p{uuid.uuid4().hex[:12]}"
        if backend == "sqlite":
            return f"sqlite+aiosqlite:///{tmp_path / name}.db"
        await run(f"CREATE DATABASE {name}")
        made.append(name)
        return str(server.url_of(name))

    yield make
    for name in made:
        await run(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.dispose()


def value(column: Any, number: int) -> object:
    """Something awkward for each type."""
    kind = column.type
    if isinstance(kind, Exact):
        return Decimal(number).scaleb(-kind.scale)
    if isinstance(kind, Instant):
        return AT + dt.timedelta(microseconds=number)
    match type(kind).__name__:
        case "JSON":
            return {"한글": ["1.50", None, {"decimal": "no number"}], "n": number}
        case "Date":
            return dt.date(2026, 11, 18) + dt.timedelta(days=number)
        case "Boolean":
            return number % 2 == 0
        case "Float":
            return 0.1 + number
        case "Integer" | "BigInteger":
            return number
        case _:
            return f"엔\n{number}"[: kind.length or 100]


async def fill(url: str) -> dict[str, list[tuple[Any, ...]]]:
    engine = open_engine(url)
    try:
        async with engine.begin() as connection:
            for table in metadata.sorted_tables:
                rows = [{c.name: value(c, n) for c in table.columns} for n in (1, 2, 7)]
                rows[1] |= {c.name: None for c in table.columns if c.nullable}
                await connection.execute(table.insert(), rows)
    finally:
        await engine.dispose()
    return await everything(url)


async def everything(url: str) -> dict[str, list[tuple[Any, ...]]]:
    engine = open_engine(url)
    try:
        async with engine.connect() as connection:
            return {
                table.name: [tuple(r) for r in await connection.execute(select(table).order_by(*table.primary_key))]
                for table in metadata.sorted_tables
            }
    finally:
        await engine.dispose()


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
async def test_every_row_arrives_and_the_next_number_is_free(new: Made, backend: str, target: str) -> None:
    source_url, target_url = await new(backend), await new(target)
    for url in (source_url, target_url):
        await asyncio.to_thread(upgrade, url)
    before, sink = await fill(source_url), io.BytesIO()
    revision, counts = await asyncio.to_thread(write_records, source_url, sink)
    assert revision == known_revisions(source_url)[-1]
    assert counts == {table.name: 3 for table in metadata.sorted_tables}
    assert await asyncio.to_thread(read_records, target_url, io.BytesIO(sink.getvalue())) == counts
    assert await everything(target_url) == before
    engine = open_engine(target_url)
    async with engine.begin() as connection:
        fields = {c.name: value(c, 9) for c in metadata.tables["trades"].columns if c.name != "id"}
        assert (await connection.execute(metadata.tables["trades"].insert(), fields)).inserted_primary_key == (8,)
    await engine.dispose()


async def test_rows_of_an_old_schema_go_up_with_it(new: Made, backend: str) -> None:
    """A table that this version does not have any more is read into its own schema, then goes its way."""
    url = await new(backend)
    await asyncio.to_thread(upgrade, url, "0004")
    lines = (
        b'{"table":"event_log","columns":["event_id","at","token"]}\n["e1",{"instant":"2026-11-18T14:30:00+00:00"},"t"]\n'
        b'{"table":"preferences","columns":["user_id","key","value"]}\n[7001,"language","ko"]\n'
    )
    assert await asyncio.to_thread(read_records, url, io.BytesIO(lines)) == {"event_log": 1, "preferences": 1}
    await asyncio.to_thread(upgrade, url)
    assert await asyncio.to_thread(revision_of, url) == known_revisions(url)[-1]
    assert (await everything(url))["preferences"] == [(7001, "language", "ko")]


async def test_an_older_schema_is_written_with_the_columns_it_has(new: Made, backend: str) -> None:
    url, sink = await new(backend), io.BytesIO()
    await asyncio.to_thread(upgrade, url, "0003")
    revision, counts = await asyncio.to_thread(write_records, url, sink)
    assert revision == "0003"
    assert counts["trades"] == 0
    assert b'"details"' not in sink.getvalue().split(b"\n")[0]


@pytest.mark.parametrize(
    "lines",
    [
        b"no json\n",
        b"[1]\n",
        b'{"table":"nothing","columns":["a"]}\n',
        b'{"table":"trades","columns":["nothing"]}\n[1]\n',
        b'{"table":"preferences","columns":["user_id","key","value"]}\n[1]\n',
        b"\xff\n",
    ],
)
async def test_lines_that_are_no_records_are_refused_and_nothing_stays(tmp_path: Path, lines: bytes) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"
    await asyncio.to_thread(upgrade, url)
    good = b'{"table":"preferences","columns":["user_id","key","value"]}\n[7001,"language","ko"]\n'
    lines = lines if lines.startswith(b"[") else good + lines
    with pytest.raises(Unreadable):
        await asyncio.to_thread(read_records, url, io.BytesIO(lines))
    assert (await everything(url))["preferences"] == []

"""Real servers from wheels, one of each for the whole run, and a clean database or bus for each test."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.db.engine import open_engine, upgrade
from adapters.db.tables import metadata
from adapters.redis.bus import RedisBus
from adapters.redis.server import EmbeddedRedis
from benchmarks.postgres import Postgres, PostgresMissing

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A real Redis shared by all tests; `bus` empties it first."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis-state")) as server:
        yield server


@pytest.fixture
async def bus(redis_server: EmbeddedRedis) -> AsyncIterator[RedisBus]:
    """A bus on an empty Redis."""
    async with RedisBus(redis_server.url, consumer="test-1") as made:
        await made._client.flushall()
        yield made


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL shared by all tests."""
    try:
        with Postgres.running("fsync=off") as server:
            yield server
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a new, empty database."""
    if backend == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"t{uuid.uuid4().hex[:12]}"
    admin = open_engine(server.url)
    try:
        async with admin.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(f"CREATE DATABASE {name}"))
            yield server.url_of(name)
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        await admin.dispose()


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """A PostgreSQL database at the newest revision, shared; `engine` empties its tables."""
    upgrade(postgres.url)
    return postgres.url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('db') / 'records.db'}"
    upgrade(url)
    return url


@pytest.fixture
async def engine(backend: str, request: pytest.FixtureRequest) -> AsyncIterator[AsyncEngine]:
    """An engine on a migrated database with empty tables."""
    made = open_engine(request.getfixturevalue(f"migrated_{'sqlite' if backend == 'sqlite' else 'postgres'}"))
    try:
        async with made.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(table.delete())
        yield made
    finally:
        await made.dispose()

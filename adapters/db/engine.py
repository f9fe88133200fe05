"""Opening the database and bringing its schema up to date."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

READ_ONLY: Final = "seohak_read_only"
"""Execution option of a connection whose transaction only reads; every other one locks SQLite from its start."""

POOLS: Final = {"collector": 3, "analyzer": 2, "trader": 2, "bot": 5}
"""Most connections of each process to PostgreSQL: 12 together, so that the smallest hosted server (20) has room."""

OTHERS_POOL: Final = 2
BUSY_TIMEOUT_MS: Final = 5000
PAGE_CACHE_KB: Final = 256
"""What a connection to SQLite keeps of the file; the machine keeps it anyway, once for all of them."""

PG_SETTINGS: Final = {
    "statement_timeout": "5000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "10000",
    # the server lets go of a client that vanished without a word, and of its locks
    "tcp_keepalives_idle": "60",
    "timezone": "UTC",
}

ROOT: Final = Path(__file__).resolve().parents[2]


def normalize(url: str) -> URL:
    """A DATABASE_URL as hosts hand it out, with our drivers: `sqlite+aiosqlite` or `postgresql+asyncpg`."""
    parsed = make_url(url)
    family = parsed.drivername.partition("+")[0]
    if family == "sqlite":
        return parsed.set(drivername="sqlite+aiosqlite")
    if family in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+asyncpg")
        ssl = parsed.query.get("sslmode")
        parsed = parsed.difference_update_query(["sslmode"])
        return parsed.update_query_dict({"ssl": ssl}) if ssl else parsed
    raise ValueError(f"DATABASE_URL is for PostgreSQL or SQLite, not {family}")


def open_engine(url: str, process: str = "") -> AsyncEngine:
    """An engine for DATABASE_URL; nothing connects yet. Dispose of it before its event loop ends.

    `process` is what PostgreSQL shows as application_name, and decides how many connections there may be.
    """
    parsed = normalize(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return create_async_engine(
        parsed,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
        pool_size=POOLS.get(process, OTHERS_POOL),
        max_overflow=0,
        pool_timeout=5,
        pool_recycle=1800,
        connect_args={
            "timeout": 5,
            "command_timeout": 10,
            "server_settings": {"application_name": f"seohak-{process or 'command'}", **PG_SETTINGS},
        },
    )


def alembic_config(url: str) -> Any:
    """Alembic's configuration for this database, without reading alembic.ini."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(ROOT / "alembic").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to date; processes that start together wait for one another.

    Blocks. From inside an event loop it runs in a thread of its own, or call `asyncio.to_thread(upgrade, url)`.
    """
    from alembic import command

    config = alembic_config(url)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        command.upgrade(config, revision)
        return
    with ThreadPoolExecutor(1, "alembic") as pool:
        pool.submit(command.upgrade, config, revision).result()


def _sqlite(url: URL) -> AsyncEngine:
    if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # isolation_level None: the driver opens no transactions by itself, the "begin" event below does
    engine = create_async_engine(
        url,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000},
    )
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    try:
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"cache_size=-{PAGE_CACHE_KB}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
    finally:
        cursor.close()


def _begin(connection: Connection) -> None:
    """A deferred transaction that turns to writing fails under contention, an immediate one waits its turn."""
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _to_json(value: object) -> str:
    """Decimals become strings and instants ISO 8601, exactly as on the bus."""
    return msgspec.json.encode(value).decode()

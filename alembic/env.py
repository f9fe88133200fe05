"""How Alembic reaches the database: our own engine, one locked transaction, batch mode on SQLite."""

import asyncio
import os
from logging.config import fileConfig

from sqlalchemy import Connection, text

from adapters.db.engine import normalize, open_engine
from adapters.db.tables import metadata
from alembic import context

MIGRATION_LOCK = 7_305_116_104
"""Any fixed number: processes that start together migrate one after the other."""


def database_url() -> str:
    """The caller's, else -x url=…, else DATABASE_URL."""
    given = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True).get("url")
    url = given or os.environ.get("DATABASE_URL")
    if not url:
        raise SystemExit("which database? Set DATABASE_URL or pass -x url=…")
    return url


def migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
        # true for SQLite as well, because our engine says BEGIN IMMEDIATE by itself
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def online(url: str) -> None:
    engine = open_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def offline(url: str) -> None:
    backend = normalize(url).get_backend_name()
    context.configure(
        dialect_name=backend, target_metadata=metadata, literal_binds=True, render_as_batch=backend == "sqlite"
    )
    with context.begin_transaction():
        context.run_migrations()


if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
if context.is_offline_mode():
    offline(database_url())
else:
    asyncio.run(online(database_url()))

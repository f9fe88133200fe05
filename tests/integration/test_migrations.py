"""Models and migrations agree, on both engines, and every step can be taken back."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.db.engine import alembic_config, open_engine, upgrade
from adapters.db.tables import metadata
from alembic import command

ROOT = Path(__file__).resolve().parents[2]


async def table_names(url: str) -> set[str]:
    engine = open_engine(url)
    try:
        async with engine.connect() as connection:
            return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
    finally:
        await engine.dispose()


async def test_the_models_and_the_migrations_describe_the_same_tables(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_up_down_up(empty_url: str) -> None:
    ours = set(metadata.tables)
    for _ in range(2):
        await asyncio.to_thread(upgrade, empty_url)
        assert await table_names(empty_url) == ours | {"alembic_version"}
        await asyncio.to_thread(command.downgrade, alembic_config(empty_url), "base")
        assert await table_names(empty_url) == {"alembic_version"}


async def test_upgrade_works_inside_a_running_loop_and_twice(empty_url: str) -> None:
    upgrade(empty_url)
    upgrade(empty_url)
    assert set(metadata.tables) < await table_names(empty_url)


async def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    """Each waits for the other instead of failing on a table that exists."""
    code = "import sys; from adapters.db.engine import upgrade; upgrade(sys.argv[1])"
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, empty_url, cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    for racer in racers:
        _, errors = await racer.communicate()
        assert racer.returncode == 0, errors.decode()
    assert set(metadata.tables) < await table_names(empty_url)


@pytest.mark.parametrize("how", ["environment", "-x"])
def test_the_alembic_command_line_finds_the_database(how: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'records.db'}"
    environment = {**os.environ, "DATABASE_URL": url if how == "environment" else ""}
    extra = ["-x", f"url={url}"] if how == "-x" else []
    done = subprocess.run(
        [sys.executable, "-m", "alembic.config", *extra, "upgrade", "head"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert asyncio.run(table_names(url)) == set(metadata.tables) | {"alembic_version"}


def test_the_users_columns_keep_their_names_types_and_defaults() -> None:
    """The SQL of the user's plan, read from the offline script for PostgreSQL."""
    done = subprocess.run(
        [sys.executable, "-m", "alembic.config", "-x", "url=postgresql://x/y", "upgrade", "head", "--sql"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    script = " ".join(done.stdout.split())
    for line in (
        (
            "CREATE TABLE trades ( id SERIAL NOT NULL, ticker VARCHAR(10) NOT NULL, side VARCHAR(4) NOT NULL, "
            "quantity INTEGER NOT NULL, price NUMERIC(12, 4) NOT NULL, total_amount NUMERIC(15, 2), "
            "signal_type VARCHAR(20), created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),"
        ),
        (
            "CREATE TABLE positions ( id SERIAL NOT NULL, ticker VARCHAR(10) NOT NULL, quantity INTEGER NOT NULL, "
            "avg_price NUMERIC(12, 4) NOT NULL, current_price NUMERIC(12, 4), unrealized_pnl NUMERIC(15, 2), "
            "buy_count INTEGER DEFAULT 0, target_count INTEGER DEFAULT 10, stop_loss_price NUMERIC(12, 4), "
            "take_profit_price NUMERIC(12, 4), created_at TIMESTAMP WITH TIME ZONE DEFAULT now(), "
            "updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(),"
        ),
        (
            "CREATE TABLE signals ( id SERIAL NOT NULL, ticker VARCHAR(10) NOT NULL, signal_type VARCHAR(20) NOT NULL, "
            "confidence NUMERIC(5, 2), indicators JSONB, created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),"
        ),
        (
            "CREATE TABLE daily_reports ( id SERIAL NOT NULL, date DATE NOT NULL, total_trades INTEGER, "
            "total_pnl NUMERIC(15, 2), win_rate NUMERIC(5, 2), details JSONB, "
            "created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),"
        ),
    ):
        assert line in script

"""The doctor at a real Redis and a real database: settings, passwords, schemas."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from redis.asyncio import Redis

from adapters.db.engine import upgrade
from adapters.redis.server import EmbeddedRedis
from cli.doctor.checkup import Checkup, checkup
from cli.doctor.lines import Level
from cli.doctor.stores import database
from cli.doctor.stores import redis as look


@pytest.fixture
async def server(redis_server: EmbeddedRedis) -> AsyncIterator[Redis]:
    """The shared server, given back as it was."""
    client: Redis = Redis.from_url(redis_server.url)
    yield client
    for name, value in {"maxmemory-policy": "noeviction", "maxmemory": "512mb", "requirepass": ""}.items():
        await client.config_set(name, value)
    await client.aclose()


def world(redis_server: EmbeddedRedis, tmp_path: Path, url: str = "") -> Checkup:
    env = {"REDIS_URL": url or redis_server.url, "SEOHAK_STATE_DIR": str(tmp_path)}
    return checkup(env, tmp_path / ".env")


@pytest.mark.parametrize(
    ("setting", "value", "level", "words"),
    [
        ("maxmemory", "512mb", Level.OK, "AOF"),
        ("maxmemory", "0", Level.WARNING, "no memory bound"),
        ("maxmemory-policy", "allkeys-lru", Level.ERROR, "allkeys-lru"),
    ],
)
async def test_a_running_redis_is_read(redis_server, server, tmp_path, setting, value, level, words):
    await server.config_set(setting, value)
    line = await look(world(redis_server, tmp_path))
    assert (line.level, words in line.text) == (level, True), line


async def test_a_wrong_password_is_told_as_that(redis_server, server, tmp_path):
    """And is not shown."""
    await server.config_set("requirepass", "right-password")
    path = redis_server.url.removeprefix("unix://")
    line = await look(world(redis_server, tmp_path, f"unix://:{quote('wrong-password')}@{path}"))
    assert (line.level, "password" in line.text, "wrong-password" in str(line)) == (Level.ERROR, True, False), line


async def test_the_bundled_server_is_found_where_it_runs(redis_server, tmp_path):
    env = {"SEOHAK_STATE_DIR": str(redis_server.directory.parent)}
    line = await look(checkup(env, tmp_path / ".env"))
    assert (line.level, "AOF" in line.text) == (Level.OK, True), line


async def test_without_a_server_the_bundled_one_is_tried(tmp_path):
    """Its program runs; a socket that its server left behind changes nothing."""
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "redis.sock").touch()
    line = await look(checkup({"SEOHAK_STATE_DIR": str(tmp_path)}, tmp_path / ".env"))
    assert (line.level, "bundled" in line.text) == (Level.OK, True), line


async def test_a_database_without_tables_is_told_and_the_newest_schema_is_well(empty_url, tmp_path):
    """On both engines; looking makes nothing."""
    env = {"DATABASE_URL": empty_url, "SEOHAK_STATE_DIR": str(tmp_path / "state")}
    before = await database(checkup(env, tmp_path / ".env"))
    assert "first start" in before.text if empty_url.startswith("sqlite") else before.remedy == "./seohak db upgrade"
    await asyncio.to_thread(upgrade, empty_url)
    after = await database(checkup(env, tmp_path / ".env"))
    assert (after.level, "newest" in after.text) == (Level.OK, True), after
    assert not (tmp_path / "state").exists()

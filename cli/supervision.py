"""Supervisord: its configuration, drawn from the table of programs, and its control socket. Standard library only."""

import contextlib
import http.client
import shlex
import socket
import sys
import xmlrpc.client
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from cli.programs import ROOT, SUPERVISED, WATCH, Program, log_path

CONF: Final = "supervisord.conf"
LOG_BYTES, LOG_BACKUPS = "10MB", 5
# a program that dies sooner is started again after a pause that grows by a second each time
STARTSECS: Final = 5
# FATAL would be for ever; the watch keeps the growing pause within a minute
ENDLESS: Final = 1_000_000
EVENTS: Final = "PROCESS_STATE_EXITED,PROCESS_STATE_BACKOFF,PROCESS_STATE_FATAL,TICK_5"
CALL_S: Final = 60.0
FORBIDDEN: Final = frozenset('%;#"\n\r')


def _section(head: str, options: dict[str, object]) -> str:
    return "\n".join([f"[{head}]", *(f"{name}={value}" for name, value in options.items())]) + "\n"


def _command(name: str) -> str:
    return f"{shlex.quote(sys.executable)} -m cli.launch {name}"


def _program(state_dir: Path, program: Program, priority: int) -> str:
    return _section(
        f"program:{program.name}",
        {
            "command": _command(program.name),
            "directory": ROOT,
            "priority": priority,
            "autostart": "true",
            "autorestart": "true",
            "startsecs": STARTSECS,
            "startretries": ENDLESS,
            "stopsignal": "TERM",
            "stopwaitsecs": program.stop_s,
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": log_path(state_dir, program.name),
            "stdout_logfile_maxbytes": LOG_BYTES,
            "stdout_logfile_backups": LOG_BACKUPS,
        },
    )


def _itself(state_dir: Path) -> str:
    return _section(
        "supervisord",
        {
            "nodaemon": "true",
            "silent": "true",
            "identifier": "seohak",
            "directory": ROOT,
            "umask": "077",
            "logfile": log_path(state_dir, "supervisord"),
            "logfile_maxbytes": LOG_BYTES,
            "logfile_backups": LOG_BACKUPS,
            "pidfile": state_dir / "supervisord.pid",
            "childlogdir": state_dir / "logs",
            "nocleanup": "true",
        },
    )


def _keeper(state_dir: Path) -> str:
    """Starts a new keeper where the old one was killed (cli.watch asks for it), and ends."""
    return _section(
        "program:keeper",
        {
            "command": _command("keeper"),
            "directory": ROOT,
            "autostart": "false",
            "autorestart": "false",
            "startsecs": 0,
            "startretries": 0,
            "redirect_stderr": "true",
            "stdout_logfile": log_path(state_dir, "keeper"),
            "stdout_logfile_maxbytes": 0,
        },
    )


def _watch(state_dir: Path) -> str:
    return _section(
        f"eventlistener:{WATCH.name}",
        {
            "command": _command(WATCH.name),
            "directory": ROOT,
            "priority": 5,
            "events": EVENTS,
            "buffer_size": 200,
            "autorestart": "true",
            "startsecs": STARTSECS,
            "startretries": ENDLESS,
            "stopwaitsecs": WATCH.stop_s,
            "stderr_logfile": log_path(state_dir, WATCH.name),
            "stderr_logfile_maxbytes": LOG_BYTES,
            "stderr_logfile_backups": LOG_BACKUPS,
        },
    )


def configuration(state_dir: Path, socket_path: Path, names: Iterable[str]) -> str:
    """The whole file. It holds no secrets: each program's launcher reads its own (cli.launch). Raises ValueError for odd paths."""
    for path in (str(state_dir), str(socket_path), str(ROOT), sys.executable):
        # supervisord expands some values twice, and begins a comment in the middle of a line
        if bad := FORBIDDEN & set(path):
            raise ValueError(f"{path}: supervisord can't work in a folder whose name has {min(bad)!r} in it")
    wanted = frozenset(names)
    sections = [
        "; written by ./seohak up from cli/programs.py; don't edit\n",
        _itself(state_dir),
        _section("unix_http_server", {"file": socket_path, "chmod": "0700"}),
        _section(
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        *(
            _program(state_dir, program, 10 * number)
            for number, program in enumerate(SUPERVISED, 1)
            if program.name in wanted
        ),
        _keeper(state_dir),
        _watch(state_dir),
    ]
    return "\n".join(sections)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__()
        self._path, self._timeout = path, timeout

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path, self._timeout)
        # where the library looks for what it must close
        self._connection = host, connection
        return connection


class SupervisorTrouble(Exception):
    """Supervisord does not answer, or refuses; the text says which."""


class Supervisor:
    """Supervisord's control socket (mode 0700, no network)."""

    def __init__(self, path: str, *, timeout_s: float = CALL_S) -> None:
        self._path, self._timeout_s = path, timeout_s

    def _call(self, method: str, *arguments: object) -> Any:
        proxy = xmlrpc.client.ServerProxy(
            "http://localhost/RPC2", transport=_UnixTransport(self._path, self._timeout_s)
        )
        try:
            with contextlib.closing(proxy("transport")):
                return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise SupervisorTrouble(fault.faultString) from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise SupervisorTrouble(f"supervisord does not answer: {type(error).__name__}") from None

    def states(self) -> dict[str, str]:
        """RUNNING, STARTING, BACKOFF, FATAL, STOPPED, … by program. Raises SupervisorTrouble."""
        return {str(info["name"]): str(info["statename"]) for info in self._call("getAllProcessInfo")}

    def start(self, name: str, *, wait: bool = False) -> None:
        """Start a program that does not run. Raises SupervisorTrouble."""
        self._call("startProcess", name, wait)

    def stop(self, name: str) -> None:
        """Stop a program and wait for its end; one that does not run is no trouble."""
        try:
            self._call("stopProcess", name, True)
        except SupervisorTrouble as trouble:
            if "NOT_RUNNING" not in str(trouble):
                raise

    def kill(self, name: str) -> None:
        """SIGKILL; supervisord starts it again. Raises SupervisorTrouble."""
        self._call("signalProcess", name, "KILL")

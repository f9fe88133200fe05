"""`python -m cli.launch NAME`: becomes one of our programs, with its own secrets only, dead when its parent is."""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from adapters.redis.server import EmbeddedRedis, RedisServerTrouble
from cli.beats import count_start
from cli.programs import GUARDIAN, KEEPER, PROGRAM, PROGRAMS, ROOT, STATE_DIR, SUPERVISORD, environment_of, read_run
from cli.supervision import CONF
from config.environment import Base, base, environment
from config.params import ConfigError, load_params

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Prepare and become the program; returns only where that is impossible (2: wrong configuration)."""
    name = arguments[0] if len(arguments) == 1 else ""
    if name not in PROGRAMS:
        print(f"usage: python -m cli.launch {'|'.join(PROGRAMS)}", file=sys.stderr)
        return 2
    # what this process was started with is what supervisord and keeper hand on; .env is read anew by each program
    given, env = dict(os.environ), environment()
    settings = base(env)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    common = {
        PROGRAM: name,
        STATE_DIR: str(settings.state_dir),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])),
        "PYTHONUNBUFFERED": "1",
    }
    try:
        count_start(settings.state_dir, name)
        if name in {KEEPER.name, SUPERVISORD.name}:
            _start_keeping(name, settings, given | common)
            return 0
        _become(name, settings, {**environment_of(name, env), **common, "SEOHAK_ENV_FILE": os.devnull})
    except ConfigError as error:
        print(f"seohak {name}: {error}", file=sys.stderr)
        return 2
    except (OSError, RedisServerTrouble) as error:
        print(f"{name}: {error}", file=sys.stderr)
    return 1


def _start_keeping(name: str, settings: Base, env: dict[str, str]) -> None:
    """Supervisord and keeper keep the whole environment: what they start takes its own part of it."""
    run = read_run(settings.state_dir)
    if run is None:
        raise ConfigError("nothing was asked to run here; use ./seohak up")
    if name == KEEPER.name:
        start_keeper(settings.state_dir, env)
        return
    if run.foreground:
        # whoever watches the keeper (systemd, a container) sees its death, and nobody else starts a new one
        _die_with_parent(KEEPER.name, signal.SIGTERM)
    conf = str(settings.state_dir / CONF)
    os.execve(sys.executable, [sys.executable, "-m", SUPERVISORD.module, "-n", "-c", conf], env)  # noqa: S606


def start_keeper(state_dir: Path, env: dict[str, str], lock: int | None = None) -> int:
    """Start a keeper in a session of its own, which hands on `lock` (already taken); returns its process id."""
    logs = state_dir / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions: list[tuple[object, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(logs / "keeper.log"), append, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    if lock is not None:
        os.set_inheritable(lock, True)
        env = {**env, "SEOHAK_KEEPER_LOCK": str(lock)}
    argv = [sys.executable, "-m", KEEPER.module]
    return os.posix_spawn(sys.executable, argv, env | {PROGRAM: KEEPER.name}, file_actions=actions, setsid=True)


def _become(name: str, settings: Base, env: dict[str, str]) -> NoReturn:
    if name == GUARDIAN.name:
        # a configuration that is broken now must not keep the guardian from starting
        with contextlib.suppress(ConfigError):
            env["SEOHAK_VENUE"] = load_params(settings.config_path).trading.venue
    else:
        # Redis writes its file first
        _die_with_parent(SUPERVISORD.name, signal.SIGTERM if name == "redis" else signal.SIGKILL)
    if name == "redis":
        EmbeddedRedis(settings.state_dir).become(env)
    os.execve(sys.executable, [sys.executable, "-m", PROGRAMS[name].module], env)  # noqa: S606 - our own command line


def _die_with_parent(parent: str, number: int) -> None:
    """The kernel ends this process with its parent. Raises ConfigError where that one is gone already, or is another."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    try:
        variables = Path(f"/proc/{os.getppid()}/environ").read_bytes().split(b"\0")
    except OSError:
        variables = []
    if f"{PROGRAM}={parent}".encode() not in variables:
        raise ConfigError("not started by what keeps it; use ./seohak up or ./seohak restart")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

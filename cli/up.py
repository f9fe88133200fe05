"""`./seohak up`: every process under supervisord, the guardian outside it, restarted whatever dies."""

import argparse
import os
import sys
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from adapters.db.engine import upgrade
from cli.backup import reason
from cli.health import WAIT_S, protected_positions, wait_healthy
from cli.launch import start_keeper
from cli.programs import (
    GUARDIAN,
    KEEPER,
    PROGRAM,
    ROOT,
    STATE_DIR,
    SUPERVISED,
    WATCH,
    Run,
    write_run,
)
from cli.supervision import CONF, configuration
from config import environment
from config.params import ConfigError, load_params
from services.fence import hold_alone, replace

NAMES = (*(p.name for p in SUPERVISED if p.module), GUARDIAN.name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--foreground", action="store_true", help="이 터미널에 머무릅니다 / stay: systemd, containers")
    parser.add_argument(
        "--guardian-apart", action="store_true", help="감시견은 다른 서비스가 / systemd has the guardian"
    )
    parser.add_argument("--without", action="append", default=[], choices=NAMES, help="빼고 시작 / leave one out")
    parser.add_argument("--wait", type=float, default=WAIT_S, metavar="SECONDS", help="건강해질 때까지 / until healthy")


def run(options: argparse.Namespace) -> int:
    """Check the configuration, start everything, wait until it works. 1 not healthy in time or there already, 2 wrong configuration."""
    if sys.platform != "linux":
        raise ConfigError("up needs Linux (WSL2 will do); elsewhere use deploy/compose.yaml")
    before = os.umask(0o077)
    try:
        return _up(options)
    finally:
        os.umask(before)


def _up(options: argparse.Namespace) -> int:
    env = environment.environment()
    settings = environment.base(env)
    params = load_params(settings.config_path)
    environment.telegram(env)
    environment.polygon(env)
    if params.trading.venue != "paper":
        environment.kis(env, params.trading.venue)
    state_dir = settings.state_dir
    state_dir.mkdir(parents=True, exist_ok=True)
    lock = hold_alone(state_dir, KEEPER.name)
    if lock is None:
        print(
            f"이미 실행 중입니다 / already running on {state_dir}: ./seohak status, ./seohak down, ./seohak restart PROGRAM",
            file=sys.stderr,
        )
        return 1
    with lock:
        try:
            upgrade(settings.database_url)
        except (OSError, SQLAlchemyError) as error:
            print(f"데이터베이스를 쓸 수 없습니다 / the database can't be used: {reason(error)}", file=sys.stderr)
            return 1
        asked = _asked(options, settings, embedded=not settings.redis_url)
        _prepare(state_dir, asked)
        given = {**os.environ, STATE_DIR: str(state_dir), "SEOHAK_VENUE": params.trading.venue, "PYTHONPATH": str(ROOT)}
        if options.foreground:
            _stay(given, lock.fileno())
        start_keeper(state_dir, given, lock.fileno())
    healthy = wait_healthy(state_dir, asked, options.wait)
    if healthy is None:
        return _refused(state_dir)
    if healthy:
        print(
            f"서학 실행 중 / running. 상태 ./seohak status · 로그 ./seohak logs · 끝내기 ./seohak down   ({state_dir})"
        )
    return 0 if healthy else 1


def _asked(options: argparse.Namespace, settings: environment.Base, *, embedded: bool) -> Run:
    names = [*(["redis"] if embedded else []), *(n for n in NAMES if n not in options.without)]
    return Run(
        programs=tuple(names),
        socket=str(settings.socket("supervisor")),
        foreground=options.foreground,
        guardian_apart=options.guardian_apart,
    )


def _prepare(state_dir: Path, asked: Run) -> None:
    """Write what supervisord and keeper read; forget what the last run counted."""
    (state_dir / "logs").mkdir(mode=0o700, exist_ok=True)
    for path in (*(state_dir / "starts").glob("*"), state_dir / "beats" / WATCH.name):
        path.unlink(missing_ok=True)
    try:
        conf = configuration(state_dir, Path(asked.socket), asked.programs)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    replace(state_dir / CONF, conf.encode(), mode=0o600)
    write_run(state_dir, asked)


def _stay(given: dict[str, str], lock: int) -> None:
    """Become the keeper; another process tells what gets healthy, and ends."""
    env = given | {PROGRAM: KEEPER.name, "SEOHAK_KEEPER_LOCK": str(lock)}
    told = {key: value for key, value in given.items() if key != PROGRAM}
    os.posix_spawn(sys.executable, [sys.executable, "-m", "cli", "status", "--wait", str(WAIT_S)], told)
    # not before: the lock must end with the keeper
    os.set_inheritable(lock, True)
    os.execve(sys.executable, [sys.executable, "-m", KEEPER.module], env)  # noqa: S606 - our own command line


def _refused(state_dir: Path) -> int:
    """A program can't work with its configuration: stop all again, unless stops must be watched meanwhile."""
    if held := protected_positions(state_dir):
        print(
            f"보유 종목이 있어 나머지는 계속 지킵니다 / the others keep watching {', '.join(held)}: "
            "고친 뒤 / mend it, then ./seohak restart PROGRAM",
            file=sys.stderr,
        )
    else:
        from cli.down import stop

        stop(state_dir)
        print("모두 멈췄습니다. 고친 뒤 다시 시작하세요 / stopped again: mend it and run ./seohak up", file=sys.stderr)
    return 2

"""`./seohak backup [FILE]`: database, journal and what else must not be lost, in one file, also while everything runs."""

import argparse
import datetime as dt
import sqlite3
import sys
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from cli.archive import secret_files, write_archive
from config.environment import Base, base, env_file, environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("file", nargs="?", type=Path, help="기본 STATE/backups/seohak-날짜.tar.gz / where to")
    parser.add_argument(
        "--with-secrets", action="store_true", help=".env와 2차 인증도 / the secrets as well: keep it safe"
    )


def run(options: argparse.Namespace) -> int:
    """Make a backup and say what is in it. 1 where that fails."""
    settings = base(environment())
    at = dt.datetime.now(dt.UTC)
    target = (options.file or default_path(settings, "seohak", at)).absolute()
    if target.exists():
        print(f"{target}: 이미 있습니다 / exists already; choose another name", file=sys.stderr)
        return 1
    secrets = secret_files(settings, env_file()) if options.with_secrets else {}
    try:
        manifest = write_archive(settings, target, secrets=secrets, at=at)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        print(f"백업하지 못했습니다 / no backup was made: {reason(error)}", file=sys.stderr)
        return 1
    rows = sum(manifest.rows.values())
    print(f"{target}  ({target.stat().st_size:,} B)")
    print(
        f"데이터베이스 {rows:,}행 / rows ({manifest.database}, {manifest.revision}) · {', '.join(sorted(manifest.parts))}"
    )
    if not options.with_secrets:
        print("비밀 값(.env, 2차 인증)은 넣지 않았습니다 / without secrets: keep a copy of .env yourself")
    return 0


def default_path(settings: Base, head: str, at: dt.datetime) -> Path:
    """Where a backup goes that nobody gave a name."""
    return settings.state_dir / "backups" / f"{head}-{at:%Y%m%d-%H%M%S}.tar.gz"


def reason(error: Exception) -> str:
    """What a database said, without its statement and address."""
    inner = getattr(error, "orig", None) or error
    return (str(inner).splitlines() or [""])[0][:200] or type(inner).__name__

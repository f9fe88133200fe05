"""`./seohak db upgrade|downgrade|status`: the schema of the database of records."""

import argparse
import sys

from sqlalchemy.exc import SQLAlchemyError

from adapters.db.engine import alembic_config, upgrade
from adapters.db.portable import known_revisions, revision_of
from cli.backup import reason
from cli.restore import nothing_runs, save_present
from config.environment import Base, base, environment
from config.params import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("action", choices=["upgrade", "downgrade", "status"])
    parser.add_argument(
        "revision", nargs="?", help="downgrade: 여기까지 / down to this one (default: one step, or base)"
    )
    parser.add_argument("--yes", action="store_true", help="묻지 않습니다 / do not ask")


def run(options: argparse.Namespace) -> int:
    """Migrate, or tell. 1 where the database can't be used, and of `status` where the schema is not this version's."""
    try:
        return _run(options)
    except (OSError, SQLAlchemyError) as error:
        print(f"데이터베이스를 쓸 수 없습니다 / the database can't be used: {reason(error)}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    settings = base(environment())
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    if options.revision is not None and options.action != "downgrade":
        raise ConfigError(f"{options.action} takes no revision")
    if options.action == "status":
        return _status(settings)
    if options.action == "downgrade":
        return _downgrade(settings, options.revision, sure=options.yes)
    upgrade(settings.database_url)
    print("데이터베이스가 최신입니다 / the database is up to date")
    return 0


def _status(settings: Base) -> int:
    present, known = revision_of(settings.database_url), known_revisions(settings.database_url)
    if present is None:
        print("비어 있습니다 / empty: ./seohak db upgrade")
    elif present == known[-1]:
        print(f"{present}: 최신입니다 / up to date")
    elif present in known:
        print(f"{present} → {known[-1]}: ./seohak db upgrade")
    else:
        print(f"{present}: 더 새로운 버전의 것입니다 / a newer Seohak's; upgrade Seohak")
    return 0 if present == known[-1] else 1


def _downgrade(settings: Base, revision: str | None, *, sure: bool) -> int:
    """Go back to an older schema, with a backup first: columns and tables that it does not have are dropped."""
    present, known = revision_of(settings.database_url), known_revisions(settings.database_url)
    if present is None or present not in known:
        raise ConfigError("the database is empty or a newer Seohak's: nothing to take back")
    older = ["base", *known[: known.index(present)]]
    target = revision or older[-1]
    if target not in older:
        raise ConfigError(f"{target}: not an older revision of {present} (older ones: {', '.join(older)})")
    with nothing_runs(settings.state_dir) as alone:
        if not alone:
            print("실행 중입니다. 먼저 ./seohak down / it runs: ./seohak down first", file=sys.stderr)
            return 1
        question = f"{present} → {target}: 'downgrade' 입력 / columns and tables are dropped; type 'downgrade': "
        if not sure and (not sys.stdin.isatty() or input(question).strip() != "downgrade"):
            print("그대로 두었습니다 / nothing was changed (--yes)", file=sys.stderr)
            return 1
        saved = save_present(settings, "before-downgrade")
        from alembic import command

        command.downgrade(alembic_config(settings.database_url), target)
    print(f"{target}; 그 전 백업 / backup before it: {saved}")
    return 0

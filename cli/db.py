"""`./seohak db upgrade`: bring the database of records to the newest schema."""

import argparse

from adapters.db.engine import upgrade
from config.environment import base, environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("action", choices=["upgrade"])


def run(options: argparse.Namespace) -> int:  # noqa: ARG001  (one action so far)
    """Migrate."""
    settings = base(environment())
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database_url)
    print("데이터베이스가 최신입니다 / the database is up to date")
    return 0

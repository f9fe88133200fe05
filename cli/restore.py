"""`./seohak restore FILE`: bring a backup back, over nothing that runs and nothing that is newer than this version."""

import argparse
import contextlib
import datetime as dt
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from adapters.db.engine import alembic_config, normalize, upgrade
from adapters.db.portable import Unreadable, known_revisions, read_records, revision_of
from cli.archive import JOURNAL, RECORDS, STATE_FILES, Manifest, opened, secret_files, write_archive
from cli.backup import default_path, reason
from cli.programs import GUARDIAN, KEEPER, SUPERVISED
from cli.running import running
from config.environment import Base, base, env_file, environment
from config.params import ConfigError
from services.fence import hold_alone, replace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="읽어 보기만 합니다 / verify the file, change nothing")
    parser.add_argument("--yes", action="store_true", help="묻지 않습니다 / do not ask")


def run(options: argparse.Namespace) -> int:
    """Verify, save what is there, restore. 1 where something runs or fails, 2 where the file is no good."""
    settings = base(environment())
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with opened(options.file, settings.state_dir) as (manifest, stage):
        _understood(manifest, settings)
        print(
            f"{options.file}: {manifest.made_at:%Y-%m-%d %H:%M} UTC, {sum(manifest.rows.values()):,} rows, 정상 / sound"
        )
        if options.check:
            return 0
        with nothing_runs(settings.state_dir) as alone:
            if not alone:
                print("실행 중입니다. 먼저 ./seohak down / it runs: ./seohak down first", file=sys.stderr)
                return 1
            if not (options.yes or _agreed(settings)):
                print("되살리지 않았습니다 / nothing was restored", file=sys.stderr)
                return 1
            return _restore(settings, manifest, stage)


def _understood(manifest: Manifest, settings: Base) -> None:
    """Both schemas, that of the backup and that of the database here, must be ones that this version knows."""
    known = (None, *known_revisions(settings.database_url))
    if manifest.revision not in known:
        raise ConfigError(f"made by a newer Seohak (schema {manifest.revision}): upgrade Seohak first")
    try:
        present = revision_of(settings.database_url)
    except (OSError, SQLAlchemyError) as error:
        raise ConfigError(f"the database can't be read: {reason(error)}") from None
    if present not in known:
        raise ConfigError(f"the database here is a newer Seohak's (schema {present}): upgrade Seohak first")


@contextlib.contextmanager
def nothing_runs(state_dir: Path) -> Iterator[bool]:
    """Whether nothing works on the state directory; nothing can start there as long as this is held."""
    with contextlib.ExitStack() as held:
        files = [hold_alone(state_dir, p.name) for p in (KEEPER, *(p for p in SUPERVISED if p.module), GUARDIAN)]
        for file in files:
            if file is not None:
                held.enter_context(file)
        yield None not in files and not running(state_dir)


def _agreed(settings: Base) -> bool:
    if not (settings.state_dir / JOURNAL).exists():
        return True
    if not sys.stdin.isatty():
        print("있는 기록을 덮어씁니다 / it replaces what is here: --yes", file=sys.stderr)
        return False
    return (
        input("있는 기록을 덮어씁니다. 'restore' 입력 / it replaces what is here; type 'restore': ").strip()
        == "restore"
    )


def save_present(settings: Base, head: str) -> Path:
    """A backup of what is here, before it is replaced. Raises ConfigError where that is impossible."""
    at = dt.datetime.now(dt.UTC)
    target = default_path(settings, head, at)
    try:
        write_archive(settings, target, secrets={}, at=at)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise ConfigError(
            f"what is here can't be saved first ({reason(error)}); move {settings.state_dir / JOURNAL} and the database away"
        ) from None
    return target


def _restore(settings: Base, manifest: Manifest, stage: Path) -> int:
    saved = save_present(settings, "before-restore")
    print(f"지금 상태는 여기에 / what was here: {saved}")
    try:
        rows = _restore_records(settings, manifest, stage)
        _restore_files(settings, stage)
    except (OSError, sqlite3.Error, SQLAlchemyError, Unreadable) as error:
        print(
            f"되살리지 못했습니다 / it failed: {reason(error)}\n  되돌리기 / to go back: ./seohak restore {saved}",
            file=sys.stderr,
        )
        return 1
    print(f"되살렸습니다 / restored: {rows:,} rows")
    _tell_config(settings, stage)
    print(
        f"매수는 잠겨 있습니다. 확인 후 지우세요 / entries are closed until you have looked: rm {settings.state_dir / 'HALT'}\n"
        "백업 뒤의 매매는 이 기록에 없습니다: 증권사 앱과 비교하세요 / orders since the backup are not in it: compare with the broker"
    )
    return 0


def _restore_records(settings: Base, manifest: Manifest, stage: Path) -> int:
    """Fill a schema of the backup's own revision, then bring it up to this version's."""
    url = settings.database_url
    final: Path | None = None
    parsed = normalize(url)
    if parsed.get_backend_name() == "sqlite":
        # beside the old file, which stays until the new one is whole
        final = Path(str(parsed.database))
        fresh = stage / "fresh.db"
        url = f"sqlite+aiosqlite:///{fresh}"
    elif revision_of(url) is not None:
        from alembic import command

        command.downgrade(alembic_config(url), "base")
    counts: dict[str, int] = {}
    if manifest.revision is not None:
        upgrade(url, manifest.revision)
        with (stage / RECORDS).open("rb") as source:
            counts = read_records(url, source)
    if counts != manifest.rows:
        raise Unreadable("the number of rows differs from the manifest")
    upgrade(url)
    if final is not None:
        _replace_sqlite(stage / "fresh.db", final)
    return sum(counts.values())


def _replace_sqlite(fresh: Path, final: Path) -> None:
    """Put a SQLite file in another's place, without the old one's unwritten pages."""
    with contextlib.closing(sqlite3.connect(fresh)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError(f"{fresh.name} is damaged")
    for end in ("-wal", "-shm"):
        final.with_name(final.name + end).unlink(missing_ok=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    # the state directory may lie on another disk than the database
    near = final.with_name(f".{final.name}.{os.getpid()}")
    shutil.copyfile(fresh, near)
    near.chmod(0o600)
    near.replace(final)


def _restore_files(settings: Base, stage: Path) -> None:
    """The journal and the guardian's files; what is here and not in the backup must not speak of other positions."""
    state_dir = settings.state_dir
    # first of all: whoever starts in the middle buys nothing
    (state_dir / "HALT").touch()
    journal = stage / JOURNAL
    if journal.exists():
        _replace_sqlite(journal, state_dir / JOURNAL)
    else:
        for end in ("", "-wal", "-shm"):
            (state_dir / f"{JOURNAL}{end}").unlink(missing_ok=True)
    for name in STATE_FILES:
        source = stage / "state" / name
        if source.exists():
            replace(state_dir / name, source.read_bytes(), mode=0o600)
        elif name != "HALT":
            (state_dir / name).unlink(missing_ok=True)
    secrets = secret_files(settings, env_file())
    for name, target in secrets.items():
        source = stage / "secrets" / name
        if source.exists() and not target.exists():
            replace(target, source.read_bytes(), mode=0o600)


def _tell_config(settings: Base, stage: Path) -> None:
    """Configuration is a person's: it is put where none is, else laid beside the state for comparison."""
    for source in sorted((stage / "config").glob("*")):
        config = settings.config_path
        target = config if source.name == "config.yaml" else config.with_name(source.name)
        if not target.exists():
            replace(target, source.read_bytes(), mode=0o600)
            print(f"{target}: 백업의 것 / from the backup")
        elif target.read_bytes() != source.read_bytes():
            beside = settings.state_dir / f"restored-{source.name}"
            replace(beside, source.read_bytes(), mode=0o600)
            print(f"{target}: 그대로 두었습니다. 백업의 것은 / left as it is; the backup's: {beside}")

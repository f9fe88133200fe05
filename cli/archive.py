"""The backup file: what is in it, how it is made and how it is believed. One .tar.gz, a checksum for each part."""

import contextlib
import datetime as dt
import hashlib
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

import msgspec

from adapters.db.engine import normalize
from adapters.db.portable import write_records
from adapters.journal import SCHEMA_VERSION
from config.caps import caps_path
from config.environment import Base
from config.params import ConfigError
from config.secondfactor import FILE as TOTP
from services.runtime import VERSION

FORMAT: Final = 1
MANIFEST, RECORDS, JOURNAL = "manifest.json", "records.jsonl", "journal.db"
# the rest of the state directory is made anew: heartbeats, locks, logs, tokens, caches, Redis
STATE_FILES: Final = (
    *("paper.json", "protect.json", "protect.previous.json", "protect.key"),
    *("guardian.ndjson", "guardian.previous.ndjson", "guardian.adopted", "calibration.json", "HALT"),
)
CONFIG_FILES: Final = ("config.yaml", "caps.toml")
SECRET_FILES: Final = ("env", "totp")
NAMES: Final = frozenset(
    (
        *(RECORDS, JOURNAL),
        *(f"state/{name}" for name in STATE_FILES),
        *(f"config/{name}" for name in CONFIG_FILES),
        *(f"secrets/{name}" for name in SECRET_FILES),
    )
)
MOST_MANIFEST, BLOCK = 1_000_000, 1 << 20


class Part(msgspec.Struct, frozen=True):
    """One file of the archive."""

    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the archive says of itself. `revision` is the schema of the records, None where there were none."""

    format: int
    version: str
    made_at: dt.datetime
    database: str
    revision: str | None
    journal_schema: int | None
    rows: dict[str, int]
    parts: dict[str, Part]


def write_archive(settings: Base, target: Path, *, secrets: Mapping[str, Path], at: dt.datetime) -> Manifest:
    """Make the archive, also while everything runs; whole or not at all. Raises OSError, sqlite3.Error, StoreUnavailable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as folder:
        stage = Path(folder)
        # the journal comes first: what it delivers to the database in between is then in both, and booked once by its key;
        # the other way round it would be in neither
        schema = _copy_journal(settings.state_dir / JOURNAL, stage / JOURNAL)
        with (stage / RECORDS).open("wb") as sink:
            revision, rows = write_records(settings.database_url, sink)
        _copy_files(settings, stage, secrets)
        parts = {str(p.relative_to(stage)): _part(p) for p in sorted(stage.rglob("*")) if p.is_file()}
        manifest = Manifest(
            format=FORMAT,
            version=VERSION,
            made_at=at,
            database=normalize(settings.database_url).get_backend_name(),
            revision=revision,
            journal_schema=schema,
            rows=rows,
            parts=parts,
        )
        (stage / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        partial = stage / "archive"
        with partial.open("wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            for name in (MANIFEST, *parts):
                tar.add(stage / name, name, filter=_private)
        _sync(partial)
        partial.chmod(0o600)
        partial.replace(target)
    return manifest


def _private(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o600
    return info


def _copy_journal(source: Path, target: Path) -> int | None:
    """SQLite's online backup: one instant of a file that is written meanwhile. Its schema, None where there is none."""
    if not source.exists():
        return None
    with (
        contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=10)) as journal,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        journal.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        if copy.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError(f"{source} is damaged")
        return int(copy.execute("PRAGMA user_version").fetchone()[0])


def _copy_files(settings: Base, stage: Path, secrets: Mapping[str, Path]) -> None:
    caps = caps_path(settings.config_path)
    sources = {f"state/{name}": settings.state_dir / name for name in STATE_FILES}
    sources |= {"config/config.yaml": settings.config_path, "config/caps.toml": caps}
    sources |= {f"secrets/{name}": path for name, path in secrets.items()}
    for name, source in sources.items():
        try:
            content = source.read_bytes()
        except FileNotFoundError:
            continue
        (stage / name).parent.mkdir(exist_ok=True)
        (stage / name).write_bytes(content)


def secret_files(settings: Base, env_file: Path) -> dict[str, Path]:
    """Where the secrets lie that a backup takes along only when asked to."""
    return {"env": env_file, "totp": settings.state_dir / TOTP}


def _part(path: Path) -> Part:
    with path.open("rb") as file:
        return Part(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened(archive: Path, beside: Path) -> Iterator[tuple[Manifest, Path]]:
    """The manifest and a folder (inside `beside`) with every part, checked. Raises ConfigError for anything that is no backup."""
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=beside) as folder:
        stage = Path(folder)
        try:
            with tarfile.open(archive, "r:gz") as tar:
                manifest = _unpack(tar, stage, archive)
        except FileNotFoundError:
            raise ConfigError(f"{archive}: no such file") from None
        except (tarfile.TarError, OSError, EOFError) as error:
            raise ConfigError(f"{archive}: can't be read as a backup ({type(error).__name__})") from None
        yield manifest, stage


def _unpack(tar: tarfile.TarFile, stage: Path, archive: Path) -> Manifest:
    manifest: Manifest | None = None
    seen: set[str] = set()
    for member in tar:
        file = tar.extractfile(member) if member.isreg() else None
        if manifest is None:
            if file is None or member.name != MANIFEST or member.size > MOST_MANIFEST:
                raise ConfigError(f"{archive}: not a backup of Seohak (it does not begin with its manifest)")
            manifest = _manifest(file.read(), archive)
            continue
        part = manifest.parts.get(member.name)
        # only names that we know ourselves become paths
        if file is None or part is None or member.name not in NAMES or member.name in seen:
            raise ConfigError(f"{archive}: {member.name!r} does not belong there; nothing was restored")
        seen.add(member.name)
        target = stage / member.name
        target.parent.mkdir(exist_ok=True)
        if _copied(file, target) != part.sha256:
            raise ConfigError(f"{archive}: {member.name} is damaged (its checksum differs); nothing was restored")
    if manifest is None or seen != set(manifest.parts) or RECORDS not in seen:
        raise ConfigError(f"{archive}: it is incomplete; nothing was restored")
    return manifest


def _manifest(content: bytes, archive: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigError(f"{archive}: its manifest can't be read; nothing was restored") from None
    newer = manifest.journal_schema is not None and manifest.journal_schema > SCHEMA_VERSION
    if manifest.format > FORMAT or newer:
        raise ConfigError(f"{archive}: made by a newer Seohak ({manifest.version}): upgrade Seohak first")
    return manifest


def _copied(file: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("wb") as out:
        while block := file.read(BLOCK):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()

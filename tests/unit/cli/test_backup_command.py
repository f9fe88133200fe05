"""`./seohak backup`, `restore` and `db`: what is saved comes back, and nothing bad is taken for a backup."""

import io
import json
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from adapters.db.engine import upgrade
from adapters.db.portable import known_revisions, revision_of
from adapters.journal import SCHEMA_VERSION, SqliteJournal
from cli.__main__ import main
from cli.archive import MANIFEST, STATE_FILES
from services.fence import hold_alone

SECRET = "123456:a-token-that-must-not-leave"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory with a record, a journal and the guardian's files."""
    folder = tmp_path / "state"
    folder.mkdir()
    (tmp_path / ".env").write_text(f"TELEGRAM_BOT_TOKEN={SECRET}\n")
    (tmp_path / "config.yaml").write_text("trading:\n  venue: paper\n")
    for name, value in (("STATE_DIR", folder), ("ENV_FILE", tmp_path / ".env"), ("CONFIG", tmp_path / "config.yaml")):
        monkeypatch.setenv(f"SEOHAK_{name}", str(value))
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    SqliteJournal(folder / "journal.db").close()
    put(folder / "journal.db", "INSERT INTO state VALUES ('mode', 'approve')")
    for name in STATE_FILES:
        if name != "HALT":
            (folder / name).write_text(f"{name} as it was")
    return folder


@pytest.fixture
def records(state: Path) -> str:
    url = f"sqlite+aiosqlite:///{state / 'seohak.db'}"
    upgrade(url)
    put(state / "seohak.db", "INSERT INTO preferences VALUES (7001, 'language', 'ko')")
    return url


def put(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def rewritten(archive: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other contents, well-formed again."""
    with tarfile.open(archive) as tar:
        parts = {m.name: tar.extractfile(m).read() for m in tar}
    change(parts)
    target = archive.with_name("changed.tar.gz")
    with tarfile.open(target, "w:gz") as tar:
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target


def edit(parts: dict[str, bytes], /, **fields: object) -> None:
    parts[MANIFEST] = json.dumps(json.loads(parts[MANIFEST]) | fields).encode()


@pytest.mark.usefixtures("records")
def test_what_was_saved_comes_back(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "b.tar.gz"
    assert main(["backup", str(archive)]) == 0
    assert archive.stat().st_mode & 0o077 == 0
    put(state / "seohak.db", "DELETE FROM preferences")
    put(state / "journal.db", "UPDATE state SET value = 'auto'")
    (state / "guardian.ndjson").write_text("later")
    (state / "paper.json").unlink()
    assert main(["restore", str(archive), "--yes"]) == 0
    assert ask(state / "seohak.db", "SELECT * FROM preferences") == [(7001, "language", "ko")]
    assert ask(state / "journal.db", "SELECT * FROM state") == [("mode", "approve")]
    for name in ("guardian.ndjson", "paper.json", "protect.json"):
        assert (state / name).read_text() == f"{name} as it was"
    assert (state / "HALT").exists(), "entries stay closed until somebody has looked"
    (saved,) = (state / "backups").glob("before-restore-*")
    assert main(["restore", str(saved), "--yes"]) == 0
    assert ask(state / "seohak.db", "SELECT * FROM preferences") == [], "what was there before is not lost"
    assert "compare with the broker" in capsys.readouterr().out


@pytest.mark.usefixtures("records")
def test_a_backup_has_no_secrets_unless_asked(state: Path, tmp_path: Path) -> None:
    plain, full = tmp_path / "plain.tar.gz", tmp_path / "full.tar.gz"
    (state / "totp").write_text("JBSWY3DPEHPK3PXP")
    assert main(["backup", str(plain)]) == 0
    assert main(["backup", str(full), "--with-secrets"]) == 0
    with tarfile.open(plain) as tar:
        assert not any(SECRET.encode() in tar.extractfile(m).read() for m in tar)
        assert not any("secret" in name for name in tar.getnames())
    (state / "totp").unlink()
    assert main(["restore", str(full), "--yes"]) == 0
    assert (state / "totp").read_text() == "JBSWY3DPEHPK3PXP"


def test_records_of_an_older_schema_are_brought_up(state: Path, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{state / 'seohak.db'}"
    upgrade(url, "0003")
    put(state / "seohak.db", "INSERT INTO trades (ticker, side, quantity, price) VALUES ('HELI', 'BUY', 7, '143.2000')")
    archive = tmp_path / "old.tar.gz"
    assert main(["backup", str(archive)]) == 0
    (state / "seohak.db").unlink()
    assert main(["restore", str(archive), "--yes"]) == 0
    assert revision_of(url) == known_revisions(url)[-1]
    assert ask(state / "seohak.db", "SELECT ticker, quantity, price, details FROM trades") == [
        ("HELI", 7, "143.2000", None)
    ]


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("name", ["trader", "guardian", "keeper"])
def test_nothing_is_restored_over_what_runs(state: Path, tmp_path: Path, name: str) -> None:
    archive = tmp_path / "b.tar.gz"
    assert main(["backup", str(archive)]) == 0, "a backup may be made while it runs"
    with hold_alone(state, name):
        assert main(["restore", str(archive), "--yes"]) == 1
        assert main(["db", "downgrade", "--yes"]) == 1
    assert not (state / "HALT").exists()


BAD = {
    "newer schema": lambda parts: edit(parts, revision="9999"),
    "newer journal": lambda parts: edit(parts, journal_schema=SCHEMA_VERSION + 1),
    "newer format": lambda parts: edit(parts, format=2),
    "no manifest": lambda parts: parts.pop(MANIFEST),
    "broken manifest": lambda parts: parts.update({MANIFEST: b"{"}),
    "a changed byte": lambda parts: parts.update({"journal.db": b"x" + parts["journal.db"][1:]}),
    "a missing part": lambda parts: parts.pop("records.jsonl"),
    "a stranger": lambda parts: parts.update({"../evil": b"x"}),
    "a named stranger": lambda parts: (
        parts.update({"../evil": b"x"}),
        edit(parts, parts=json.loads(parts[MANIFEST])["parts"] | {"../evil": {"sha256": "", "size": 1}}),
    ),
}


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("what", BAD)
def test_what_is_no_sound_backup_changes_nothing(state: Path, tmp_path: Path, what: str) -> None:
    archive = tmp_path / "b.tar.gz"
    assert main(["backup", str(archive)]) == 0
    before = {p.name: p.read_bytes() for p in state.iterdir() if p.is_file()}
    assert main(["restore", str(rewritten(archive, BAD[what])), "--yes"]) == 2
    assert {p.name: p.read_bytes() for p in state.iterdir() if p.is_file()} == before
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"\x1f\x8b\x08cut"])
def test_a_file_that_is_no_archive_is_refused(state: Path, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.tar.gz"
    if content is not None:
        path.write_bytes(content)
    assert main(["restore", str(path), "--yes"]) == 2
    assert main(["restore", str(path), "--check"]) == 2


@pytest.mark.usefixtures("records")
def test_without_yes_and_without_a_person_nothing_is_replaced(state: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar.gz"
    assert main(["backup", str(archive)]) == 0
    assert main(["restore", str(archive), "--check"]) == 0
    assert main(["restore", str(archive)]) == 1
    assert not (state / "HALT").exists()
    assert main(["backup", str(archive)]) == 1, "an older backup is not overwritten"


def test_the_journal_is_copied_before_the_records(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the journal delivers in between is then in both; the other way round it would be in neither."""
    seen: list[bool] = []

    def write(url: str, sink: io.BytesIO) -> tuple[None, dict[str, int]]:
        seen.append((Path(sink.name).parent / "journal.db").exists())
        return None, {}

    monkeypatch.setattr("cli.archive.write_records", write)
    assert main(["backup", str(tmp_path / "b.tar.gz")]) == 0
    assert seen == [True]


def test_the_schema_goes_down_and_up_again(state: Path, records: str, capsys: pytest.CaptureFixture[str]) -> None:
    known = known_revisions(records)
    assert main(["db", "status"]) == 0
    assert main(["db", "downgrade"]) == 1, "it asks"
    assert main(["db", "downgrade", "--yes"]) == 0
    assert revision_of(records) == known[-2]
    assert list((state / "backups").glob("before-downgrade-*"))
    assert main(["db", "status"]) == 1
    assert f"{known[-2]} → {known[-1]}" in capsys.readouterr().out
    assert main(["db", "downgrade", known[-1], "--yes"]) == 2
    assert main(["db", "upgrade"]) == 0
    assert main(["db", "status"]) == 0
    assert ask(state / "seohak.db", "SELECT value FROM preferences") == [("ko",)]


@pytest.mark.parametrize("command", ["db status", "db upgrade", "backup", "up"])
def test_a_database_that_does_not_answer_is_one_line_without_its_password(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    keys = {"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_OWNER_IDS": "1", "POLYGON_API_KEY": "x"}
    for name, value in (keys | {"DATABASE_URL": "postgresql://me:hidden@127.0.0.1:1/x"}).items():
        monkeypatch.setenv(name, value)
    assert main(command.split()) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "Connect call failed" in line
    assert "hidden" not in line
    assert not (state / "run.json").exists()

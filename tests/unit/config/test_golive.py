"""The door to the real account."""

from pathlib import Path

from config import golive
from config.golive import Opened, fingerprint, open_door, opened

MINE = fingerprint("12345678-01", "key")


def test_the_door_opens_for_one_account_and_key(tmp_path: Path) -> None:
    assert not opened(tmp_path, MINE)
    open_door(tmp_path, Opened(account=MINE, at="2026-11-30T00:00:00Z", report="check-1.json"))
    assert opened(tmp_path, MINE)
    assert not opened(tmp_path, fingerprint("12345678-01", "another key"))
    assert not opened(tmp_path, fingerprint("12345679-01", "key"))
    path = tmp_path / golive.FOLDER / golive.FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert "12345678" not in path.read_text()
    for content in (b"", b"{", b"[]", b'{"account": 3}'):
        path.write_bytes(content)
        assert not opened(tmp_path, MINE)

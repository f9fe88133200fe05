"""The door to the real account and the one line that go-live changes."""

import os
from pathlib import Path

import pytest

from config import golive
from config.golive import Opened, fingerprint, open_door, opened, switch_venue, with_venue
from config.params import ConfigError, load_params

ROOT = Path(__file__).resolve().parents[3]
MINE = fingerprint("12345678-01", "key")


def test_the_delivered_file_changes_in_one_word_only() -> None:
    before = (ROOT / "config.yaml").read_text(encoding="utf-8")
    after = with_venue(before, "kis_real")
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert changed == [
        (
            "  venue: paper                 # paper | kis_virtual | kis_real",
            "  venue: kis_real                 # paper | kis_virtual | kis_real",
        )
    ]
    assert with_venue(after, "paper") == before


@pytest.mark.parametrize(
    "text",
    [
        "trading:\n  venue: 'paper'\n",
        'trading: # mine\n  split_count: 3\n\n  # venue: kis_virtual\n  venue: "kis_virtual"  # now\nscanner:\n  min_price: 2\n',
        "scanner:\n  min_price: 2\ntrading:\n    venue: paper",
    ],
)
def test_comments_order_and_quotes_of_a_persons_file_stay(text: str) -> None:
    after = with_venue(text, "kis_real")
    assert "venue: kis_real" in after
    assert len(after.splitlines()) == len(text.splitlines())
    assert [line for line in after.splitlines() if "#" in line] == [
        line.replace('"kis_virtual"', "kis_real") for line in text.splitlines() if "#" in line
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "trading:\n  split_count: 3\n",
        "trading: {venue: paper}\n",
        "scanner:\n  min_price: 2\n",
        "trading:\n  venue: paper\n  venue: paper\n",
        "scanner:\n  venue: paper\ntrading:\n  mode: auto\n",
        "# trading:\n#  venue: paper\n",
    ],
)
def test_a_file_without_that_line_is_left_alone_with_the_reason(text: str) -> None:
    with pytest.raises(ConfigError, match="venue"):
        with_venue(text, "kis_real")


def test_the_file_is_replaced_whole_keeps_its_mode_and_follows_a_link(tmp_path: Path) -> None:
    real = tmp_path / "etc" / "config.yaml"
    real.parent.mkdir()
    real.write_text("trading:\n  venue: paper\n")
    real.chmod(0o640)
    link = tmp_path / "config.yaml"
    link.symlink_to(real)
    switch_venue(link, "kis_real")
    assert load_params(link).trading.venue == "kis_real"
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert list(real.parent.iterdir()) == [real]


def test_a_file_that_cannot_be_written_is_refused_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("trading:\n  venue: paper\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        switch_venue(path, "kis_real")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["trading:\n  venue: paper\n"]


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

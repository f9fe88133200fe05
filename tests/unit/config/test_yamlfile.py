"""Changing one word of config.yaml: what a person wrote stays as it was."""

import os
from pathlib import Path

import pytest

from config.params import ConfigError, load_params
from config.yamlfile import set_value, with_value

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("trading.venue", "kis_real", "  venue: kis_real              # paper | kis_virtual | kis_real"),
        ("scanner.feed", "kis", "  feed: kis                    # 분봉의 출처"),
    ],
)
def test_the_delivered_file_changes_in_one_word_only_and_back(key: str, value: str, line: str) -> None:
    before = (ROOT / "config.yaml").read_text(encoding="utf-8")
    after = with_value(before, key, value)
    ((old, new),) = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert new.startswith(line)
    assert old.split("#")[1] == new.split("#")[1]
    assert with_value(after, key, old.split()[1]) == before


@pytest.mark.parametrize(
    "text",
    [
        "trading:\n  venue: 'paper'\n",
        'trading: # mine\n  split_count: 3\n\n  # venue: kis_virtual\n  venue: "kis_virtual"  # now\nscanner:\n  min_price: 2\n',
        "scanner:\n  min_price: 2\ntrading:\n    venue: paper",
    ],
)
def test_comments_order_and_quotes_of_a_persons_file_stay(text: str) -> None:
    after = with_value(text, "trading.venue", "kis_real")
    assert "venue: kis_real" in after
    assert len(after.splitlines()) == len(text.splitlines())
    others = [[line for line in each.splitlines() if not line.strip().startswith("venue")] for each in (text, after)]
    assert others[0] == others[1]
    assert [line.partition("#")[2] for line in after.splitlines()] == [
        line.partition("#")[2] for line in text.splitlines()
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
    with pytest.raises(ConfigError, match="write 'venue: kis_real' below 'trading:'"):
        with_value(text, "trading.venue", "kis_real")


def test_the_file_is_replaced_whole_keeps_its_mode_and_follows_a_link(tmp_path: Path) -> None:
    real = tmp_path / "etc" / "config.yaml"
    real.parent.mkdir()
    real.write_text("trading:\n  venue: paper\n")
    real.chmod(0o640)
    link = tmp_path / "config.yaml"
    link.symlink_to(real)
    set_value(link, "trading.venue", "kis_real")
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
        set_value(path, "trading.venue", "kis_real")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["trading:\n  venue: paper\n"]


def test_a_word_that_the_key_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="kis_virtual"):
        with_value("trading:\n  venue: paper\n", "trading.venue", "nasdaq")

"""The guardian's journal: every line reaches the disk once, and it stays short."""

import json
import os
from pathlib import Path

import pytest

from services import guardian_files as files
from services.guardian_files import Journal


def journal(state: Path) -> Journal:
    return Journal(state, lambda: 5.0)


def events(state: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (state / "guardian.ndjson").read_text().splitlines() if line]


def test_lines_are_on_the_disk_and_what_matters_is_remembered(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.record(event="took_over", keeps=True)
    first.record(event="selling", key="k")
    first.record(event="killed", pid=1)
    assert events(tmp_path)[0] == {"event": "took_over", "keeps": True, "wall": 5.0}
    assert [e["event"] for e in events(tmp_path)] == ["took_over", "selling", "killed"]
    again = journal(tmp_path)
    assert again.events == first.events == [{"event": "took_over", "keeps": True, "wall": 5.0}]


def test_a_torn_last_line_swallows_nothing(tmp_path: Path) -> None:
    (tmp_path / "guardian.ndjson").write_bytes(b'{"event": "took_over"}\n{"event": "so')
    again = journal(tmp_path)
    assert [e["event"] for e in again.events] == ["took_over"]
    again.record(event="handed_back")
    assert [e["event"] for e in journal(tmp_path).events] == ["took_over", "handed_back"]


@pytest.mark.parametrize("bad", [b"[]", b"5", b"\xff", b"[" * 100_000, b'{"other": 1}'])
def test_lines_of_someone_else_are_skipped(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "guardian.ndjson").write_bytes(bad + b'\n{"event": "took_over"}\n')
    assert [e["event"] for e in journal(tmp_path).events] == ["took_over"]


def test_since_tells_the_present_charge(tmp_path: Path) -> None:
    book = journal(tmp_path)
    for event in ("took_over", "handed_back", "took_over", "gone"):
        book.record(event=event)
    assert [e["event"] for e in book.since("handed_back")] == ["took_over", "gone"]
    assert len(book.since("resumed")) == 4


def test_what_a_full_disk_refused_is_written_later_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    book = journal(tmp_path)
    book.record(event="took_over")
    real, calls = os.write, []

    def half(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) % 2:
            return real(descriptor, data[:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        book.record(event="gone", left=1)
        book.record(event="gone", left=2)
    assert "2 lines of the journal wait" in caplog.text
    assert [e["event"] for e in events(tmp_path)] == ["took_over"], "no half line stays"
    assert [e["event"] for e in book.events] == ["took_over", "gone", "gone"]
    book.flush()
    book.flush()
    assert [e.get("left") for e in events(tmp_path)] == [None, 1, 2]


def test_adopted_and_refused_sales_are_dropped_and_the_rest_stays(tmp_path: Path) -> None:
    book = journal(tmp_path)
    for event, key in [
        ("selling", "a"),
        ("sold", "a"),
        ("selling", "b"),
        ("refused", "b"),
        ("selling", "c"),
        ("lost", "c"),
    ]:
        book.record(event=event, key=key)
    book.record(event="sold", ord_dt="20261117", odno="9")
    book.record(event="took_over")
    book.compact(frozenset({"a", "20261117:9"}))
    assert [(e["event"], e.get("key")) for e in events(tmp_path)] == [("selling", "c"), ("took_over", None)]
    assert len((tmp_path / "guardian.previous.ndjson").read_text().splitlines()) == 8


def test_old_takeovers_are_dropped_and_old_sales_are_not(tmp_path: Path) -> None:
    book = journal(tmp_path)
    book.record(event="selling", key="old")
    for n in range(4):
        book.record(event="took_over", n=n)
        book.record(event="handed_back", n=n)
    book.compact(frozenset())
    assert [(e["event"], e.get("n")) for e in events(tmp_path)] == [
        ("selling", None),
        ("took_over", 2),
        ("handed_back", 2),
        ("took_over", 3),
        ("handed_back", 3),
    ]


def test_the_journal_is_made_shorter_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 2_000)
    book = journal(tmp_path)
    book.record(event="took_over")
    for n in range(200):
        book.record(event="selling", key=str(n))
        book.record(event="refused", key=str(n))
    assert (tmp_path / "guardian.ndjson").stat().st_size < 3_000
    assert events(tmp_path)[0]["event"] == "took_over"


def test_the_traders_word_makes_it_shorter_and_is_taken_away(tmp_path: Path) -> None:
    book = journal(tmp_path)
    book.record(event="sold", key="a")
    book.compact_adopted()
    assert len(events(tmp_path)) == 1
    (tmp_path / "guardian.adopted").write_text('["a"]')
    book.compact_adopted()
    assert events(tmp_path) == []
    assert not (tmp_path / "guardian.adopted").exists()


@pytest.mark.parametrize("word", ["", "{", '{"a": 1}', "5"])
def test_a_senseless_word_drops_nothing(tmp_path: Path, word: str) -> None:
    book = journal(tmp_path)
    book.record(event="sold", key="a")
    (tmp_path / "guardian.adopted").write_text(word)
    book.compact_adopted()
    assert len(events(tmp_path)) == 1


def test_a_journal_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "full")

    book = journal(tmp_path)
    book.record(event="sold", key="a")
    monkeypatch.setattr(files, "replace", full)
    book.compact(frozenset({"a"}))
    assert len(events(tmp_path)) == 1
    assert "can't be made shorter" in caplog.text

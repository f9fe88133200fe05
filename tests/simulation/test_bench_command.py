"""`./seohak bench simulation` from its arguments to its exit code."""

import json

import pytest

from cli.__main__ import main
from services import trader

COMMAND = ["bench", "simulation", "--workers", "1"]


def test_kept_promises_end_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--seeds", "2", "--level", "mild"]) == 0
    told = capsys.readouterr().out
    assert "every promise was kept" in told
    assert "2 stories, mild" in told


def test_numbers_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--seeds", "3", "--first", "5", "--level", "stress", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["runs"] == 3
    assert facts["violations"] == {}
    assert facts["hits"]
    assert facts["virtual_s"] > 60


def test_a_broken_promise_ends_with_one_and_says_how_to_repeat_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trader, "write_protection", lambda *_values, **_named: None)
    assert main([*COMMAND, "--seeds", "1", "--level", "calm"]) == 1
    told = capsys.readouterr().out
    assert "BROKEN unprotected: 1 of 1" in told
    assert "./seohak bench simulation --seed 1 --level calm --trace" in told
    assert main([*COMMAND, "--seed", "1", "--level", "calm", "--trace"]) == 1
    story = capsys.readouterr().out
    assert "VIOLATES" in story
    assert "BROKEN at" in story


def test_the_protocols_are_compared_on_the_same_accidents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--protocols", "--seeds", "8", "--level", "stress", "--json"]) in {0, 1}
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert len(rows) == 7
    assert {row["runs"] for row in rows.values()} == {8}
    assert rows["retry x3 on time-out"]["over"] > 0
    ours = rows["ours, 180 s + one shot"]
    assert (ours["over"], ours["adopted"], ours["unwatched"]) == (0, 0, 0)


def test_one_story_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--seed", "1", "--level", "calm", "--trace"]) == 0
    told = capsys.readouterr().out
    assert "starts the trader" in told
    assert "history " in told


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["--level", "hell"], ["--workers", "-1"], ["--seeds", "many"]])
def test_wrong_input_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main([*COMMAND, *wrong])
    assert refused.value.code == 2
    assert "error" in capsys.readouterr().err


def test_a_trace_needs_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--trace"]) == 2
    assert "--seed" in capsys.readouterr().err

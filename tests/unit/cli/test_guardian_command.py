"""`./seohak guardian`: the guardian's state, the hand-back and the rehearsal from a terminal."""

import json
import time
from pathlib import Path

import pytest

from cli.__main__ import main
from services.fence import HANDBACK


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    (tmp_path / "beats").mkdir()
    return tmp_path


def beat(state: Path, *, age_s: float = 0.0, in_charge: bool = False, keeps: bool = False) -> None:
    facts = {"mono": time.monotonic() - age_s, "in_charge": str(in_charge), "keeps": str(keeps)}
    (state / "beats" / "guardian").write_text(json.dumps(facts))


@pytest.mark.parametrize(("in_charge", "words"), [(False, "standing by"), (True, "in charge of the stops")])
def test_it_says_who_guards(state: Path, capsys: pytest.CaptureFixture[str], in_charge: bool, words: str) -> None:
    beat(state, in_charge=in_charge)
    assert main(["guardian"]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("age_s", [60.0, -60.0])
def test_an_old_sign_of_life_or_one_of_another_boot_is_none(
    state: Path, capsys: pytest.CaptureFixture[str], age_s: float
) -> None:
    beat(state, age_s=age_s)
    assert main(["guardian", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["alive"] is False


def test_without_any_sign_of_life_it_says_so(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guardian"]) == 1
    assert "not running" in capsys.readouterr().out
    (state / "beats" / "guardian").write_text("[")
    assert main(["guardian"]) == 1


def test_the_hand_back_is_asked_for_only_where_somebody_listens(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["guardian", "--handback"]) == 1
    assert "./seohak up" in capsys.readouterr().err
    assert not (state / HANDBACK).exists()
    beat(state, in_charge=True, keeps=True)
    assert main(["guardian", "--handback"]) == 0
    assert (state / HANDBACK).exists()


def test_the_rehearsal_passes_and_tells_each_check(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guardian", "--drill", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["checks"]["sells_what_is_protected"] is True
    assert list(state.iterdir()) == [state / "beats"], "nothing of ours is touched"

"""The benchmark of frames finds the same by every way, and says so."""

import json

import pytest

from benchmarks import frames
from cli.__main__ import main


def test_both_screens_find_the_planted_jumps() -> None:
    found = frames.measure(tickers=60, per_frame=7, rounds=1)
    by_name = {way.name: way for way in found.ways}
    assert found.agrees
    assert by_name["seohak"].hits == by_name["polygon-api-client"].hits > 10
    assert by_name["msgspec, decoding only"].hits == 0
    assert found.events == 60 * (frames.MINUTES - frames.WARM)


def test_a_screen_that_finds_something_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames.Vendor, "_passes", lambda *_: False)
    found = frames.measure(tickers=60, per_frame=7, rounds=1)
    assert not found.agrees
    assert not found.ok


def test_the_command_prints_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["bench", "frames", "--tickers", "60", "--rounds", "1"]
    code = main([*small, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["ok"] else 1)
    main(small)
    assert "times the vendor's client" in capsys.readouterr().out
    assert main(["bench", "frames", "--tickers", "0"]) == 2

"""The launcher gives each program its own secrets, and the keeper keeps what it finds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import keeper, launch
from cli.beats import beat_age_s, count_start, show_beat, starts
from cli.keeper import Keeper
from cli.programs import ROOT, Run, write_run
from cli.running import Process

ENV_FILE = "KIS_APPKEY=k\nTELEGRAM_BOT_TOKEN=t\nPOLYGON_API_KEY=p\nDATABASE_URL=sqlite:///x.db\n"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "env").write_text(ENV_FILE)
    (tmp_path / "config.yaml").write_text("trading:\n  venue: kis_virtual\n")
    for name in ("KIS_APPKEY", "TELEGRAM_BOT_TOKEN", "POLYGON_API_KEY", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("ENV_FILE", "env"), ("CONFIG", "config.yaml"), ("STATE_DIR", "state")):
        monkeypatch.setenv(f"SEOHAK_{name}", str(tmp_path / value))
    return tmp_path / "state"


class Became(Exception):
    """In the place of exec."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    found: list[tuple[list[str], dict[str, str]]] = []

    def execve(_: str, argv: list[str], env: dict[str, str]) -> None:
        found.append((argv, env))
        raise Became

    monkeypatch.setattr(launch.os, "execve", execve)
    return found


@pytest.mark.usefixtures("state")
def test_the_guardian_gets_the_brokers_keys_and_the_venue_of_now(became) -> None:
    with pytest.raises(Became):
        launch.main(["guardian"])
    ((argv, env),) = became
    assert argv[-2:] == ["-m", "services.guardian"]
    assert env["KIS_APPKEY"] == "k"
    assert env["SEOHAK_VENUE"] == "kis_virtual"
    assert not {"TELEGRAM_BOT_TOKEN", "POLYGON_API_KEY", "DATABASE_URL"} & env.keys()
    assert env["SEOHAK_ENV_FILE"] == os.devnull, "or the program would read every secret itself"


def test_a_broken_configuration_does_not_keep_the_guardian_from_starting(state, became, monkeypatch) -> None:
    (state.parent / "config.yaml").write_text("trading: [")
    monkeypatch.setenv("SEOHAK_VENUE", "kis_real")
    with pytest.raises(Became):
        launch.main(["guardian"])
    assert became[0][1]["SEOHAK_VENUE"] == "kis_real"


def test_starts_are_counted(state, became) -> None:
    for _ in range(3):
        with pytest.raises(Became):
            launch.main(["guardian"])
    assert starts(state, "guardian") == 3
    assert starts(state, "bot") == 0
    (state / "starts" / "guardian").write_text("no number")
    count_start(state, "guardian")
    assert starts(state, "guardian") == 1


@pytest.mark.parametrize("name", ["trader", "redis"])
def test_what_is_not_started_by_supervisord_ends(state: Path, name: str) -> None:
    """Its parent died between the fork and here, or a person tried: nobody would end it."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.launch", name], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "use ./seohak up" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["nobody"], ["trader", "bot"]])
def test_strangers_are_not_launched(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert launch.main(arguments) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.usefixtures("became")
def test_without_an_up_nothing_is_kept(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch.main(["supervisord"]) == 2
    assert launch.main(["keeper"]) == 2
    assert "./seohak up" in capsys.readouterr().err


def test_a_heartbeat_counts_only_for_the_process_that_wrote_it(tmp_path: Path) -> None:
    show_beat(tmp_path, "watch", 100.0, supervisord=5)
    assert beat_age_s(tmp_path, "watch", os.getpid(), 103.0) == 3.0
    assert beat_age_s(tmp_path, "watch", os.getpid() + 1, 103.0) == float("inf")
    assert beat_age_s(tmp_path, "watch", os.getpid(), 99.0) == float("inf"), "from before the machine started again"
    assert beat_age_s(tmp_path, "none", os.getpid(), 99.0) == float("inf")
    (tmp_path / "beats" / "watch").write_text("[")
    assert beat_age_s(tmp_path, "watch", os.getpid(), 103.0) == float("inf")


def test_a_keeper_takes_over_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Process("supervisord", 1, "5"), Process("guardian", 2, "6"), Process("supervisord", 3, "7")]
    monkeypatch.setattr(keeper, "running", lambda _: there)
    found = {k.name: k.process for k in Keeper(tmp_path, Run(programs=("guardian",), socket=""), {})._kept}
    assert found == {"supervisord": there[0], "guardian": there[1]}
    apart = Keeper(tmp_path, Run(programs=("guardian",), socket="", guardian_apart=True), {})
    assert [k.name for k in apart._kept] == ["supervisord"]


@pytest.mark.parametrize(
    ("age_s", "uptime", "hung"), [(119.0, 500.0, False), (121.0, 500.0, True), (121.0, 100.0, False)]
)
def test_a_guardian_that_finishes_no_round_is_hung(tmp_path, monkeypatch, age_s, uptime, hung) -> None:
    monkeypatch.setattr(keeper, "uptime_s", lambda _: uptime)
    (tmp_path / "beats").mkdir()
    (tmp_path / "beats" / "guardian").write_text(json.dumps({"pid": "2", "mono": str(1000.0 - age_s)}))
    kept = Keeper(tmp_path, Run(programs=("guardian",), socket=""), {})
    assert kept._hung(Process("guardian", 2, "6"), 1000.0) is hung


def test_a_second_keeper_ends(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.mkdir()
    write_run(state, Run(programs=(), socket=""))
    monkeypatch.setattr(keeper.os, "umask", lambda _: 0)
    monkeypatch.setattr(keeper, "hold_alone", lambda *_: None)
    monkeypatch.setattr(keeper, "Keeper", lambda *_: pytest.fail("there is one"))
    assert keeper.main() == 1

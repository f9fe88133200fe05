"""`./seohak doctor` finds what is wrong on this machine, and names what to do; nothing here asks anybody outside."""

import datetime as dt
import json
import re
import socket
import threading
from pathlib import Path

import pytest
from doctor_faults import FAULTS, NOW, env_readable, halted, sessions, write
from doctor_world import beats, found, installation, runs, with_env, with_kis_feed, with_machine, with_venue

from adapters.db.engine import upgrade
from cli.__main__ import main
from cli.doctor.checkup import Checkup
from cli.doctor.command import as_json, as_text
from cli.doctor.examine import Check, aside, examine, verdict
from cli.doctor.lines import Level, ok
from cli.doctor.registry import BY_NAME, CHECKS
from cli.doctor.stores import judged
from config import golive
from config.environment import ROOT
from services.fence import hold_alone
from tests.unit.sandbox.manual_clock import ManualClock

KEYS = {
    "TELEGRAM_BOT_TOKEN": "123456:" + "t" * 35,
    "TELEGRAM_OWNER_IDS": "7001",
    "POLYGON_API_KEY": "polygon-key-of-somebody",
    "KIS_HTS_ID": "somebody",
    "KIS_ACCOUNT": "50012345-01",
    "KIS_APPKEY": "k" * 36,
    "KIS_APPSECRET": "s" * 180,
}
LOCAL = [check for check in CHECKS if not check.net]
OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the newest schema, made once."""
    path = tmp_path_factory.mktemp("migrated") / "seohak.db"
    upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
def well(home, migrated) -> Checkup:
    return installation(home, KEYS, ManualClock(NOW), migrated)


async def test_an_installation_that_is_well_has_nothing_to_complain_about(well):
    """And that includes the checks of what does not exist yet."""
    results = await examine(well, LOCAL)
    assert [r for r in results if r.line.level in {WARNING, ERROR}] == []
    assert verdict(results) == 0
    assert all(" / " in r.words or r.words.isascii() for r in results)


@pytest.mark.parametrize(("plant", "name", "level", "words", "remedy"), FAULTS, ids=[f[0].__name__ for f in FAULTS])
async def test_a_planted_fault_is_found_and_its_remedy_named(well, plant, name, level, words, remedy):
    """The line is bad as it should be, says what it is, and says what to do, in both languages where it is prose."""
    line = await found(plant(well) or well, name)
    assert (line.level, words in line.text, remedy in line.remedy) == (level, True, True), line
    assert "hidden-password" not in line.text + line.remedy


@pytest.mark.parametrize(
    ("info", "level", "words"),
    [
        ({}, OK, "100 / 512 MB"),
        ({"redis_version": "5.0.7"}, ERROR, "6.2"),
        ({"maxmemory_policy": "allkeys-lru"}, ERROR, "allkeys-lru"),
        ({"used_memory": 500 << 20}, ERROR, "full"),
        ({"aof_enabled": 0}, WARNING, "AOF"),
        ({"aof_last_write_status": "err"}, ERROR, "can't write"),
        ({"maxmemory": 0}, WARNING, "no memory bound"),
    ],
)
def test_a_redis_is_judged_by_what_it_says_of_itself(info, level, words):
    """Version, eviction, memory and durability."""
    sound = {
        "redis_version": "7.2.5", "maxmemory_policy": "noeviction", "maxmemory": 512 << 20,
        "used_memory": 100 << 20, "aof_enabled": 1, "aof_last_write_status": "ok",
    }  # fmt: skip
    line = judged(sound | info)
    assert (line.level, words in line.text) == (level, True), line
    assert bool(line.remedy) is (level is not OK)


async def test_programs_that_run_are_seen_without_touching_their_locks(well):
    """The kernel is asked; a lock that is taken to find out could make a program that starts now refuse."""
    held_file = hold_alone(well.state_dir, "trader")
    assert held_file is not None
    (well.state_dir / "locks" / "bot.lock").touch()
    try:
        assert with_machine(well, locks=Path("/proc/locks")).running() == {"trader"}
    finally:
        held_file.close()
    assert with_machine(well, locks=Path("/proc/locks")).running() == frozenset()


async def test_a_trader_that_answers_is_well(well):
    world = beats(runs(well), "trader")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(world.settings.socket("trader")))
        listening.listen()
        assert (await found(world, "trader")).level is OK


async def test_the_session_is_told_in_korean_time(well):
    write(well.state_dir / "calendar.json", sessions(dt.date(2027, 3, 1)))
    line = await found(well, "calendar")
    assert (line.level, line.text) == (OK, "정규장 / regular session; 11-18 23:30 KST 개장 / opens")


async def test_a_check_that_raises_or_hangs_is_a_line_and_the_others_go_on(well):
    """Never a traceback, never a secret: not even one that stands in the exception."""
    token = KEYS["TELEGRAM_BOT_TOKEN"]

    async def raises(_):
        raise RuntimeError(f"boom {token} {KEYS['KIS_APPSECRET']}\nsecond line")

    async def hangs(_):
        await aside(threading.Event().wait)

    async def good(_):
        return ok("fine")

    checks = [
        Check(name="raises", words="x", look=raises),
        Check(name="hangs", words="x", look=hangs, limit_s=0.05),
        Check(name="good", words="x", look=good),
    ]
    results = await examine(well, checks)
    assert [r.line.level for r in results] == [ERROR, ERROR, OK]
    assert "RuntimeError: boom" in results[0].line.text
    assert "second line" not in results[0].line.text
    assert "0.05" in results[1].line.text
    shown = as_text(results) + as_json(results)
    assert token not in shown
    assert KEYS["KIS_APPSECRET"] not in shown


async def test_offline_asks_nobody_outside(well):
    """Every check of the net is left out, and says so."""
    results = await examine(well, CHECKS, offline=True)
    skipped = {r.name for r in results if r.line.text == "--offline"}
    assert skipped == {"clock", "telegram", "reader", "owners", "polygon", "kis"}
    assert verdict(results) == 0


async def test_warnings_let_it_start_and_errors_do_not(well):
    halted(well)
    results = await examine(well, [BY_NAME["halt"], BY_NAME["programs"]])
    assert verdict(results) == 0
    assert "./seohak up" in as_text(results).splitlines()[-1]
    told = json.loads(as_json(results))
    assert (told["ok"], told["errors"], told["warnings"]) == (True, 0, 1)
    assert told["checks"][0]["remedy"].startswith("풀려면 rm")
    env_readable(well)
    results = await examine(well, [BY_NAME["env"]])
    assert verdict(results) == 1
    assert not json.loads(as_json(results))["ok"]
    assert "./seohak up" not in as_text(results)
    assert "\033[31m✗" in as_text(results, colour=True)


def test_every_check_has_its_own_name():
    assert len(BY_NAME) == len(CHECKS)


def test_the_document_names_every_check():
    text = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(BY_NAME)


def test_the_command_says_what_it_found_and_ends_as_it_should(well, monkeypatch, capsys):
    """From the process environment, as `./seohak doctor` runs it; a check that does not exist is wrong input."""
    names = {n: v for n, v in well.env.items() if n.startswith(("SEOHAK_", *KEYS))}
    for name, value in {**names, "SEOHAK_ENV_FILE": str(well.env_file), "REDIS_URL": "redis://127.0.0.1:1/0"}.items():
        monkeypatch.setenv(name, value)
    assert main(["doctor", "--offline", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in told["checks"]] == [c.name for c in CHECKS]
    assert "redis" in [c["name"] for c in told["checks"] if c["level"] == "error"]
    assert main(["doctor", "env", "keys"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    well.env_file.write_bytes("# 텔레그램\n".encode("cp949"))
    assert main(["doctor", "env"]) == 1
    assert "UTF-8" in capsys.readouterr().out
    assert main(["doctor", "horoscope"]) == 2
    refused = capsys.readouterr().err
    assert (refused.count("\n"), "horoscope" in refused, "polygon" in refused) == (1, True, True)


async def test_with_kis_as_the_feed_its_keys_are_needed_and_polygons_are_not(well):
    assert (await found(with_env(with_kis_feed(well), POLYGON_API_KEY=""), "keys")).level is OK


async def test_a_real_account_that_go_live_opened_is_a_venue_like_any_other(well):
    """For this account and key alone."""
    world = with_venue(well, "kis_real")
    mine = golive.fingerprint(KEYS["KIS_ACCOUNT"], KEYS["KIS_APPKEY"])
    golive.open_door(world.state_dir, golive.Opened(account=mine, at=NOW.isoformat(), report="check-1.json"))
    line = await found(world, "config")
    assert (line.level, line.text) == (OK, "venue kis_real, mode approve")
    assert (await found(with_env(world, KIS_APPKEY="n" * 36), "config")).level is ERROR

"""`./seohak doctor` finds what is wrong on this machine, and names what to do; nothing here asks anybody outside."""

import datetime as dt
import json
import re
import socket
import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest
from doctor_world import GB, beats, found, installation, runs, with_env, with_machine, with_venue

from adapters.db.engine import upgrade
from adapters.journal import SqliteJournal
from cli.__main__ import main
from cli.doctor.checkup import Checkup
from cli.doctor.command import as_json, as_text
from cli.doctor.examine import Check, aside, examine, verdict
from cli.doctor.lines import Level, ok
from cli.doctor.programs import OURS
from cli.doctor.registry import BY_NAME, CHECKS
from cli.doctor.stores import judged
from config.environment import ROOT
from core.model.session import MarketSession
from services.fence import hold_alone
from services.protect import write_protection
from tests.unit.core.builders import TICKER, position
from tests.unit.sandbox.manual_clock import ManualClock

NOW = dt.datetime(2026, 11, 18, 19, 45, tzinfo=dt.UTC)
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


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def python(world):
    return with_machine(world, version=(3, 14))


def lock_of_another_version(world):
    write(world.machine.lock_file, "msgspec==0.1 \\\n    --hash=sha256:0\n    # via x\n")


def lock_of_a_missing_package(world):
    write(world.machine.lock_file, "no-such-thing==1.0\nmarked==1 ; python_version < '3'\nmsgspec==0.1\n")


def no_lock(world):
    world.machine.lock_file.unlink()


def little_memory(world):
    write(world.machine.meminfo, "MemAvailable: 300000 kB\n")


def no_memory(world):
    write(world.machine.meminfo, "MemAvailable: 20000 kB\n")


def small_container(world):
    write(world.machine.cgroup / "memory.max", "500000000\n")
    write(world.machine.cgroup / "memory.current", "100000000\n")


def disk_short(world):
    return with_machine(world, free_bytes=lambda _: GB // 2)


def disk_full(world):
    return with_machine(world, free_bytes=lambda _: GB // 10)


def state_for_all(world):
    world.state_dir.chmod(0o777)


def state_readable(world):
    world.state_dir.chmod(0o755)


def secret_readable(world):
    write(world.state_dir / "totp", "x")
    (world.state_dir / "totp").chmod(0o644)


def state_of_somebody_else(world):
    return with_machine(world, uid=world.machine.uid + 1)


def state_is_a_file(world):
    world.state_dir.rename(world.state_dir.with_name("moved"))
    world.state_dir.touch()


def network_disk(world):
    write(world.machine.mounts, f"/dev/root / ext4 rw 0 0\nnas:/x {world.state_dir.parent} nfs4 rw 0 0\n")


def memory_disk(world):
    write(world.machine.mounts, f"tmpfs {world.state_dir} tmpfs rw 0 0\n/dev/root / ext4 rw 0 0\n")


def config_out_of_bounds(world):
    path = world.settings.config_path
    path.write_text(path.read_text().replace("stop_loss_pct: -15.0", "stop_loss_pct: 15.0"))


def config_gone(world):
    world.settings.config_path.unlink()


def caps_unreadable(world):
    write(world.settings.config_path.with_name("caps.toml"), "max = [")


def real_venue(world):
    return with_venue(world, "kis_real")


def env_readable(world):
    world.env_file.chmod(0o644)


def env_gone(world):
    world.env_file.unlink()
    return with_env(world, TELEGRAM_BOT_TOKEN="")


def env_garbled(world):
    write(world.env_file, "A=1\nthis is no line\n")
    world.env_file.chmod(0o600)


def env_of_another_alphabet(world):
    write(world.env_file, "# 텔레그램\nA=1\n".encode("cp949"))
    world.env_file.chmod(0o600)


def no_token(world):
    return with_env(world, TELEGRAM_BOT_TOKEN="")


def owner_by_name(world):
    return with_env(world, TELEGRAM_OWNER_IDS="@me")


def paper_keys_missing(world):
    return with_venue(world, "kis_virtual")


def short_key(world):
    return with_env(with_venue(world, "kis_real"), KIS_APPKEY="k" * 35)


def short_secret(world):
    return with_env(with_venue(world, "kis_real"), KIS_APPSECRET="s" * 18)


def account_without_product(world):
    return with_env(with_venue(world, "kis_real"), KIS_ACCOUNT="50012345")


def redis_without_a_server(world):
    return with_env(world, REDIS_URL="redis://127.0.0.1:1/0")


def redis_address_nonsense(world):
    return with_env(world, REDIS_URL="http://example")


def database_behind(world):
    with sqlite3.connect(world.state_dir / "seohak.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num='0001'")
    connection.close()


def database_empty(world):
    write(world.state_dir / "seohak.db", b"")


def database_ahead(world):
    with sqlite3.connect(world.state_dir / "seohak.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num='9999'")
    connection.close()


def database_broken(world):
    write(world.state_dir / "seohak.db", b"this is no database" * 100)


def database_of_another_kind(world):
    return with_env(world, DATABASE_URL="mysql://u:p@h/db")


def database_away(world):
    return with_env(world, DATABASE_URL="postgresql://u:hidden-password@127.0.0.1:1/db")


def journal_broken(world):
    path = world.state_dir / "journal.db"
    SqliteJournal(path).close()
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 3] = b"\xff" * 8192
    path.write_bytes(content)


def journal_no_database(world):
    write(world.state_dir / "journal.db", b"garbage" * 1000)


def journal_of_tomorrow(world):
    path = world.state_dir / "journal.db"
    SqliteJournal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()


def half_started(world):
    runs(world, OURS - {"analyzer"})


def trader_hangs(world):
    beats(runs(world), "trader", dt.timedelta(minutes=2))


def trader_deaf(world):
    beats(runs(world), "trader")


def guardian_missing(world):
    beats(runs(world, OURS - {"guardian"}), "trader")


def guardian_in_charge(world):
    beats(runs(world), "guardian", in_charge="True", keeps="True")


def held_and_nobody_there(world):
    write_protection(world.state_dir, [position(10)], seq=1, at=NOW.isoformat(), venue="paper")


def protection_forged(world):
    held_and_nobody_there(world)
    path = world.state_dir / "protect.json"
    path.write_bytes(path.read_bytes().replace(TICKER.encode(), b"EVIL"))


def halted(world):
    (world.state_dir / "HALT").touch()


def second_factor_broken(world):
    write(world.state_dir / "totp", "not a secret")
    (world.state_dir / "totp").chmod(0o600)


def real_without_second_factor(world):
    return with_venue(world, "kis_real")


def calendar_broken(world):
    write(world.state_dir / "calendar.json", "[{")


def sessions(last: dt.date) -> bytes:
    days = [dt.date(2026, 11, 17), dt.date(2026, 11, 18), last]
    return msgspec.json.encode(
        [
            MarketSession(
                on=on,
                pre_open_at=dt.datetime(on.year, on.month, on.day, 9, tzinfo=dt.UTC),
                open_at=dt.datetime(on.year, on.month, on.day, 14, 30, tzinfo=dt.UTC),
                close_at=dt.datetime(on.year, on.month, on.day, 21, tzinfo=dt.UTC),
                post_close_at=dt.datetime(on.year, on.month, on.day, 23, tzinfo=dt.UTC),
            )
            for on in days
        ]
    )


def calendar_ends_soon(world):
    write(world.state_dir / "calendar.json", sessions(dt.date(2026, 11, 30)))


def calendar_of_last_year(world):
    write(world.state_dir / "calendar.json", sessions(dt.date(2026, 11, 19)))
    return msgspec.structs.replace(world, clock=ManualClock(NOW + dt.timedelta(days=300)))


def master_old(world):
    runs(world)
    write(world.state_dir / "master" / "nasmst.cod.zip", "x")
    return msgspec.structs.replace(world, wall=lambda: dt.datetime.now(dt.UTC).timestamp() + 9 * 86400)


def token_file_garbled(world):
    world = with_venue(world, "kis_real")
    from cli.probes.kis import token_path
    from config.environment import kis

    write(token_path(kis(world.env, "kis_real"), world.state_dir), "{")
    return world


# what is planted, the check that finds it, how bad it is, words of the line, words of the remedy
FAULTS = [
    (python, "python", ERROR, "3.14", "Python 3.12"),
    (lock_of_another_version, "packages", WARNING, "msgspec", "./seohak doctor"),
    (lock_of_a_missing_package, "packages", ERROR, "no-such-thing", "rm -f .venv/"),
    (no_lock, "packages", ERROR, "requirements.lock", "git checkout"),
    (little_memory, "memory", WARNING, "307 MB", "2 GB"),
    (no_memory, "memory", ERROR, "20 MB", "swap"),
    (small_container, "memory", WARNING, "400 MB", "2 GB"),
    (disk_short, "disk", WARNING, "500 MB", "du -sh"),
    (disk_full, "disk", ERROR, "100 MB", "du -sh"),
    (state_for_all, "state", ERROR, "others may change", "chmod 700"),
    (state_readable, "state", WARNING, "others may read", "chmod 700"),
    (secret_readable, "state", ERROR, "totp", "chmod 600"),
    (state_of_somebody_else, "state", WARNING, "belongs to the user", "sudo -u"),
    (state_is_a_file, "state", ERROR, "no directory", "mv "),
    (network_disk, "filesystem", ERROR, "nfs4", "SEOHAK_STATE_DIR"),
    (memory_disk, "filesystem", WARNING, "tmpfs", "SEOHAK_STATE_DIR"),
    (config_out_of_bounds, "config", ERROR, "trading.stop_loss_pct", "./seohak config"),
    (config_gone, "config", ERROR, "config.yaml", "./seohak config"),
    (caps_unreadable, "config", ERROR, "caps.toml", "./seohak config"),
    (real_venue, "config", ERROR, "go-live", "kis_virtual"),
    (env_readable, "env", ERROR, "-rw-r--r--", "chmod 600"),
    (env_gone, "env", ERROR, "is not there", "./seohak init"),
    (env_garbled, "env", WARNING, "line 2", "NAME=value"),
    (env_of_another_alphabet, "env", ERROR, "UTF-8", "iconv"),
    (no_token, "keys", ERROR, "TELEGRAM_BOT_TOKEN", "./seohak init"),
    (owner_by_name, "keys", ERROR, "TELEGRAM_OWNER_IDS", "./seohak init"),
    (paper_keys_missing, "keys", ERROR, "KIS_VIRTUAL_ACCOUNT", "./seohak init"),
    (short_key, "keys", ERROR, "35", "./seohak init"),
    (short_secret, "keys", ERROR, "18", "./seohak init"),
    (account_without_product, "keys", ERROR, "12345678-01", "./seohak init"),
    (token_file_garbled, "token", WARNING, "can't be read", "rm "),
    (redis_without_a_server, "redis", ERROR, "not reached", "REDIS_URL"),
    (redis_address_nonsense, "redis", ERROR, "makes no sense", "redis://"),
    (database_behind, "database", WARNING, "0001", "./seohak db upgrade"),
    (database_empty, "database", WARNING, "empty", "./seohak db upgrade"),
    (database_ahead, "database", ERROR, "9999", "git pull"),
    (database_broken, "database", ERROR, "DatabaseError", "DATABASE_URL"),
    (database_of_another_kind, "database", ERROR, "PostgreSQL", "DATABASE_URL="),
    (database_away, "database", ERROR, "can't be read", "DATABASE_URL"),
    (journal_broken, "journal", ERROR, "broken", "restore"),
    (journal_no_database, "journal", ERROR, "DatabaseError", "restore"),
    (journal_of_tomorrow, "journal", ERROR, "99", "git pull"),
    (half_started, "programs", WARNING, "analyzer", "./seohak logs"),
    (trader_hangs, "trader", ERROR, "120 s", "./seohak logs trader"),
    (trader_deaf, "trader", ERROR, "socket", "start again"),
    (guardian_missing, "guard", ERROR, "no guardian", "./seohak up"),
    (guardian_in_charge, "guard", WARNING, "in the trader's place", "--handback"),
    (held_and_nobody_there, "guard", ERROR, "1 held, and nobody", "./seohak up"),
    (protection_forged, "guard", ERROR, "not genuine", "./seohak up"),
    (halted, "halt", WARNING, "HALT", "rm "),
    (second_factor_broken, "totp", ERROR, "totp", "enrol"),
    (real_without_second_factor, "totp", WARNING, "second factor", "./seohak totp enrol"),
    (calendar_broken, "calendar", WARNING, "can't be used", "rm "),
    (calendar_ends_soon, "calendar", WARNING, "2026-11-30", "restart"),
    (calendar_of_last_year, "calendar", WARNING, "can't be used", "rm "),
    (master_old, "master", WARNING, "9 days", "./seohak logs collector"),
]  # fmt: skip


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

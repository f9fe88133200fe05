"""What can be wrong on a machine: each fault is planted by a function, which check finds it, and with what words."""

import datetime as dt
import sqlite3
from pathlib import Path

import msgspec
from doctor_world import GB, beats, runs, with_env, with_kis_feed, with_machine, with_venue

from adapters.journal import SqliteJournal
from cli.doctor.lines import Level
from cli.doctor.programs import OURS
from cli.probes.kis import token_path
from config.environment import kis
from core.model.session import MarketSession
from services.protect import write_protection
from tests.unit.core.builders import TICKER, position
from tests.unit.sandbox.manual_clock import ManualClock

NOW = dt.datetime(2026, 11, 18, 19, 45, tzinfo=dt.UTC)
OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR


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


def feed_without_its_key(world):
    return with_env(with_kis_feed(world), KIS_APPKEY="")


def feed_with_a_short_key(world):
    return with_env(with_kis_feed(world), KIS_APPKEY="k" * 35)


def feed_with_a_garbled_token(world):
    write(token_path(kis(world.env, "kis_real"), world.state_dir), "{")
    return with_kis_feed(world)


def redis_without_a_server(world):
    return with_env(world, REDIS_URL="redis://127.0.0.1:1/0")


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
    (feed_without_its_key, "keys", ERROR, "scanner.feed is kis: KIS_APPKEY", "./seohak init"),
    (feed_with_a_short_key, "keys", ERROR, "35", "./seohak init"),
    (feed_with_a_garbled_token, "token", WARNING, "can't be read", "rm "),
    (token_file_garbled, "token", WARNING, "can't be read", "rm "),
    (redis_without_a_server, "redis", ERROR, "not reached", "REDIS_URL"),
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

"""An installation that is well, for tests that then spoil one thing of it."""

import shutil
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import msgspec

from cli.doctor.checkup import Checkup, Machine, settings_of
from cli.doctor.examine import examine
from cli.doctor.lines import Line
from cli.doctor.programs import OURS
from cli.doctor.registry import BY_NAME
from config.params import load_params

GB = 1_000_000_000


def installation(home: Path, env: dict[str, str], clock, migrated: Path | None = None) -> Checkup:
    """Everything in `home`; the machine's own files are made up."""
    state = home / "state"
    state.mkdir(mode=0o700)
    if migrated is not None:
        shutil.copy(migrated, state / "seohak.db")
    (home / "meminfo").write_text("MemTotal: 4000000 kB\nMemAvailable: 2000000 kB\n")
    (home / "mounts").write_text("/dev/root / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n")
    (home / "locks").write_text("")
    (home / "requirements.lock").write_text("")
    env_file = home / ".env"
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in env.items()))
    env_file.chmod(0o600)
    env = {**env, "SEOHAK_STATE_DIR": str(state), "SEOHAK_CONFIG": str(home / "config.yaml")}
    settings = settings_of(env)
    return Checkup(
        env=env,
        env_file=env_file,
        settings=settings,
        params=load_params(settings.config_path),
        clock=clock,
        machine=Machine(
            version=(3, 12),
            meminfo=home / "meminfo",
            mounts=home / "mounts",
            locks=home / "locks",
            lock_file=home / "requirements.lock",
            cgroup=home / "no-cgroup",
            free_bytes=lambda _: 10 * GB,
        ),
        poll_s=0,
    )


def with_venue(world: Checkup, venue: str) -> Checkup:
    """The same with orders going elsewhere, as config.yaml would say."""
    path = world.settings.config_path
    path.write_text(path.read_text().replace("  venue: paper ", f"  venue: {venue} "))
    return msgspec.structs.replace(world, params=load_params(path))


def with_kis_feed(world: Checkup) -> Checkup:
    """The same with the market data of KIS."""
    path = world.settings.config_path
    path.write_text(path.read_text().replace("  feed: polygon ", "  feed: kis "))
    return msgspec.structs.replace(world, params=load_params(path))


def with_env(world: Checkup, **values: str) -> Checkup:
    env = {**world.env, **values}
    return msgspec.structs.replace(world, env=env, settings=settings_of(env))


def with_machine(world: Checkup, **values) -> Checkup:
    return msgspec.structs.replace(world, machine=msgspec.structs.replace(world.machine, **values))


def runs(world: Checkup, names: Iterable[str] = OURS) -> Checkup:
    """These programs hold their locks, as the kernel tells it."""
    folder = world.state_dir / "locks"
    folder.mkdir(exist_ok=True)
    lines = []
    for number, name in enumerate(sorted(names), 1):
        (folder / f"{name}.lock").touch()
        inode = (folder / f"{name}.lock").stat().st_ino
        lines.append(f"{number}: FLOCK  ADVISORY  WRITE {number} 08:01:{inode} 0 EOF")
    world.machine.locks.write_text("\n".join(lines) + "\n")
    return world


def beats(world: Checkup, name: str, age: timedelta = timedelta(), **fields: str) -> Checkup:
    """A heartbeat of that age."""
    path = world.state_dir / "beats" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.encode({"mono": str(world.monotonic() - age.total_seconds()), **fields}))
    return world


async def found(world: Checkup, name: str) -> Line:
    """What one check says."""
    (result,) = await examine(world, [BY_NAME[name]])
    return result.line

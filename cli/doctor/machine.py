"""The machine: interpreter, packages, memory, disk, and the directory that everything is kept in."""

import importlib.metadata
import os
import stat
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from cli.doctor.checkup import Checkup
from cli.doctor.examine import aside
from cli.doctor.lines import Line, error, ok, warning

OLDEST, NEWEST = (3, 11), (3, 13)
MB = 1_000_000
# all processes together take about 500 MB; running ones have that already
MEMORY_SCARCE_MB, MEMORY_RUNNING_MB, MEMORY_NONE_MB = 700, 150, 80
DISK_SCARCE_MB, DISK_NONE_MB = 1000, 200
NAMED = 4
NETWORK = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "davfs",
        "fuse.sshfs",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.davfs",
    ]
)
MEMORY_ONLY = frozenset({"tmpfs", "ramfs"})
# secrets that only the owner may read, by their names inside the state directory
PRIVATE = ("totp", "protect.key", "tokens/*.json")


async def python(world: Checkup) -> Line:
    """3.11 to 3.13."""
    version = world.machine.version
    told = f"Python {version[0]}.{version[1]}"
    if OLDEST <= version <= NEWEST:
        return ok(told)
    return error(
        f"{told}: 3.11~3.13이 필요합니다 / 3.11 to 3.13 is needed",
        "Python 3.12를 설치하고 .venv를 지운 뒤 ./seohak doctor / install Python 3.12, remove .venv, ./seohak doctor",
    )


async def packages(world: Checkup) -> Line:
    """What is installed against the lock, which `./seohak` installs from."""
    try:
        wanted = await aside(lambda: locked(world.machine.lock_file))
    except OSError as trouble:
        return error(
            f"requirements.lock을 읽을 수 없습니다 / can't be read: {trouble.strerror}",
            "git checkout requirements.lock",
        )
    missing, other = await aside(lambda: differing(wanted))
    remedy = "rm -f .venv/.seohak-requirements*, 그다음 ./seohak doctor가 다시 설치합니다 / and ./seohak doctor installs again"
    if missing:
        return error(f"빠진 패키지 / missing packages: {_few(missing)}", remedy)
    if other:
        return warning(f"다른 버전 / other versions than in the lock: {_few(other)}", remedy)
    return ok(f"패키지 {len(wanted)}개가 잠금 파일과 같습니다 / {len(wanted)} packages as in the lock")


def locked(path: Path) -> dict[str, str]:
    """Names and versions of a lock that this interpreter needs."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line[0] in " #-":
            continue
        try:
            requirement = Requirement(line.rstrip("\\ "))
        except InvalidRequirement:
            continue
        pins = [pin.version for pin in requirement.specifier if pin.operator == "=="]
        if pins and (requirement.marker is None or requirement.marker.evaluate()):
            found[requirement.name] = pins[0]
    return found


def differing(wanted: dict[str, str]) -> tuple[list[str], list[str]]:
    """Packages that are not installed, and those with another version."""
    missing, other = [], []
    for name, version in wanted.items():
        try:
            present = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if present != version:
            other.append(f"{name} {present} ({version})")
    return missing, other


def _few(names: list[str]) -> str:
    more = f" +{len(names) - NAMED}" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


async def memory(world: Checkup) -> Line:
    """What is free for us, a container's limit included."""
    free = _available(world)
    if free is None:
        return ok("메모리를 알 수 없습니다 / the system does not tell its memory")
    told = f"메모리 여유 {free // MB:,} MB / memory available"
    running = len(world.running()) > 1
    scarce = MEMORY_RUNNING_MB if running else MEMORY_SCARCE_MB
    remedy = (
        "다른 프로그램을 끄거나 스왑을 만드세요(fallocate -l 2G /swapfile), 권장 2 GB"
        " / stop other programs or add swap; 2 GB is comfortable"
    )
    if free < MEMORY_NONE_MB * MB:
        return error(told, remedy)
    return warning(told, remedy) if free < scarce * MB else ok(told)


def _available(world: Checkup) -> int | None:
    found = []
    try:
        lines = world.machine.meminfo.read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        return None
    try:
        limit = (world.machine.cgroup / "memory.max").read_text().strip()
        used = (world.machine.cgroup / "memory.current").read_text().strip()
        if limit.isdigit() and used.isdigit():
            found.append(max(0, int(limit) - int(used)))
    except OSError:
        pass
    return min(found, default=None)


async def disk(world: Checkup) -> Line:
    """Where the state directory lies, or will."""
    free = await aside(lambda: world.machine.free_bytes(_existing(world.state_dir)))
    told = f"디스크 여유 {free // MB:,} MB / disk space left"
    remedy = "로그와 쓰지 않는 파일을 지우세요 / remove old logs and what you don't need: du -sh state/*"
    if free < DISK_NONE_MB * MB:
        return error(told, remedy)
    return warning(told, remedy) if free < DISK_SCARCE_MB * MB else ok(told)


def _existing(path: Path) -> Path:
    """The directory itself, or the nearest one above it that is there."""
    return next(p for p in (path, *path.parents) if p.exists())


async def state(world: Checkup) -> Line:
    """Ours, writable, and nobody else's."""
    return await aside(lambda: _state(world))


def _state(world: Checkup) -> Line:
    path = world.state_dir
    if not path.exists():
        parent = _existing(path)
        if os.access(parent, os.W_OK):
            return ok(f"{path}: 처음 시작할 때 만듭니다 / made at the first start")
        return error(f"{path}: 만들 수 없습니다 / can't be made", f"sudo install -d -m 700 -o $USER {path}")
    if not path.is_dir():
        return error(f"{path}: 디렉터리가 아닙니다 / is no directory", f"mv {path} {path}.old")
    if not os.access(path, os.W_OK | os.X_OK):
        return error(f"{path}: 쓸 수 없습니다 / can't be written to", f"sudo chown -R $USER {path}")
    mode = path.stat().st_mode
    if mode & 0o022:
        return error(f"{path}: 다른 사용자가 바꿀 수 있습니다 / others may change it", f"chmod 700 {path}")
    open_secrets = [str(p) for name in PRIVATE for p in path.glob(name) if p.stat().st_mode & 0o077]
    if open_secrets:
        return error(
            f"비밀 파일을 다른 사용자가 읽을 수 있습니다 / others may read a secret: {_few(open_secrets)}",
            f"chmod 600 {' '.join(open_secrets[:NAMED])}",
        )
    if world.owner:
        return warning(
            f"{path}: {world.owner} 사용자의 것입니다 / belongs to the user {world.owner}",
            f"sudo -u {world.owner} ./seohak doctor",
        )
    if mode & 0o055:
        return warning(
            f"{path} ({stat.filemode(mode)}): 다른 사용자가 매매 기록을 볼 수 있습니다 / others may read your records",
            f"chmod 700 {path}",
        )
    return ok(f"{path}")


async def filesystem(world: Checkup) -> Line:
    """SQLite's locks and fsync mean little on a network, and nothing survives in memory."""
    kind = await aside(lambda: _mounted(world.machine.mounts, _existing(world.state_dir)))
    if kind in NETWORK:
        return error(
            f"네트워크 파일 시스템({kind})에서는 매매 기록이 깨질 수 있습니다 / SQLite may break on a network file system",
            "SEOHAK_STATE_DIR을 이 컴퓨터의 디스크로 / SEOHAK_STATE_DIR on a disk of this machine",
        )
    if kind in MEMORY_ONLY:
        return warning(
            f"{kind}: 재부팅하면 보유 기록이 사라집니다 / what you hold is forgotten at a reboot",
            "SEOHAK_STATE_DIR을 디스크로 / SEOHAK_STATE_DIR on a disk",
        )
    return ok(kind or "알 수 없음 / unknown")


def _mounted(mounts: Path, path: Path) -> str:
    """The type of the file system that a path lies on, empty where the system does not tell."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = Path(parts[1].replace("\\040", " "))
        # a later mount on the same point hides the earlier one
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), parts[2]
    return kind

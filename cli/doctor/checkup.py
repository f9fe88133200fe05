"""What the checks look at: the settings in force, the clocks, and the places where this machine tells of itself."""

import os
import pwd
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from adapters.clock import AnyClock, clock_from
from config.environment import ROOT, Base, base
from config.params import ConfigError, load_params
from core.model.params import Params

SECRET_HEADS = ("TELEGRAM_", "POLYGON_", "MASSIVE_", "KIS_")
SECRET_ENDS = ("KEY", "SECRET", "TOKEN", "ACCOUNT")
LONGEST_LOCKS = 4_000_000


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the machine tells of itself; a test has its own."""

    version: tuple[int, int] = (sys.version_info[0], sys.version_info[1])
    lock_file: Path = ROOT / "requirements.lock"
    meminfo: Path = Path("/proc/meminfo")
    mounts: Path = Path("/proc/self/mounts")
    locks: Path = Path("/proc/locks")
    cgroup: Path = Path("/sys/fs/cgroup")
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
    uid: int = os.getuid()


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """One examination. `params` is None where config.yaml can't be read, which its own check says.

    `poll_s`: how long Telegram is listened to for another reader, in whole seconds.
    """

    env: Mapping[str, str]
    env_file: Path
    settings: Base
    params: Params | None
    clock: AnyClock
    machine: Machine = Machine()
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    poll_s: int = 3

    def __repr__(self) -> str:
        # the environment is full of keys, and tracebacks like to show what they meet
        return "Checkup(***)"

    @property
    def venue(self) -> str:
        """Where orders go."""
        return self.params.trading.venue if self.params is not None else "paper"

    @property
    def feed(self) -> str:
        """Whose bars are screened, `scanner.feed`."""
        return self.params.scanner.feed if self.params is not None else "polygon"

    @property
    def accounts(self) -> tuple[str, ...]:
        """Whose KIS keys are needed: the venue's, and the real account's for a feed of KIS."""
        wanted = (self.venue, "kis_real" if self.feed == "kis" else "paper")
        return tuple(dict.fromkeys(each for each in wanted if each != "paper"))

    @property
    def state_dir(self) -> Path:
        return self.settings.state_dir

    @property
    def owner(self) -> str:
        """Whose the state directory is, where that is not who asks; what we write there they could not read."""
        try:
            uid = self.state_dir.stat().st_uid
        except OSError:
            return ""
        if uid == self.machine.uid:
            return ""
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def secrets(self) -> list[str]:
        """Every value that no line may show, passwords inside addresses included."""
        ours = {name: value for name, value in self.env.items() if name.startswith(SECRET_HEADS)}
        found = [value for name, value in ours.items() if name.endswith(SECRET_ENDS)]
        for address in (self.env.get("REDIS_URL", ""), self.settings.database_url):
            password = _password(address)
            found += [password, unquote(password)]
        account = [value.replace("-", "") for name, value in ours.items() if name.endswith("ACCOUNT")]
        return [secret for secret in (*found, *account, *(a[:8] for a in account)) if secret]

    def running(self) -> frozenset[str]:
        """Our programs that hold their lock on this state directory now.

        The kernel is asked what is locked; taking the lock to find out could make a program that starts now refuse to.
        """
        try:
            with self.machine.locks.open() as file:
                held = {
                    int(parts[5].rpartition(":")[2])
                    for line in file.read(LONGEST_LOCKS).splitlines()
                    if len(parts := line.split()) > 5 and parts[1] == "FLOCK" and parts[5].rpartition(":")[2].isdigit()
                }
        except OSError:
            return frozenset()
        found = set()
        for path in (self.state_dir / "locks").glob("*.lock"):
            try:
                if path.stat().st_ino in held:
                    found.add(path.stem)
            except OSError:
                continue
        return frozenset(found)


def settings_of(env: Mapping[str, str]) -> Base:
    """The settings in force; without an address of Redis that makes no sense, of which the check of Redis tells."""
    try:
        return base(env)
    except ConfigError:
        return base({**env, "REDIS_URL": ""})


def checkup(env: Mapping[str, str], env_file: Path) -> Checkup:
    """An examination of the settings in force."""
    settings = settings_of(env)
    try:
        params = load_params(settings.config_path)
    except ConfigError:
        params = None
    return Checkup(env=env, env_file=env_file, settings=settings, params=params, clock=clock_from(env))


def _password(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        # it can't be taken apart, so all of it is hidden
        return address

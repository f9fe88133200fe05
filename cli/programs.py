"""The one table of our programs: what each is started as, which secrets it gets, how it is stopped and judged. Standard library only."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.fence import replace

ROOT: Final = Path(__file__).resolve().parent.parent
PROGRAM: Final = "SEOHAK_PROGRAM"
STATE_DIR: Final = "SEOHAK_STATE_DIR"
# names of variables whose values are nobody's business but their owner's
SECRET_HEADS: Final = ("KIS_", "TELEGRAM_", "POLYGON_", "MASSIVE_", "DATABASE_URL", "REDIS_URL")
DATA: Final = ("DATABASE_URL", "REDIS_URL")
RUN_FILE: Final = "run.json"


@dataclass(frozen=True)
class Program:
    """`secrets`: heads of the variables it gets; every other secret is kept from it. `stop_s`: how long it may drain.

    `hung_s`: after so long without a heartbeat it is killed and started again; 0 where somebody else judges that.
    """

    name: str
    module: str = ""
    secrets: tuple[str, ...] = ()
    stop_s: int = 15
    hung_s: float = 0.0


# in the order of the start; the stop goes backwards. The trader's silence is the guardian's business.
SUPERVISED: Final = (
    Program("redis", stop_s=20, hung_s=30.0),
    # where the public symbol files are is no secret
    Program("collector", "services.collector", ("POLYGON_", "MASSIVE_", "KIS_MASTER_URL", *DATA), hung_s=60.0),
    Program("analyzer", "services.analyzer", DATA, hung_s=60.0),
    # its own drain waits for the answers of orders on their way
    Program("trader", "services.trader", ("KIS_", *DATA), stop_s=30),
    Program("bot", "cli.bot", ("TELEGRAM_", "POLYGON_", "MASSIVE_", *DATA), hung_s=60.0),
)
WATCH: Final = Program("watch", "cli.watch", ("TELEGRAM_",))
# outside of supervisord's fate; the keeper judges it
GUARDIAN: Final = Program("guardian", "services.guardian", ("KIS_",), hung_s=120.0)
SUPERVISORD: Final = Program("supervisord", "supervisor.supervisord", SECRET_HEADS)
KEEPER: Final = Program("keeper", "cli.keeper", SECRET_HEADS)
PROGRAMS: Final = {p.name: p for p in (*SUPERVISED, WATCH, GUARDIAN, SUPERVISORD, KEEPER)}
# what demo, tests and benchmarks start one by one
SERVICES: Final = (*(p for p in SUPERVISED if p.module), GUARDIAN)


def environment_of(name: str, env: Mapping[str, str]) -> dict[str, str]:
    """The environment of one program: without the secrets that are none of its business. A stranger gets none."""
    own = PROGRAMS[name].secrets if name in PROGRAMS else ()
    return {key: value for key, value in env.items() if key.startswith(own) or not key.startswith(SECRET_HEADS)}


@dataclass(frozen=True)
class Run:
    """What was asked to run on a state directory: written by `up`, removed by the stop."""

    programs: tuple[str, ...]
    socket: str
    foreground: bool = False
    guardian_apart: bool = False

    @property
    def keeps_guardian(self) -> bool:
        """Whether the keeper starts the guardian."""
        return "guardian" in self.programs and not self.guardian_apart


def write_run(state_dir: Path, run: Run) -> None:
    """Remember what is asked to run."""
    replace(state_dir / RUN_FILE, json.dumps({**vars(run), "programs": list(run.programs)}).encode())


def read_run(state_dir: Path) -> Run | None:
    """What was asked to run; None where nothing was."""
    found: Any = None
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((state_dir / RUN_FILE).read_bytes())
    try:
        return Run(**{**found, "programs": tuple(found["programs"])})
    except (TypeError, KeyError):
        return None


def log_path(state_dir: Path, name: str) -> Path:
    """Where a program's output goes."""
    return state_dir / "logs" / f"{name}.log"


def last_line(path: Path, most: int = 2000) -> str:
    """The last line of a log that is not empty, cut to `most` characters; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4 * most))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:most] for line in reversed(lines) if line.strip()), "")

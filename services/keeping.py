"""When a recorded day is over it becomes a day of the data store, in a short-lived process of the lowest priority."""

import asyncio
import contextlib
import datetime as dt
import logging
import os
import sys
from pathlib import Path

import msgspec

from core.rules.days import us_date
from core.rules.schedule import collecting
from services.recording import DAY, FOLDER, PART, Recorder
from services.runtime import Runtime

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent
LOOK_EVERY_S = 600.0
LEAST_S = 5.0
# what a day was when the store got it: its files and their sizes
KEPT = "kept.json"
LOWEST = 19


def files_of(folder: Path) -> dict[str, int]:
    """The files of a recorded day with their sizes."""
    return {path.name: path.stat().st_size for path in sorted(folder.glob(PART))}


def unkept(root: Path, before: dt.date) -> list[str]:
    """Recorded days before a date that the store does not have as they are now."""
    found = []
    for folder in sorted(root.glob("*")) if root.is_dir() else ():
        files = files_of(folder) if DAY.fullmatch(folder.name) and folder.name < str(before) else {}
        kept = None
        with contextlib.suppress(OSError, msgspec.DecodeError):
            kept = msgspec.json.decode((folder / KEPT).read_bytes(), type=dict[str, int])
        if files and files != kept:
            found.append(folder.name)
    return found


def _over(runtime: Runtime, recorder: Recorder) -> dt.date:
    """The first date that is not over: today, or tomorrow once today's collecting has ended."""
    now, params = runtime.clock.now(), runtime.params
    today = us_date(now)
    if recorder.bars_on == today and not collecting(now, params.schedule, params.notification.report_time):
        return today + dt.timedelta(days=1)
    return today


async def keep_days(runtime: Runtime, recorder: Recorder) -> None:
    """Look now and then; a day whose keeping failed is tried again when the next one is over or the process starts."""
    tried: set[str] = set()

    async def look() -> None:
        days = await asyncio.to_thread(unkept, runtime.settings.state_dir / FOLDER, _over(runtime, recorder))
        if set(days) - tried:
            tried.update(days)
            await _keep(runtime, days)

    await runtime.every(LOOK_EVERY_S, look, least_s=LEAST_S)


async def _keep(runtime: Runtime, days: list[str]) -> None:
    secrets = ("POLYGON_", "MASSIVE_", "KIS_", "TELEGRAM_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(secrets)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "data", "keep", *days), cwd=ROOT, env=env, stdin=asyncio.subprocess.DEVNULL
    )
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST)
        # a whole market's day takes a gigabyte for seconds: where memory is short, this process has to go and no other
        Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000")
    ended = asyncio.create_task(process.wait())
    stopped = asyncio.create_task(runtime.stop.wait())
    await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not ended.done():
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    if code := await ended:
        log.warning("%s: not every recorded day is in the data store (exit code %s)", ", ".join(days), code)

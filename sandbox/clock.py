"""The scaled market clock that every sandbox server shares."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class SandboxClock:
    """Market time = origin + (wall time - started) x speed. `started` is Unix seconds, `origin` is aware."""

    origin: datetime
    started: float
    speed: float

    def __post_init__(self) -> None:
        if self.origin.tzinfo is None:
            raise ValueError("clock origin needs a time zone")
        if not self.speed > 0:
            raise ValueError("clock speed must be above zero")

    def now(self) -> datetime:
        elapsed = (time.time() - self.started) * self.speed
        return self.origin.astimezone(UTC) + timedelta(seconds=elapsed)

    async def sleep(self, market_seconds: float) -> None:
        await asyncio.sleep(max(0.0, market_seconds) / self.speed)

    async def sleep_until(self, instant: datetime) -> None:
        # One sleep may end a moment early; the loop keeps the promise.
        while (left := (instant - self.now()).total_seconds()) > 0:
            await self.sleep(left)


def system_clock() -> SandboxClock:
    started = time.time()
    return SandboxClock(datetime.fromtimestamp(started, UTC), started, 1.0)


def clock_from(
    environ: Mapping[str, str] = os.environ,
    *,
    origin: str | None = None,
    started: float | None = None,
    speed: float | None = None,
) -> SandboxClock:
    """The clock that flags or SEOHAK_CLOCK_* describe; the system clock where they say nothing."""
    origin = origin or environ.get("SEOHAK_CLOCK_ORIGIN") or None
    started_text = environ.get("SEOHAK_CLOCK_STARTED")
    speed_text = environ.get("SEOHAK_CLOCK_SPEED")
    if started is None and started_text:
        started = float(started_text)
    if speed is None and speed_text:
        speed = float(speed_text)
    began = time.time() if started is None else started
    at = datetime.fromisoformat(origin) if origin else datetime.fromtimestamp(began, UTC)
    return SandboxClock(at, began, 1.0 if speed is None else speed)

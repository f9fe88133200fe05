"""Clocks: the system's, and a scaled one for the sandbox."""

import asyncio
import datetime as dt
import time
from collections.abc import Mapping

ORIGIN, STARTED, SPEED = "SEOHAK_CLOCK_ORIGIN", "SEOHAK_CLOCK_STARTED", "SEOHAK_CLOCK_SPEED"


class SystemClock:
    """The machine's own time."""

    speed = 1.0

    def now(self) -> dt.datetime:
        """The present instant, aware UTC."""
        return dt.datetime.now(dt.UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class ScaledClock:
    """Time that began at `origin` when the machine's clock showed `started` (epoch seconds) and runs `speed` times."""

    def __init__(self, origin: dt.datetime, started: float, speed: float) -> None:
        if origin.tzinfo is None or speed <= 0:
            raise ValueError("a scaled clock needs an aware origin and a positive speed")
        self._origin = origin.astimezone(dt.UTC)
        self._started = started
        self.speed = speed

    def now(self) -> dt.datetime:
        """The present instant of the scaled time, aware UTC."""
        return self._origin + dt.timedelta(seconds=(time.time() - self._started) * self.speed)

    async def sleep(self, seconds: float) -> None:
        """Wait for scaled seconds."""
        await asyncio.sleep(max(0.0, seconds / self.speed))


AnyClock = SystemClock | ScaledClock


def clock_from(environment: Mapping[str, str]) -> AnyClock:
    """The clock that the environment asks for; without its variables, the system's."""
    if ORIGIN not in environment:
        return SystemClock()
    return ScaledClock(
        dt.datetime.fromisoformat(environment[ORIGIN]),
        float(environment[STARTED]),
        float(environment.get(SPEED, "1")),
    )

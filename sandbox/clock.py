"""The scaled market clock that every sandbox server shares."""

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar


@dataclass(frozen=True)
class SandboxClock:
    """Market time = origin + (wall time - started) x speed. `started` is Unix seconds, `origin` is aware."""

    origin: datetime
    started: float
    speed: float

    adjustable: ClassVar[bool] = False
    paused: ClassVar[bool] = False

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


MAX_SPEED = 600.0
MAX_JUMP = timedelta(days=1)


class ClockError(Exception):
    """Why the clock stays as it is, in one line."""


class SteeredClock(SandboxClock):
    """A clock that only this process reads, and which may therefore change its speed, stand still and jump ahead."""

    adjustable = True
    _turned: asyncio.Event

    def __init__(self, origin: datetime, started: float, speed: float) -> None:
        super().__init__(origin, started, speed)
        self._set("paused", False)
        self._set("_turned", asyncio.Event())

    def now(self) -> datetime:
        return self.origin.astimezone(UTC) if self.paused else super().now()

    def run(self, speed: float) -> None:
        """From now on at `speed`; raises ClockError."""
        if not 0 < speed <= MAX_SPEED:
            raise ClockError(f"speed must be above 0 and at most {MAX_SPEED:.0f}")
        self._turn(self.now(), speed, paused=False)

    def pause(self, paused: bool) -> None:
        """Stand still, or go on at the speed of before."""
        self._turn(self.now(), self.speed, paused=paused)

    def jump(self, to: datetime) -> None:
        """Ahead to an instant; raises ClockError for one that is past or more than a day away."""
        now = self.now()
        if not now < to <= now + MAX_JUMP:
            raise ClockError("time only goes forward, at most a day at once")
        self._turn(to, self.speed, paused=self.paused)

    async def sleep(self, market_seconds: float) -> None:
        await self.sleep_until(self.now() + timedelta(seconds=market_seconds))

    async def sleep_until(self, instant: datetime) -> None:
        while (left := (instant - self.now()).total_seconds()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self.paused else left / self.speed):
                    await self._turned.wait()

    def _turn(self, now: datetime, speed: float, *, paused: bool) -> None:
        """Begin anew from here, and wake all sleepers so that they reckon again."""
        for name, value in (("origin", now), ("started", time.time()), ("speed", speed), ("paused", paused)):
            self._set(name, value)
        turned = self._turned
        self._set("_turned", asyncio.Event())
        turned.set()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


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
    """The clock that flags or SEOHAK_CLOCK_* describe; the system clock where they say nothing.

    Whoever says when it started shares it with others: such a clock cannot be steered.
    """
    origin = origin or environ.get("SEOHAK_CLOCK_ORIGIN") or None
    started_text = environ.get("SEOHAK_CLOCK_STARTED")
    speed_text = environ.get("SEOHAK_CLOCK_SPEED")
    if started is None and started_text:
        started = float(started_text)
    if speed is None and speed_text:
        speed = float(speed_text)
    began = time.time() if started is None else started
    at = datetime.fromisoformat(origin) if origin else datetime.fromtimestamp(began, UTC)
    kind = SteeredClock if started is None else SandboxClock
    return kind(at, began, 1.0 if speed is None else speed)

"""A market clock that stands still until the test moves it."""

import asyncio
from datetime import datetime, timedelta

from sandbox.clock import SandboxClock


class ManualClock(SandboxClock):
    def __init__(self, at: datetime) -> None:
        super().__init__(at, 0.0, 1.0)
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "waiting", [])

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.set(self.at + timedelta(seconds=seconds))

    def set(self, at: datetime) -> None:
        object.__setattr__(self, "at", at)
        due = [pair for pair in self.waiting if pair[0] <= at]
        object.__setattr__(self, "waiting", [pair for pair in self.waiting if pair[0] > at])
        for _, future in due:
            if not future.done():
                future.set_result(None)

    async def sleep(self, market_seconds: float) -> None:
        await self.sleep_until(self.at + timedelta(seconds=market_seconds))

    async def sleep_until(self, instant: datetime) -> None:
        if instant <= self.at:
            return
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((instant, future))
        await future

"""What a plan leaves out of the REST API: snapshots, and the newest fifteen minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from sandbox.clock import SandboxClock


@dataclass(frozen=True)
class Plan:
    """`timeframe` is what the unified snapshot says of itself."""

    timeframe: str = "REAL-TIME"
    delay: timedelta = timedelta()
    snapshots: bool = True


LATE = timedelta(minutes=15)
PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        "basic": Plan("DELAYED", timedelta(days=1), snapshots=False),
        "starter": Plan("DELAYED", LATE),
        "developer": Plan("DELAYED", LATE),
        "advanced": Plan(),
    }
)
NOT_ENTITLED = "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing"


class DelayedClock(SandboxClock):
    """The market as a plan sees it."""

    def __init__(self, clock: SandboxClock, delay: timedelta) -> None:
        super().__init__(clock.origin, clock.started, clock.speed)
        object.__setattr__(self, "_clock", clock)
        object.__setattr__(self, "_delay", delay)

    _clock: SandboxClock
    _delay: timedelta

    def now(self) -> datetime:
        return self._clock.now() - self._delay

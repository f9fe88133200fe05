"""A right that one process at a time holds, over all machines that share a Redis."""

import enum
from typing import Protocol


class Held(enum.StrEnum):
    """The answer to asking for the right: MINE, somebody else's (TAKEN), or nobody can tell now (UNKNOWN)."""

    MINE = "mine"
    TAKEN = "taken"
    UNKNOWN = "unknown"


class SharedLock(Protocol):
    """A lock that expires by itself when its holder stops renewing it. Methods never raise for an outage."""

    async def claim(self) -> Held:
        """Take it, or renew it where it is ours."""
        ...

    async def release(self) -> None:
        """Give it back, where it is ours."""
        ...

"""What the processes need from the message bus."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from core.model.messages import AnyMessage, Channel


class BusUnavailable(Exception):
    """The bus can't be reached now."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message with the receipt that acknowledges it."""

    channel: Channel
    receipt: str
    message: AnyMessage


class GroupLag(msgspec.Struct, frozen=True, kw_only=True):
    """How far one reader of one channel is behind: unacknowledged messages, and from its place to the newest one."""

    channel: Channel
    group: str
    pending: int
    behind_s: float


class BusState(msgspec.Struct, frozen=True, kw_only=True):
    """The server as it is now. `life` changes when it has lost its data; `most_bytes` is 0 where nothing bounds it.

    `evicts`: a full server would throw messages away. `durable`: messages outlive its restart.
    """

    life: str
    full: bool = False
    used_bytes: int = 0
    most_bytes: int = 0
    evicts: bool = False
    durable: bool = True
    lags: tuple[GroupLag, ...] = ()


class Bus(Protocol):
    """At-least-once delivery per consumer group; invalid messages go to a dead-letter stream and are counted."""

    async def publish(self, channel: Channel, message: AnyMessage) -> None:
        """Append to the stream and PUBLISH the same JSON in one transaction. Raises BusUnavailable."""
        ...

    def consume(self, group: str, channels: Sequence[Channel]) -> AsyncIterator[Delivery]:
        """Yield unacknowledged messages of this consumer first, then new ones, for ever."""
        ...

    async def ack(self, group: str, delivery: Delivery) -> None:
        """Acknowledge after the effects are committed."""
        ...

    async def history(self, channel: Channel, limit: int) -> Sequence[AnyMessage]:
        """The newest `limit` messages of a channel, oldest first."""
        ...

    async def beat(self, process: str, fields: dict[str, str]) -> None:
        """Record a heartbeat that expires by itself."""
        ...

    async def heartbeats(self) -> dict[str, dict[str, str]]:
        """The latest heartbeat of each process."""
        ...

    async def look(self) -> BusState:
        """The state of the server and of each channel's readers. Raises BusUnavailable."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...

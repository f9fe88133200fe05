"""The trader's other ports: journal, bus and records that can be down, and that are dead when their process is."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from core.model.journal import Change, Snapshot
from core.model.messages import AnyMessage, Channel
from core.model.position import Position, RoundTrip
from ports.bus import BusState, BusUnavailable, Delivery
from ports.journal import Journal, Outgoing
from ports.store import StoreUnavailable, TradeRow
from simulation.checks import Checks
from simulation.clock import VirtualClock
from simulation.hooks import Hooks
from simulation.ledger import kind


class MortalJournal:
    """Implements ports.journal.Journal over the real one; every commit is a place to die, before or after it."""

    def __init__(self, inner: Journal, hooks: Hooks, checks: Checks) -> None:
        self._inner, self._hooks, self._checks = inner, hooks, checks

    def load(self) -> Snapshot:
        """The state to start from."""
        self._hooks.process.check()
        return self._inner.load()

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all changes, or die before or after."""
        self._hooks.process.check()
        if not changes:
            return
        what = f"commit {kind(changes)}"
        self._hooks.at(what, "before")
        self._inner.commit(changes)
        self._checks.committed(changes)
        self._hooks.at(what, "after")

    def outbox(self, limit: int) -> Sequence[tuple[int, Outgoing]]:
        """What waits to be told."""
        self._hooks.process.check()
        return self._inner.outbox(limit)

    def waiting(self) -> int:
        """How much waits to be told."""
        self._hooks.process.check()
        return self._inner.waiting()

    def delivered(self, upto: int) -> None:
        """It was told."""
        self._hooks.at("delivered", "before")
        self._inner.delivered(upto)
        self._hooks.at("delivered", "after")

    def close(self) -> None:
        """Release the file."""
        self._inner.close()


class Streams:
    """The bus itself, which outlives the trader: entries, what was delivered and not acknowledged, and outages."""

    def __init__(self, clock: VirtualClock) -> None:
        self.entries: list[Delivery] = []
        self.pending: dict[str, Delivery] = {}
        self.hear: Callable[[Channel, AnyMessage], None] = lambda _channel, _message: None
        self.down_until = 0.0
        self.next = 0
        self.waiting: asyncio.Future[None] | None = None
        self._clock = clock

    @property
    def down(self) -> bool:
        """Whether Redis can't be reached."""
        return self._clock.seconds() < self.down_until

    def put(self, channel: Channel, message: AnyMessage) -> None:
        """The world publishes something for the trader."""
        self.entries.append(Delivery(channel=channel, receipt=str(len(self.entries)), message=message))
        self.wake()

    def wake(self) -> None:
        """Tell the consumer that there may be something."""
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)

    def outage(self, seconds: float) -> None:
        """Redis is gone for a while."""
        self.down_until = self._clock.seconds() + seconds
        self._clock.later(seconds + 0.001, self.wake)


class Consumer:
    """Unacknowledged entries of the former life first, then new ones, for ever."""

    def __init__(self, streams: Streams, hooks: Hooks, channels: Sequence[Channel]) -> None:
        self._streams, self._hooks, self._channels = streams, hooks, frozenset(channels)
        self._again = [streams.pending[receipt] for receipt in sorted(streams.pending, key=int)]

    def __aiter__(self) -> "Consumer":
        """Itself."""
        return self

    async def __anext__(self) -> Delivery:
        """The next entry."""
        streams = self._streams
        while True:
            self._hooks.process.check()
            if not streams.down:
                if self._again:
                    return self._again.pop(0)
                if streams.next < len(streams.entries):
                    found = streams.entries[streams.next]
                    streams.next += 1
                    if found.channel in self._channels:
                        streams.pending[found.receipt] = found
                        return found
                    continue
            streams.waiting = asyncio.get_running_loop().create_future()
            await streams.waiting


class SimBus:
    """Implements ports.bus.Bus for one life of a process."""

    def __init__(self, streams: Streams, hooks: Hooks) -> None:
        self._streams, self._hooks = streams, hooks

    def _reach(self) -> None:
        self._hooks.process.check()
        if self._streams.down:
            raise BusUnavailable

    async def publish(self, channel: Channel, message: AnyMessage) -> None:
        """Everyone who listens hears it."""
        self._reach()
        what = f"publish {type(message).__name__}"
        self._hooks.at(what, "before")
        self._streams.hear(channel, message)
        self._hooks.at(what, "after")

    def consume(self, group: str, channels: Sequence[Channel]) -> AsyncIterator[Delivery]:  # noqa: ARG002  (one group)
        """Entries for this process."""
        return Consumer(self._streams, self._hooks, channels)

    async def ack(self, group: str, delivery: Delivery) -> None:  # noqa: ARG002  (one group)
        """The effects are committed."""
        self._hooks.process.check()
        if not self._streams.down:
            self._streams.pending.pop(delivery.receipt, None)

    async def history(self, channel: Channel, limit: int) -> Sequence[AnyMessage]:
        """The newest messages of a channel."""
        self._reach()
        return [d.message for d in self._streams.entries if d.channel is channel][-limit:]

    async def beat(self, process: str, fields: dict[str, str]) -> None:  # noqa: ARG002  (nobody looks)
        """A heartbeat for the bot."""
        self._reach()

    async def heartbeats(self) -> dict[str, dict[str, str]]:
        """Nobody asks."""
        return {}

    async def look(self) -> BusState:
        """Always well; outages show when it is used."""
        return BusState(life="simulated")

    async def close(self) -> None:
        """Nothing to release."""


class SimRecords:
    """Implements ports.store.RecordStore: the user's tables, idempotent, sometimes down. Survives the trader."""

    def __init__(self, clock: VirtualClock) -> None:
        self.trades_by_key: dict[str, TradeRow] = {}
        self.trips: dict[str, RoundTrip] = {}
        self.held: dict[str, Position] = {}
        self.down_until = 0.0
        self._clock = clock

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self._clock.seconds() < self.down_until:
            raise StoreUnavailable

    async def add_trade(self, row: TradeRow) -> None:
        """A fill."""
        await self._reach()
        self.trades_by_key[row.key] = row

    async def add_round_trip(self, key: str, trip: RoundTrip) -> None:
        """A finished position."""
        await self._reach()
        self.trips[key] = trip

    async def put_position(self, position: Position) -> None:
        """What is held."""
        await self._reach()
        self.held[position.ticker] = position

    async def remove_position(self, ticker: str) -> None:
        """No longer."""
        await self._reach()
        self.held.pop(ticker, None)

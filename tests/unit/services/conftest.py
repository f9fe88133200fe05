"""A runtime without Redis, fakes of the ports that services need, and a guardian with its broker."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.environment import base
from core.model.messages import AnyMessage, Channel
from core.model.params import Params
from core.model.position import Position, RoundTrip
from ports.bus import BusUnavailable
from ports.store import StoreUnavailable, TradeRow
from services.guardian_broker import GuardianBroker
from services.runtime import Runtime
from tests.unit.core.builders import NOON
from tests.unit.services.guardian_kis import Clock, Kis, connect, serving
from tests.unit.services.guardian_post import Post


class StillClock:
    """A clock that stands still; waiting takes no time."""

    speed = 1.0

    def now(self) -> dt.datetime:
        """Always noon."""
        return NOON

    async def sleep(self, seconds: float) -> None:
        """Yield once."""
        await asyncio.sleep(0)


class FakeBus:
    """Remembers what was published; may be down."""

    def __init__(self) -> None:
        self.down = False
        self.published: list[tuple[Channel, AnyMessage]] = []

    async def publish(self, channel: Channel, message: AnyMessage) -> None:
        """Append, or refuse while down."""
        if self.down:
            raise BusUnavailable
        self.published.append((channel, message))

    async def history(self, channel: Channel, limit: int) -> list[AnyMessage]:
        """The newest of a channel, oldest first."""
        if self.down:
            raise BusUnavailable
        return [message for on, message in self.published if on is channel][-limit:]

    async def beat(self, process: str, fields: dict[str, str]) -> None:
        """Nobody listens."""


class FakeRecords:
    """The tables as lists; may be down."""

    def __init__(self) -> None:
        self.down = False
        self.written: list[object] = []

    def _write(self, *what: object) -> None:
        if self.down:
            raise StoreUnavailable
        self.written.append(what)

    async def add_trade(self, row: TradeRow) -> None:
        """A fill."""
        self._write("trade", row)

    async def put_position(self, position: Position) -> None:
        """A position."""
        self._write("position", position.ticker, position.qty)

    async def remove_position(self, ticker: str) -> None:
        """A position is gone."""
        self._write("gone", ticker)

    async def add_round_trip(self, key: str, trip: RoundTrip) -> None:
        """A round trip."""
        self._write("trip", key, trip)


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def records() -> FakeRecords:
    return FakeRecords()


@pytest.fixture
def runtime(tmp_path: Path, bus: FakeBus) -> Runtime:
    return Runtime(
        name="test",
        settings=base({"SEOHAK_STATE_DIR": str(tmp_path)}),
        params=Params(),
        clock=StillClock(),
        bus=bus,
        env={},
        stop=asyncio.Event(),
        progress={},
    )


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path)


@pytest.fixture
def kis() -> Iterator[Kis]:
    with serving(Kis()) as kis:
        yield kis


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def broker(kis: Kis, tmp_path: Path, clock: Clock) -> GuardianBroker:
    return connect(kis, tmp_path, clock)


@pytest.fixture
def paper(kis: Kis, tmp_path: Path, clock: Clock) -> GuardianBroker:
    return connect(kis, tmp_path, clock, paper=True)

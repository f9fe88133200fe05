"""A runtime without Redis, and fakes of the ports that services need."""

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from config.environment import base
from core.model.messages import AnyMessage, Channel
from core.model.params import Params
from core.model.position import Position, RoundTrip
from ports.bus import BusUnavailable
from ports.store import StoreUnavailable, TradeRow
from services.runtime import Runtime
from tests.unit.core.builders import NOON


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

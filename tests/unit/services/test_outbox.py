"""The outbox: in order, at least once, whoever is down."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.journal import SqliteJournal
from core.model.journal import AddFill, DropPosition, Emit, PutPosition
from core.model.messages import Channel, Event, EventKind
from core.model.order import BrokerRef, Purpose, Side
from services import outbox
from services.outbox import OutboxPump, trade_row
from services.runtime import Runtime
from tests.unit.core.builders import NOON, TICKER, position
from tests.unit.services.conftest import FakeBus, FakeRecords


def event(number: int) -> Emit:
    return Emit(Event(id=str(number), kind=EventKind.PAUSED, at=NOON))


def fill(side: Side = Side.BUY, purpose: Purpose = Purpose.ENTRY) -> AddFill:
    return AddFill(
        intent_id="i",
        ref=BrokerRef("20261117", "B", "7"),
        ticker=TICKER,
        side=side,
        purpose=purpose,
        cum_qty=3,
        qty=3,
        usd=Decimal("300.00"),
        fee_usd=Decimal("0.75"),
        krw_per_usd=Decimal(1400),
        at=NOON,
    )


class Pumping:
    """A pump at work."""

    def __init__(self, runtime: Runtime, journal: SqliteJournal, bus: FakeBus, records: FakeRecords) -> None:
        self.journal, self.bus, self.records = journal, bus, records
        self.pump = OutboxPump(runtime, journal, bus, records)
        self.task = asyncio.create_task(self.pump.run())

    def commit(self, *changes: Emit | AddFill | PutPosition | DropPosition) -> None:
        self.journal.commit(changes)
        self.pump.wake.set()

    async def until_empty(self) -> None:
        async with asyncio.timeout(5):
            while self.journal.outbox(1):
                await asyncio.sleep(0)

    async def turns(self, n: int = 50) -> None:
        for _ in range(n):
            await asyncio.sleep(0)

    @property
    def told(self) -> list[str]:
        return [message.id for _, message in self.bus.published]


@pytest.fixture
async def pumping(
    runtime: Runtime, tmp_path: Path, bus: FakeBus, records: FakeRecords, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pumping]:
    monkeypatch.setattr(outbox, "RETRY_S", 0.001)
    journal = SqliteJournal(tmp_path / "journal.db")
    found = Pumping(runtime, journal, bus, records)
    yield found
    runtime.stop.set()
    async with asyncio.timeout(5):
        await found.task
    journal.close()


async def test_each_kind_goes_where_it_belongs(pumping: Pumping) -> None:
    pumping.commit(event(1), fill(), PutPosition(position()), DropPosition(TICKER))
    await pumping.until_empty()
    assert [channel for channel, _ in pumping.bus.published] == [Channel.EVENTS]
    assert [w[0] for w in pumping.records.written] == ["trade", "position", "gone"]


async def test_an_outage_of_the_bus_delays_and_keeps_the_order(pumping: Pumping) -> None:
    pumping.bus.down = True
    for number in range(3):
        pumping.commit(event(number))
    await pumping.turns()
    assert pumping.told == []
    pumping.bus.down = False
    pumping.commit(event(3))
    await pumping.until_empty()
    assert pumping.told == ["0", "1", "2", "3"]


async def test_an_outage_of_the_database_delays_and_keeps_the_order(pumping: Pumping) -> None:
    pumping.records.down = True
    pumping.commit(event(1), PutPosition(position(3)), PutPosition(position(5)), event(2))
    await pumping.turns()
    assert pumping.told == ["1"]
    pumping.records.down = False
    await pumping.until_empty()
    assert [w[2] for w in pumping.records.written] == [3, 5]
    assert pumping.told == ["1", "2"]


async def test_more_than_one_batch_is_delivered(pumping: Pumping) -> None:
    pumping.commit(*(event(n) for n in range(outbox.BATCH * 2 + 1)))
    await pumping.until_empty()
    assert pumping.told == [str(n) for n in range(outbox.BATCH * 2 + 1)]


@pytest.mark.parametrize(
    ("side", "purpose", "word"),
    [
        (Side.BUY, Purpose.ENTRY, "BUY"),
        (Side.SELL, Purpose.STOP, "STOP"),
        (Side.SELL, Purpose.GUARD, "STOP"),
        (Side.SELL, Purpose.SIGNAL_SELL, "SELL"),
        (Side.SELL, Purpose.TREND_BROKEN, "SELL"),
        (Side.SELL, Purpose.COMMAND, "COMMAND"),
        (Side.SELL, Purpose.PANIC, "PANIC"),
    ],
)
def test_a_fill_as_a_row_of_the_users_table(side: Side, purpose: Purpose, word: str) -> None:
    found = trade_row(fill(side, purpose))
    assert (found.signal_type, found.key) == (word, "20261117-B-7-3")
    assert (found.price, found.total_amount) == (100, Decimal("300.00"))

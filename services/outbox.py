"""What the trader committed, delivered at least once: events to the bus, fills and positions to the database."""

import asyncio
import logging

from core.model.journal import AddFill, AddTrip, DropPosition, Emit, PutPosition
from core.model.messages import Channel
from core.model.money import usd
from core.model.order import Purpose, Side
from ports.bus import Bus, BusUnavailable
from ports.journal import Journal, Outgoing
from ports.store import RecordStore, StoreUnavailable, TradeRow
from services.runtime import Runtime

log = logging.getLogger(__name__)
BATCH = 100
RETRY_S = 1.0


class OutboxPump:
    """Delivers in order; an outage of Redis or the database only delays, because the journal remembers."""

    def __init__(self, runtime: Runtime, journal: Journal, bus: Bus, records: RecordStore) -> None:
        self._runtime = runtime
        self._journal = journal
        self._bus = bus
        self._records = records
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Deliver until the stop; the journal keeps what is left for the next start."""
        while not self._runtime.stop.is_set():
            self.wake.clear()
            if await self._drain():
                await self._until_woken()
            else:
                await self._runtime.pause(RETRY_S)

    async def _until_woken(self) -> None:
        waits = [asyncio.ensure_future(self.wake.wait()), asyncio.ensure_future(self._runtime.stop.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _drain(self) -> bool:
        """Deliver everything; False when something could not be delivered yet."""
        while items := self._journal.outbox(BATCH):
            for seq, item in items:
                try:
                    await self._deliver(item)
                except (BusUnavailable, StoreUnavailable) as error:
                    log.warning("%s; the journal keeps what waits", type(error).__name__)
                    return False
                self._journal.delivered(seq)
        return True

    async def _deliver(self, item: Outgoing) -> None:
        match item:
            case Emit(event):
                await self._bus.publish(Channel.EVENTS, event)
            case AddFill():
                await self._records.add_trade(trade_row(item))
            case AddTrip(key, trip):
                await self._records.add_round_trip(key, trip)
            case PutPosition(position):
                await self._records.put_position(position)
            case DropPosition(ticker):
                await self._records.remove_position(ticker)


def trade_row(fill: AddFill) -> TradeRow:
    """A fill as a row of the user's `trades` table; amounts in USD."""
    signal = {Purpose.ENTRY: "BUY", Purpose.STOP: "STOP", Purpose.GUARD: "STOP"}.get(fill.purpose, "SELL")
    if fill.side is Side.SELL and fill.purpose in {Purpose.COMMAND, Purpose.PANIC}:
        signal = fill.purpose.value
    return TradeRow(
        key=f"{fill.ref.ord_dt}-{fill.ref.branch}-{fill.ref.odno}-{fill.cum_qty}",
        ticker=fill.ticker,
        side=fill.side,
        quantity=fill.qty,
        price=fill.usd / fill.qty,
        total_amount=usd(fill.usd),
        signal_type=signal,
        created_at=fill.at,
        usd=fill.usd,
        fee_usd=fill.fee_usd,
        krw_per_usd=fill.krw_per_usd,
    )

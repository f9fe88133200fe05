"""What the trader committed, delivered at least once: events to the bus, fills and positions to the database."""

import asyncio
import logging

import msgspec

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
ASIDE = "undelivered.ndjson"


class OutboxPump:
    """Delivers in order; an outage of Redis or the database only delays, because the journal remembers."""

    def __init__(self, runtime: Runtime, journal: Journal, bus: Bus, records: RecordStore) -> None:
        self._runtime = runtime
        self._journal = journal
        self._bus = bus
        self._records = records
        self._waits = ""
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Deliver until the stop; the journal keeps what is left for the next start."""
        while not self._runtime.stop.is_set():
            self.wake.clear()
            done = await self._drain()
            self._runtime.note(outbox=self._journal.waiting(), outbox_waits_for=self._waits)
            if done:
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
                    self._wait_for("redis" if isinstance(error, BusUnavailable) else "database", error)
                    return False
                except Exception:
                    # it can't be delivered ever: what comes after it must not wait, and the trader must not end
                    log.exception("an item of the outbox was put aside in %s", ASIDE)
                    self._put_aside(item)
                self._journal.delivered(seq)
        self._waits = ""
        return True

    def _wait_for(self, what: str, error: Exception) -> None:
        """Say so once per outage; it is asked every second."""
        if self._waits != what:
            log.warning("%s: %s; the journal keeps what waits", type(error).__name__, error)
            self._waits = what

    def _put_aside(self, item: Outgoing) -> None:
        with (self._runtime.settings.state_dir / ASIDE).open("ab") as file:
            file.write(msgspec.json.encode(item) + b"\n")

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

"""Trading halts of what is held or planned: told to people when they begin and when they end, each once."""

import contextlib
import datetime as dt
from collections.abc import Iterable

from core.model.batch import BarBatch
from core.model.messages import Channel, Event, EventKind, Value, message_id
from ports.bus import BusUnavailable
from services.runtime import Runtime

REMEMBERED = 500


class HaltNews:
    """Follows the halts of the whole market; what can't be told now is told at the next look."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._held: frozenset[str] = frozenset()
        self._planned: frozenset[str] = frozenset()
        # since when each ticker is halted, in epoch milliseconds of the exchange
        self._halted: dict[str, int] = {}
        self._told: dict[str, int] = {}

    async def remember(self) -> None:
        """After a restart: of a halt that was told the end is still owed."""
        with contextlib.suppress(BusUnavailable):
            for message in await self._runtime.bus.history(Channel.EVENTS, REMEMBERED):
                match message:
                    case Event(kind=EventKind.TICKER_HALTED, values={"since_ms": int(since_ms)}):
                        self._told[message.ticker] = since_ms
                    case Event(kind=EventKind.TICKER_RESUMED):
                        self._told.pop(message.ticker, None)
                    case _:
                        pass
        self._halted |= self._told

    async def concern(self, held: Iterable[str], planned: Iterable[str]) -> None:
        """These are held, or about to be bought."""
        self._held, self._planned = frozenset(held), frozenset(planned)
        await self._look()

    async def changed(self, ticker: str, at_ms: int, *, halted: bool) -> None:
        """The exchange has halted a ticker or lets it trade again; either may be repeated."""
        if halted:
            self._halted.setdefault(ticker, at_ms)
        else:
            self._halted.pop(ticker, None)
        await self._look()

    async def bars_arrived(self, batch: BarBatch) -> None:
        """Where the end of a halt was missed, a bar from after its beginning shows it."""
        if not self._halted:
            return
        for ticker, start_ms in zip(batch.tickers, batch.start_ms.tolist(), strict=True):
            if start_ms > self._halted.get(ticker, start_ms):
                del self._halted[ticker]
        await self._look()

    async def _look(self) -> None:
        mine = self._held | self._planned
        begun = sorted(t for t in mine & self._halted.keys() if t not in self._told)
        ended = sorted(self._told.keys() - self._halted.keys())
        try:
            for ticker in begun:
                await self._tell(EventKind.TICKER_HALTED, ticker, self._halted[ticker])
                self._told[ticker] = self._halted[ticker]
            for ticker in ended:
                await self._tell(EventKind.TICKER_RESUMED, ticker, self._told[ticker])
                del self._told[ticker]
        except BusUnavailable:
            return

    async def _tell(self, kind: EventKind, ticker: str, since_ms: int) -> None:
        now: dt.datetime = self._runtime.clock.now()
        values: dict[str, Value] = {"since_ms": since_ms, "held": ticker in self._held}
        key = message_id(kind.value, ticker, since_ms)
        event = Event(id=key, kind=kind, at=now, ticker=ticker, values=values)
        await self._runtime.bus.publish(Channel.EVENTS, event)

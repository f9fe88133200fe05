"""The watch list: kept in the database, told to the services whenever it changes and each time the bot starts."""

import asyncio
import logging
from collections.abc import Callable

from bot.deps import BotDeps
from core.model.instrument import Instrument
from core.model.messages import Channel, WatchListChanged, message_id
from ports.bus import BusUnavailable
from ports.store import WATCH_LIST, StoreUnavailable, watched_of

log = logging.getLogger(__name__)
MOST = 50
EVERYBODY = 0


class WatchList:
    """One list for all owners, as there is one account."""

    def __init__(self, deps: BotDeps) -> None:
        self._deps = deps
        self._owed = False
        self._changing = asyncio.Lock()

    async def tickers(self) -> tuple[str, ...]:
        """In the order they were added. Raises StoreUnavailable."""
        return watched_of(await self._deps.chat.preference(EVERYBODY, WATCH_LIST))

    async def change(self, how: Callable[[tuple[str, ...]], tuple[str, ...]]) -> tuple[tuple[str, ...], bool]:
        """Make a new list of the present one, keep it and tell the services; returns the list and whether it changed.

        One at a time: two owners may change it at once. Raises StoreUnavailable; a bus that is away hears of it later.
        """
        async with self._changing:
            before = await self.tickers()
            after = how(before)
            if after != before:
                await self._deps.chat.set_preference(EVERYBODY, WATCH_LIST, ",".join(after))
                await self._tell(after)
            return after, after != before

    async def announce(self) -> None:
        """Tell the services what the database has; what can't be had or said now is owed."""
        try:
            await self._tell(await self.tickers())
        except StoreUnavailable as trouble:
            self._owed = True
            log.warning("the watch list can't be read yet: %s", trouble)

    async def pay(self) -> None:
        """Say what could not be said before."""
        if self._owed:
            await self.announce()

    async def _tell(self, tickers: tuple[str, ...]) -> None:
        now = self._deps.clock.now()
        known: tuple[Instrument, ...] = ()
        try:
            rows = await self._deps.records.instruments() if tickers else ()
            known = tuple(each for each, _ in rows if each.ticker in tickers)
        except StoreUnavailable as trouble:
            log.warning("venues of watched stocks can't be read: %s", trouble)
        message = WatchListChanged(
            id=message_id("watch", now.isoformat(), *tickers), tickers=tickers, securities=known, at=now
        )
        try:
            await self._deps.bus.publish(Channel.CONTROL, message)
            self._owed = False
        except BusUnavailable as trouble:
            self._owed = True
            log.warning("the services hear of the watch list later: %s", trouble)

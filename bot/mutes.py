"""Tickers that a person does not want to hear of for a while; the trader proposes nothing of them, the board is silent."""

import datetime as dt
import logging

import msgspec

from bot.deps import BotDeps
from ports.store import StoreUnavailable

log = logging.getLogger(__name__)
KEPT = "mutes"
Mutes = dict[str, dt.datetime]


class MuteList:
    """Shared by all owners, like the positions; kept in the store."""

    def __init__(self, deps: BotDeps) -> None:
        self._deps = deps
        self._until: Mutes = {}

    async def load(self) -> None:
        """Raises StoreUnavailable."""
        kept = await self._deps.chat.preference(0, KEPT)
        try:
            self._until = msgspec.json.decode(kept, type=Mutes) if kept else {}
        except (msgspec.DecodeError, ValueError):
            self._until = {}

    def covers(self, ticker: str) -> bool:
        until = self._until.get(ticker)
        return until is not None and self._deps.clock.now() < until

    def end_of_session(self) -> dt.datetime:
        """The instant until which "today" lasts: the end of the running or the next session's after-market."""
        return self._deps.calendar.current_or_next(self._deps.clock.now()).post_close_at

    async def set(self, ticker: str, until: dt.datetime | None) -> None:
        """In force at once; a database that is away costs only the memory of a restart."""
        now = self._deps.clock.now()
        self._until = {name: at for name, at in self._until.items() if at > now and name != ticker}
        if until is not None:
            self._until[ticker] = until
        try:
            await self._deps.chat.set_preference(0, KEPT, msgspec.json.encode(self._until).decode())
        except StoreUnavailable as trouble:
            log.warning("the muted tickers are not kept: %s", trouble)

"""Keeps the pinned message of holdings and stops up to date, and remembers what was held last."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from bot.deps import BotDeps
from bot.i18n import Translator
from bot.messenger import Messenger
from bot.posts import Post, Posts
from bot.views import pinned as views
from bot.views.pinned import Held, Standing
from core.model.commands import AskStatus, TraderStatus
from core.model.messages import Event, EventKind, HoldingsChanged
from core.model.position import Position
from ports.control import TraderUnreachable
from ports.store import StoreUnavailable

log = logging.getLogger(__name__)
Work = Coroutine[Any, Any, None]
KEY = "holdings"
# The time is moved on this many times less often than messages grow stale: every ten minutes.
REFRESH = 10
HEADER = frozenset(
    {
        EventKind.STATE_CHANGED,
        EventKind.PAUSED,
        EventKind.RESUMED,
        EventKind.PANICKED,
        EventKind.FROZEN,
        EventKind.UNFROZEN,
    }
)


def held_of(positions: tuple[Position, ...]) -> tuple[Held, ...]:
    """Positions as the message shows them."""
    return tuple(
        Held(ticker=p.ticker, qty=p.qty, stop_price=p.stop_price, name=p.name, name_ko=p.name_ko, frozen=p.frozen)
        for p in positions
    )


def bare(message: HoldingsChanged) -> tuple[Held, ...]:
    """What a message of holdings carries: shares and stops, which is what the guardian has as well."""
    return tuple(Held(ticker=p.ticker, qty=p.qty, stop_price=p.stop_price) for p in message.positions)


def named(told: tuple[Held, ...], known: tuple[Held, ...]) -> tuple[Held, ...]:
    """Shares and stops as told, names and marks as known."""
    by_ticker = {p.ticker: p for p in known}
    return tuple(msgspec.structs.replace(by_ticker.get(p.ticker, p), qty=p.qty, stop_price=p.stop_price) for p in told)


class Pinned:
    """One message per owner, made with the first position and pinned once."""

    def __init__(self, deps: BotDeps, messenger: Messenger, speak: Callable[[int], Translator]) -> None:
        self._deps = deps
        self._messenger = messenger
        self._posts = Posts(deps, messenger, speak, kind="pinned", shape=Standing, view=views.pinned, renew=True)
        self._lock = asyncio.Lock()
        self._newest: HoldingsChanged | None = None

    async def last_known(self) -> Standing | None:
        """What was held when the trader last said so, else what the database knows; None where nobody knows."""
        post, newest = await self._posts.find(KEY), self._newest
        shown = post.model if post is not None else None
        if newest is not None and (shown is None or newest.at > shown.at):
            # repeated without a change, and so not drawn: it is as old as its newest message
            held = named(bare(newest), shown.held if shown else ())
            return Standing(at=newest.at, held=held, state=shown.state if shown else None)
        if shown is not None:
            return shown
        try:
            found = await self._deps.records.positions()
        except StoreUnavailable:
            return None
        at = max((p.priced_at for p in found), default=None)
        return Standing(at=at, held=held_of(tuple(found))) if at is not None else None

    def holdings(self, message: HoldingsChanged) -> Work:
        """Holdings as the trader publishes them; of a backlog only the newest is drawn."""
        if self._newest is None or message.at > self._newest.at:
            self._newest = message
        return self._holdings(message)

    def event(self, event: Event) -> Work | None:
        """The header follows what changes the trading state."""
        return self._header() if event.kind in HEADER else None

    async def _holdings(self, message: HoldingsChanged) -> None:
        async with self._lock:
            if message is not self._newest:
                return
            post = await self._posts.find(KEY)
            if post is not None and message.at <= post.model.at:
                return
            told = bare(message)
            if post is None and not told:
                return
            if post is not None and not self._due(post.model, told, message):
                return
            status = await self._status()
            shown = post.model.held if post is not None else ()
            held = named(told, held_of(status.positions) if status else shown)
            state = status.state if status else post.model.state if post else None
            await self._draw(post, Standing(at=message.at, held=held, state=state))

    def _due(self, shown: Standing, told: tuple[Held, ...], message: HoldingsChanged) -> bool:
        drawn = tuple(Held(ticker=p.ticker, qty=p.qty, stop_price=p.stop_price) for p in shown.held)
        old = message.at - shown.at >= REFRESH * self._deps.stale_after
        return drawn != told or (old and bool(told))

    async def _header(self) -> None:
        async with self._lock:
            post = await self._posts.find(KEY)
            status = await self._status() if post is not None else None
            if post is None or status is None:
                return
            held = held_of(status.positions)
            if (held, status.state) != (post.model.held, post.model.state):
                await self._draw(post, Standing(at=status.at, held=held, state=status.state))

    async def _status(self) -> TraderStatus | None:
        try:
            return (await self._deps.control.send(AskStatus(by="bot"))).status
        except TraderUnreachable:
            return None

    async def _draw(self, post: Post[Standing] | None, standing: Standing) -> None:
        post = post or self._posts.add(Post(KEY, standing))
        post.model = standing
        for sent in await self._posts.draw(post, quiet=True):
            await self._messenger.pin(sent)

"""Selling everything, told in one message: which positions are sold, which wait, and the sum at the end."""

import datetime as dt
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import msgspec

from bot.deps import BotDeps
from bot.i18n import Translator
from bot.messenger import Messenger, Sent
from bot.posts import Post, Posts
from bot.values import decimal, text, whole
from bot.views import liquidation as views
from bot.views.liquidation import Liquidation, Sale
from core.model.commands import Reply
from core.model.messages import Event, EventKind
from core.model.order import Purpose

Work = Coroutine[Any, Any, None]
SOLD = frozenset({EventKind.LIQUIDATION, EventKind.SOLD})
# A run that was not finished is no longer this one's after so long.
LONGEST = dt.timedelta(days=7)


def concerns(event: Event) -> bool:
    """Whether an event belongs to a liquidation whatever is known of one."""
    sold_off = event.values.get("reason") == Purpose.PANIC
    return event.kind is EventKind.LIQUIDATION or (
        sold_off and event.kind in {EventKind.SELL_STARTED, EventKind.EXIT_WAITS, EventKind.SOLD}
    )


def with_event(model: Liquidation, event: Event) -> Liquidation:
    """The run after a sale began, waits for the market, or is done; nothing is ever counted twice."""
    known = next((s for s in model.sales if s.ticker == event.ticker), None)
    v = event.values
    if known is None:
        if not concerns(event):
            return model
        known = Sale(ticker=event.ticker, name=text(v, "name"), name_ko=text(v, "name_ko"), qty=whole(v, "qty"))
    if known.pnl_krw is not None:
        return model
    replace = msgspec.structs.replace
    if event.kind in SOLD:
        known = replace(
            known, pnl_krw=decimal(v, "pnl_krw") or Decimal(0), waits=False, qty=whole(v, "qty") or known.qty
        )
    else:
        known = replace(known, waits=event.kind is EventKind.EXIT_WAITS, qty=whole(v, "qty") or known.qty)
    return _ended(_put(model, known), event.at)


def with_reply(model: Liquidation, reply: Reply, at: dt.datetime) -> Liquidation:
    """The run with every position that the trader said it is selling."""
    for p in reply.status.positions if reply.status else ():
        if all(s.ticker != p.ticker for s in model.sales):
            model = _put(model, Sale(ticker=p.ticker, name=p.name, name_ko=p.name_ko, qty=p.qty))
    return _ended(model, at)


def _put(model: Liquidation, sale: Sale) -> Liquidation:
    others = {s.ticker: s for s in model.sales}
    return msgspec.structs.replace(model, sales=tuple((others | {sale.ticker: sale}).values()))


def _ended(model: Liquidation, at: dt.datetime) -> Liquidation:
    over = bool(model.sales) and all(s.pnl_krw is not None for s in model.sales)
    return msgspec.structs.replace(model, ended_at=at if over else None)


class Liquidations:
    """The run in progress and its message per owner."""

    def __init__(self, deps: BotDeps, messenger: Messenger, speak: Callable[[int], Translator]) -> None:
        self._deps = deps
        self._posts = Posts(deps, messenger, speak, kind="liquidation", shape=Liquidation, view=views.liquidation)
        self._claims: dict[int, tuple[Sent, dt.datetime]] = {}
        self._last: Post[Liquidation] | None = None
        self._restored = False

    def claim(self, owner: int, sent: Sent) -> None:
        """Show the coming run in this message: said before the command, because events may overtake its answer."""
        self._claims[owner] = sent, self._deps.clock.now()

    def forget(self, owner: int) -> None:
        """The command failed."""
        self._claims.pop(owner, None)

    async def begun(self, owner: int, reply: Reply) -> None:
        """The trader sells everything: show it in the message that was claimed."""
        now = self._deps.clock.now()
        post = await self._running()
        # kept until here: an event that waits for the same answer of the store must find it
        claimed, since = self._claims.pop(owner, (None, now))
        earlier = None
        if post is not None and post.model.started_at < since:
            # an earlier run that never came to its end
            earlier, post = post, None
            earlier.model = msgspec.structs.replace(earlier.model, replaced=True)
        post = post or self._start(now)
        if claimed is not None:
            post.posted[owner], post.drawn = claimed, None
        post.model = with_reply(post.model, reply, now)
        for each in (earlier, post):
            if each is not None:
                await self._posts.draw(each, owners=frozenset())

    async def event(self, event: Event) -> Work | None:
        """Take an event; the returned work brings the messages up to date."""
        if event.kind not in SOLD and not concerns(event):
            return None
        post = await self._running()
        if post is None:
            newest = await self._newest()
            late = newest is not None and newest.model.ended_at is not None and event.at <= newest.model.ended_at
            if late or not concerns(event) or event.kind is EventKind.SOLD:
                return None
            post = self._start(event.at)
        post.posted |= {owner: sent for owner, (sent, _) in self._claims.items() if owner not in post.posted}
        before = post.model
        post.model = with_event(before, event)
        return self._show(post) if post.model != before else None

    async def _show(self, post: Post[Liquidation]) -> None:
        await self._posts.draw(post)

    def _start(self, at: dt.datetime) -> Post[Liquidation]:
        self._last = self._posts.add(Post(f"liquidation:{at.isoformat()}", Liquidation(started_at=at)))
        return self._last

    async def _running(self) -> Post[Liquidation] | None:
        newest = await self._newest()
        if newest is None or newest.model.ended_at is not None or newest.model.replaced:
            return None
        return newest if self._deps.clock.now() - newest.model.started_at < LONGEST else None

    async def _newest(self) -> Post[Liquidation] | None:
        if not self._restored and self._last is None:
            found = await self._posts.search(lambda _: True)
            newest = max(found, key=lambda post: post.model.started_at, default=None)
            # one that began while the store answered is in memory, and so among the found
            self._restored, self._last = True, newest
        return self._last

"""The order desk: carries one intent to the broker, at most once, and reports what is known afterwards."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from core.model.commands import Reply
from core.model.order import Intent, Side
from core.stages.trade.inputs import (
    CancelAnswered,
    OrderAcked,
    OrderLost,
    OrderNotSent,
    OrderSending,
    OrdersRead,
    OrderWasRefused,
    TradeInput,
)
from ports.broker import Broker, BrokerError, BrokerUnavailable, OrderRefused, OrderUnknown, Urgency
from ports.clock import Clock

log = logging.getLogger(__name__)
Tell = Callable[[TradeInput], Awaitable[Reply | None]]
MaySend = Callable[[bool], bool]
"""Whether an order may leave now; the argument: it sells."""
# how long a sale waits to learn what is sellable
SELL_PATIENCE_S = 3.0
# our own code for what was not sent because the guardian is in charge
FENCED = "FENCED"


class OrderDesk:
    """`tell` returns once what it was told is committed; nothing is sent before that (reliability.md 2.4).

    `may_send` is asked right before the first byte: somebody else may have been put in charge of the orders.
    """

    def __init__(self, broker: Broker, clock: Clock, tell: Tell, may_send: MaySend) -> None:
        self._broker = broker
        self._clock = clock
        self._tell = tell
        self._may_send = may_send

    async def place(self, intent: Intent) -> None:
        """Baseline, commit SENDING, send, report. Cancelling this task never un-sends: the outcome becomes unknown."""
        not_sent = await self._read_baseline(intent)
        if isinstance(not_sent, OrderNotSent):
            await self._tell(not_sent)
            return
        reply = await self._tell(OrderSending(at=self._clock.now(), intent_id=intent.id, baseline=not_sent))
        if reply is not None and not reply.ok:
            # stopped while the baseline was being read
            return
        if not self._may_send(intent.request.side is Side.SELL):
            fenced = OrderWasRefused(
                at=self._clock.now(), intent_id=intent.id, code=FENCED, message="another is in charge", passing=True
            )
            await self._tell(fenced)
            return
        sending = asyncio.ensure_future(self._broker.place(intent.request))
        try:
            ref = await asyncio.shield(sending)
        except OrderRefused as refused:
            now = self._clock.now()
            await self._tell(
                OrderWasRefused(
                    at=now, intent_id=intent.id, code=refused.code, message=str(refused), passing=refused.passing
                )
            )
        except (OrderUnknown, asyncio.CancelledError) as lost:
            reason = str(lost) or "cancelled"
            await self._tell(OrderLost(at=self._clock.now(), intent_id=intent.id, reason=reason))
            if isinstance(lost, asyncio.CancelledError):
                raise
        else:
            await self._tell(OrderAcked(at=self._clock.now(), intent_id=intent.id, ref=ref))

    async def _read_baseline(self, intent: Intent) -> tuple[str, ...] | OrderNotSent:
        """Order numbers known before sending. A buy is not sent without reading them.

        A sale goes by what the machine has seen, and waits only a moment to learn how many shares are sellable: the
        broker itself sells no more than there are.
        """
        if intent.request.side is Side.BUY:
            try:
                book = await self._broker.order_book(Urgency.ENTRY)
            except BrokerUnavailable as error:
                return OrderNotSent(at=self._clock.now(), intent_id=intent.id, reason=f"no baseline: {error}")
            # whatever it tells besides is news like any other reading's
            await self._tell(OrdersRead(at=self._clock.now(), orders=book.orders, complete=book.complete))
            return tuple(o.ref.odno for o in book.orders if o.ticker == intent.request.ticker)
        with contextlib.suppress(BrokerUnavailable, TimeoutError):
            async with asyncio.timeout(SELL_PATIENCE_S):
                held = {h.ticker: h.sellable_qty for h in await self._broker.holdings(Urgency.EXIT)}
            sellable = max(0, held.get(intent.request.ticker, 0) - (intent.own_qty or 0))
            if sellable < intent.request.qty:
                reason = f"only {sellable} sellable"
                return OrderNotSent(at=self._clock.now(), intent_id=intent.id, reason=reason, sellable=sellable)
        return ()

    async def cancel(self, intent: Intent) -> None:
        """Ask for a cancel; the answer is never the end of the story."""
        if intent.ref is None or not self._may_send(True):
            return
        known, code = True, ""
        try:
            await self._broker.cancel(intent.ref, intent.request)
        except OrderRefused as refused:
            code = refused.code
        except BrokerError as error:
            known, code = False, error.code
        await self._tell(CancelAnswered(at=self._clock.now(), intent_id=intent.id, known=known, code=code))

"""The trader's way to the simulated KIS: `ports.broker.Broker` with every accident that a network and a broker have."""

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Protocol

from core.model.instrument import Exchange
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Holding, OrderRequest
from core.model.quote import Quote
from ports.broker import BrokerUnavailable, OrderBook, OrderRefused, OrderUnknown, Urgency
from simulation.clock import VirtualClock
from simulation.faults import Faults
from simulation.hooks import Hooks
from simulation.kis import GONE, RANDOM_REFUSAL, Account, Order
from simulation.market import Stock

TIMEOUT_S = 8.0
NOT_SENT = "NOT_SENT"
Receipt = list[Order | str]


class Judge(Protocol):
    """Who watches what a caller of the broker does."""

    def posting(self, request: OrderRequest, /) -> str:
        """An order is about to leave; returns the caller's name for it."""
        ...

    def cancelling(self, ref: BrokerRef, request: OrderRequest, /) -> None:
        """A cancel is about to leave."""
        ...

    def listed(self, rows: Iterable[BrokerOrder], /) -> None:
        """The order list was answered."""
        ...

    def priced(self, ticker: str, who: str, /) -> None:
        """A price was answered."""
        ...


class Line:
    """What the network does to any caller, trader or guardian: outages, delays, lost bytes, spoiled lists."""

    def __init__(self, account: Account, stocks: dict[str, Stock], faults: Faults, clock: VirtualClock) -> None:
        self.account, self.stocks, self.faults, self.clock = account, stocks, faults, clock
        self.down_until = 0.0
        # orders that will still arrive after their sender gave up waiting
        self.in_flight = 0
        self.on_send: Callable[[OrderRequest], None] = lambda _request: None

    @property
    def down(self) -> bool:
        """Whether the broker can't be reached at all."""
        return self.clock.seconds() < self.down_until

    def delay(self) -> float:
        """Seconds for a call to the broker and back."""
        random = self.faults.stream("delay")
        drawn = random.random()
        return random.uniform(1.0, 4.0) if drawn < 0.02 and self.faults.on else 0.05 + 0.2 * drawn

    def spoiled(self, rows: tuple[BrokerOrder, ...]) -> OrderBook:
        """An answer of the order list, perhaps cut, doubled or blank."""
        faults = self.faults
        complete = True
        if rows:
            random = faults.stream("lists")
            if faults.roll("truncated", "lists"):
                rows, complete = rows[: random.randrange(len(rows))], False
            elif faults.roll("truncated_unseen", "lists"):
                hidden = random.randrange(len(rows))
                rows = rows[:hidden] + rows[hidden + 1 :]
            elif faults.roll("duplicated", "lists"):
                # one row over and over hides the rest; the adapter sees the repetition (open-trading-api#44)
                rows, complete = (random.choice(rows),), False
            elif faults.roll("blank", "lists"):
                rows = ()
        return OrderBook(orders=rows, complete=complete)

    def send(self, request: OrderRequest, source: str, key: str, receipt: Receipt) -> bool:
        """An order leaves: True when the broker's answer will come back, in `receipt`."""
        faults, random = self.faults, self.faults.stream("orders")
        self.on_send(request)
        reply = random.random()
        if faults.roll("lost_request", "orders") or self.down:
            return False
        if faults.roll("late_accept", "orders"):
            self._later(random.uniform(*faults.rates.late_accept_s), request, source, key)
            return False
        if faults.roll("refused", "orders"):
            receipt.append(RANDOM_REFUSAL)
            return True
        self.clock.later(0.02 + 0.1 * reply, self._arrive, request, source, key, receipt)
        return not faults.roll("lost_reply", "orders")

    def send_now(self, request: OrderRequest, source: str, receipt: Receipt) -> bool:
        """The same for a caller that can't wait: what arrives arrives at this instant."""
        faults, random = self.faults, self.faults.stream("orders")
        if faults.roll("lost_request", "orders") or self.down:
            return False
        if faults.roll("late_accept", "orders"):
            self._later(random.uniform(*faults.rates.late_accept_s), request, source, "")
            return False
        self._arrive(request, source, "", receipt)
        return not faults.roll("lost_reply", "orders")

    def _later(self, seconds: float, request: OrderRequest, source: str, key: str) -> None:
        self.in_flight += 1
        self.clock.later(seconds, self._late, request, source, key, seconds)

    def _late(self, request: OrderRequest, source: str, key: str, seconds: float) -> None:
        self.in_flight -= 1
        self.account.arrive(request, source, key, seconds)

    def _arrive(self, request: OrderRequest, source: str, key: str, receipt: Receipt) -> None:
        receipt.append(self.account.arrive(request, source, key))

    def send_cancel(self, odno: str) -> tuple[bool, bool]:
        """A cancel leaves: whether an answer comes back, and whether it is a refusal."""
        faults, random = self.faults, self.faults.stream("cancels")
        if faults.roll("lost_cancel", "cancels") or self.down:
            return False, False
        if faults.roll("hollow_cancel", "cancels"):
            return True, False
        if faults.roll("slow_cancel", "cancels"):
            self.clock.later(random.uniform(1.0, 12.0), self.account.cancel, odno)
            return True, False
        done = self.account.cancel(odno)
        return not faults.roll("lost_cancel_reply", "cancels"), not done


class TraderBroker:
    """Implements ports.broker.Broker for one life of the trader."""

    def __init__(self, line: Line, hooks: Hooks, judge: Judge) -> None:
        self._line, self._hooks, self._judge = line, hooks, judge

    async def _answer(self, what: str) -> None:
        """Wait for an answer, or fail."""
        line = self._line
        self._hooks.process.check()
        if line.down or line.faults.roll("failed_query", "queries"):
            slow = line.faults.stream("queries").random() < 0.3
            await asyncio.sleep(TIMEOUT_S if slow else 0.2)
            self._hooks.process.check()
            raise BrokerUnavailable(f"{what} failed", code="LOST")
        await asyncio.sleep(line.delay())
        self._hooks.process.check()

    async def place(self, request: OrderRequest) -> BrokerRef:
        """Send one limit order."""
        line = self._line
        key = self._judge.posting(request)
        self._hooks.at("place", "before")
        if line.down and line.faults.stream("orders").random() < 0.5:
            await asyncio.sleep(0.1)
            raise OrderRefused("could not connect", code=NOT_SENT, passing=True)
        receipt: Receipt = []
        answered = line.send(request, "trader", key, receipt)
        self._hooks.at("place", "after")
        await asyncio.sleep(0.15 + line.delay() if answered else TIMEOUT_S)
        self._hooks.process.check()
        if not answered:
            raise OrderUnknown("timed out", code="TIMED_OUT")
        taken = receipt[0]
        if isinstance(taken, str):
            raise OrderRefused("refused", code=taken)
        return taken.ref

    async def cancel(self, ref: BrokerRef, request: OrderRequest) -> None:
        """Ask to cancel what is left of an order."""
        self._judge.cancelling(ref, request)
        self._hooks.at("cancel", "before")
        answered, refused = self._line.send_cancel(ref.odno)
        self._hooks.at("cancel", "after")
        await asyncio.sleep(self._line.delay() if answered else TIMEOUT_S)
        self._hooks.process.check()
        if not answered:
            raise OrderUnknown("timed out", code="TIMED_OUT")
        if refused:
            raise OrderRefused("nothing to cancel", code=GONE)

    async def order_book(self, urgency: Urgency = Urgency.RECONCILE) -> OrderBook:  # noqa: ARG002  (no rate limit here)
        """The list as it was when the question arrived."""
        rows = self._line.account.rows()
        await self._answer("order list")
        listed = self._line.spoiled(rows)
        self._judge.listed(listed.orders)
        return listed

    async def holdings(self, urgency: Urgency = Urgency.RECONCILE) -> tuple[Holding, ...]:  # noqa: ARG002  (as above)
        """The shares as they were when the question arrived."""
        held = self._line.account.holdings()
        await self._answer("holdings")
        return held

    async def buying_power(self, ticker: str, exchange: Exchange, limit: str) -> BuyingPower:  # noqa: ARG002  (one purse)
        """What may be spent."""
        await self._answer("buying power")
        return self._line.account.power()

    async def quote(
        self,
        ticker: str,
        exchange: Exchange,  # noqa: ARG002  (one list of tickers)
        urgency: Urgency = Urgency.ENTRY,  # noqa: ARG002  (no rate limit here)
        *,
        depth: bool = True,  # noqa: ARG002  (the spread is always one cent)
    ) -> Quote:
        """The last print, with bid and ask around it."""
        await self._answer("quote")
        line, now = self._line, self._line.clock.seconds()
        stock = line.stocks.get(ticker)
        if stock is None:
            raise BrokerUnavailable(f"no price of {ticker}", code="BAD_ANSWER")
        last = stock.printed(now, line.faults)
        self._judge.priced(ticker, "trader")
        bid = last - Decimal("0.01")
        return Quote(ticker=ticker, last=last, at=line.clock.now(), bid=bid, ask=last, source="simulation")

    def clock_skew_s(self) -> float | None:
        """The clocks agree."""
        return 0.0

    async def close(self) -> None:
        """Nothing to release."""

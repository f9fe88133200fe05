"""What the trader reads from the broker, in order of urgency: prices, orders, holdings, buying power."""

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal

import msgspec

from core.model.instrument import Exchange
from core.model.order import BuyingPower
from core.model.quote import FEED_SOURCE, Quote
from core.rules.exit import STOP_CONFIRM
from core.rules.feed import Agreement
from core.stages.trade import TradeStage
from core.stages.trade.inputs import (
    BrokerHealth,
    ClockRead,
    HoldingsRead,
    OrdersRead,
    PowerRead,
    PricesApart,
    QuotesRead,
    TradeInput,
)
from ports.broker import Broker, BrokerUnavailable, PriceUnknown, Urgency
from services.runtime import Runtime
from services.venues import PriceBoard

log = logging.getLogger(__name__)
QUOTES_S, ORDERS_LIVE_S, RECONCILE_S, POWER_S = 2.0, 2.0, 20.0, 60.0
LEAST_S = 0.1
STALE_READINGS = 7.5
# three failures in a row, so that one lost packet does not close the entries
DOWN_AFTER = 3
# buying power is asked for a ticker and a price; any liquid one tells the account's money
REFERENCE = ("AAPL", Exchange.NASD, "100.00")


class BrokerWatch:
    """Feeds the machine with readings; `tell` commits what follows from them."""

    def __init__(
        self,
        runtime: Runtime,
        broker: Broker,
        stage: TradeStage,
        tell: Callable[[TradeInput], Awaitable[object]],
        board: PriceBoard,
    ) -> None:
        self._runtime = runtime
        self._board = board
        self._agreement = Agreement()
        self._broker = broker
        self._book = stage.book
        self._tell = tell
        self._failures = 0
        self._evaluated: dict[str, float] = {}
        # nothing has been looked at yet: the guardian tells that from a trader that does not report it
        runtime.note(stops="{}")
        self.orders_wanted = asyncio.Event()
        self.holdings_wanted = asyncio.Event()

    async def quotes(self) -> None:
        """Prices of what is sold, held or bought; a price under its stop is looked at again as soon as that may confirm it."""
        speed = self._runtime.clock.speed
        while not self._runtime.stop.is_set():
            started = self._runtime.monotonic()
            await self._read_quotes()
            seconds = STOP_CONFIRM.total_seconds() if self._suspects() else QUOTES_S
            left_s = seconds / speed - (self._runtime.monotonic() - started)
            await self._runtime.pause(max(LEAST_S, left_s))

    async def orders(self) -> None:
        """The order list: often while an order lives, else with each reconcile."""
        while not self._runtime.stop.is_set():
            self.orders_wanted.clear()
            await self._read_orders()
            seconds = ORDERS_LIVE_S if self._book.live_intents() else RECONCILE_S
            await self._wait(self.orders_wanted, seconds)

    async def reconcile(self) -> None:
        """Holdings against positions."""
        while not self._runtime.stop.is_set():
            self.holdings_wanted.clear()
            await self._read_holdings()
            await self._wait(self.holdings_wanted, RECONCILE_S)

    async def _wait(self, wanted: asyncio.Event, seconds: float) -> None:
        """Until the next reading is due, or wanted at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(LEAST_S, seconds / self._runtime.clock.speed)):
                await wanted.wait()

    async def power(self) -> None:
        """Buying power and exchange rate."""
        await self._runtime.every(POWER_S, self._read_power, least_s=LEAST_S)

    async def entry_facts(
        self, ticker: str, exchange: Exchange, near: Decimal | None = None
    ) -> tuple[Quote | None, BuyingPower | None]:
        """A fresh price and buying power for a decision to buy; None where the broker does not answer.

        The broker wants a price to tell the buying power, which does not depend on it: one that is `near` saves the wait
        for the fresh one.
        """
        try:
            if near is None:
                quote = await self._broker.quote(ticker, exchange)
                power = await self._broker.buying_power(ticker, exchange, f"{quote.buy_reference:.2f}")
            else:
                quote, power = await asyncio.gather(
                    self._broker.quote(ticker, exchange), self._broker.buying_power(ticker, exchange, f"{near:.2f}")
                )
        except BrokerUnavailable as error:
            log.warning("no price or buying power for %s: %s", ticker, error)
            return None, None
        await self._compare(quote)
        return quote, power

    @property
    def stale_after(self) -> dt.timedelta:
        """How old the price of a held ticker may be before something is wrong: several readings were missed."""
        interval_s = max(QUOTES_S, LEAST_S * self._runtime.clock.speed)
        return dt.timedelta(seconds=STALE_READINGS * interval_s)

    async def _read_quotes(self) -> None:
        """All at once, so that one slow answer does not keep the others waiting; the gateway keeps the limits."""
        guarded = [*dict.fromkeys([*self._book.exits, *self._suspects(), *self._book.positions])]
        await asyncio.gather(*(self._read_quote(t, Urgency.EXIT) for t in guarded))
        bought = [t for t in self._book.quoted_tickers() if t not in guarded]
        await asyncio.gather(*(self._read_quote(t, Urgency.ENTRY) for t in bought))
        self._evaluated = {t: at for t, at in self._evaluated.items() if t in self._book.positions}
        # the guardian steps in where a stop is not looked at any more, though this process lives
        self._runtime.note(stops=msgspec.json.encode(self._evaluated).decode())

    def _suspects(self) -> list[str]:
        """Held tickers whose last price was under the stop, and that are not being sold yet."""
        return [t for t in self._book.below_stop if t in self._book.positions and t not in self._book.exits]

    async def _read_quote(self, ticker: str, urgency: Urgency) -> None:
        exchanges = {p.ticker: p.exchange for p in self._book.open_plans()}
        exchanges |= {p.ticker: p.exchange for p in self._book.positions.values()}
        # only an order needs bid and ask; a price alone is half the requests
        depth = urgency is Urgency.ENTRY or ticker in self._book.exits
        try:
            quote = await self._broker.quote(ticker, exchanges.get(ticker, Exchange.NASD), urgency, depth=depth)
        except PriceUnknown as error:
            # a stop that can't be judged is told by itself
            log.debug("%s", error)
            return
        except BrokerUnavailable as error:
            await self._failed(error)
            return
        await self._tell(QuotesRead(at=self._runtime.clock.now(), quotes=(quote,)))
        self._evaluated[ticker] = self._runtime.monotonic()
        await self._compare(quote)

    async def _compare(self, quote: Quote) -> None:
        """The feed against the broker, where both have just spoken; the paper account's prices are the feed's own."""
        newest = self._board.newest(quote.ticker)
        if newest is None or quote.source == FEED_SOURCE:
            return
        max_pct = self._runtime.params.trading.max_divergence_pct
        now = self._runtime.clock.now()
        apart_pct = self._agreement.see(newest[0], quote.last, now, max_pct)
        if apart_pct is not None:
            await self._tell(PricesApart(at=now, ticker=quote.ticker, apart_pct=apart_pct))

    async def _read_orders(self) -> None:
        try:
            listed = await self._broker.order_book()
        except BrokerUnavailable as error:
            await self._failed(error)
            return
        await self._tell(OrdersRead(at=self._runtime.clock.now(), orders=listed.orders, complete=listed.complete))
        if (skew_s := self._broker.clock_skew_s()) is not None:
            self._runtime.note(skew_s=f"{skew_s:.1f}")
            await self._tell(ClockRead(at=self._runtime.clock.now(), skew_s=skew_s))
        await self._answered()

    async def _read_holdings(self) -> None:
        asked_at = self._runtime.clock.now()
        try:
            holdings = await self._broker.holdings()
        except BrokerUnavailable as error:
            await self._failed(error)
            return
        await self._tell(HoldingsRead(at=self._runtime.clock.now(), holdings=holdings, asked_at=asked_at))

    async def _read_power(self) -> None:
        try:
            power = await self._broker.buying_power(*REFERENCE)
        except BrokerUnavailable as error:
            await self._failed(error)
            return
        await self._tell(PowerRead(at=self._runtime.clock.now(), power=power))

    async def _failed(self, error: BrokerUnavailable) -> None:
        self._failures += 1
        self._runtime.note(broker_failures=self._failures)
        if self._failures == DOWN_AFTER:
            log.warning("the broker does not answer: %s", error)
            await self._tell(BrokerHealth(at=self._runtime.clock.now(), ok=False, detail=str(error)))

    async def _answered(self) -> None:
        if self._failures:
            self._failures = 0
            self._runtime.note(broker_failures=0)
        if not self._book.broker_ok:
            await self._tell(BrokerHealth(at=self._runtime.clock.now(), ok=True))

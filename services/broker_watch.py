"""What the trader reads from the broker, in order of urgency: prices, orders, holdings, buying power."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from core.model.instrument import Exchange
from core.model.order import BuyingPower
from core.model.quote import Quote
from core.stages.trade import TradeStage
from core.stages.trade.inputs import BrokerHealth, HoldingsRead, OrdersRead, PowerRead, QuotesRead, TradeInput
from ports.broker import Broker, BrokerUnavailable
from services.runtime import Runtime

log = logging.getLogger(__name__)
QUOTES_S, ORDERS_LIVE_S, RECONCILE_S, POWER_S = 2.0, 2.0, 30.0, 60.0
LEAST_S = 0.1
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
    ) -> None:
        self._runtime = runtime
        self._broker = broker
        self._book = stage.book
        self._tell = tell
        self._failures = 0
        self.orders_wanted = asyncio.Event()

    async def quotes(self) -> None:
        """Prices of what is sold, held or bought, exits first."""
        await self._runtime.every(QUOTES_S, self._read_quotes, least_s=LEAST_S)

    async def orders(self) -> None:
        """The order list: often while an order lives, else with each reconcile."""
        clock = self._runtime.clock
        while not self._runtime.stop.is_set():
            await self._read_orders()
            seconds = ORDERS_LIVE_S if self._book.live_intents() else RECONCILE_S
            self.orders_wanted.clear()
            try:
                async with asyncio.timeout(max(LEAST_S, seconds / clock.speed)):
                    await self.orders_wanted.wait()
            except TimeoutError:
                continue

    async def reconcile(self) -> None:
        """Holdings against positions."""
        await self._runtime.every(RECONCILE_S, self._read_holdings, least_s=LEAST_S)

    async def power(self) -> None:
        """Buying power and exchange rate."""
        await self._runtime.every(POWER_S, self._read_power, least_s=LEAST_S)

    async def entry_facts(self, ticker: str, exchange: Exchange) -> tuple[Quote | None, BuyingPower | None]:
        """A fresh price and buying power for a decision to buy; None where the broker does not answer."""
        try:
            quote = await self._broker.quote(ticker, exchange)
            power = await self._broker.buying_power(ticker, exchange, f"{quote.buy_reference:.2f}")
        except BrokerUnavailable as error:
            log.warning("no price or buying power for %s: %s", ticker, error)
            return None, None
        return quote, power

    async def _read_quotes(self) -> None:
        exchanges = {p.ticker: p.exchange for p in self._book.positions.values()}
        exchanges |= {p.ticker: p.exchange for p in self._book.open_plans()}
        for ticker in self._book.quoted_tickers():
            try:
                quote = await self._broker.quote(ticker, exchanges.get(ticker, Exchange.NASD))
            except BrokerUnavailable as error:
                await self._failed(error)
                continue
            await self._tell(QuotesRead(at=self._runtime.clock.now(), quotes=(quote,)))

    async def _read_orders(self) -> None:
        try:
            listed = await self._broker.order_book()
        except BrokerUnavailable as error:
            await self._failed(error)
            return
        await self._tell(OrdersRead(at=self._runtime.clock.now(), orders=listed.orders, complete=listed.complete))
        await self._answered()

    async def _read_holdings(self) -> None:
        try:
            holdings = await self._broker.holdings()
        except BrokerUnavailable as error:
            await self._failed(error)
            return
        await self._tell(HoldingsRead(at=self._runtime.clock.now(), holdings=holdings))

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

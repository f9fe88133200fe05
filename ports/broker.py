"""What the trader needs from a broker, and the three ways it can fail."""

import enum
from typing import Protocol

import msgspec

from core.model.instrument import Exchange
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Holding, OrderRequest
from core.model.quote import Quote


class BrokerError(Exception):
    """Base of everything a broker call raises; `code` is the broker's own code where it gave one."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class OrderRefused(BrokerError):
    """The broker definitely did not take the order: its code is on the allow-list of refusals.

    `passing`: for a reason that goes away by itself (rate, token, not sent), so that the same thing may be tried again.
    """

    def __init__(self, message: str, *, code: str = "", passing: bool = False) -> None:
        super().__init__(message, code=code)
        self.passing = passing


class OrderUnknown(BrokerError):
    """The broker may or may not have taken the order. Never send it again; ask."""


class BrokerUnavailable(BrokerError):
    """A query could not be answered now; nothing was changed."""


class PriceUnknown(BrokerUnavailable):
    """The broker answers, but has no price of this security now: one stock's trouble, not the broker's."""


class Urgency(enum.IntEnum):
    """Who goes first where the broker limits the rate: sales and their prices, reconciling, entries, market data last."""

    EXIT = 0
    RECONCILE = 1
    ENTRY = 2
    FEED = 3


class OrderBook(msgspec.Struct, frozen=True, kw_only=True):
    """Today's and yesterday's orders of the account; `complete` is False when a page may be missing."""

    orders: tuple[BrokerOrder, ...]
    complete: bool


class Broker(Protocol):
    """One account at one broker. Every method has a deadline and never retries an order."""

    async def place(self, request: OrderRequest) -> BrokerRef:
        """Send one limit order, once. Raises OrderRefused or OrderUnknown."""
        ...

    async def cancel(self, ref: BrokerRef, request: OrderRequest) -> None:
        """Ask to cancel what is left of an order; acknowledgement is not final. Raises OrderRefused or OrderUnknown."""
        ...

    async def order_book(self, urgency: Urgency = Urgency.RECONCILE) -> OrderBook:
        """Read all orders of the present and the previous US date. Raises BrokerUnavailable."""
        ...

    async def holdings(self, urgency: Urgency = Urgency.RECONCILE) -> tuple[Holding, ...]:
        """Read the shares in the account, real-time. Raises BrokerUnavailable."""
        ...

    async def buying_power(self, ticker: str, exchange: Exchange, limit: str) -> BuyingPower:
        """Read what may be spent on `ticker` at `limit` USD. Raises BrokerUnavailable."""
        ...

    async def quote(
        self, ticker: str, exchange: Exchange, urgency: Urgency = Urgency.ENTRY, *, depth: bool = True
    ) -> Quote:
        """Read the last price; `depth`: also bid and ask, for a limit. Raises BrokerUnavailable, of which PriceUnknown is one."""
        ...

    def clock_skew_s(self) -> float | None:
        """How far the broker's clock was ahead of ours when it last answered, in real seconds; None where unknown."""
        ...

    async def close(self) -> None:
        """Release connections and threads."""
        ...

"""The paper account: a broker in a file, filled against live or replayed prices, for people without an account.

A limit order fills in full within the first minute bar that arrives after it was placed and is good enough: at the
bar's open where that is as good as the limit, else at the limit itself where the bar reached it. A known split makes new
shares of old ones as soon as it is told, which a real account shows later; what does not divide is paid out at its cost.
"""

import datetime as dt
import math
import os
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import msgspec

from core.model.bar import Bar
from core.model.instrument import Exchange, Split
from core.model.money import ZERO, price, usd
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Holding, OrderRequest, Side
from core.model.quote import FEED_SOURCE, Quote
from ports.broker import OrderBook, OrderRefused, PriceUnknown, Urgency

KEPT_ORDERS = 500
Arrival = tuple[Bar, dt.datetime]


class PaperOrder(msgspec.Struct, kw_only=True):
    """One order of the paper account."""

    ref: BrokerRef
    request: OrderRequest
    filled_qty: int = 0
    filled_usd: Decimal = ZERO
    cancelled: bool = False
    seen_until: dt.datetime | None = None


class PaperAccount(msgspec.Struct, kw_only=True):
    """What the file holds."""

    cash_usd: Decimal
    next_number: int = 1
    orders: list[PaperOrder] = []
    shares: dict[str, tuple[Exchange, int, Decimal]] = {}
    # the newest split that each ticker's shares are counted by
    splits: dict[str, Split] = {}


class PaperBroker:
    """Implements ports.broker.Broker. `newest` gives a ticker's newest closed bar and its arrival, or None;
    `splits` those of the last days that are known.
    """

    def __init__(
        self,
        path: Path,
        *,
        newest: Callable[[str], Arrival | None],
        cash_krw: int,
        krw_per_usd: float,
        commission_pct: float,
        today: Callable[[], dt.date],
        splits: Callable[[], Iterable[Split]] = tuple,
    ) -> None:
        self._path = path
        self._newest = newest
        self._splits = splits
        self._rate = Decimal(str(krw_per_usd))
        self._fee = Decimal(str(commission_pct)) / 100
        self._today = today
        self._account = self._load(usd(Decimal(cash_krw) / self._rate))

    def _load(self, cash: Decimal) -> PaperAccount:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=PaperAccount)
        except FileNotFoundError:
            return PaperAccount(cash_usd=cash)

    def _save(self) -> None:
        partial = self._path.with_suffix(".tmp")
        with partial.open("wb") as file:
            file.write(msgspec.json.encode(self._account))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)

    async def place(self, request: OrderRequest) -> BrokerRef:
        """Take an order if cash or shares allow it."""
        account = self._account
        if request.side is Side.BUY:
            needed = request.qty * request.limit * (1 + self._fee)
            if needed > self._free_cash():
                raise OrderRefused("not enough cash", code="PAPER_CASH")
        elif request.qty > self._sellable(request.ticker):
            raise OrderRefused("not enough shares", code="PAPER_SHARES")
        ref = BrokerRef(_day(self._today()), "PAPER", str(account.next_number))
        known = self._newest(request.ticker)
        account.next_number += 1
        account.orders.append(PaperOrder(ref=ref, request=request, seen_until=known[1] if known else None))
        self._save()
        return ref

    async def cancel(self, ref: BrokerRef, request: OrderRequest) -> None:
        """Cancel what is left."""
        self._match()
        order = next((o for o in self._account.orders if o.ref == ref), None)
        if order is None or order.cancelled or order.filled_qty == request.qty:
            raise OrderRefused("nothing to cancel", code="PAPER_GONE")
        order.cancelled = True
        self._save()

    async def order_book(self, urgency: Urgency = Urgency.RECONCILE) -> OrderBook:  # noqa: ARG002  (a file has no queue)
        """All orders of the file, matched against the newest prices."""
        self._match()
        return OrderBook(orders=tuple(_row(o) for o in self._account.orders), complete=True)

    async def holdings(self, urgency: Urgency = Urgency.RECONCILE) -> tuple[Holding, ...]:  # noqa: ARG002  (nor here)
        """Shares in the account."""
        self._match()
        return tuple(
            Holding(
                ticker=t,
                exchange=e,
                qty=q,
                sellable_qty=self._sellable(t),
                avg_price=(c / q).quantize(Decimal("0.0001")),
            )
            for t, (e, q, c) in self._account.shares.items()
            if q
        )

    async def buying_power(self, ticker: str, exchange: Exchange, limit: str) -> BuyingPower:  # noqa: ARG002  (one purse)
        """Free cash at the configured rate."""
        return BuyingPower(usd=usd(self._free_cash()), krw_per_usd=self._rate)

    async def quote(
        self,
        ticker: str,
        exchange: Exchange,  # noqa: ARG002  (the feed knows no venue)
        urgency: Urgency = Urgency.ENTRY,  # noqa: ARG002  (and has no queue)
        *,
        depth: bool = True,  # noqa: ARG002  (and no order book)
    ) -> Quote:
        """The newest price of the feed."""
        known = self._newest(ticker)
        if known is None:
            raise PriceUnknown(f"no price of {ticker} yet")
        bar, at = known
        return Quote(ticker=ticker, last=price(bar.close), at=at, source=FEED_SOURCE)

    def clock_skew_s(self) -> float | None:
        """There is no other clock."""
        return None

    async def close(self) -> None:
        """Nothing to release."""

    def _free_cash(self) -> Decimal:
        held = sum(
            (o.request.limit * (o.request.qty - o.filled_qty) * (1 + self._fee) for o in self._open(Side.BUY)), ZERO
        )
        return self._account.cash_usd - held

    def _sellable(self, ticker: str) -> int:
        owned = self._account.shares.get(ticker, (Exchange.NASD, 0, ZERO))[1]
        return owned - sum(o.request.qty - o.filled_qty for o in self._open(Side.SELL) if o.request.ticker == ticker)

    def _open(self, side: Side) -> list[PaperOrder]:
        return [
            o
            for o in self._account.orders
            if o.request.side is side and not o.cancelled and o.filled_qty < o.request.qty
        ]

    def _match(self) -> None:
        """Fill what the newest prices allow; an order never fills at a price that was known when it was placed."""
        changed = self._expire() | self._split()
        for order in [*self._open(Side.SELL), *self._open(Side.BUY)]:
            known = self._newest(order.request.ticker)
            if known is None or (order.seen_until is not None and known[1] <= order.seen_until):
                continue
            at = _fill_price(order.request, known[0])
            if at is not None:
                self._fill(order, at)
                changed = True
        if changed:
            self._save()

    def _expire(self) -> bool:
        """Orders are good for one US day; finished ones beyond the last few hundred are forgotten."""
        today = _day(self._today())
        late = [o for side in Side for o in self._open(side) if o.ref.ord_dt < today]
        for order in late:
            order.cancelled = True
        extra = len(self._account.orders) - KEPT_ORDERS
        if extra > 0:
            self._account.orders = self._account.orders[extra:]
        return bool(late) or extra > 0

    def _split(self) -> bool:
        """Shares that were bought before a split are counted by it, once."""
        account = self._account
        counted = {ticker: split.on for ticker, split in account.splits.items()}
        due = [s for s in self._splits() if s.ticker in account.shares and counted.get(s.ticker, dt.date.min) < s.on]
        for split in due:
            exchange, owned, cost = account.shares[split.ticker]
            account.splits[split.ticker] = split
            old = max(0, owned - self._bought_since(split))
            whole = math.floor(old * split.ratio)
            rest = (old * split.ratio - whole) / split.ratio
            paid = usd(cost / owned * rest.numerator / rest.denominator) if owned else ZERO
            account.cash_usd += paid
            account.shares[split.ticker] = (exchange, owned - old + whole, cost - paid)
        return bool(due)

    def _bought_since(self, split: Split) -> int:
        return sum(
            o.filled_qty
            for o in self._account.orders
            if o.request.side is Side.BUY and o.request.ticker == split.ticker and o.ref.ord_dt >= _day(split.on)
        )

    def _fill(self, order: PaperOrder, paid: Decimal) -> None:
        request, account = order.request, self._account
        amount = request.qty * paid
        exchange, owned, cost = account.shares.get(request.ticker, (request.exchange, 0, ZERO))
        order.filled_qty, order.filled_usd = request.qty, amount
        if request.side is Side.BUY:
            account.cash_usd -= amount * (1 + self._fee)
            account.shares[request.ticker] = (exchange, owned + request.qty, cost + amount)
        else:
            account.cash_usd += amount * (1 - self._fee)
            left = owned - request.qty
            account.shares[request.ticker] = (exchange, left, cost * left / owned if owned else ZERO)


def _day(date: dt.date) -> str:
    """A US date as KIS writes it."""
    return date.strftime("%Y%m%d")


def _fill_price(request: OrderRequest, bar: Bar) -> Decimal | None:
    """Where a limit order fills inside a bar, or None where the bar never reached it."""
    limit, opened = request.limit, price(bar.open)
    if request.side is Side.BUY:
        return opened if opened <= limit else limit if price(bar.low) <= limit else None
    return opened if opened >= limit else limit if price(bar.high) >= limit else None


def _row(order: PaperOrder) -> BrokerOrder:
    request = order.request
    left = 0 if order.cancelled else request.qty - order.filled_qty
    return BrokerOrder(
        ref=order.ref,
        ticker=request.ticker,
        side=request.side,
        qty=request.qty,
        limit=request.limit,
        filled_qty=order.filled_qty,
        filled_usd=order.filled_usd,
        open_qty=left,
        cancelled=order.cancelled,
    )

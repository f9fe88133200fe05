"""The account at the simulated KIS: what is really true. Accidents on the way to and from it live in the ports.

A row of the order list and a holding become visible only after a lag: each change appends a version with the instant
from which answers may show it.
"""

from collections.abc import Callable
from decimal import Decimal

from core.model.instrument import Exchange
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Holding, OrderRequest, Side
from simulation.clock import ORD_DT, VirtualClock
from simulation.faults import Faults
from simulation.market import Stock
from simulation.trace import Trace

ZERO = Decimal(0)
FEE = Decimal("0.0025")
KRW_PER_USD = Decimal(1400)
NO_CASH, NO_SHARES, GONE, RANDOM_REFUSAL = "APBK0952", "APBK0400", "APBK1234", "APBK1680"
PERSON = "person"


class Order:
    """One order of the account; `source` is who sent it: trader, guardian or person; `key` is the sender's own name."""

    def __init__(self, ref: BrokerRef, request: OrderRequest, source: str, key: str, at: float) -> None:
        self.ref, self.request, self.source, self.key, self.at = ref, request, source, key, at
        self.filled, self.usd = 0, ZERO
        self.sent_at = at
        self.open = request.qty
        self.cancelled = self.rejected = False
        self.stuck_until = 0.0
        self.versions: list[tuple[float, BrokerOrder]] = []
        self._seen = 0

    @property
    def from_api(self) -> bool:
        """What the media column says."""
        return self.source != PERSON

    @property
    def next_at(self) -> float:
        """When the list will show something new of it."""
        return self.versions[self._seen][0] if self._seen < len(self.versions) else float("inf")

    def shown(self, at: float) -> BrokerOrder | None:
        """The row as the list showed it at an instant."""
        return next((row for since, row in reversed(self.versions) if since <= at), None)

    def row(self, now: float) -> BrokerOrder | None:
        """The row as the list shows it now."""
        versions = self.versions
        while self._seen < len(versions) and versions[self._seen][0] <= now:
            self._seen += 1
        return versions[self._seen - 1][1] if self._seen else None


class Account:
    """Cash, shares and orders. `own` are the shares the person brought or bought by hand; the rest the bot bought."""

    def __init__(self, clock: VirtualClock, faults: Faults, trace: Trace, stocks: dict[str, Stock]) -> None:
        self.cash = Decimal(50_000)
        self.shares = dict.fromkeys(stocks, 0)
        self.own = dict.fromkeys(stocks, 0)
        self.brought = dict.fromkeys(stocks, 0)
        self.adopted = dict.fromkeys(stocks, 0)
        self.was_split: set[str] = set()
        self.orders: list[Order] = []
        self.open: list[Order] = []
        self.on_fill: Callable[[Order, int, Decimal], None] = lambda _order, _qty, _usd: None
        self._clock, self._faults, self._trace, self._stocks = clock, faults, trace, stocks
        self._holdings: dict[str, list[tuple[float, int, int]]] = {t: [(0.0, 0, 0)] for t in stocks}
        self._shown: dict[str, list[tuple[float, int]]] = {t: [(0.0, 0)] for t in stocks}
        self._rows: tuple[BrokerOrder, ...] | None = None
        self._rows_until = 0.0

    def adopt(self, ticker: str, qty: int) -> None:
        """The person hands shares over: from here on they are the bot's, as far as they have not been sold meanwhile."""
        self.adopted[ticker] += qty
        self.own[ticker] -= min(qty, self.own[ticker])

    # -- what happens at the broker -----------------------------------------------------------------------------

    def bring(self, ticker: str, qty: int) -> None:
        """Shares that the person had before the story."""
        self.shares[ticker] += qty
        self.own[ticker] += qty
        self.brought[ticker] += qty
        self._holdings[ticker] = [(0.0, self.shares[ticker], self.shares[ticker])]
        self._shown[ticker] = [(0.0, self.shares[ticker])]

    def bot(self, ticker: str) -> int:
        """Shares that API orders bought and nobody sold."""
        return self.shares[ticker] - self.own[ticker]

    def tied(self, ticker: str) -> int:
        """Shares bound by open sales."""
        return sum(o.open for o in self.open if o.request.ticker == ticker and o.request.side is Side.SELL)

    def sellable(self, ticker: str) -> int:
        """ord_psbl_qty, the truth."""
        return self.shares[ticker] - self.tied(ticker)

    def free_cash(self) -> Decimal:
        """Cash not held for open buys."""
        held = sum((o.open * o.request.limit for o in self.open if o.request.side is Side.BUY), ZERO)
        return self.cash - held * (1 + FEE)

    def refusal(self, request: OrderRequest) -> str:
        """The broker's code for why it does not take an order now, or nothing."""
        if request.side is Side.SELL:
            return NO_SHARES if request.qty > self.sellable(request.ticker) else ""
        return NO_CASH if request.qty * request.limit * (1 + FEE) > self.free_cash() else ""

    def arrive(self, request: OrderRequest, source: str, key: str = "", late_s: float = 0.0) -> Order | str:
        """An order reaches the broker, `late_s` after it was sent: the order, or the code of the refusal."""
        now = self._clock.seconds()
        code = self.refusal(request)
        if code:
            self._trace.say("kis", "refuses", source, request.side.value, request.qty, request.ticker, code)
            return code
        order = Order(BrokerRef(ORD_DT, "", str(1001 + len(self.orders))), request, source, key, now)
        order.sent_at = now - late_s
        self.orders.append(order)
        self.open.append(order)
        self._trace.say(
            "kis", "takes", order.ref.odno, source, request.side.value, request.qty, request.ticker, request.limit
        )
        random = self._faults.stream("fills")
        if source != PERSON and self._faults.roll("late_reject", "fills"):
            order.stuck_until = float("inf")
            self._clock.later(random.uniform(0.5, 20.0), self._reject, order)
        elif self._faults.roll("stuck", "fills"):
            order.stuck_until = now + random.choice((15.0, 40.0, 90.0))
        self._changed(order)
        self._match(order)
        return order

    def cancel(self, odno: str) -> bool:
        """A cancel reaches the broker; False when nothing was left to cancel."""
        order = next((o for o in self.orders if o.ref.odno == odno), None)
        if order is None or order.open == 0:
            return False
        order.cancelled = True
        self._trace.say("kis", "cancels", odno, order.open, "of", order.request.qty)
        self._end(order)
        return True

    def _reject(self, order: Order) -> None:
        if order.open:
            order.rejected = True
            self._trace.say("kis", "rejects", order.ref.odno)
            self._end(order)

    def _end(self, order: Order) -> None:
        order.open = 0
        self.open.remove(order)
        self._changed(order)

    def match(self, ticker: str) -> None:
        """The price moved."""
        for order in list(self.open):
            if order.request.ticker == ticker:
                self._match(order)

    def _match(self, order: Order) -> None:
        request, stock, now = order.request, self._stocks[order.request.ticker], self._clock.seconds()
        if now < order.stuck_until or now < stock.halted_until:
            return
        buys = request.side is Side.BUY
        price = stock.price if buys else stock.bid
        if price > request.limit if buys else price < request.limit:
            return
        qty = order.open
        if qty > 1 and self._faults.roll("partial", "fills"):
            qty = self._faults.stream("fills").randrange(1, qty)
        self._fill(order, qty, price)

    def _fill(self, order: Order, qty: int, price: Decimal) -> None:
        ticker, amount = order.request.ticker, qty * price
        order.filled += qty
        order.usd += amount
        order.open -= qty
        if order.request.side is Side.BUY:
            self.cash -= amount * (1 + FEE)
            self.shares[ticker] += qty
            if order.source == PERSON:
                self.own[ticker] += qty
        else:
            self.cash += amount * (1 - FEE)
            self.shares[ticker] -= qty
            if order.source == PERSON:
                self.own[ticker] -= min(self.own[ticker], qty)
        self._trace.say("kis", "fills", order.ref.odno, qty, "at", price, "held", self.shares[ticker])
        if not order.open:
            self.open.remove(order)
        self._changed(order)
        self.on_fill(order, qty, amount)

    def bust(self, order: Order) -> None:
        """The exchange takes a buy's fills back."""
        ticker, qty, usd = order.request.ticker, order.filled, order.usd
        self._trace.say("kis", "busts", order.ref.odno, qty)
        self.shares[ticker] -= qty
        self.cash += usd
        order.filled, order.usd = 0, ZERO
        if order.open:
            self._end(order)
        else:
            self._changed(order)
        self.on_fill(order, -qty, -usd)

    def split(self, ticker: str, ratio: int) -> None:
        """One share becomes `ratio`; open orders are gone."""
        self._trace.say("kis", "splits", ticker, ratio)
        self.was_split.add(ticker)
        for order in [o for o in self.open if o.request.ticker == ticker]:
            order.cancelled = True
            self._end(order)
        self._stocks[ticker].split(ratio)
        self.shares[ticker] *= ratio
        self.own[ticker] *= ratio
        self._hold(ticker)

    def knowable(self, sale: Order, seconds: float) -> int:
        """How many shares the bot could take for its own when it sent `sale`, by the order list and the holdings.

        What speaks against it counts where it was shown `seconds` before, what speaks for it up to the sending. Beside
        shares of the person's, sales that were sent before it and not shown yet count as filled.
        """
        ticker, now = sale.request.ticker, sale.sent_at
        ours, own, pending = self.adopted[ticker], self.brought[ticker] - self.adopted[ticker], 0
        for order in self.orders:
            if order is sale or order.request.ticker != ticker:
                continue
            early, late = order.shown(now - seconds), order.shown(now)
            before, after = early.filled_qty if early else 0, late.filled_qty if late else 0
            buys = order.request.side is Side.BUY
            if order.source == PERSON:
                own += before if buys else -after
            elif buys:
                ours += max(before, after)
            else:
                ours -= before
                pending += order.request.qty - before if order.sent_at < now and not (late and late.final) else 0
        shown = self._shown[ticker]
        held = max(next((qty for since, qty in reversed(shown) if since <= at), 0) for at in (now - seconds, now))
        return min(ours - (pending if own > 0 else 0), held - max(0, own))

    # -- what answers show --------------------------------------------------------------------------------------

    def _changed(self, order: Order) -> None:
        """Append what the list will show of an order, and the holdings with it."""
        now, request = self._clock.seconds(), order.request
        lag = 0.0
        if self._faults.roll("list_lag", "lag"):
            lag = self._faults.stream("lag").uniform(0.5, self._faults.rates.list_lag_s)
        visible = max(now + lag, order.versions[-1][0] if order.versions else 0.0)
        row = BrokerOrder(
            ref=order.ref,
            ticker=request.ticker,
            side=request.side,
            qty=request.qty,
            limit=request.limit,
            filled_qty=order.filled,
            filled_usd=order.usd,
            open_qty=order.open,
            rejected=order.rejected,
            cancelled=order.cancelled,
            from_api=order.from_api,
            exchange=request.exchange,
            ordered_at=self._clock.at(order.at).replace(microsecond=0),
        )
        order.versions.append((visible, row))
        self._rows = None
        self._hold(request.ticker)

    def _hold(self, ticker: str) -> None:
        now, versions = self._clock.seconds(), self._holdings[ticker]
        lag = 0.0
        if self._faults.roll("holdings_lag", "lag"):
            lag = self._faults.stream("lag").uniform(0.5, self._faults.rates.holdings_lag_s)
        versions.append((max(now + lag, versions[-1][0]), self.shares[ticker], self.sellable(ticker)))
        self._shown[ticker].append((versions[-1][0], self.shares[ticker]))

    def rows(self) -> tuple[BrokerOrder, ...]:
        """The order list as it stands now."""
        now = self._clock.seconds()
        if self._rows is None or now >= self._rows_until:
            found = (order.row(now) for order in self.orders)
            self._rows = tuple(row for row in found if row is not None)
            self._rows_until = min((order.next_at for order in self.orders), default=float("inf"))
        return self._rows

    def holdings(self) -> tuple[Holding, ...]:
        """inquire-balance as it stands now."""
        now = self._clock.seconds()
        found = []
        for ticker, versions in self._holdings.items():
            while len(versions) > 1 and versions[1][0] <= now:
                versions.pop(0)
            _, qty, sellable = versions[0]
            if qty:
                found.append(
                    Holding(
                        ticker=ticker,
                        exchange=Exchange.NASD,
                        qty=qty,
                        sellable_qty=max(0, min(qty, sellable)),
                        avg_price=self._stocks[ticker].price,
                    )
                )
        return tuple(found)

    def power(self) -> BuyingPower:
        """inquire-psamount."""
        return BuyingPower(usd=max(ZERO, self.free_cash()).quantize(Decimal("0.01")), krw_per_usd=KRW_PER_USD)

"""The simulated account: KIS's rules over recorded bars, without a clock of its own (docs/backtest.md, Assumptions)."""

import datetime as dt
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from backtest.execution import Execution
from core.model.instrument import Exchange
from core.model.money import PRICE_STEP, ZERO, price, usd
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Holding, OrderRequest, Side
from core.model.quote import Quote
from core.rules.costs import fee_usd
from core.rules.days import us_date
from core.rules.pricing import tick

HUNDRED = Decimal(100)
UNLIMITED = 10**12


class Refusal(Exception):
    """The account does not take the order; `code` names the rule."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class _Order(msgspec.Struct, kw_only=True):
    ref: BrokerRef
    request: OrderRequest
    placed_at: dt.datetime
    filled_qty: int = 0
    filled_usd: Decimal = ZERO
    ended: str = ""
    # how the list shows it once it is over
    row: BrokerOrder | None = None

    @property
    def left(self) -> int:
        return 0 if self.ended else self.request.qty - self.filled_qty


class _Lot(msgspec.Struct, kw_only=True):
    exchange: Exchange
    qty: int = 0
    cost_usd: Decimal = ZERO


class SimulatedAccount:
    """Cash, shares and orders. Limit orders only, whole shares, day orders, sale proceeds usable once they settle."""

    def __init__(self, execution: Execution, *, cash_krw: int, krw_per_usd: float, commission_pct: float) -> None:
        self._execution = execution
        self._commission_pct = commission_pct
        half_spread = Decimal(str(execution.half_spread_pct)) / HUNDRED
        # what a seller gets and a buyer pays, in parts of the market's price
        self._bid, self._ask = 1 - half_spread, 1 + half_spread
        self._fx = Decimal(str(execution.fx_spread_pct)) / HUNDRED
        self.rate = Decimal(str(krw_per_usd))
        self.cash_usd = usd(Decimal(cash_krw) / (self.rate * (1 + self._fx)))
        self.fees_usd = ZERO
        self._unsettled: list[tuple[int, Decimal]] = []
        self._session = 0
        self._orders: dict[BrokerRef, _Order] = {}
        self._working: dict[str, list[_Order]] = {}
        self._lots: dict[str, _Lot] = {}
        self._last: dict[str, float] = {}
        self._number = 0
        # grows with every change of orders or shares
        self.revision = 0
        # the last answer, and the revision it belongs to
        self._power: tuple[int, BuyingPower] | None = None

    # -- the session ----------------------------------------------------------------------------------------------

    def begin_session(self, keep_from: str) -> None:
        """A trading day begins: what has settled may be spent, and orders of dates before `keep_from` leave the list."""
        self._session += 1
        self.cash_usd += sum((amount for day, amount in self._unsettled if day <= self._session), ZERO)
        self._unsettled = [entry for entry in self._unsettled if entry[0] > self._session]
        self._orders = {ref: o for ref, o in self._orders.items() if ref.ord_dt >= keep_from}
        self.revision += 1

    def end_session(self) -> list[str]:
        """Day orders expire; returns the tickers that had one."""
        tickers = [t for t, orders in self._working.items() if orders]
        for order in self._all_working():
            order.ended = "expired"
        self._working.clear()
        self.revision += 1
        return tickers

    # -- orders ---------------------------------------------------------------------------------------------------

    def place(self, request: OrderRequest, at: dt.datetime) -> BrokerRef:
        """Take a limit order; raises Refusal for want of settled cash or of shares."""
        if request.side is Side.BUY:
            amount = request.qty * request.limit
            if amount + fee_usd(amount, Side.BUY, self._commission_pct) > self._free_usd():
                raise Refusal("APBK0952", "not enough settled cash")
        elif request.qty > self._sellable(request.ticker):
            raise Refusal("APBK0400", "not enough shares")
        self._number += 1
        order = _Order(
            ref=BrokerRef(us_date(at).strftime("%Y%m%d"), "BT", str(self._number)), request=request, placed_at=at
        )
        self._orders[order.ref] = order
        self._working.setdefault(request.ticker, []).append(order)
        self.revision += 1
        return order.ref

    def cancel(self, ref: BrokerRef) -> bool:
        """Cancel what is left; False where nothing is."""
        order = self._orders.get(ref)
        if order is None or order.left == 0:
            return False
        order.ended = "cancelled"
        self._gone(order)
        self.revision += 1
        return True

    def working(self, ticker: str) -> bool:
        """Whether an order of the ticker may still fill."""
        return bool(self._working.get(ticker))

    def rows(self) -> tuple[BrokerOrder, ...]:
        """The order list of the present and the previous session."""
        return tuple(_row(order) for order in self._orders.values())

    def order(self, ref: BrokerRef) -> BrokerOrder:
        """One order of the list."""
        return _row(self._orders[ref])

    # -- prices ---------------------------------------------------------------------------------------------------

    def quote(self, ticker: str, at: dt.datetime) -> Quote | None:
        """The last price with bid and ask around it, as a question at `at` would be answered; None where none is known."""
        if ticker not in self._last:
            return None
        last = price(self._last[ticker])
        step = tick(last)
        bid = max((last * self._bid).quantize(step, rounding=ROUND_FLOOR), step)
        ask = (last * self._ask).quantize(step, rounding=ROUND_CEILING)
        return Quote(ticker=ticker, last=last, at=at, bid=bid, ask=ask, source="bars")

    def see(self, ticker: str, last: float) -> None:
        """The ticker trades at this price now."""
        self._last[ticker] = last

    def volume(self, shares: float) -> int:
        """How many shares of a bar with this volume our orders may get."""
        share = self._execution.volume_share_pct
        return int(shares * share / 100) if share else UNLIMITED

    def match(self, ticker: str, market: float, room: int, *, passing: bool = False) -> int:
        """Fill working orders at one price of the market, at most `room` shares together; returns how many filled.

        A buyer pays the ask and a seller gets the bid. Where the market only came to this price by `passing` the limits
        of resting orders, those fill at their limits.
        """
        if ticker not in self._working:
            return 0
        filled, now = 0, price(market)
        for order in list(self._working[ticker]):
            request = order.request
            factor = self._ask if request.side is Side.BUY else self._bid
            offered = (now * factor).quantize(PRICE_STEP)
            reached = offered <= request.limit if request.side is Side.BUY else offered >= request.limit
            qty = min(order.left, room - filled)
            if reached and qty > 0:
                self._fill(order, qty, request.limit if passing else offered)
                filled += qty
        return filled

    def _fill(self, order: _Order, qty: int, at_price: Decimal) -> None:
        request = order.request
        amount = qty * at_price
        fee = fee_usd(amount, request.side, self._commission_pct)
        lot = self._lots.setdefault(request.ticker, _Lot(exchange=request.exchange))
        self.revision += 1
        order.filled_qty += qty
        order.filled_usd += amount
        self.fees_usd += fee
        if request.side is Side.BUY:
            self.cash_usd -= amount + fee
            lot.qty, lot.cost_usd = lot.qty + qty, lot.cost_usd + amount
        else:
            if days := self._execution.settlement_days:
                self._unsettled.append((self._session + days, amount - fee))
            else:
                self.cash_usd += amount - fee
            lot.cost_usd -= lot.cost_usd * qty / lot.qty
            lot.qty -= qty
        if order.left == 0:
            self._gone(order)
        if lot.qty == 0:
            del self._lots[request.ticker]

    def _gone(self, order: _Order) -> None:
        """The order works no more."""
        others = self._working[order.request.ticker]
        others.remove(order)
        if not others:
            del self._working[order.request.ticker]

    # -- the account ----------------------------------------------------------------------------------------------

    def holdings(self) -> tuple[Holding, ...]:
        """Shares as the broker reports them."""
        return tuple(
            Holding(
                ticker=ticker,
                exchange=lot.exchange,
                qty=lot.qty,
                sellable_qty=self._sellable(ticker),
                avg_price=(lot.cost_usd / lot.qty).quantize(PRICE_STEP),
            )
            for ticker, lot in self._lots.items()
        )

    def power(self) -> BuyingPower:
        """What may be spent now."""
        if self._power is None or self._power[0] != self.revision:
            self._power = self.revision, BuyingPower(usd=usd(max(ZERO, self._free_usd())), krw_per_usd=self.rate)
        return self._power[1]

    def equity_usd(self) -> Decimal:
        """Cash, proceeds under way, and shares at their last prices."""
        return self.cash_usd + sum((amount for _, amount in self._unsettled), ZERO) + self.invested_usd()

    def equity_krw(self) -> Decimal:
        """The same in won, as changing it all back would give."""
        return self.equity_usd() * self.rate * (1 - self._fx)

    def invested_usd(self) -> Decimal:
        """Shares at their last prices."""
        return sum((lot.qty * price(self._last[t]) for t, lot in self._lots.items() if t in self._last), ZERO)

    def _all_working(self) -> list[_Order]:
        return [order for orders in self._working.values() for order in orders]

    def _free_usd(self) -> Decimal:
        held = ZERO
        for order in self._all_working():
            if order.request.side is Side.BUY:
                amount = order.left * order.request.limit
                held += amount + fee_usd(amount, Side.BUY, self._commission_pct)
        return self.cash_usd - held

    def _sellable(self, ticker: str) -> int:
        lot = self._lots.get(ticker)
        selling = sum(o.left for o in self._working.get(ticker, ()) if o.request.side is Side.SELL)
        return (lot.qty if lot else 0) - selling


def _row(order: _Order) -> BrokerOrder:
    if order.row is not None:
        return order.row
    request = order.request
    row = BrokerOrder(
        ref=order.ref,
        ticker=request.ticker,
        side=request.side,
        qty=request.qty,
        limit=request.limit,
        filled_qty=order.filled_qty,
        filled_usd=order.filled_usd,
        open_qty=order.left,
        cancelled=order.ended == "cancelled",
        expired=order.ended == "expired",
        exchange=request.exchange,
        ordered_at=order.placed_at,
    )
    if order.left == 0:
        order.row = row
    return row

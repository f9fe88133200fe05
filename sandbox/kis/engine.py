"""The matching engine: open orders against the market's quotes, one market second after another."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

from sandbox import calendar
from sandbox.bars import MINUTE_S
from sandbox.calendar import Session
from sandbox.kis.account import Account, Fill, Side
from sandbox.market import Market

SECOND = timedelta(seconds=1)
CANCEL_TAKES = timedelta(seconds=1)
EXPIRED_TEXT = "DFD 장종료로 취소"
DEAD_TEXT = "정정/취소할 수량이 없습니다"

LIMIT = "00"
MARKET_ON_OPEN, LIMIT_ON_OPEN = "31", "32"
MARKET_ON_CLOSE, LIMIT_ON_CLOSE = "33", "34"
ON_OPEN = frozenset({MARKET_ON_OPEN, LIMIT_ON_OPEN})
ON_CLOSE = frozenset({MARKET_ON_CLOSE, LIMIT_ON_CLOSE})
AT_MARKET = frozenset({MARKET_ON_OPEN, MARKET_ON_CLOSE})
# the owner's own app has it, the API does not
BY_HAND_AT_MARKET = "01"


class State(Enum):
    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DONE = "done"


class Kind(Enum):
    """KIS's rvse_cncl_dvsn."""

    NEW = "00"
    MODIFY = "01"
    CANCEL = "02"

    @property
    def korean(self) -> str:
        return {"00": "", "01": "정정", "02": "취소"}[self.value]


@dataclass(eq=False)
class Order:
    """One order number: an order, a modification or a cancellation."""

    odno: int
    symbol: str
    side: Side
    qty: int
    price: Decimal
    division: str
    placed_at: datetime
    expires_at: datetime
    medium: str = "OpenAPI"
    kind: Kind = Kind.NEW
    original: int | None = None
    state: State = State.OPEN
    reason: str = ""
    withdrawn: int = 0
    fills: list[Fill] = field(default_factory=list)
    # the exchange is about to refuse it, so nothing matches it
    doomed: bool = False

    @property
    def filled(self) -> int:
        return sum(fill.qty for fill in self.fills)

    @property
    def filled_amount(self) -> Decimal:
        return sum((fill.amount for fill in self.fills), Decimal(0))

    @property
    def average(self) -> Decimal:
        return self.filled_amount / self.filled if self.fills else Decimal(0)

    @property
    def remaining(self) -> int:
        """Shares still working: none once the order is dead."""
        return (
            self.qty - self.filled - self.withdrawn if self.state is State.OPEN and self.kind is not Kind.CANCEL else 0
        )


@dataclass(frozen=True)
class _Cancel:
    row: Order
    target: Order
    qty: int
    due_at: datetime


class Engine:
    """Orders and fills of one account. `share` is the part of a minute's volume that we may take, None for all we want."""

    def __init__(
        self, market: Market, account: Account, *, paper: bool, share: float | None = 0.1, first_odno: int = 30138001
    ) -> None:
        self._market, self.account, self._paper = market, account, paper
        self.share = share
        self.orders: dict[int, Order] = {}
        self._open: list[Order] = []
        self._cancels: list[_Cancel] = []
        self._later: list[tuple[datetime, Callable[[datetime], object]]] = []
        self._next_odno = first_odno
        self._done: int | None = None

    # -- entry -------------------------------------------------------------------------------------

    def place(
        self, symbol: str, side: Side, qty: int, price: Decimal, division: str, now: datetime, medium: str = "OpenAPI"
    ) -> Order:
        return self.enter(self.number(symbol, side, qty, price, division, now, medium))

    def number(
        self,
        symbol: str,
        side: Side,
        qty: int,
        price: Decimal,
        division: str,
        now: datetime,
        medium: str = "OpenAPI",
    ) -> Order:
        """An order with its number that is in no book yet."""
        order = Order(self._next_odno, symbol, side, qty, price, division, now, self._expiry(now), medium)
        self._next_odno += 1
        return order

    def enter(self, order: Order) -> Order:
        self.orders[order.odno] = order
        if order.state is State.OPEN:
            self._open.append(order)
        return order

    def later(self, at: datetime, act: Callable[[datetime], object]) -> None:
        """Does it in the first market second from then on, before cancels settle and orders match."""
        self._later.append((at, act))

    def modify(self, target: Order, qty: int, price: Decimal, now: datetime, medium: str = "OpenAPI") -> Order:
        """Takes `qty` shares off the target and works them at the new price under a new number."""
        replacement = self.number(target.symbol, target.side, qty, price, target.division, now, medium)
        replacement.kind, replacement.original = Kind.MODIFY, target.odno
        self._withdraw(target, qty, State.REPLACED)
        return self.enter(replacement)

    def cancel(
        self, target: Order, qty: int, now: datetime, medium: str = "OpenAPI", takes: timedelta = CANCEL_TAKES
    ) -> Order:
        """Accepted is not done: fills may still arrive before it takes effect."""
        row = self.number(target.symbol, target.side, qty, Decimal(0), target.division, now, medium)
        row.kind, row.original = Kind.CANCEL, target.odno
        self.orders[row.odno] = row
        self._cancels.append(_Cancel(row, target, qty, now + takes))
        return row

    def _withdraw(self, order: Order, qty: int, state: State) -> None:
        order.withdrawn += qty
        if order.filled + order.withdrawn >= order.qty:
            self.close(order, state)

    def close(self, order: Order, state: State, reason: str = "") -> None:
        order.state, order.reason = state, reason
        if order in self._open:
            self._open.remove(order)

    def _expiry(self, now: datetime) -> datetime:
        """The regular close, or for an after-market order the end of KIS's after-market."""
        local = now.astimezone(calendar.NEW_YORK)
        close = calendar.regular_close(local.date())
        if now < close:
            return close
        end = now.replace(minute=0, second=0, microsecond=0)
        while calendar.kis_session(end) is not Session.CLOSED:
            end += timedelta(hours=1)
        return end

    def restore(self, orders: Iterable[Order]) -> None:
        """Takes over the orders of an earlier run."""
        self.orders = {order.odno: order for order in orders}
        self._open = [o for o in self.orders.values() if o.state is State.OPEN and o.kind is not Kind.CANCEL]
        self._next_odno = max([self._next_odno, *(odno + 1 for odno in self.orders)])

    # -- what it ties up ---------------------------------------------------------------------------

    def working(self) -> list[Order]:
        return list(self._open)

    def reserved_usd(self) -> Decimal:
        return sum((order.price * order.remaining for order in self._open if order.side is Side.BUY), Decimal(0))

    def reserved_shares(self, symbol: str) -> int:
        return sum(o.remaining for o in self._open if o.side is Side.SELL and o.symbol == symbol)

    # -- time --------------------------------------------------------------------------------------

    def advance(self, now: datetime) -> list[Fill]:
        """Matches every whole market second up to now; returns the new fills."""
        last = math.floor(now.timestamp())
        if self._done is None or not self._busy():
            self._done = last
            return []
        fills: list[Fill] = []
        while self._done < last and self._busy():
            self._done += 1
            fills += self._step(datetime.fromtimestamp(self._done, UTC))
        self._done = last
        return fills

    def _busy(self) -> bool:
        return bool(self._open or self._cancels or self._later)

    def _step(self, at: datetime) -> list[Fill]:
        due = [act for moment, act in self._later if moment <= at]
        self._later = [(moment, act) for moment, act in self._later if moment > at]
        for act in due:
            act(at)
        self._settle_cancels(at)
        fills = self._at_close(at) if self._crosses_close(at) else []
        for order in [order for order in self._open if order.expires_at <= at]:
            self.close(order, State.EXPIRED, EXPIRED_TEXT)
        session = calendar.kis_session(at)
        if session is Session.CLOSED or (self._paper and session is not Session.REGULAR):
            return fills
        for symbol in dict.fromkeys(order.symbol for order in self._open):
            for side in (Side.BUY, Side.SELL):
                fills += self._match(symbol, side, at, session)
        return fills

    def _settle_cancels(self, at: datetime) -> None:
        for cancel in [cancel for cancel in self._cancels if cancel.due_at <= at]:
            self._cancels.remove(cancel)
            qty = min(cancel.qty, cancel.target.remaining)
            if qty == 0:
                cancel.row.state, cancel.row.reason = State.REJECTED, DEAD_TEXT
                continue
            cancel.row.state = State.DONE
            self._withdraw(cancel.target, qty, State.CANCELLED)

    def _match(self, symbol: str, side: Side, at: datetime, session: Session) -> list[Fill]:
        """Best price first, then oldest; the second's capacity is shared in that order."""
        candidates = [o for o in self._open if o.symbol == symbol and o.side is side and o.placed_at < at]
        candidates = [o for o in candidates if self._may_trade(o, at, session)]
        if not candidates:
            return []
        capacity = self._capacity(symbol, at)
        quote = self._market.quote_at(symbol, at)
        price = Decimal(str(quote.ask if side is Side.BUY else quote.bid))
        sign = -1 if side is Side.BUY else 1
        fills = []
        for order in sorted(candidates, key=lambda o: (sign * o.price, o.placed_at, o.odno)):
            if capacity <= 0:
                break
            if not _crosses(order, price):
                continue
            fill = self.fill(order, min(order.remaining, capacity), price, at)
            capacity -= fill.qty
            fills.append(fill)
        return fills

    def _may_trade(self, order: Order, at: datetime, session: Session) -> bool:
        if order.doomed or order.division in ON_CLOSE:
            return False
        if order.division in ON_OPEN:
            minute = self._market.minute_of(at)
            return session is Session.REGULAR and minute == calendar.REGULAR_MINUTE
        return True

    def _capacity(self, symbol: str, at: datetime) -> int:
        bar = self._market.bar_of_minute(symbol, self._market.minute_of(at))
        if bar is None or bar.volume == 0 or self._market.halted(symbol, at):
            return 0
        if self.share is None:
            return 1 << 60
        return max(1, int(bar.volume * self.share) // MINUTE_S)

    def _crosses_close(self, at: datetime) -> bool:
        return at == calendar.regular_close(self._market.day)

    def _at_close(self, at: datetime) -> list[Fill]:
        fills = []
        for order in [order for order in self._open if order.division in ON_CLOSE]:
            price = Decimal(str(self._market.price_at(order.symbol, at - SECOND)))
            halted = self._market.halted(order.symbol, at - SECOND)
            if not (halted or order.doomed) and _crosses(order, price):
                fills.append(self.fill(order, order.remaining, price, at))
        return fills

    def fill(self, order: Order, qty: int, price: Decimal, at: datetime) -> Fill:
        fill = Fill(order.odno, order.symbol, order.side, qty, price, at)
        order.fills.append(fill)
        self.account.apply(fill)
        if order.remaining == 0:
            self.close(order, State.FILLED)
        return fill


def _crosses(order: Order, price: Decimal) -> bool:
    if order.division in AT_MARKET or order.division == BY_HAND_AT_MARKET:
        return True
    return price <= order.price if order.side is Side.BUY else price >= order.price


def find(orders: Iterable[Order], odno: str) -> Order | None:
    """By number, whatever leading zeros it came with."""
    wanted = odno.strip().lstrip("0")
    return next((order for order in orders if str(order.odno) == wanted), None)

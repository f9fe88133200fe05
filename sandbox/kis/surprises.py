"""What the exchange and the ledger do late, or take back: late acceptance and refusal, the fill after a cancel, busts, splits."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from sandbox.faults import Fault
from sandbox.kis.account import Side
from sandbox.kis.engine import Order, State
from sandbox.kis.host import Host
from sandbox.kis.refusals import RefusedError

# our guess: KIS publishes no words for a refusal that comes from abroad
REFUSED_ABROAD = "현지거래소 주문거부"
BUSTED = "체결취소"


def accept_late(host: Host, order: Order, fault: Fault, check: Callable[[], None]) -> None:
    """The order reaches the ledger that much later, and is checked there once more; until then no list knows it.

    A lost one carries the ledger's time, one that was answered the time of its answer.
    """

    def arrive(at: datetime) -> None:
        if fault.reply == "lost":
            order.placed_at = at
        try:
            host.check_open(at)
            check()
        except RefusedError as error:
            order.state, order.reason = State.REJECTED, error.refusal.text
        host.engine.enter(order)

    host.engine.later(order.placed_at + timedelta(seconds=fault.seconds), arrive)


def reject_late(host: Host, order: Order, fault: Fault) -> None:
    """Accepted and shown as 전송, never matched, then 거부."""

    def refuse(_at: datetime) -> None:
        if order.state is State.OPEN:
            host.engine.close(order, State.REJECTED, fault.message or REFUSED_ABROAD)

    order.doomed = True
    host.engine.later(order.placed_at + timedelta(seconds=fault.seconds), refuse)


def cancel(host: Host, target: Order, qty: int, now: datetime, fault: Fault | None) -> Order:
    """A cancel that is acknowledged; the fault says how long it takes and whether the target fills before that."""
    if fault is None:
        return host.engine.cancel(target, qty, now)
    takes = timedelta(seconds=fault.seconds)
    row = host.engine.cancel(target, qty, now, takes=takes)
    if fault.action == "fill_after_cancel":
        host.engine.later(now + takes, lambda at: _fill(host, target, fault.qty, at))
    return row


def _fill(host: Host, target: Order, qty: int | None, at: datetime) -> None:
    shares = min(qty or target.remaining, target.remaining)
    if not shares:
        return
    quote = host.market.quote_at(target.symbol, at)
    at_market = Decimal(str(quote.ask if target.side is Side.BUY else quote.bid))
    host.engine.fill(target, shares, target.price or at_market, at)


def bust(host: Host, order: Order, qty: int) -> None:
    """The newest shares of its fills are taken back. Raises ValueError when they were not filled, or are gone."""
    if not 1 <= qty <= order.filled:
        raise ValueError(f"qty must lie between 1 and the {order.filled} shares that the order has filled")
    if order.side is Side.BUY and qty > host.account.qty(order.symbol):
        raise ValueError(f"only {host.account.qty(order.symbol)} of the shares are still there")
    left = qty
    while left:
        fill = order.fills.pop()
        taken = min(left, fill.qty)
        rest = host.account.take_back(fill, taken)
        order.fills += [rest] if rest else []
        left -= taken
    order.withdrawn += qty
    if order.state is State.FILLED:
        order.state, order.reason = State.CANCELLED, BUSTED
    trim_sales(host, order.symbol)


def trim_sales(host: Host, symbol: str) -> None:
    """The newest open sales are refused until the rest is covered by what is held."""
    over = host.engine.reserved_shares(symbol) - host.account.qty(symbol)
    for order in reversed(host.engine.working()):
        if over > 0 and order.symbol == symbol and order.side is Side.SELL:
            over -= order.remaining
            host.engine.close(order, State.REJECTED, host.words.no_shares.text)


def split(host: Host, symbol: str, new: int, old: int, now: datetime) -> None:
    """After the market's own split: orders at old prices are cancelled, holdings change in number."""
    for order in host.engine.working():
        if order.symbol == symbol:
            host.engine.close(order, State.CANCELLED)
    if host.account.qty(symbol):
        price = Decimal(str(host.market.price_at(symbol, now)))
        host.account.split(symbol, new, old, price, now)


def transfer(host: Host, symbol: str, qty: int, price: Decimal, now: datetime) -> None:
    """Shares come or go by hand. Raises RefusedError when those that go are not free."""
    if -qty > host.account.qty(symbol) - host.engine.reserved_shares(symbol):
        raise RefusedError(host.words.no_shares)
    host.account.transfer(symbol, qty, price, now)

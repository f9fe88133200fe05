"""The guardian's way to the simulated KIS: the methods of GuardianBroker, synchronous, each at one instant."""

from decimal import Decimal

from core.model.instrument import Exchange
from core.model.order import OrderRequest, Side
from services.guardian_broker import GuardianRefused, GuardianTrouble, OpenOrder
from services.guardian_rules import Listed
from simulation.broker import Line, Receipt
from simulation.checks import Checks


class GuardianFace:
    """What the guardian may do: ask, sell, cancel. `slow_s` sums the seconds that its calls would have taken."""

    def __init__(self, line: Line, checks: Checks) -> None:
        self._line, self._checks = line, checks
        self.slow_s = 0.0

    def _reach(self) -> None:
        line = self._line
        self.slow_s += line.delay()
        if line.down or line.faults.roll("failed_query", "guardian"):
            self.slow_s += 4.0
            raise GuardianTrouble("the broker does not answer")

    def price(self, ticker: str, exchange: str) -> Decimal:  # noqa: ARG002  (one list of tickers)
        """The last print."""
        self._reach()
        line = self._line
        last = line.stocks[ticker].printed(line.clock.seconds(), line.faults)
        self._checks.priced(ticker, "guardian")
        return last

    def shares(self, exchange: str) -> dict[str, tuple[int, int] | None]:  # noqa: ARG002  (one list of tickers)
        """Held and sellable."""
        self._reach()
        return {h.ticker: (h.qty, h.sellable_qty) for h in self._line.account.holdings()}

    def sell(self, ticker: str, exchange: str, qty: int, limit: str) -> str:
        """Send one limit sell."""
        line = self._line
        self._checks.guarding(ticker, qty)
        request = OrderRequest(
            ticker=ticker, exchange=Exchange(exchange), side=Side.SELL, qty=qty, limit=Decimal(limit)
        )
        receipt: Receipt = []
        if not line.send_now(request, "guardian", receipt):
            self.slow_s += 5.0
            raise GuardianTrouble("order: TimeoutError")
        taken = receipt[0]
        if isinstance(taken, str):
            raise GuardianRefused(taken)
        return taken.ref.odno

    def open_orders(self) -> list[OpenOrder]:
        """What the list shows open."""
        self._reach()
        return [
            OpenOrder(o.ref.odno, o.ticker, "NASD", o.side.value.lower(), o.open_qty, not o.from_api)
            for o in self._line.spoiled(self._line.account.rows()).orders
            if o.open_qty
        ]

    def listed(self) -> list[Listed]:
        """The whole list."""
        self._reach()
        book = self._line.spoiled(self._line.account.rows())
        if not book.complete:
            raise GuardianTrouble("inquire-ccnl: KIS gave the list in part")
        return [
            Listed(f"{o.ref.ord_dt}-{o.ref.odno}", o.ticker, o.side.value.lower(), o.filled_qty, not o.from_api)
            for o in book.orders
        ]

    def cancel(self, ticker: str, exchange: str, odno: str) -> None:  # noqa: ARG002  (the number says it)
        """Ask to cancel."""
        self._checks.guard_cancels(odno)
        answered, refused = self._line.send_cancel(odno)
        if not answered:
            raise GuardianTrouble("order-rvsecncl: TimeoutError")
        if refused:
            raise GuardianRefused("APBK1234")

"""The invariants, asserted at every commit, every byte out and every change at the broker.

Each allowance has its reason beside it; whatever needs time counts only seconds in which the trader could have acted.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from core.model.journal import AddFill, Change, PutIntent, PutPosition
from core.model.order import BrokerOrder, BrokerRef, Intent, IntentState, OrderRequest, Side
from simulation.clock import VirtualClock
from simulation.faults import Faults
from simulation.kis import FEE, KRW_PER_USD, Account, Order
from simulation.ledger import ZERO, Booked, told
from simulation.trace import Trace

CENT = Decimal("0.01")
# From an answer that shows a fill to its commit: what waits in the mailbox before it. Answers that come while the
# order's own reply is still on its way (8 s at most) do not count: the fill is booked with the first one after it.
TOLD_S = 5
# From the list showing a fill to an answer that contains it: three readings of the slow rhythm (30 s) with time-outs,
# because two of them may fail or be cut.
SHOWN_S = 110
# Nobody looked at the price of a held ticker: promise L1 says 30 s, a restart takes up to 5 s more.
WATCH_S = 35
# What KIS shows is read so often, time-outs included.
KNOWN_S = 10
LOST = {IntentState.NOT_PLACED, IntentState.HUMAN}


class Violation(msgspec.Struct, frozen=True):
    """A broken promise."""

    name: str
    at: float
    text: str


class Checks:
    """One story's judge. `broken` is called once, with the first violation."""

    def __init__(
        self,
        clock: VirtualClock,
        faults: Faults,
        trace: Trace,
        *,
        state_dir: Path,
        day_limit_krw: int,
        one_shot: bool,
        broken: Callable[[Violation], None],
    ) -> None:
        self.booked = Booked()
        self.account: Account
        self.first: Violation | None = None
        self.trader_up: Callable[[], bool] = lambda: False
        self.guardian_in_charge: Callable[[], bool] = lambda: False
        self.broker_down: Callable[[], bool] = lambda: False
        self._clock, self._faults, self._trace = clock, faults, trace
        self._protect = state_dir / "protect.json"
        self._protected: dict[str, tuple[int, Decimal]] = {}
        self._protect_stamp = (0, 0)
        self._day_limit = Decimal(day_limit_krw) / KRW_PER_USD
        self._one_shot = one_shot
        self._broken = broken
        self._posts: set[str] = set()
        self._closed: dict[str, str] = {}
        self._given_up: set[str] = set()
        self._swapped: set[str] = set()
        self._cost: dict[str, tuple[Decimal, int]] = {}
        self._told: dict[str, tuple[int, float]] = {}
        self._shown_s: dict[str, int] = {}
        self._unseen_s: dict[str, int] = {}
        self.files_due = False

    def fail(self, name: str, text: str) -> None:
        """Remember the first violation."""
        if self.first is None:
            self.first = Violation(name, self._clock.seconds(), text)
            self._trace.say("VIOLATES", name, text)
            self._broken(self.first)

    # -- bytes out ----------------------------------------------------------------------------------------------

    def posting(self, request: OrderRequest) -> str:
        """The trader sends an order: returns the intent it belongs to."""
        found = [i for i in self.booked.live() if i.state is IntentState.SENDING and i.request == request]
        if len(found) != 1:
            self.fail("write-ahead", f"{request.side} {request.qty} {request.ticker}: {len(found)} intents are SENDING")
            return ""
        key = found[0].id
        if key in self._posts:
            self.fail("second-post", f"intent {key} is sent again")
        self._posts.add(key)
        if self.guardian_in_charge():
            self.fail("fence", f"the trader sends {key} although the guardian has the orders")
        if request.side is Side.BUY and request.ticker in self._closed:
            self.fail("buy-after-unknown", f"{request.ticker}: {self._closed[request.ticker]} is unknown")
        if request.side is Side.BUY and request.ticker in self._given_up:
            self.fail("buy-after-unknown", f"{request.ticker}: an order was never found")
        self._trace.say("trader", "sends", request.side.value, request.qty, request.ticker, request.limit, key[:4])
        return key

    def cancelling(self, ref: BrokerRef, request: OrderRequest) -> None:
        """The trader asks for a cancel, never of an order of the person's."""
        order = self._order(ref.odno)
        if order is None or order.source == "person" or order.request.side is not request.side:
            self.fail("foreign-cancel", f"{ref.odno} is not ours")
        self._trace.say("trader", "cancels", ref.odno)

    def guarding(self, ticker: str, qty: int) -> None:
        """The guardian sells, and the trader can't."""
        if self.trader_up():
            self.fail("fence", f"the guardian sells {ticker} beside a living trader")
        protected = self.protection().get(ticker, (0, ZERO))[0]
        if qty > protected:
            self.fail("guardian-oversell", f"{qty} {ticker} of {protected} protected")

    def guard_cancels(self, odno: str) -> None:
        """The guardian cancels, never an order of the person's."""
        order = self._order(odno)
        if order is None or order.source == "person":
            self.fail("foreign-cancel", f"the guardian cancels {odno}")
        self._trace.say("guardian", "cancels", odno)

    # -- what the broker does -----------------------------------------------------------------------------------

    def filled(self, order: Order, qty: int, usd: Decimal) -> None:
        """Shares changed hands."""
        ticker, account = order.request.ticker, self.account
        if account.shares[ticker] < 0:
            self.fail("short", f"{account.shares[ticker]} {ticker}")
        if order.source == "person":
            return
        if qty < 0:
            cost, shares = self._cost.get(ticker, (ZERO, 0))
            self._cost[ticker] = (max(ZERO, cost + usd * (1 + FEE)), max(0, shares + qty))
            return
        if order.request.side is Side.SELL:
            if account.shares[ticker] < account.own[ticker] and not self._unforeseeable(order):
                self.fail("oversell", f"{account.own[ticker]} {ticker} are the person's, {account.shares[ticker]} left")
            self._exposed(order, qty, usd)
            return
        intent = self.booked.intents.get(order.key)
        if intent is not None:
            self._over_buy(intent.plan_id)
        self._exposed(order, qty, usd)

    def _unforeseeable(self, order: Order) -> bool:
        """Whether nothing that KIS showed a moment before the sale was sent spoke against it.

        A sale may be taken minutes late, after the person has bought; a fill may be taken back in the second before it. Then
        somebody's shares are sold that should not be, and nobody could know: such sales are counted, and told in the docs.
        """
        ticker, account = order.request.ticker, self.account
        if ticker in account.was_split or order.request.qty > account.knowable(order, KNOWN_S):
            return False
        self._faults.hit("unforeseeable_sale")
        account.own[ticker] = account.shares[ticker]
        return True

    def _over_buy(self, plan_id: str) -> None:
        plan = self.booked.plans[plan_id]
        taken, orders = ZERO, 0
        for order in self.account.orders:
            intent = self.booked.intents.get(order.key)
            if intent is not None and intent.plan_id == plan_id and order.request.side is Side.BUY:
                taken += (order.usd + order.open * order.request.limit) * (1 + FEE)
                orders += 1
        # the fee of each order is rounded to cents
        if taken > plan.budget_usd + CENT * orders:
            self.fail("over-buy", f"{plan.ticker}: {taken:.2f} USD of {plan.budget_usd} in {orders} orders")

    def _exposed(self, order: Order, qty: int, usd: Decimal) -> None:
        """What the bot's shares of a ticker have cost is never more than one plan may spend, whoever ordered them."""
        ticker = order.request.ticker
        cost, shares = self._cost.get(ticker, (ZERO, 0))
        if order.request.side is Side.SELL:
            left = max(0, shares - qty)
            self._cost[ticker] = (cost * left / shares if shares else ZERO, left)
            return
        self._cost[ticker] = cost, shares = (cost + usd * (1 + FEE), shares + qty)
        most = max((p.budget_usd for p in self.booked.plans.values() if p.ticker == ticker), default=ZERO)
        if cost > most + CENT * len(self.account.orders):
            self.fail("over-buy", f"{ticker}: {shares} shares for {cost:.2f} USD with plans of {most} USD at most")

    # -- what the trader learns and writes ----------------------------------------------------------------------

    def listed(self, rows: Iterable[BrokerOrder]) -> None:
        """An answer of the order list reached the trader."""
        now, told_at = self._clock.seconds(), self._told
        for row in rows:
            odno, filled = row.ref.odno, row.filled_qty
            order = self._order(odno) if filled and row.from_api else None
            intent = self.booked.intents.get(order.key) if order is not None else None
            if order is not None and (intent is None or intent.state is not IntentState.SENDING):
                known = told_at.get(odno)
                if known is None or known[0] < filled:
                    told_at[odno] = (filled, now)

    def reborn(self) -> None:
        """A new life of the trader has been told nothing yet."""
        self._told.clear()
        # it writes the file first of all
        self.files_due = False

    def priced(self, ticker: str, _who: str) -> None:
        """Somebody who can sell looked at the price: the trader, or the guardian, which asks only where the trader does not."""
        self._unseen_s[ticker] = 0

    def committed(self, changes: Sequence[Change]) -> None:
        """The trader has written something."""
        booked = self.booked
        self._trace.say("trader", "writes", told(changes))
        for change in changes:
            booked.apply(change)
        for change in changes:
            match change:
                case PutIntent(intent):
                    self._intent(intent)
                case PutPosition(position):
                    if position.stop_price <= 0:
                        self.fail("no-stop", f"{position.ticker} has no stop")
                case AddFill():
                    self._fill(change)
                case _:
                    pass
        self.files_due = True

    def _intent(self, intent: Intent) -> None:
        request, booked = intent.request, self.booked
        if intent.ref is not None:
            self._link(intent, intent.ref)
        if request.side is not Side.BUY:
            return
        if intent.state is IntentState.UNKNOWN:
            self._closed[request.ticker] = intent.id
        elif self._closed.get(request.ticker) == intent.id:
            # found, or given up
            del self._closed[request.ticker]
            if self._one_shot and intent.state in LOST:
                self._given_up.add(request.ticker)
        plan = booked.plans.get(intent.plan_id)
        if plan is None:
            return
        if intent.reserved_usd < 0 or booked.committed(plan.id) > plan.budget_usd:
            self.fail("budget", f"{plan.ticker}: {booked.committed(plan.id)} of {plan.budget_usd} USD")
        day = sum(booked.posted.values(), ZERO) + sum((i.reserved_usd for i in booked.live()), ZERO)
        if day > self._day_limit:
            self.fail("budget", f"the day: {day} of {self._day_limit:.2f} USD")

    def _link(self, intent: Intent, ref: BrokerRef) -> None:
        if ref.odno.startswith("?"):
            # shares that only the holdings show are booked under a name of ours
            return
        order = self._order(ref.odno)
        if order is None:
            self.fail("phantom", f"{intent.id} is linked to {ref.odno}, which does not exist")
        elif order.source == "person":
            self.fail("adopted", f"{intent.id} is linked to the person's order {ref.odno}")
        elif order.request.side is not intent.request.side or order.request.ticker != intent.request.ticker:
            self.fail("phantom", f"{intent.id} is linked to {ref.odno}, which is something else")
        elif order.key not in {"", intent.id}:
            # two equal orders of ours changed places: harmless, and worth a number
            self._faults.hits["swapped"] += intent.id not in self._swapped
            self._swapped.add(intent.id)

    def _fill(self, fill: AddFill) -> None:
        order = self._order(fill.ref.odno)
        if order is not None and order.source == "person" and fill.side is Side.BUY:
            self.account.adopt(fill.ticker, fill.qty)
            if fill.intent_id.split(":")[0] != "manual":
                self.fail("adopted", f"the person's order {fill.ref.odno} is booked as ours")
        if order is not None and fill.cum_qty > order.request.qty:
            self.fail("phantom", f"{fill.cum_qty} booked of an order for {order.request.qty}")

    # -- what needs time ----------------------------------------------------------------------------------------

    def second(self) -> None:
        """Each virtual second."""
        self._unwatched()
        self._unseen()

    def _unwatched(self) -> None:
        now, up = self._clock.seconds(), self.trader_up()
        for order in self.account.orders:
            odno = order.ref.odno
            booked = self.booked.shares(odno, order.key)
            if not order.from_api or order.filled <= booked:
                self._shown_s.pop(odno, None)
                continue
            if not up:
                continue
            intent = self.booked.intents.get(order.key)
            if intent is not None and intent.state is IntentState.HUMAN:
                self._faults.hits["human_seconds"] += 1
                continue
            told_qty, told_at = self._told.get(odno, (0, now))
            if told_qty > booked and now - told_at > TOLD_S:
                self.fail("unwatched", f"{odno}: the trader was told of {told_qty} shares {now - told_at:.0f} s ago")
            row = order.versions[-1]
            if row[0] <= now and not self.broker_down():
                self._shown_s[odno] = self._shown_s.get(odno, 0) + 1
                if self._shown_s[odno] > SHOWN_S:
                    self.fail("unwatched", f"{odno}: the list has shown {order.filled} shares for {SHOWN_S} s")

    def _unseen(self) -> None:
        for ticker, position in self.booked.positions.items():
            # what the guardian has sold, or the exchange taken back, stays booked until the trader comes back: it needs no eyes
            left = min(position.qty - self.sold_unbooked(ticker), self.account.bot(ticker))
            if self.broker_down() or left <= 0:
                # bought just before the trader died, and never booked: the guardian does not know of them
                self._faults.hits["orphan_seconds"] += left <= 0 < self.account.bot(ticker)
                continue
            self._unseen_s[ticker] = self._unseen_s.get(ticker, 0) + 1
            if self._unseen_s[ticker] > WATCH_S:
                self.fail("unwatched", f"nobody has looked at the price of {ticker} for {WATCH_S} s")
        for ticker in [t for t in self._unseen_s if t not in self.booked.positions]:
            del self._unseen_s[ticker]

    def sold_unbooked(self, ticker: str) -> int:
        """Shares that API orders have sold and the journal does not know of yet."""
        sales = [o for o in self.account.orders if o.request.ticker == ticker and o.request.side is Side.SELL]
        return sum(o.filled - self.booked.shares(o.ref.odno, o.key) for o in sales if o.from_api)

    def files(self) -> None:
        """After a step of the living trader: what the guardian would read is what the journal holds."""
        self.files_due = False
        expected = {p.ticker: (p.qty, p.stop_price) for p in self.booked.positions.values()}
        found = self.protection()
        if found != expected:
            self.fail("unprotected", f"protect.json says {found}, the journal {expected}")

    def protection(self) -> dict[str, tuple[int, Decimal]]:
        """What the guardian would read: shares and stop by ticker."""
        try:
            found = self._protect.stat()
        except FileNotFoundError:
            return {}
        # each writing makes a new file; the time alone is too coarse
        stamp = (found.st_ino, found.st_mtime_ns)
        if stamp != self._protect_stamp:
            self._protect_stamp = stamp
            rows = json.loads(self._protect.read_bytes().split(b"\n")[0])["positions"]
            self._protected = {r["ticker"]: (int(r["qty"]), Decimal(r["stop_price"])) for r in rows}
        return self._protected

    def _order(self, odno: str) -> Order | None:
        index = int(odno) - 1001 if odno.isdigit() else -1
        return self.account.orders[index] if 0 <= index < len(self.account.orders) else None

"""A whole trader without IO: the real machine, a journal in memory and a broker whose accidents are scripted.

Everything that the services do between the machine and the world is done here in order and on one thread.
"""

import datetime as dt
from collections import deque
from decimal import Decimal

import msgspec

from core.model.commands import AnyCommand, Reply
from core.model.journal import (
    AddFill,
    AddLedger,
    AddTrip,
    Change,
    DropExit,
    DropLock,
    DropPosition,
    Emit,
    LedgerKind,
    PutDecision,
    PutExit,
    PutIntent,
    PutLock,
    PutManual,
    PutPlan,
    PutPosition,
    PutState,
    SawOrders,
    Snapshot,
)
from core.model.messages import EventKind, Signal, TrendAnswered
from core.model.order import LIVE_STATES, BrokerOrder, BrokerRef, BuyingPower, Holding, Intent, OrderRequest, Side
from core.model.params import TradingParams
from core.model.position import Plan, PlanState
from core.model.quote import Quote
from core.model.signal import SignalType, TrendState, Verdict
from core.stages.trade import AskTrend, CancelOrder, Outcome, PlaceOrder, TradeStage
from core.stages.trade.inputs import (
    CancelAnswered,
    CommandArrived,
    HoldingsRead,
    OrderAcked,
    OrderLost,
    OrderNotSent,
    OrderSending,
    OrdersRead,
    OrderWasRefused,
    QuotesRead,
    SignalArrived,
    Tick,
    TradeInput,
    TrendArrived,
)
from tests.unit.core.builders import NOON, TICKER, quote, signal

ZERO = Decimal(0)


class Crash(BaseException):
    """The process died at a commit."""


class Conflict(AssertionError):
    """A uniqueness rule of the real journal would have refused this."""


class MemoryJournal:
    """Applies changes as the SQLite journal does, uniqueness rules included; can die at the n-th commit."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.positions: dict[str, object] = {}
        self.exits: dict[str, object] = {}
        self.intents: dict[str, Intent] = {}
        self.decisions: dict[str, str] = {}
        self.locks: dict[str, object] = {}
        self.seen: set[BrokerRef] = set()
        self.manual: dict[BrokerRef, object] = {}
        self.state: dict[str, str] = {}
        self.fills: dict[tuple[BrokerRef, int], AddFill] = {}
        self.ledger: list[AddLedger] = []
        self.trips: dict[str, AddTrip] = {}
        self.events: list[Emit] = []
        self.commits = 0
        self.die_at: int | None = None
        self.die_before_write = False

    def load(self) -> Snapshot:
        """What a restarted trader starts from; it went through JSON, as in the file."""
        snapshot = Snapshot(
            plans=tuple(self.plans.values()),
            positions=tuple(self.positions.values()),
            exits=tuple(self.exits.values()),
            intents=tuple(self.intents.values()),
            decisions=frozenset(self.decisions),
            locks=tuple(self.locks.values()),
            seen=frozenset(self.seen),
            manual=tuple(self.manual.values()),
            state=dict(self.state),
        )
        return msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot)

    def commit(self, changes: tuple[Change, ...]) -> None:
        """Write all changes, or die before or after writing them."""
        if not changes:
            return
        self.commits += 1
        dying = self.die_at == self.commits
        if dying and self.die_before_write:
            raise Crash
        for change in changes:
            self._write(change)
        if dying:
            raise Crash

    def _write(self, change: Change) -> None:
        match change:
            case PutPlan(plan):
                self.plans[plan.id] = plan
            case PutPosition(held):
                self.positions[held.ticker] = held
            case DropPosition(ticker):
                self.positions.pop(ticker, None)
            case PutExit(run):
                self.exits[run.ticker] = run
            case DropExit(ticker):
                self.exits.pop(ticker, None)
            case PutIntent(intent):
                self._write_intent(intent)
            case PutDecision(signal_id, verdict):
                if signal_id in self.decisions:
                    raise Conflict(f"decided twice: {signal_id}")
                self.decisions[signal_id] = verdict
            case PutState(key, value):
                self.state[key] = value
            case PutLock(lock):
                self.locks[lock.ticker] = lock
            case DropLock(ticker):
                self.locks.pop(ticker, None)
            case AddFill():
                key = (change.ref, change.cum_qty)
                if key in self.fills:
                    raise Conflict(f"booked twice: {key}")
                self.fills[key] = change
            case AddLedger():
                self.ledger.append(change)
            case SawOrders(refs):
                self.seen.update(refs)
            case PutManual(order):
                self.manual[order.ref] = order
            case AddTrip():
                self.trips.setdefault(change.key, change)
            case Emit():
                self.events.append(change)

    def _write_intent(self, intent: Intent) -> None:
        for other in self.intents.values():
            if other.id == intent.id:
                continue
            if other.dedup_key == intent.dedup_key:
                raise Conflict(f"two intents for {intent.dedup_key}")
            mine, theirs = intent.request, other.request
            same = (mine.ticker, mine.side) == (theirs.ticker, theirs.side)
            if same and intent.state in LIVE_STATES and other.state in LIVE_STATES:
                raise Conflict(f"two live {mine.side} intents of {mine.ticker}")
        self.intents[intent.id] = intent

    def booked(self, kind: LedgerKind) -> Decimal:
        """Sum of one kind of booking."""
        return sum((b.usd for b in self.ledger if b.kind is kind), ZERO)


class FakeOrder(msgspec.Struct):
    """One order at the broker."""

    ref: BrokerRef
    request: OrderRequest
    sent_at: dt.datetime
    filled: int = 0
    usd: Decimal = ZERO
    cancelled: bool = False
    rejected: bool = False
    hidden: bool = False
    by_hand: bool = False

    @property
    def open_qty(self) -> int:
        """What may still fill."""
        return 0 if self.cancelled or self.rejected else self.request.qty - self.filled


class FakeBroker:
    """Fills at once at the market unless told otherwise.

    `accidents` are consumed one per order: "ok", "refuse", "lose" (taken, reply lost), "vanish" (never arrived,
    reply lost), "rest" (taken, not filled), "hide" (taken, reply lost, not listed until `reveal`).
    """

    def __init__(self) -> None:
        self.price = Decimal(100)
        self.krw_per_usd = Decimal(1000)
        self.cash = Decimal(100_000)
        self.orders: list[FakeOrder] = []
        self.accidents: deque[str] = deque()
        self.shares: dict[str, int] = {}
        self.cancels = 0
        self.cancel_lost = False

    def place(self, order: OrderRequest, at: dt.datetime) -> BrokerRef | str:
        """Take an order: a reference, "refused" or "lost"."""
        accident = self.accidents.popleft() if self.accidents else "ok"
        if accident == "refuse":
            return "refused"
        if accident == "vanish":
            return "lost"
        if order.side is Side.SELL and order.qty > self.sellable(order.ticker):
            return "refused"
        ref = BrokerRef("20261117", "B", str(len(self.orders) + 1))
        taken = FakeOrder(ref, order, at, hidden=accident == "hide")
        self.orders.append(taken)
        if accident in {"ok", "lose", "hide"}:
            self.match(taken)
        return "lost" if accident in {"lose", "hide"} else ref

    def match(self, order: FakeOrder, qty: int | None = None) -> None:
        """Fill an order at the market when its limit allows it."""
        wanted = order.request
        good = wanted.limit >= self.price if wanted.side is Side.BUY else wanted.limit <= self.price
        part = min(qty or order.open_qty, order.open_qty)
        if not good or part == 0:
            return
        order.filled += part
        order.usd += part * self.price
        sign = 1 if wanted.side is Side.BUY else -1
        self.cash -= sign * part * self.price
        self.shares[wanted.ticker] = self.shares.get(wanted.ticker, 0) + sign * part
        assert self.shares[wanted.ticker] >= 0

    def by_hand(self, side: Side, qty: int, at: dt.datetime, *, ticker: str = TICKER, limit: str = "") -> FakeOrder:
        """The owner trades in the KIS app at the present price."""
        request = OrderRequest(
            ticker=ticker, exchange="NASD", side=side, qty=qty, limit=Decimal(limit) if limit else self.price
        )
        order = FakeOrder(BrokerRef("20261117", "B", str(len(self.orders) + 1)), request, at, by_hand=True)
        self.orders.append(order)
        self.match(order)
        return order

    def cancel(self, ref: BrokerRef) -> None:
        """Cancel what is left."""
        self.cancels += 1
        for order in self.orders:
            order.cancelled |= order.ref == ref

    def sellable(self, ticker: str) -> int:
        """Shares not tied to an open sale."""
        tied = sum(o.open_qty for o in self.orders if o.request.side is Side.SELL and o.request.ticker == ticker)
        return self.shares.get(ticker, 0) - tied

    def rows(self) -> tuple[BrokerOrder, ...]:
        """The order list."""
        return tuple(
            BrokerOrder(
                ref=o.ref,
                ticker=o.request.ticker,
                side=o.request.side,
                qty=o.request.qty,
                limit=o.request.limit,
                filled_qty=o.filled,
                filled_usd=o.usd,
                open_qty=o.open_qty,
                rejected=o.rejected,
                cancelled=o.cancelled,
                ordered_at=o.sent_at,
                from_api=not o.by_hand,
                exchange="NASD",
            )
            for o in self.orders
            if not o.hidden
        )

    def holdings(self) -> tuple[Holding, ...]:
        """The shares."""
        return tuple(
            Holding(ticker=t, exchange="NASD", qty=q, sellable_qty=self.sellable(t), avg_price=Decimal(1))
            for t, q in self.shares.items()
            if q
        )

    def bought(self, ticker: str = TICKER) -> int:
        """Shares ever bought by us."""
        ours = (o for o in self.sent(Side.BUY) if o.request.ticker == ticker)
        return sum(o.filled for o in ours)

    def sent(self, side: Side) -> list[FakeOrder]:
        """Our orders that reached the broker."""
        return [o for o in self.orders if o.request.side is side and not o.by_hand]


class World:
    """The trader and everything around it; `run` lets seconds pass."""

    def __init__(self, params: TradingParams | None = None, *, reconciled: bool = True) -> None:
        self.at = NOON
        self.params = params or TradingParams()
        self.journal = MemoryJournal()
        self.broker = FakeBroker()
        self.todo: deque[object] = deque()
        self.asked: list[AskTrend] = []
        self.in_window = self.market_open = True
        self.halted = False
        self.hold_actions = False
        self.complete = True
        self.trend: TrendState | None = None
        self._boot(recover=False)
        if reconciled:
            self.read()
            self.tick()

    def _boot(self, *, recover: bool) -> None:
        self.stage = TradeStage(self.params, self.journal.load(), self.at)
        self.todo.clear()
        if recover:
            self._settle(self.stage.recover(self.at))
            self.work()

    @property
    def book(self) -> object:
        """The machine's state."""
        return self.stage.book

    def restart(self) -> None:
        """The process starts again; the broker and the journal went on existing."""
        self.journal.die_at = None
        self._boot(recover=True)
        self.read()
        self.tick()

    def tell(self, message: TradeInput) -> Reply | None:
        """Decide, commit, then act, as the trader does."""
        outcome = self.stage.handle(message)
        self._settle(outcome)
        if not self.hold_actions:
            self.work()
        return outcome.reply

    def _settle(self, outcome: Outcome) -> None:
        self.journal.commit(outcome.changes)
        self.todo.extend(outcome.actions)

    def work(self) -> None:
        """Carry out what the machine asked for."""
        while self.todo:
            match self.todo.popleft():
                case PlaceOrder(intent_id):
                    self._place(self.stage.book.intents[intent_id])
                case CancelOrder(intent_id):
                    self._cancel(intent_id)
                case AskTrend() as question:
                    self.asked.append(question)
                    if self.trend is not None:
                        self.answer(question, self.trend)

    def _place(self, intent: Intent) -> None:
        order = intent.request
        free = max(0, self.broker.sellable(order.ticker) - (intent.own_qty or 0))
        if order.side is Side.SELL and free < order.qty:
            reason = f"only {free} sellable"
            self.tell(OrderNotSent(at=self.at, intent_id=intent.id, reason=reason, sellable=free))
            return
        baseline = tuple(r.ref.odno for r in self.broker.rows() if r.ticker == order.ticker)
        stopped = self.tell(OrderSending(at=self.at, intent_id=intent.id, baseline=baseline))
        if stopped is not None and not stopped.ok:
            return
        answer = self.broker.place(order, self.at)
        if answer == "refused":
            self.tell(OrderWasRefused(at=self.at, intent_id=intent.id, code="APBK", message="no"))
        elif answer == "lost":
            self.tell(OrderLost(at=self.at, intent_id=intent.id, reason="timeout"))
        else:
            self.tell(OrderAcked(at=self.at, intent_id=intent.id, ref=answer))

    def _cancel(self, intent_id: str) -> None:
        outcome = self.stage.begin_cancel(intent_id, self.at)
        if outcome is None:
            return
        self._settle(outcome)
        ref = self.stage.book.intents[intent_id].ref
        if self.broker.cancel_lost:
            self.tell(CancelAnswered(at=self.at, intent_id=intent_id, known=False))
            return
        self.broker.cancel(ref)
        self.tell(CancelAnswered(at=self.at, intent_id=intent_id, known=True))

    # -- the world tells the trader -----------------------------------------------------------------------------

    def buy_signal(self, kind: SignalType = SignalType.BUY, **more: object) -> Signal:
        """A signal arrives with a fresh price and buying power."""
        arrived = signal(kind, at=self.at, close=float(self.broker.price), **more)
        self.deliver(arrived)
        return arrived

    def deliver(self, arrived: Signal) -> None:
        """Deliver a signal, perhaps again."""
        self.tell(SignalArrived(at=self.at, signal=arrived, quote=self.quote(arrived.ticker), power=self.power()))

    def quote(self, ticker: str = TICKER) -> Quote:
        """The present price."""
        return quote(str(self.broker.price), at=self.at, ticker=ticker)

    def power(self) -> BuyingPower:
        """What may be spent."""
        return BuyingPower(usd=self.broker.cash, krw_per_usd=self.broker.krw_per_usd)

    def command(self, command: AnyCommand) -> Reply:
        """A person's command with the facts that the service adds."""
        reply = self.tell(
            CommandArrived(at=self.at, command=command, quote=self.quote(), power=self.power(), exchange="NASD")
        )
        assert reply is not None
        return reply

    def prices(self) -> None:
        """Fresh quotes of what matters."""
        for ticker in self.stage.book.quoted_tickers():
            self.tell(QuotesRead(at=self.at, quotes=(self.quote(ticker),)))

    def read(self) -> None:
        """Read orders and holdings."""
        self.tell(OrdersRead(at=self.at, orders=self.broker.rows(), complete=self.complete))
        self.tell(HoldingsRead(at=self.at, holdings=self.broker.holdings(), asked_at=self.at))

    def tick(self) -> None:
        """Time passes."""
        self.tell(Tick(at=self.at, in_window=self.in_window, market_open=self.market_open, halted=self.halted))

    def answer(self, question: AskTrend, state: TrendState, verdict: Verdict | None = None) -> None:
        """The analyzer answers, or the service makes UNKNOWN of its silence."""
        told = TrendAnswered(
            id="a", question=question.question_id, ticker=question.ticker, state=state, verdict=verdict,
            answered_at=self.at,
        )  # fmt: skip
        self.tell(TrendArrived(at=self.at, answer=told))

    def step(self, seconds: int = 1) -> None:
        """One second of the real trader's loops, `seconds` after the last one."""
        self.at += dt.timedelta(seconds=seconds)
        self.tick()
        self.prices()
        self.tick()
        self.read()

    def run(self, seconds: int, *, every: int = 2) -> None:
        """Let time pass."""
        for _ in range(0, seconds, every):
            self.step(every)

    def move(self, price: str) -> None:
        """The market moves; resting orders fill when they can."""
        self.broker.price = Decimal(price)

    # -- questions ----------------------------------------------------------------------------------------------

    def events(self, kind: EventKind) -> list[dict[str, object]]:
        """Values of the committed events of a kind, oldest first."""
        return [e.event.values for e in self.journal.events if e.event.kind is kind]

    @property
    def plan(self) -> Plan:
        """The newest plan."""
        return list(self.journal.plans.values())[-1]

    def held(self, ticker: str = TICKER) -> int:
        """Shares booked."""
        found = self.stage.book.positions.get(ticker)
        return found.qty if found else 0

    def bought_position(self, seconds: int = 660) -> None:
        """Buy a whole plan automatically."""
        self.buy_signal()
        self.run(seconds, every=5)
        assert self.plan.state is PlanState.DONE, self.plan

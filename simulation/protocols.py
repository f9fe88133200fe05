"""How others send orders, as small traders on the same KIS with the same accidents (reliability.md 2.6 and 2.7).

Each buys one budget in four tranches and keeps what it would keep on disk; none of them ever sells. They exist to be
worse than ours: a simulation in which they do not fail proves nothing.
"""

import asyncio
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

import msgspec

from core.model.instrument import Exchange
from core.model.order import BrokerOrder, BrokerRef, OrderRequest, Side
from core.rules.pricing import round_limit
from ports.broker import BrokerUnavailable, OrderRefused, OrderUnknown
from simulation.broker import Line, TraderBroker
from simulation.clock import VirtualClock
from simulation.faults import LEVELS, Faults
from simulation.hooks import Hooks
from simulation.kis import FEE, Account
from simulation.loop import Process, VirtualLoop
from simulation.market import STEP_S, Stock
from simulation.person import Person
from simulation.plot import CrashPlan
from simulation.trace import Trace

TICKER = "AAA"
BUDGET = Decimal(714)
TRANCHES, INTERVAL_S, LOOP_S, UNFILLED_S, STORY_S = 4, 20.0, 2.0, 30.0, 900.0
LOOKS_AFTER_S, MISSES, RETRIES = 5.0, 5, 3


class Entry(msgspec.Struct):
    """One order as the small trader remembers it."""

    request: OrderRequest
    sent_at: float
    odno: str = ""
    state: str = "sent"
    filled: int = 0
    usd: Decimal = Decimal(0)
    misses: int = 0

    @property
    def committed(self) -> Decimal:
        """Money spent or still held for it."""
        over = self.state in {"failed", "done"}
        return (self.usd if over else max(self.usd, self.request.qty * self.request.limit)) * (1 + FEE)


class Disk:
    """What survives a crash."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.tranche = 1
        self.due_at = 10.0


class Naive:
    """A trader of one of the four kinds."""

    def __init__(self, kind: str, disk: Disk, broker: TraderBroker, clock: VirtualClock) -> None:
        self._kind, self._disk, self._broker, self._clock = kind, disk, broker, clock

    async def run(self) -> None:
        """Look at orders, buy what is due, for ever."""
        if self._kind == "failed on exception":
            for entry in self._disk.entries:
                if not entry.odno:
                    entry.state = "failed"
        while True:
            try:
                await self._look()
                await self._buy()
            except BrokerUnavailable:
                pass
            await asyncio.sleep(LOOP_S)

    async def _look(self) -> None:
        listed = await self._broker.order_book()
        rows = {row.ref.odno: row for row in listed.orders}
        now = self._clock.seconds()
        for entry in self._disk.entries:
            if not entry.odno and entry.state == "sent":
                self._find(entry, listed.orders)
            row = rows.get(entry.odno)
            if row is None or entry.state != "sent":
                continue
            entry.filled, entry.usd = row.filled_qty, row.filled_usd
            if row.final:
                entry.state = "done"
            elif now - entry.sent_at > UNFILLED_S:
                try:
                    await self._broker.cancel(row.ref, entry.request)
                except (OrderRefused, OrderUnknown):
                    continue

    def _find(self, entry: Entry, rows: tuple[BrokerOrder, ...]) -> None:
        """Five looks at the list that do not show it mean: rejected."""
        if self._kind != "five misses" or self._clock.seconds() - entry.sent_at < LOOKS_AFTER_S:
            return
        linked = {e.odno for e in self._disk.entries}
        wanted = entry.request
        for row in rows:
            same = (row.side, row.qty, row.limit) == (wanted.side, wanted.qty, wanted.limit)
            if same and row.from_api and row.ref.odno not in linked:
                entry.odno = row.ref.odno
                return
        entry.misses += 1
        if entry.misses >= MISSES:
            entry.state = "failed"

    async def _buy(self) -> None:
        disk, now = self._disk, self._clock.seconds()
        if disk.tranche > TRANCHES or now < disk.due_at or any(e.state == "sent" for e in disk.entries):
            return
        quote = await self._broker.quote(TICKER, Exchange.NASD)
        limit = round_limit(quote.buy_reference * Decimal("1.005"), Side.BUY)
        spent = sum((e.committed for e in disk.entries), Decimal(0))
        wanted = BUDGET * disk.tranche / TRANCHES - spent
        qty = int((wanted / (limit * (1 + FEE))).to_integral_value(rounding=ROUND_DOWN))
        if qty > 0 and not await self._send(
            OrderRequest(ticker=TICKER, exchange=Exchange.NASD, side=Side.BUY, qty=qty, limit=limit)
        ):
            return
        disk.tranche += 1
        disk.due_at = now + INTERVAL_S

    async def _send(self, request: OrderRequest) -> bool:
        """Send as this kind does; False where it believes that nothing was bought."""
        entry = Entry(request=request, sent_at=self._clock.seconds())
        if self._kind in {"failed on exception", "five misses"}:
            self._disk.entries.append(entry)
        for _ in range(RETRIES if self._kind == "retry" else 1):
            try:
                ref: BrokerRef = await self._broker.place(request)
            except OrderRefused:
                entry.state = "failed"
                return False
            except OrderUnknown:
                if self._kind == "five misses":
                    # it may have arrived: looked for in the list
                    return True
                continue
            entry.odno = ref.odno
            if entry not in self._disk.entries:
                self._disk.entries.append(entry)
            return True
        entry.state = "failed"
        return False


class Unjudged:
    """Nobody asserts anything of a naive trader; it is measured at the end."""

    def posting(self, _request: OrderRequest) -> str:
        """No write-ahead here."""
        return ""

    def cancelling(self, _ref: BrokerRef, _request: OrderRequest) -> None:
        """Free."""

    def listed(self, _rows: object) -> None:
        """Free."""

    def priced(self, _ticker: str, _who: str) -> None:
        """Free."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule: how much of the budget was spent, and what the trader does not know of."""

    spent: float
    unwatched: bool
    adopted: bool
    bought: bool

    @property
    def over(self) -> bool:
        """More than the budget (a cent of rounding for each order is none)."""
        return self.spent > 1.001


class Schedule:
    """One seed with a naive trader."""

    def __init__(self, kind: str, seed: int, level: str) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.faults = Faults(seed, LEVELS[level])
        trace = Trace(self.loop.time)
        random = self.faults.stream("story")
        self.stocks = {TICKER: Stock(TICKER, random.uniform(8, 60), [], self.faults.stream("walk"))}
        self.account = Account(self.clock, self.faults, trace, self.stocks)
        self.line = Line(self.account, self.stocks, self.faults, self.clock)
        person = Person(
            self.clock,
            self.faults,
            trace,
            self.account,
            self.stocks,
            lambda _c, answered: answered(None),
            lambda _t: None,
        )
        person.plan(STORY_S / 3)
        self.line.on_send = person.mirror
        self.kind, self.disk = kind, Disk()
        self._random = self.faults.stream("plot")
        self._crashes = self._random.randrange(1, 4) if self.faults.roll("crash", "plot") else 0
        self.process, self.hooks = self._born()
        self._processes: list[Process] = []

    def _born(self) -> tuple[Process, Hooks]:
        process = Process("naive", self.loop)
        return process, Hooks(process)

    def _start(self) -> None:
        self.process, self.hooks = self._born()
        self._processes.append(self.process)
        if self._crashes:
            self._crashes -= 1
            kind, most = self._random.choice((("place", 6), ("cancel", 2)))
            CrashPlan(self, kind, self._random.randrange(1, most + 1), self._random.choice(("before", "after")), 1)
            self.process.on_death = lambda: self.clock.later(self._random.uniform(1.0, 5.0), self._start)
        broker = TraderBroker(self.line, self.hooks, Unjudged())
        self.process.spawn(Naive(self.kind, self.disk, broker, self.clock).run())

    def _step(self) -> None:
        for ticker, stock in self.stocks.items():
            stock.step(self.loop.time())
            self.account.match(ticker)
        if self.loop.time() >= STORY_S / 3:
            self.faults.on = False
        if self.loop.time() >= STORY_S:
            self.loop.stop()
        self.clock.later(STEP_S, self._step)

    def play(self) -> Outcome:
        """Run to the end and measure."""
        try:
            self._start()
            self._step()
            self.loop.run()
        finally:
            for process in self._processes:
                process.on_death = None
                process.bury()
            self.loop.close()
        ours = [o for o in self.account.orders if o.from_api]
        known = {e.odno: e.filled for e in self.disk.entries if e.odno}
        by_hand = {o.ref.odno for o in self.account.orders if not o.from_api}
        return Outcome(
            spent=float(sum((o.usd for o in ours), Decimal(0)) * (1 + FEE) / BUDGET),
            unwatched=any(o.filled > known.get(o.ref.odno, 0) for o in ours),
            adopted=bool(by_hand & known.keys()),
            bought=any(o.filled for o in ours),
        )


KINDS = {
    "retry": "retry x3 on time-out",
    "after send": "persist after send",
    "failed on exception": "mark FAILED on exception",
    "five misses": "5 misses: REJECTED",
}


def schedules(kind: str, first: int, seeds: int, level: str, tick: Callable[[], None]) -> list[Outcome]:
    """Many seeds with one kind of naive trader."""
    found = []
    for seed in range(first, first + seeds):
        found.append(Schedule(kind, seed, level).play())
        tick()
    return found

"""What fate has in store for one story: signals, crashes, hangs, outages, gaps in trading, busts and splits."""

from typing import TYPE_CHECKING, Protocol

from core.model.order import Side
from core.model.signal import SignalType
from simulation.hooks import Hooks
from simulation.kis import Order
from simulation.lives import TraderLife
from simulation.loop import Process

if TYPE_CHECKING:
    from simulation.story import Story

# a crash counted from the start of a life: the n-th commit, order or cancel, or steps behind a commit
NIGHT_S, MORNING_S = 660.0, 60.0
COUNTED = ("commit", "place", "cancel", "step")


class Fate(Protocol):
    """What decides over the trader's lives."""

    def death(self, life: TraderLife) -> None:
        """A life begins: plan its end, if it has one."""
        ...

    def died(self) -> bool:
        """A life is over; whether nobody starts the next one for a long while."""
        ...


class Mortal(Protocol):
    """What can be crashed."""

    process: Process
    hooks: Hooks


class CrashPlan:
    """Kills one life: before or after its n-th commit or byte out, or some steps behind a commit."""

    def __init__(self, life: Mortal, kind: str, count: int, when: str, steps: int) -> None:
        self._life, self._kind, self._left, self._when, self._steps = life, kind, count, when, steps
        life.hooks.decide = self._decide

    def _decide(self, what: str, when: str) -> bool:
        what = what.split(" ", 1)[0]
        if self._kind == "step":
            if what == "commit" and when == "after":
                self._left -= 1
                if self._left == 0:
                    self._life.process.die_at_step = self._life.process.steps + self._steps
            return False
        if what != self._kind or when != self._when:
            return False
        self._left -= 1
        return self._left == 0


class Plot:
    """Draws everything when the story begins; each life of the trader takes the next crash."""

    def __init__(self, story: "Story", ends: float) -> None:
        self._story = story
        self._ends = ends
        random, faults = story.faults.stream("plot"), story.faults
        self._crashes: list[tuple[str, int, str, int]] = []
        if faults.roll("crash", "plot"):
            for _ in range(random.randrange(1, faults.rates.crashes + 1)):
                kind = random.choice((*COUNTED, "time"))
                most = {"commit": 60, "place": 6, "cancel": 2, "step": 60, "time": 1}[kind]
                when = random.choice(("before", "after"))
                self._crashes.append((kind, random.randrange(1, most + 1), when, random.randrange(1, 30)))
        self._last = bool(self._crashes) and faults.roll("never_back", "plot")
        self._moments()

    def _moments(self) -> None:
        """What happens at an instant of its own."""
        story, ends = self._story, self._ends
        random, faults, later = story.faults.stream("plot"), story.faults, story.clock.later
        later(random.uniform(10, 20), story.signal, "AAA", SignalType.BUY)
        if random.random() < 0.5:
            at = random.uniform(30, ends - 60)
            story.last_signal_at = max(at, story.last_signal_at)
            later(at, story.signal, random.choice(("AAA", "BBB")), SignalType.BUY)
        if random.random() < 0.15:
            later(random.uniform(60, ends), story.signal, "AAA", SignalType.SELL)
        if random.random() < 0.2:
            # a ticker that moves is liked again and again
            for at in (60.0, 100.0, 140.0, 180.0):
                later(at, story.signal, "AAA", SignalType.BUY)
            story.last_signal_at = max(180.0, story.last_signal_at)
        if random.random() < 0.3:
            for ticker in story.stocks:
                story.account.bring(ticker, random.randrange(1, 60))
        if faults.roll("hang", "plot"):
            later(random.uniform(10, ends - 40), self._hang, random.uniform(2.0, 40.0))
        for _ in range(2):
            if faults.roll("bus_outage", "plot"):
                later(random.uniform(5, ends - 40), story.streams.outage, random.uniform(3.0, 40.0))
        if faults.roll("records_outage", "plot"):
            later(random.uniform(5, ends - 60), self._records_down, random.uniform(5.0, 60.0))
        if faults.roll("broker_outage", "plot"):
            later(random.uniform(5, ends - 60), self._broker_down, random.uniform(5.0, 60.0))
        if faults.roll("guardian_crash", "plot"):
            later(random.uniform(5, ends), self._guardian_dies, random.uniform(1.0, 5.0))
        if faults.roll("halt", "plot"):
            later(random.uniform(20, ends - 60), self._halt, random.choice([*story.stocks]), random.uniform(10, 60))
        if faults.roll("bust", "plot"):
            later(random.uniform(60, ends - 30), self._bust)
        if faults.roll("split", "plot"):
            # shares are split overnight; here the night is an outage longer than the trader's own patience with gaps
            begins = random.uniform(100, ends - 60)
            later(begins, self._broker_down, NIGHT_S)
            later(begins + NIGHT_S / 2, self._split, random.choice((2, 4, 10)))
            story.ending.ends = begins + NIGHT_S + MORNING_S

    def death(self, life: TraderLife) -> None:
        """Decide how a life of the trader ends, if it does."""
        if not self._crashes:
            return
        kind, count, when, steps = self._crashes.pop(0)
        if kind == "time":
            random = self._story.faults.stream("plot")
            now = self._story.loop.time()
            self._story.clock.later(random.uniform(0.0, max(1.0, self._ends - now)), self._kill, life)
        else:
            plan = CrashPlan(life, kind, count, when, steps)
            self._story.clock.later(max(0.0, self._ends - self._story.loop.time()), self._spare, plan, life)

    def died(self) -> bool:
        """A life is over; whether it was the last one for a long while."""
        return self._last and not self._crashes

    def _kill(self, life: TraderLife) -> None:
        if self._story.faults.on:
            life.process.die()

    def _spare(self, _plan: CrashPlan, life: TraderLife) -> None:
        """Accidents are over: what has not struck by now does not strike."""
        life.hooks.decide = None
        life.process.die_at_step = -1

    def _hang(self, seconds: float) -> None:
        life = self._story.life
        if life is not None and life.up:
            self._story.trace.say("world", "freezes the trader for", round(seconds, 1))
            life.process.freeze()
            self._story.clock.later(seconds, self._wake, life)

    def _wake(self, life: TraderLife) -> None:
        if life.process.alive:
            self._story.trace.say("world", "the trader goes on")
            life.process.thaw()

    def _records_down(self, seconds: float) -> None:
        self._story.records.down_until = self._story.loop.time() + seconds

    def _broker_down(self, seconds: float) -> None:
        self._story.trace.say("world", "the broker is down for", round(seconds, 1))
        self._story.line.down_until = self._story.loop.time() + seconds

    def _guardian_dies(self, seconds: float) -> None:
        self._story.trace.say("world", "the guardian dies")
        self._story.drop_guardian()
        self._story.clock.later(seconds, self._story.start_guardian)

    def _halt(self, ticker: str, seconds: float) -> None:
        self._story.trace.say("world", "halts", ticker, round(seconds, 1))
        self._story.stocks[ticker].halted_until = self._story.loop.time() + seconds

    def _bust(self) -> None:
        """The newest buy of the bot whose shares are all still there is taken back."""
        account = self._story.account
        for order in reversed(account.orders):
            ticker = order.request.ticker
            free = min(account.bot(ticker), account.sellable(ticker))
            if order.from_api and order.request.side is Side.BUY and order.filled and free >= order.filled:
                self._story.faults.hit("busted")
                account.bust(order)
                return

    def _split(self, ratio: int) -> None:
        held = [t for t, qty in self._story.account.shares.items() if qty]
        if held:
            self._story.faults.hit("did_split")
            self._story.account.split(held[0], ratio)


def buys(orders: list[Order]) -> int:
    """Shares that API orders bought."""
    return sum(o.filled for o in orders if o.from_api and o.request.side is Side.BUY)

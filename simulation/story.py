"""One seed, one story: trader, guardian, KIS, prices, person and accidents, until everything is quiet again."""

from pathlib import Path
from random import Random
from typing import TextIO

import msgspec

from core.model.commands import AnyCommand
from core.model.messages import AnyMessage, Channel, Signal, TrendAnswered, TrendAsked, message_id
from core.model.order import IntentState
from core.model.params import Params, TradingParams
from core.model.signal import Discovery, Indicators, SignalType, TrendState, Verdict
from core.rules.reconcile import Resolution
from services.fence import request_handback
from services.guardian import Guardian
from simulation.broker import Line
from simulation.checks import Checks, Violation
from simulation.clock import VirtualClock
from simulation.faults import Faults, Rates
from simulation.finish import Ending
from simulation.guard import GuardianFace
from simulation.kis import Account
from simulation.lives import Surroundings, TraderLife
from simulation.loop import VirtualLoop
from simulation.market import STEP_S, Stock, story_moves
from simulation.person import Person
from simulation.plot import Fate, Plot
from simulation.ports import SimRecords, Streams
from simulation.trace import Trace

TICKERS = ("AAA", "BBB")
# when accidents end; orders accepted late may still arrive after it
ACCIDENTS_END_S = 300.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a story came to."""

    seed: int
    violation: Violation | None
    digest: str
    seconds: float
    hits: dict[str, int]
    bought: int
    plans: int
    intents: int
    worst: float
    human: int
    steps: int
    lines: tuple[str, ...] = ()


def parameters(random: Random) -> Params:
    """Short plans, so that a story is about ten minutes."""
    return Params(
        trading=TradingParams(
            venue="kis_virtual",
            mode="approve" if random.random() < 0.4 else "auto",
            split_count=4,
            split_interval_sec=20,
            total_buy_amount=1_000_000,
            daily_buy_limit=random.choice((5_000_000, 2_500_000)),
            max_orders_per_min=600,
            max_orders_per_day=10_000,
            unfilled_cancel_sec=random.choice((15, 30, 60)),
            approval_ttl_sec=60,
            stop_loss_pct=random.choice((-5.0, -10.0, -15.0)),
            take_profit_pct=random.choice((10.0, 30.0)),
            stop_cooldown_min=random.choice((0, 1, 60)),
            daily_loss_limit=0,
        )
    )


class Story:
    """Everything of one run."""

    def __init__(
        self,
        seed: int,
        rates: Rates,
        state_dir: Path,
        *,
        trace_to: TextIO | None = None,
        keep: bool = False,
        resolution: Resolution | None = None,
    ) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.faults = Faults(seed, rates)
        self.trace = Trace(self.loop.time, keep=keep, out=trace_to)
        random = self.faults.stream("story")
        self.params = parameters(random)
        self.stocks = {
            t: Stock(
                t, random.uniform(8, 60), story_moves(self.faults, ACCIDENTS_END_S), self.faults.stream(f"walk{t}")
            )
            for t in TICKERS
        }
        self.account = Account(self.clock, self.faults, self.trace, self.stocks)
        self.line = Line(self.account, self.stocks, self.faults, self.clock)
        self.state_dir = state_dir
        self.checks = self._judge(resolution or Resolution())
        self.account.on_fill = self.checks.filled
        self.streams, self.records = Streams(self.clock), SimRecords(self.clock)
        self.streams.hear = self._heard
        self.person = Person(self.clock, self.faults, self.trace, self.account, self.stocks, self._send, self._lost)
        self.line.on_send = self.person.mirror
        self.around = Surroundings(
            loop=self.loop,
            clock=self.clock,
            line=self.line,
            checks=self.checks,
            streams=self.streams,
            records=self.records,
            params=self.params,
            state_dir=state_dir,
            resolution=resolution or Resolution(),
        )
        self.life: TraderLife | None = None
        self.lives: list[TraderLife] = []
        self.guardian: Guardian | None = None
        self._asked_back = False
        self.stays_dead = False
        self.last_signal_at = 20.0
        self.ending = Ending(self, ACCIDENTS_END_S)
        self.plot: Fate | None = None

    def _judge(self, resolution: Resolution) -> Checks:
        checks = Checks(
            self.clock,
            self.faults,
            self.trace,
            state_dir=self.state_dir,
            day_limit_krw=self.params.trading.daily_buy_limit,
            one_shot=resolution.one_shot,
            broken=lambda _violation: self.loop.stop(),
        )
        checks.account = self.account
        checks.trader_up = lambda: self.life is not None and self.life.up
        checks.guardian_in_charge = lambda: self.guardian is not None and self.guardian.in_charge
        checks.broker_down = lambda: self.line.down
        return checks

    # -- processes ----------------------------------------------------------------------------------------------

    def start_trader(self) -> None:
        """The supervisor starts it."""
        if self.life is not None and self.life.process.alive:
            return
        self.trace.say("world", "starts the trader")
        self.life = TraderLife(self.around, self._trader_over)
        self.lives.append(self.life)
        self.life.process.after = self._after_step
        if self.plot is not None:
            self.plot.death(self.life)
        self.life.start()

    def _after_step(self, _handle: object) -> None:
        if self.checks.files_due and self.life is not None and self.life.process.alive:
            self.checks.files()

    def _trader_over(self, _life: TraderLife, error: BaseException | None) -> None:
        self.trace.say("world", "the trader is dead", type(error).__name__ if error else "")
        if error is not None:
            self.checks.fail("fell", f"the trader ended by itself: {type(error).__name__}: {error}")
        self.stays_dead = self.faults.on and self.plot is not None and self.plot.died()
        if not self.stays_dead:
            self.clock.later(self.faults.stream("restart").uniform(1.0, 5.0), self.start_trader)

    def kill_trader(self, _pid: int = 0) -> None:
        """SIGKILL, by the guardian or by fate."""
        if self.life is not None:
            self.life.process.die()

    def drop_guardian(self) -> None:
        """SIGKILL for the guardian: the kernel frees its lock."""
        if self.guardian is not None:
            self.guardian._lock.release()  # noqa: SLF001  (what the kernel does)
        self.guardian = None

    def start_guardian(self) -> None:
        """It starts with nothing but its files."""
        self.trace.say("world", "starts the guardian")
        face = GuardianFace(self.line, self.checks)
        guardian = self.guardian = Guardian(
            self.state_dir,
            face,  # type: ignore[arg-type]
            monotonic=self.loop.time,
            wall=self.clock.wall,
            kill=self.kill_trader,
        )

        def rounds() -> None:
            if self.guardian is not guardian:
                return
            before = guardian.in_charge
            face.slow_s = 0.0
            guardian.round()
            if guardian.in_charge != before:
                self.trace.say("guardian", "takes over" if guardian.in_charge else "hands back")
                self.faults.hits["takeover"] += guardian.in_charge
            if guardian.keeps and not self._asked_back:
                # the chat says that a person must decide
                self._asked_back = True
                self.clock.later(self.faults.stream("person").uniform(10.0, 60.0), self._ask_back)
            self.clock.later(guardian.pause_s + face.slow_s, rounds)

        rounds()

    def _ask_back(self) -> None:
        self._asked_back = False
        self.faults.hit("handback")
        self.trace.say("person", "asks for the hand-back")
        request_handback(self.state_dir)

    # -- the bus ------------------------------------------------------------------------------------------------

    def _heard(self, _channel: Channel, message: AnyMessage) -> None:
        """Something that the trader published; the analyzer and the person listen."""
        self.person.hear(message)
        if isinstance(message, TrendAsked):
            random = self.faults.stream("trend")
            drawn = random.random()
            if drawn < 0.8:
                state = TrendState.INTACT if drawn < 0.5 else TrendState.BROKEN
                self.clock.later(random.uniform(0.1, 3.0), self._answer, message, state)

    def _answer(self, question: TrendAsked, state: TrendState) -> None:
        answer = TrendAnswered(
            id=message_id("answer", question.id),
            question=question.id,
            ticker=question.ticker,
            state=state,
            verdict=None,
            answered_at=self.clock.now(),
        )
        self.streams.put(Channel.TREND, answer)

    def signal(self, ticker: str, kind: SignalType) -> None:
        """The analyzer has judged a bar."""
        now, price = self.clock.now(), float(self.stocks[ticker].price)
        ends = self.clock.at(self.clock.seconds() - 1.0)
        found = Discovery(
            price=price, change_pct=6.0, volume=20_000, volume_ratio_pct=300, market_cap=None, bar_end_at=ends
        )
        self.trace.say("analyzer", kind.value, ticker)
        signal = Signal(
            id=message_id("signal", ticker, kind.value, now.isoformat()),
            ticker=ticker,
            verdict=Verdict(signal=kind, confidence=80.0, met=(), indicators=Indicators(close=price, bars=60)),
            bar_end_at=ends,
            created_at=now,
            valid_until=self.clock.at(self.clock.seconds() + 45.0),
            feed_delay_ms=1000,
            discovery=found,
        )
        self.streams.put(Channel.SIGNAL, signal)

    def _lost(self, ticker: str) -> bool | None:
        """What a person sees who compares: whether a buy that waits for a human has arrived; None where none waits."""
        waiting = [i for i in self.checks.booked.live() if i.state is IntentState.HUMAN and i.request.ticker == ticker]
        return any(o.key == waiting[0].id for o in self.account.orders) if waiting else None

    def _send(self, command: AnyCommand, answered: object) -> None:
        if self.life is None:
            answered(None)  # type: ignore[operator]
        else:
            self.life.command(command, answered)  # type: ignore[arg-type]

    # -- time ---------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """One second of market and judge."""
        now = self.loop.time()
        for ticker, stock in self.stocks.items():
            before = stock.price
            stock.step(now)
            if stock.price != before:
                self.account.match(ticker)
        self.checks.second()
        self.ending.second()
        self.clock.later(STEP_S, self._step)

    def play(self) -> None:
        """From the first start to the end."""
        if self.plot is None:
            self.plot = Plot(self, ACCIDENTS_END_S)
            self.person.plan(ACCIDENTS_END_S)
        try:
            self.start_guardian()
            self.start_trader()
            self._step()
            self.loop.run()
        finally:
            self.drop_guardian()
            for life in self.lives:
                life.process.on_death = None
                life.process.die()
                life.close()
                life.process.bury()
            self.loop.close()

"""The trader may die at any commit: what was bought is booked, nothing is sent twice, every share is watched."""

import itertools

import pytest

from core.model.commands import Approve
from core.model.journal import LedgerKind
from core.model.money import ZERO
from core.model.order import IntentState, Side
from core.model.params import TradingParams
from core.model.position import PlanState
from core.model.signal import SignalType, TrendState
from tests.unit.core.builders import TICKER, seconds, signal
from tests.unit.core.harness import Crash, World

PARAMS = TradingParams(split_count=4, split_interval_sec=10, max_orders_per_min=600)


class Story:
    """Signal, tap, four tranches, then the stop: whatever was not answered is delivered again, as in life."""

    def __init__(self) -> None:
        self.world = World(PARAMS)
        self.world.move("10.00")
        self.world.broker.accidents.extend(["ok", "rest"])
        self.signal = signal(at=self.world.at, close=10.0)
        self.acknowledged = False
        self.crashes = 0

    def play(self) -> World:
        """Play to the end; a crash is followed by a restart two seconds later."""
        world = self.world
        for second in itertools.count(0, 2):
            if second > 420:
                return world
            if second == 320:
                world.move("8.00")
            try:
                self._act()
                world.step(2)
            except Crash:
                self.crashes += 1
                world.at += seconds(2)
                world.restart()
        raise AssertionError

    def _act(self) -> None:
        world = self.world
        if not self.acknowledged:
            world.deliver(self.signal)
            self.acknowledged = True
        proposed = [p for p in world.stage.book.plans.values() if p.state is PlanState.PROPOSED]
        for plan in proposed:
            world.command(Approve(by="owner", plan_id=plan.id, nonce=plan.nonce))


def uninterrupted() -> tuple[Story, World]:
    story = Story()
    return story, story.play()


STEPS = uninterrupted()[1].journal.commits


def check(world: World) -> None:
    """What must be true however it went."""
    journal, broker = world.journal, world.broker
    assert world.held() == broker.shares.get(TICKER, 0), "every share is booked"
    booked = sum(f.qty for f in journal.fills.values() if f.side is Side.BUY)
    assert booked == broker.bought()
    intents = [i for i in journal.intents.values() if i.sent_at is not None]
    assert len(broker.orders) <= len(intents), "an intent is sent at most once"
    assert len({i.dedup_key for i in intents}) == len(intents)
    spent = sum((o.usd for o in broker.sent(Side.BUY)), ZERO)
    assert spent <= max((p.budget_usd for p in journal.plans.values()), default=ZERO)
    if not world.stage.book.live_intents():
        posted = journal.booked(LedgerKind.POST) + journal.booked(LedgerKind.VOID)
        assert journal.booked(LedgerKind.RESERVE) == posted
    assert all(i.reserved_usd >= 0 for i in journal.intents.values())


def test_the_uninterrupted_story_buys_and_stops() -> None:
    _, world = uninterrupted()
    check(world)
    assert world.broker.bought() > 80
    assert world.held() == 0
    assert [t.trip.reason for t in world.journal.trips.values()] == ["STOP"]


@pytest.mark.parametrize("before", [False, True], ids=["after-the-write", "before-the-write"])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_crash_at_any_commit_loses_and_doubles_nothing(step: int, before: bool) -> None:
    story = Story()
    story.world.journal.die_at = story.world.journal.commits + step
    story.world.journal.die_before_write = before
    world = story.play()
    check(world)
    assert world.held() == 0, "the stop is kept"
    assert not world.stage.book.live_intents()
    if not any(i.state is IntentState.NOT_PLACED for i in world.journal.intents.values()):
        # nothing was on its way without having been sent: the outcome is that of a run without a crash
        expected = uninterrupted()[1]
        assert world.broker.bought() == expected.broker.bought()


def test_two_machines_from_the_same_snapshot_decide_the_same() -> None:
    worlds = [World(PARAMS), World(PARAMS)]
    for world in worlds:
        world.move("10.00")
        world.trend = TrendState.INTACT
        world.deliver(signal(at=world.at, close=10.0))
        world.run(120)
    assert worlds[0].journal.events == worlds[1].journal.events
    assert worlds[0].journal.load() == worlds[1].journal.load()


@pytest.mark.parametrize("kind", [SignalType.SELL, SignalType.WATCH])
def test_a_restart_keeps_switches_decisions_and_day(kind: SignalType) -> None:
    world = World(TradingParams(mode="auto"))
    world.move("10.00")
    world.deliver(signal(at=world.at, close=10.0))
    world.run(20)
    world.buy_signal(kind)
    before = world.journal.load()
    world.restart()
    after = world.stage.book
    assert after.decisions == set(before.decisions)
    assert after.day.bought_krw > 0
    assert after.krw_per_usd == 1000

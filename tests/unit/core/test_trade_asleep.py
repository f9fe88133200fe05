"""Proposals while the owner sleeps, and tickers he does not want to hear of."""

import datetime as dt
from decimal import Decimal

import pytest

from core.model.commands import Mute, ReplyKey, Unlock
from core.model.messages import EventKind
from core.model.params import TradingParams
from core.model.position import PlanState
from tests.unit.core.builders import TICKER, seconds
from tests.unit.core.harness import World

ALWAYS = "00:00-23:59"


def night(policy: str, **changes: object) -> World:
    made = World(TradingParams(asleep_hours=ALWAYS, asleep_policy=policy, **changes))
    made.buy_signal()
    return made


def test_ask_is_as_by_day() -> None:
    assert night("ask").plan.state is PlanState.PROPOSED


def test_ignore_buys_nothing_and_says_why() -> None:
    made = night("ignore")
    assert not made.book.plans
    assert made.events(EventKind.PLAN_REFUSED)[0]["reason"] == "asleep"


def test_auto_buys_the_whole_budget_by_itself() -> None:
    made = night("auto")
    assert made.plan.state is PlanState.RUNNING
    assert made.plan.decided_by == "asleep"
    assert made.plan.budget_krw == Decimal(1_000_000)
    assert made.events(EventKind.PLAN_STARTED)[0]["auto"] is True


def test_small_buys_its_share() -> None:
    assert night("small", asleep_size_pct=40).plan.budget_krw == Decimal(400_000)


@pytest.mark.parametrize("policy", ["auto", "small"])
def test_every_check_holds_by_night_too(policy: str) -> None:
    made = World(TradingParams(asleep_hours=ALWAYS, asleep_policy=policy, daily_buy_limit=0))
    made.buy_signal()
    assert not made.book.plans


def test_a_muted_ticker_is_not_proposed_until_its_time_or_unlock(world: World) -> None:
    world.buy_signal()
    until = world.at + dt.timedelta(hours=3)
    assert world.command(Mute(by="7", ticker=TICKER, until=until)).ok
    assert world.plan.state is PlanState.IGNORED
    assert (world.book.locks[TICKER].reason, world.book.locks[TICKER].until) == ("muted", until)
    world.command(Unlock(by="7", ticker=TICKER))
    assert TICKER not in world.book.locks


def test_a_plan_that_buys_already_is_not_stopped_by_muting(auto: World) -> None:
    auto.buy_signal()
    auto.command(Mute(by="7", ticker=TICKER, until=auto.at + dt.timedelta(hours=1)))
    assert auto.plan.state is PlanState.RUNNING


@pytest.mark.parametrize("ahead_s", [-1, 0, 8 * 24 * 3600])
def test_a_mute_without_sense_is_refused(world: World, ahead_s: int) -> None:
    reply = world.command(Mute(by="7", ticker=TICKER, until=world.at + seconds(ahead_s)))
    assert (reply.ok, reply.key) == (False, ReplyKey.INVALID)
    assert not world.book.locks

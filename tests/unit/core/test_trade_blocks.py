"""What holds entries back, at the edges: blocks that are set, run out and are released, and prices nobody sees."""

import datetime as dt

import msgspec
import pytest

from core.model.commands import ReplyKey, Resume
from core.model.messages import EventKind
from core.model.safety import Block, TradingState
from core.rules.risk import RefusalReason
from core.stages.trade import safety
from core.stages.trade.inputs import ClockRead, Tick
from tests.unit.core.builders import TICKER, seconds
from tests.unit.core.harness import World

SICK, STREAK = RefusalReason.BROKER_SICK, RefusalReason.STOP_STREAK


def tick(world: World, after_s: float = 0, **changes: object) -> None:
    """Time passes; a price may be fifteen seconds old."""
    world.at += seconds(after_s)
    values = {"in_window": True, "market_open": True, "stale_after": seconds(15)} | changes
    world.tell(Tick(at=world.at, **values))


def test_a_block_says_since_when_until_when_and_why(auto: World) -> None:
    until = auto.at + seconds(60)
    safety.block(auto.book, STREAK, until=until, detail="3")
    assert auto.book.standing() == [Block(reason="stop_streak", since=auto.at, until=until, detail="3")]
    safety.block(auto.book, SICK)
    assert auto.book.blocks["broker_sick"] == Block(reason="broker_sick", since=auto.at)
    assert len(auto.book.standing()) == 2


def test_a_block_that_stands_is_not_renewed_and_one_that_ran_out_is(auto: World) -> None:
    since = auto.at
    safety.block(auto.book, STREAK, until=since + seconds(60), detail="3")
    auto.book.at += seconds(59)
    safety.block(auto.book, STREAK, until=since + seconds(600), detail="4")
    assert auto.book.standing() == [Block(reason="stop_streak", since=since, until=since + seconds(60), detail="3")]
    auto.book.at += seconds(1)
    assert not auto.book.standing()
    safety.block(auto.book, STREAK, until=since + seconds(600), detail="4")
    (again,) = auto.book.standing()
    assert (again.since, again.detail) == (since + seconds(60), "4")


def test_the_owner_releases_every_block_at_once(auto: World) -> None:
    safety.block(auto.book, SICK)
    safety.block(auto.book, STREAK, until=auto.at + seconds(60))
    assert safety.release(auto.book)
    assert auto.book.blocks == {}
    assert auto.book.state["blocks"] == "{}"
    assert not safety.release(auto.book)


def test_a_block_that_ran_out_is_cleaned_up_without_being_news(auto: World) -> None:
    safety.block(auto.book, STREAK, until=auto.at)
    assert not safety.release(auto.book)
    assert auto.book.blocks == {}
    assert auto.command(Resume(by="owner")).key is ReplyKey.NOTHING_TO_DO


@pytest.mark.parametrize(("stops", "limit", "blocked"), [(2, 3, False), (3, 3, True), (4, 3, True), (9, 0, False)])
def test_the_streak_begins_with_the_last_allowed_stop(auto: World, stops: int, limit: int, blocked: bool) -> None:
    auto.book.params = msgspec.structs.replace(auto.params, max_stops_per_day=limit)
    auto.book.day = msgspec.structs.replace(auto.book.day, stops=stops)
    safety.count_stop(auto.book)
    midnight = dt.datetime(2026, 11, 18, 5, tzinfo=dt.UTC)
    wanted = Block(reason="stop_streak", since=auto.at, until=midnight, detail=str(stops))
    assert auto.book.standing() == ([wanted] if blocked else [])


def test_a_clock_that_was_right_again_alarms_a_second_time(auto: World) -> None:
    for skew_s in (31.0, 0.0, 31.0):
        auto.tell(ClockRead(at=auto.at, skew_s=skew_s))
    assert len(auto.events(EventKind.TROUBLE)) == 2


def test_a_tick_tells_window_market_and_halt_file(auto: World) -> None:
    tick(auto, in_window=False, market_open=False, halted=True)
    book = auto.book
    assert (book.in_window, book.market_open, book.halted) == (False, False, True)
    assert book.trading_state is TradingState.HALTED
    tick(auto)
    assert (book.in_window, book.market_open, book.halted) == (True, True, False)


def test_a_price_as_old_as_allowed_is_still_seen(holding: World) -> None:
    tick(holding, 15)
    assert not holding.book.unwatched
    tick(holding, 0.001)
    assert holding.book.unwatched == {TICKER}


def test_after_the_opening_there_is_as_much_time_as_after_a_price(holding: World) -> None:
    tick(holding, 60, market_open=False)
    tick(holding, 60)
    assert holding.book.opened_at == holding.at
    tick(holding, 15)
    assert not holding.book.unwatched
    assert holding.book.opened_at == holding.at - seconds(15), "it opens once"
    tick(holding, 1)
    assert holding.book.unwatched == {TICKER}


def test_after_a_start_there_is_as_much_time_as_after_a_price(holding: World) -> None:
    holding.at += seconds(600)
    holding.restart()
    tick(holding, 15)
    assert not holding.book.unwatched


def test_a_market_that_closes_needs_no_prices_any_more(holding: World) -> None:
    tick(holding, 16)
    tick(holding, 1, market_open=False)
    assert not holding.book.unwatched
    assert len(holding.events(EventKind.WATCHED)) == 1


def test_a_frozen_ticker_needs_no_prices(holding: World) -> None:
    holding.book.put_position(msgspec.structs.replace(holding.book.positions[TICKER], frozen="split"))
    tick(holding, 60)
    assert not holding.book.unwatched


def test_a_ticker_that_is_sold_is_not_missed(holding: World) -> None:
    tick(holding, 16)
    holding.book.drop_position(TICKER)
    tick(holding, 1)
    assert holding.book.unwatched == set()
    assert not holding.events(EventKind.WATCHED)


@pytest.mark.parametrize(("halted", "told"), [(False, [("active", "reducing")]), (True, [])])
def test_a_block_that_runs_out_is_told_where_it_opens_the_entries(
    auto: World, halted: bool, told: list[tuple[str, str]]
) -> None:
    safety.block(auto.book, STREAK, until=auto.at + seconds(60))
    auto.book.halted = halted
    tick(auto, 59, halted=halted)
    assert "stop_streak" in auto.book.blocks
    tick(auto, 1, halted=halted)
    assert auto.book.blocks == {}
    assert [(e["state"], e["before"]) for e in auto.events(EventKind.STATE_CHANGED)] == told

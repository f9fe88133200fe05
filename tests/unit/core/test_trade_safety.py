"""What holds entries back, kept over a restart; exits never wait for it."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.commands import AskStatus, Panic, Pause, ReplyKey, Resume
from core.model.journal import Emit
from core.model.messages import EventKind
from core.model.order import IntentState, Side
from core.model.params import TradingParams
from core.model.position import PlanState
from core.model.safety import TradingState
from core.stages.trade.inputs import ClockRead, PricesApart, SignalArrived, Tick
from tests.unit.core.builders import TICKER, quote, seconds, signal
from tests.unit.core.harness import World


def refusal(world: World, ticker: str = "AMD") -> str:
    """Why a BUY of a fresh ticker is refused now, empty where it is not."""
    before = len(world.events(EventKind.PLAN_REFUSED))
    world.buy_signal(ticker=ticker)
    found = world.events(EventKind.PLAN_REFUSED)[before:]
    return str(found[0]["reason"]) if found else ""


def lose(world: World, ticker: str) -> None:
    world.move("10.00")
    world.broker.accidents.append("lose")
    world.buy_signal(ticker=ticker)
    world.run(4)


def test_two_lost_orders_in_ten_minutes_close_the_entries_until_the_owner_resumes(auto: World) -> None:
    lose(auto, "TSLA")
    assert auto.book.trading_state is TradingState.ACTIVE
    lose(auto, "AAPL")
    assert auto.book.trading_state is TradingState.REDUCING
    (told,) = auto.events(EventKind.STATE_CHANGED)
    assert (told["before"], told["state"], told["reason"]) == ("active", "reducing", "broker_sick")
    auto.restart()
    assert refusal(auto) == "broker_sick"
    (block,) = auto.command(AskStatus(by="owner")).status.blocks
    assert (block.reason, block.until) == ("broker_sick", None)
    assert auto.command(Resume(by="owner")).key is ReplyKey.DONE
    assert auto.book.trading_state is TradingState.ACTIVE
    assert refusal(auto) == ""


def test_two_lost_orders_far_apart_are_an_accident(auto: World) -> None:
    lose(auto, "TSLA")
    auto.at += dt.timedelta(minutes=11)
    auto.tick()
    lose(auto, "AAPL")
    assert auto.book.trading_state is TradingState.ACTIVE


def test_too_many_stops_end_the_entries_of_that_us_day(auto: World) -> None:
    for ticker in ("AAPL", "TSLA", "AMD"):
        auto.move("100.00")
        auto.buy_signal(ticker=ticker)
        auto.run(60)
        auto.move("80.00")
        auto.run(20)
    assert auto.book.day.stops == 3
    assert refusal(auto, "MSFT") == "stop_streak"
    (block,) = auto.book.standing()
    assert block.until == dt.datetime(2026, 11, 18, 5, 0, tzinfo=dt.UTC)
    auto.at = block.until
    auto.tick()
    assert auto.book.trading_state is TradingState.ACTIVE
    told = [(e["before"], e["state"], e["reason"]) for e in auto.events(EventKind.STATE_CHANGED)]
    assert told == [("active", "reducing", "stop_streak"), ("reducing", "active", "stop_streak")]


def test_no_limit_of_stops_where_the_owner_wants_none() -> None:
    world = World(TradingParams(mode="auto", max_stops_per_day=0))
    for ticker in ("AAPL", "TSLA", "AMD", "MSFT"):
        world.move("100.00")
        world.buy_signal(ticker=ticker)
        world.run(60)
        world.move("80.00")
        world.run(20)
    assert world.book.trading_state is TradingState.ACTIVE


@pytest.mark.parametrize(("skew_s", "closed"), [(2.0, False), (2.1, True), (-2.1, True), (-1.0, False)])
def test_a_skewed_clock_closes_the_entries_while_it_lasts(auto: World, skew_s: float, closed: bool) -> None:
    auto.tell(ClockRead(at=auto.at, skew_s=skew_s))
    assert refusal(auto) == ("clock_skew" if closed else "")
    auto.tell(ClockRead(at=auto.at, skew_s=0.0))
    assert refusal(auto, "TSLA") == ""


def test_a_clock_that_is_far_off_alarms_once(auto: World) -> None:
    for _ in range(3):
        auto.tell(ClockRead(at=auto.at, skew_s=31.0))
    assert [e["seconds"] for e in auto.events(EventKind.TROUBLE)] == [31]


def watched(world: World, after_s: int) -> None:
    world.at += seconds(after_s)
    world.tell(Tick(at=world.at, in_window=True, market_open=True, stale_after=seconds(15)))


def test_a_held_ticker_without_prices_alarms_and_closes_the_entries(holding: World) -> None:
    watched(holding, 15)
    assert not holding.events(EventKind.UNWATCHED)
    watched(holding, 1)
    watched(holding, 1)
    (told,) = holding.events(EventKind.UNWATCHED)
    assert told["age_s"] == 16
    assert refusal(holding) == "unwatched"
    holding.prices()
    watched(holding, 1)
    assert len(holding.events(EventKind.WATCHED)) == 1
    assert refusal(holding, "TSLA") == ""


def test_a_closed_market_needs_no_prices(holding: World) -> None:
    holding.market_open = False
    holding.at += seconds(3600)
    holding.tick()
    assert not holding.events(EventKind.UNWATCHED)
    holding.market_open = True
    holding.tick()
    assert not holding.events(EventKind.UNWATCHED), "after the opening there is time to read"


def test_the_halt_file_halts_and_only_its_removal_ends_it(holding: World) -> None:
    holding.halted = True
    holding.tick()
    assert holding.book.trading_state is TradingState.HALTED
    reply = holding.command(Resume(by="owner"))
    assert (reply.key, reply.values) == (ReplyKey.REFUSED, {"reason": "halt_file"})
    holding.move("80.00")
    holding.run(10)
    assert holding.held() == 0, "exits go on"
    holding.halted = False
    holding.tick()
    states = [e["state"] for e in holding.events(EventKind.STATE_CHANGED)]
    assert states == ["halted", "active"]


def test_panic_is_halted_pause_is_reducing(auto: World) -> None:
    auto.command(Pause(by="owner"))
    assert auto.book.trading_state is TradingState.REDUCING
    auto.command(Panic(by="owner"))
    assert auto.book.trading_state is TradingState.HALTED
    auto.restart()
    assert auto.book.trading_state is TradingState.HALTED
    auto.command(Resume(by="owner"))
    assert auto.book.trading_state is TradingState.ACTIVE
    assert auto.command(Resume(by="owner")).key is ReplyKey.NOTHING_TO_DO


@pytest.mark.parametrize(("broker", "reason"), [("105.00", ""), ("105.01", "diverged"), ("94.99", "diverged")])
def test_feed_and_broker_must_agree_on_the_price(auto: World, broker: str, reason: str) -> None:
    arrived = signal(at=auto.at, close=100.0)
    auto.tell(
        SignalArrived(at=auto.at, signal=arrived, quote=quote(broker, at=auto.at), power=auto.power()),
    )
    found = auto.events(EventKind.PLAN_REFUSED)
    assert (found[-1]["reason"] if found else "") == reason


def test_a_sale_waits_for_the_market_and_starts_again_at_the_top_of_the_ladder(holding: World) -> None:
    holding.broker.accidents.extend(["rest"] * 3)
    holding.move("80.00")
    holding.run(26)
    assert holding.book.exits[TICKER].step >= 1
    for order in holding.broker.orders:
        order.cancelled = True
    holding.market_open = False
    holding.run(60)
    assert len(holding.events(EventKind.EXIT_WAITS)) == 1
    assert holding.book.exits[TICKER].step == 0
    holding.market_open = True
    holding.run(10)
    assert holding.held() == 0


def test_a_resting_sale_is_not_replaced_by_one_with_the_same_limit(holding: World) -> None:
    """A halt: nothing fills, and at the foot of the ladder the same order would only be sent again and again."""
    holding.broker.accidents.extend(["rest"] * 40)
    holding.move("80.00")
    holding.run(300)
    sent = holding.broker.sent(Side.SELL)
    assert len(sent) == 6
    assert len({o.request.limit for o in sent}) == 6
    holding.broker.match(sent[-1])
    holding.run(4)
    assert holding.held() == 0


def test_no_two_orders_of_a_day_look_the_same(auto: World) -> None:
    auto.move("10.00")
    auto.buy_signal()
    auto.run(660, every=5)
    looks = [(o.request.side, o.request.qty, o.request.limit) for o in auto.broker.orders]
    assert len(set(looks)) == len(looks) == 10
    best = max(o.request.limit for o in auto.broker.orders)
    assert all(best - o.request.limit <= Decimal("0.03") for o in auto.broker.orders), "a few cents lower, never higher"


def test_a_plan_whose_position_is_frozen_buys_no_more(auto: World) -> None:
    auto.move("10.00")
    auto.buy_signal()
    auto.run(10)
    position = auto.book.positions[TICKER]
    auto.book.put_position(msgspec.structs.replace(position, frozen="missing"))
    auto.tick()
    assert (auto.plan.state, auto.plan.reason) == (PlanState.STOPPED, "frozen")


def test_liquidation_tells_its_progress(auto: World) -> None:
    auto.move("10.00")
    for ticker in ("AAPL", "TSLA"):
        auto.buy_signal(ticker=ticker)
        auto.run(10)
    auto.command(Panic(by="owner", liquidate=True))
    auto.run(20)
    assert [e["left"] for e in auto.events(EventKind.LIQUIDATION)] == [1, 0]
    assert not auto.book.positions
    assert all(i.state is IntentState.FILLED for i in auto.book.intents.values() if i.request.side is Side.SELL)


def test_prices_that_stay_apart_are_told_and_close_nothing_by_themselves(auto: World) -> None:
    auto.stage.handle(PricesApart(at=auto.at, ticker="NVDA", apart_pct=7.04))
    outcome = auto.stage.handle(PricesApart(at=auto.at, ticker="NVDA", apart_pct=7.04))
    (told,) = [c.event for c in outcome.changes if isinstance(c, Emit)]
    assert (told.kind, told.ticker) == (EventKind.TROUBLE, "NVDA")
    assert (told.values["where"], told.values["what"], told.values["pct"]) == ("feed", "prices_apart", 7.0)
    assert auto.book.trading_state is TradingState.ACTIVE


@pytest.mark.parametrize("delay_s", [0, 30, 89, 91, 300, 900, 1200])
def test_a_late_feed_never_buys_and_says_why(auto: World, delay_s: int) -> None:
    auto.buy_signal(ticker="AMD", delay_ms=delay_s * 1000)
    reasons = [told["reason"] for told in auto.events(EventKind.PLAN_REFUSED)]
    assert reasons == (["delayed_feed"] if delay_s > 90 else [])
    assert bool(auto.events(EventKind.PLAN_STARTED)) is (delay_s <= 90)

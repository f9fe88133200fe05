"""Whatever the broker does, the trader's books add up."""

from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.model.commands import CancelOrders, Panic
from core.model.journal import LedgerKind
from core.model.order import Side
from core.model.params import TradingParams
from core.model.position import PlanState
from tests.unit.core.builders import TICKER
from tests.unit.core.harness import World

ACCIDENTS = st.sampled_from(["ok", "rest", "refuse", "lose", "vanish", "hide"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["wait", "fill", "cancel", "restart", "drop", "rise", "reveal", "lose_cancels", "liquidate"]),
        st.integers(1, 6),
    ),
    max_size=14,
)


def act(world: World, what: str, much: int) -> None:
    """One thing that happens to the trader."""
    match what:
        case "fill":
            for order in world.broker.orders:
                world.broker.match(order, much)
        case "cancel":
            world.command(CancelOrders(by="o"))
        case "restart":
            world.restart()
        case "drop":
            world.move("8.00")
        case "rise":
            world.move("10.40")
        case "reveal":
            for order in world.broker.orders:
                order.hidden = False
        case "lose_cancels":
            world.broker.cancel_lost = not world.broker.cancel_lost
        case "liquidate":
            world.command(Panic(by="o", liquidate=True))
    world.run(much * 10, every=5)


def check(world: World) -> None:
    """What holds at every instant."""
    journal = world.journal
    reserve, post, void = (journal.booked(k) for k in (LedgerKind.RESERVE, LedgerKind.POST, LedgerKind.VOID))
    held_back = sum((i.reserved_usd for i in journal.intents.values()), Decimal(0))
    assert reserve - post - void == held_back, "the ledger and the intents agree"
    assert all(i.reserved_usd >= 0 for i in journal.intents.values())
    bought = sum(f.qty for f in journal.fills.values() if f.side is Side.BUY)
    sold = sum(f.qty for f in journal.fills.values() if f.side is Side.SELL)
    assert world.held() == bought - sold
    assert all(p.stop_price > 0 for p in world.stage.book.positions.values()), "every share has a stop"
    spent = sum((o.usd for o in world.broker.sent(Side.BUY)), Decimal(0))
    assert spent <= sum((p.budget_usd for p in journal.plans.values()), Decimal(0))
    sent = [i for i in journal.intents.values() if i.sent_at]
    assert len(world.broker.orders) <= len(sent)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACCIDENTS, max_size=8), STEPS)
@example([], [("drop", 1), ("liquidate", 1)])
@example(["ok", "rest", "vanish", "lose"], [("drop", 2)])
def test_the_books_add_up_after_any_sequence_of_fills_cancels_and_restarts(
    accidents: list[str], steps: list[tuple[str, int]]
) -> None:
    world = World(TradingParams(mode="auto", split_count=5, split_interval_sec=10))
    world.move("10.00")
    world.broker.accidents.extend(accidents)
    world.buy_signal()
    world.run(10, every=5)
    check(world)
    for what, much in steps:
        act(world, what, much)
        check(world)
    world.broker.cancel_lost = False
    world.broker.accidents.clear()
    world.command(CancelOrders(by="o"))
    act(world, "reveal", 1)
    world.run(400, every=10)
    check(world)
    assert not [p for p in world.stage.book.plans.values() if p.state is PlanState.RUNNING]
    assert not world.stage.book.live_intents(TICKER, Side.BUY)
    reserve, post, void = (world.journal.booked(k) for k in (LedgerKind.RESERVE, LedgerKind.POST, LedgerKind.VOID))
    assert reserve == post + void

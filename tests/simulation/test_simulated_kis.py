"""The simulated account: what is true, and what its answers show of it."""

import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec
import pytest

from core.model.instrument import Exchange
from core.model.order import OrderRequest, Side
from simulation.clock import VirtualClock
from simulation.faults import CALM, Faults, Rates
from simulation.kis import NO_CASH, NO_SHARES, PERSON, Account, Order
from simulation.loop import VirtualLoop
from simulation.market import Move, Stock
from simulation.trace import Trace


class Bench:
    """An account whose time a test moves by hand."""

    def __init__(self, **rates: object) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.faults = Faults(1, msgspec.structs.replace(CALM, **rates))
        self.stock = Stock("AAA", 10.0, [], self.faults.stream("walk"))
        self.account = Account(self.clock, self.faults, Trace(self.loop.time), {"AAA": self.stock})

    def order(self, side: Side, qty: int, limit: str, source: str = "trader") -> Order | str:
        request = OrderRequest(ticker="AAA", exchange=Exchange.NASD, side=side, qty=qty, limit=Decimal(limit))
        return self.account.arrive(request, source, "key")

    def at(self, seconds: float) -> None:
        self.loop.later(seconds - self.loop.time(), self.loop.stop)
        self.loop.run()


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def bench(**rates: object) -> Bench:
        made.append(Bench(**rates))
        return made[-1]

    yield bench
    for one in made:
        one.loop.close()


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()


def test_a_marketable_order_fills_at_the_market(bench: Bench) -> None:
    order = bench.order(Side.BUY, 5, "10.50")
    assert (order.filled, order.usd, order.open) == (5, Decimal("50.00"), 0)
    assert (bench.account.shares["AAA"], bench.account.bot("AAA")) == (5, 5)
    assert bench.account.rows()[0].filled_qty == 5


def test_what_a_person_buys_is_the_persons(bench: Bench) -> None:
    bench.order(Side.BUY, 5, "10.50", PERSON)
    assert (bench.account.own["AAA"], bench.account.bot("AAA")) == (5, 0)
    assert not bench.account.rows()[0].from_api


def test_shares_in_an_open_sale_cannot_be_sold_twice(bench: Bench) -> None:
    bench.order(Side.BUY, 5, "10.50")
    bench.order(Side.SELL, 3, "12.00")
    assert bench.account.sellable("AAA") == 2
    assert bench.order(Side.SELL, 3, "12.00") == NO_SHARES
    assert bench.account.holdings()[0].sellable_qty == 2


def test_money_in_an_open_purchase_cannot_be_spent_twice(bench: Bench) -> None:
    assert isinstance(bench.order(Side.BUY, 4000, "9.00"), Order)
    assert bench.order(Side.BUY, 4000, "9.00") == NO_CASH


def test_an_order_rests_until_the_price_comes(bench: Bench) -> None:
    order = bench.order(Side.BUY, 5, "9.00")
    bench.stock.follow([Move(1.0, jump=0.8)])
    bench.stock.step(2.0)
    bench.account.match("AAA")
    assert order.filled == 5
    assert order.usd < Decimal(45)


def test_a_cancel_is_final_at_the_broker_and_a_second_one_finds_nothing(bench: Bench) -> None:
    order = bench.order(Side.BUY, 5, "9.00")
    assert bench.account.cancel(order.ref.odno)
    assert not bench.account.cancel(order.ref.odno)
    assert bench.account.rows()[0].cancelled
    assert not bench.account.open


def test_the_list_shows_an_order_only_after_its_lag(make: Callable[..., Bench]) -> None:
    bench = make(list_lag=1.0, list_lag_s=30.0)
    order = bench.order(Side.BUY, 5, "9.00")
    visible = order.versions[0][0]
    assert visible > 0
    bench.at(visible - 0.01)
    assert not bench.account.rows()
    bench.at(visible + 0.01)
    assert len(bench.account.rows()) == 1


def test_holdings_lag_too(make: Callable[..., Bench]) -> None:
    bench = make(holdings_lag=1.0, holdings_lag_s=20.0)
    bench.order(Side.BUY, 5, "10.50")
    assert not bench.account.holdings()
    bench.at(41.0)
    assert bench.account.holdings()[0].qty == 5


def test_a_late_reject_ends_an_order_that_seemed_taken(make: Callable[..., Bench]) -> None:
    bench = make(late_reject=1.0)
    order = bench.order(Side.BUY, 5, "10.50")
    assert order.filled == 0
    bench.at(21.0)
    assert bench.account.rows()[0].rejected


def test_partial_fills_grow_and_never_exceed_the_order(make: Callable[..., Bench]) -> None:
    bench = make(partial=1.0)
    order = bench.order(Side.BUY, 500, "10.50")
    seen = [order.filled]
    while order.open:
        bench.account.match("AAA")
        seen.append(order.filled)
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert seen[-1] == 500


def test_a_bust_takes_shares_back_and_tells_the_list(bench: Bench) -> None:
    order = bench.order(Side.BUY, 5, "10.50")
    bench.account.bust(order)
    assert bench.account.shares["AAA"] == 0
    assert bench.account.rows()[0].filled_qty == 0


def test_a_split_multiplies_shares_and_divides_the_price(bench: Bench) -> None:
    bench.order(Side.BUY, 5, "10.50")
    bench.account.bring("AAA", 3)
    resting = bench.order(Side.SELL, 2, "12.00")
    bench.account.split("AAA", 4)
    assert (bench.account.shares["AAA"], bench.account.own["AAA"]) == (32, 12)
    assert bench.stock.price == Decimal("2.50")
    assert resting.open == 0


def test_nothing_trades_during_a_halt(bench: Bench) -> None:
    bench.stock.halted_until = 100.0
    assert bench.order(Side.BUY, 5, "10.50").filled == 0


def test_a_wrong_print_is_one_print(bench: Bench) -> None:
    faults = Faults(1, msgspec.structs.replace(CALM, spike=1.0))
    prints = [bench.stock.printed(float(second), faults) for second in range(30)]
    wrong = [second for second, price in enumerate(prints) if price != bench.stock.price]
    assert wrong
    assert all(later - sooner >= 12 for sooner, later in itertools.pairwise(wrong))


def test_accidents_are_the_same_for_the_same_seed_and_none_happens_when_they_are_over() -> None:
    rates = Rates(lost_reply=0.5)
    first, second = Faults(5, rates), Faults(5, rates)
    assert [first.roll("lost_reply") for _ in range(50)] == [second.roll("lost_reply") for _ in range(50)]
    assert 0 < first.hits["lost_reply"] < 50
    first.on = False
    assert not any(first.roll("lost_reply") for _ in range(50))

"""Exits go first: through the threads, through the rate limit, and past whatever hangs; and nothing waits for ever."""

import asyncio
import json
import threading
import time

import pytest

from adapters.kis import client, codes, wire
from adapters.kis.pace import Rank
from core.model.instrument import Exchange
from core.model.order import Side
from ports.broker import BrokerUnavailable, OrderRefused, OrderUnknown, Urgency

NEVER_S = 20.0


async def condition(holds) -> None:
    async with asyncio.timeout(NEVER_S):
        while not holds():
            await asyncio.sleep(0.002)


def limiter_of(broker):
    return broker._gateway._limiters[broker._gateway._domain]


def power(broker):
    return broker.buying_power("NVDA", Exchange.NASD, "180.5")


def price(broker):
    """An entry's question that is asked each time: equal ones of buying power are asked once."""
    return broker.quote("NVDA", Exchange.NASD, depth=False)


async def holding(venue, qty: int = 3):
    await venue.broker.place(venue.request(qty=qty))
    venue.clock.advance(20)
    venue.arrived.clear()


async def test_every_call_has_its_rank(venue, monkeypatch):
    await holding(venue)
    broker, ranks = venue.broker, []
    admit = limiter_of(broker).admit
    monkeypatch.setattr(limiter_of(broker), "admit", lambda turn: ranks.append(turn.rank) or admit(turn))

    async def rank_of(call) -> set[Rank]:
        ranks.clear()
        await call
        return set(ranks)

    assert await rank_of(broker.place(venue.request(qty=1))) == {Rank.ENTRY}
    sale = venue.request(side=Side.SELL, qty=1, away="1.5")
    assert await rank_of(broker.place(sale)) == {Rank.EXIT_ORDER}
    venue.clock.advance(20)
    ref = next(o.ref for o in (await broker.order_book()).orders if o.open_qty)
    assert await rank_of(broker.cancel(ref, sale)) == {Rank.EXIT_ORDER}
    assert await rank_of(broker.order_book()) == await rank_of(broker.holdings()) == {Rank.RECONCILE}
    assert await rank_of(broker.order_book(Urgency.EXIT)) == await rank_of(broker.holdings(Urgency.EXIT)) == {Rank.EXIT}
    assert await rank_of(broker.quote("NVDA", Exchange.NASD)) == await rank_of(power(broker)) == {Rank.ENTRY}
    assert await rank_of(broker.quote("NVDA", Exchange.NASD, Urgency.EXIT)) == {Rank.EXIT}


async def test_during_a_burst_of_entry_queries_an_exit_takes_less_than_a_second(real):
    """18 a second at real speed: the burst has used up all that is its own, and a sale and a price still leave at once."""
    await holding(real)
    broker = real.connect(speed=1.0)
    await broker.holdings()
    burst = [asyncio.create_task(price(broker)) for _ in range(40)]
    used_up = limiter_of(broker).window.rate - limiter_of(broker).spare
    await condition(lambda: len(limiter_of(broker).window._own) >= used_up)
    began = time.monotonic()
    await asyncio.gather(
        broker.place(real.request(side=Side.SELL, away="0.99")), broker.quote("NVDA", Exchange.NASD, Urgency.EXIT)
    )
    took_s = time.monotonic() - began
    assert took_s < 1
    assert not all(task.done() for task in burst)
    for task in burst:
        task.cancel()
    await asyncio.gather(*burst, return_exceptions=True)


async def test_at_one_a_second_an_exit_has_the_next_slot(paper):
    await holding(paper)
    broker = paper.connect(speed=20.0)
    await broker.holdings()
    paper.arrived.clear()
    burst = [asyncio.create_task(price(broker)) for _ in range(10)]
    await condition(lambda: len(paper.arrived) >= 2)
    sent = len(paper.arrived)
    await broker.place(paper.request(side=Side.SELL, away="0.99"))
    # one call may have had its slot already
    assert paper.arrived.index("orderVTTT1001U") <= sent + 1
    assert len(paper.arrived) < 10
    await asyncio.gather(*burst)


async def test_the_order_list_goes_before_entries_that_wait_longer(paper):
    broker = paper.connect(speed=20.0)
    await broker.holdings()
    paper.arrived.clear()
    burst = [asyncio.create_task(price(broker)) for _ in range(10)]
    await condition(lambda: len(paper.arrived) >= 1)
    sent = len(paper.arrived)
    await broker.order_book()
    # the entry in the lane and the one on the line are ahead
    assert paper.arrived.index("inquire-ccnlVTTS3035R") <= sent + 2
    await asyncio.gather(*burst)


async def test_a_slow_page_does_not_hold_up_the_price_of_an_exit(venue):
    await venue.broker.holdings()
    venue.hold, venue.hold_at = asyncio.Event(), "inquire-balance"
    # as many as there are threads
    slow = [asyncio.create_task(venue.broker.holdings()) for _ in range(client.OTHER_QUERIES)]
    await condition(lambda: venue.held >= 1)
    entry = asyncio.create_task(power(venue.broker))
    quote = await venue.broker.quote("NVDA", Exchange.NASD, Urgency.EXIT)
    assert quote.ticker == "NVDA"
    assert not any(task.done() for task in (*slow, entry))
    venue.hold.set()
    await asyncio.gather(*slow, entry)


async def test_a_hanging_purchase_holds_up_neither_sale_nor_cancel(venue):
    await holding(venue)
    resting = venue.request(away="0.80")
    ref = await venue.broker.place(resting)
    venue.clock.advance(20)
    venue.hold, venue.hold_at = asyncio.Event(), venue.broker._tr.buy
    purchase = asyncio.create_task(venue.broker.place(venue.request(qty=1)))
    await condition(lambda: venue.held == 1)
    await venue.broker.place(venue.request(side=Side.SELL, away="0.99"))
    await venue.broker.cancel(ref, resting)
    assert not purchase.done()
    venue.hold.set()
    await purchase


async def test_more_entry_queries_than_can_wait_fail_at_once_and_the_order_list_still_gets_in(venue):
    await venue.broker.holdings()
    # the paper host's one a second lets one of the threads through
    paper, threads = venue.broker._gateway.paper, client.OTHER_QUERIES
    on_the_line, lists = (1, 1) if paper else (threads, 2)
    venue.hold, venue.hold_at = asyncio.Event(), wire.PRICE_TR
    burst = [asyncio.create_task(price(venue.broker)) for _ in range(100)]
    await condition(lambda: venue.held == on_the_line and sum(task.done() for task in burst) == 100 - 64 - threads)
    list_read = asyncio.create_task(venue.broker.order_book())
    await condition(lambda: sum(task.done() for task in burst) == 100 - 64 - threads + lists)
    venue.hold.set()
    assert (await list_read).complete
    ended = await asyncio.gather(*burst, return_exceptions=True)
    failed = [error for error in ended if isinstance(error, BrokerUnavailable)]
    assert len(failed) == 100 - 64 - threads + lists
    assert {error.code for error in failed} == {codes.TIMED_OUT}


# -- deadlines before and after the first byte -------------------------------------------------------


async def test_an_order_whose_turn_does_not_come_in_time_is_not_sent_ever(paper, monkeypatch):
    monkeypatch.setattr(client, "ORDER_WAIT_S", 0.05)
    await paper.broker.holdings()
    broker = paper.connect(speed=0.001)
    assert limiter_of(broker).window.take() > 0, "the slot is another process's"
    with pytest.raises(OrderRefused) as refused:
        await broker.place(paper.request())
    assert refused.value.code == codes.NOT_SENT
    await broker.close()
    assert paper.posts() == 0


async def test_a_query_whose_turn_does_not_come_in_time_is_unavailable(paper):
    await paper.broker.holdings()
    broker = paper.connect(speed=0.001)
    broker._gateway._deadline_s = 0.05
    assert limiter_of(broker).window.take() > 0, "the slot is another process's"
    before = len(paper.arrived)
    with pytest.raises(BrokerUnavailable) as unavailable:
        await power(broker)
    assert unavailable.value.code == codes.TIMED_OUT
    await broker.close()
    assert len(paper.arrived) == before


async def test_a_deadline_after_the_first_byte_is_unknown(venue):
    await venue.broker.holdings()
    venue.hold = asyncio.Event()
    venue.broker._gateway._deadline_s = 0.2
    with pytest.raises(OrderUnknown) as unknown:
        await venue.broker.place(venue.request())
    assert unknown.value.code == codes.TIMED_OUT
    assert venue.posts() == 1


# -- cancelled at each await -------------------------------------------------------------------------


async def cancelled(task: asyncio.Task) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_while_all_threads_are_busy_sends_nothing(venue):
    gate = threading.Event()
    lane = venue.broker._gateway._posts[False]
    blocker = lane.submit(0, lambda: gate.wait(NEVER_S))
    task = asyncio.create_task(venue.broker.place(venue.request()))
    await condition(lambda: len(lane._jobs) == 1)
    await cancelled(task)
    gate.set()
    await asyncio.wrap_future(blocker)
    await asyncio.wrap_future(lane.submit(0, int))
    assert venue.posts() == 0


async def test_cancelled_while_it_waits_for_its_slot_sends_nothing(paper):
    await paper.broker.holdings()
    broker = paper.connect(speed=20.0)
    limiter = limiter_of(broker)
    admitted, admit = threading.Event(), limiter.admit

    def late(turn):
        assert admitted.wait(NEVER_S)
        return admit(turn)

    limiter.admit = late
    task = asyncio.create_task(broker.place(paper.request()))
    await condition(lambda: broker._gateway._posts[False]._running == 1)
    await cancelled(task)
    admitted.set()
    await broker.close()
    assert paper.posts() == 0


async def test_cancelled_while_it_waits_for_a_token_sends_nothing(venue):
    venue.hold, venue.hold_at = asyncio.Event(), "tokenP"
    task = asyncio.create_task(venue.broker.place(venue.request()))
    await condition(lambda: venue.held == 1)
    await cancelled(task)
    venue.hold.set()
    await venue.broker.close()
    assert venue.posts() == 0


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
async def test_cancelled_while_it_is_on_its_way_is_unknown(venue, side):
    await holding(venue)
    before = venue.posts()
    venue.hold = asyncio.Event()
    task = asyncio.create_task(venue.broker.place(venue.request(side=side)))
    await condition(lambda: venue.held == 1)
    task.cancel()
    with pytest.raises(OrderUnknown) as unknown:
        await task
    assert unknown.value.code == codes.CANCELLED
    venue.hold.set()
    await venue.broker.close()
    assert venue.posts() - before == 1


async def test_a_closed_gateway_sends_nothing_and_says_so(venue):
    await venue.broker.close()
    with pytest.raises(OrderRefused) as refused:
        await venue.broker.place(venue.request())
    assert refused.value.code == codes.NOT_SENT
    with pytest.raises(BrokerUnavailable):
        await venue.broker.holdings()
    assert venue.arrived == []


# -- one limit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("paper", [False, True])
async def test_our_limiter_keeps_inside_kis_limit_over_two_processes(open_venue, paper):
    """Two gateways with one key and one folder, on a clock that moves when the limiter waits."""
    venue = await open_venue(paper=paper, per_second=1 if paper else 18)
    brokers = [venue.connect(speed=1.0) for _ in range(2)]
    slept = []
    for broker in brokers:
        limiter = limiter_of(broker)
        assert (limiter.rate, limiter.period) == (1 if paper else 18, pytest.approx(1.11))
        limiter.window._time = lambda: venue.clock.now().timestamp()
        limiter._wait = lambda seconds: (slept.append(seconds), venue.clock.advance(seconds))
    for number in range(6 if paper else 60):
        await power(brokers[number % 2])
    assert venue.host.limit.refused == 0
    assert slept
    (file,) = venue.token_dir.glob("kis-rate-*.json")
    assert len(json.loads(file.read_bytes())) <= 64


@pytest.mark.parametrize(
    ("rate", "speed", "expected"),
    [(50, 1, (18, 1.11)), (3, 1, (3, 1.11)), (15.0, 60, (15, 0.0283)), (0.5, 1, (1, 2.21))],
)
async def test_a_faster_clock_shortens_the_window_and_no_rate_exceeds_kis(real, rate, speed, expected):
    limiter = limiter_of(real.connect(rate_per_s=rate, speed=speed))
    assert (limiter.rate, limiter.period) == (expected[0], pytest.approx(expected[1], abs=1e-3))


async def test_python_kis_has_our_limiter(venue):
    gateway = venue.broker._gateway
    assert gateway._kis._rate_limiters[gateway._domain] is limiter_of(venue.broker)

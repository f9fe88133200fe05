"""The order desk: nothing is sent before its commit, and nothing twice."""

import asyncio
from collections.abc import Callable

import pytest

from core.model.instrument import Exchange
from core.model.order import BrokerOrder, BrokerRef, Holding, OrderRequest, Side
from core.stages.trade.inputs import (
    CancelAnswered,
    OrderAcked,
    OrderLost,
    OrderNotSent,
    OrderSending,
    OrdersRead,
    OrderWasRefused,
    TradeInput,
)
from ports.broker import BrokerUnavailable, OrderBook, OrderRefused, OrderUnknown, Urgency
from services.order_desk import FENCED, OrderDesk
from tests.unit.core.builders import NOON, TICKER, intent, request, row
from tests.unit.services.conftest import StillClock

REF = BrokerRef("20261117", "B", "9")
SELL = request(Side.SELL)


class ScriptedBroker:
    """Answers as told and keeps a diary that it shares with the desk's listener."""

    def __init__(self, diary: list[object]) -> None:
        self.diary = diary
        self.outcome: Exception | None = None
        self.unavailable: set[str] = set()
        self.rows: tuple[BrokerOrder, ...] = (row("1"), row("2", order=request(ticker="AMD")))
        self.complete = True
        self.sellable = 10
        self.gate: asyncio.Event | None = None

    async def place(self, order: OrderRequest) -> BrokerRef:
        self.diary.append("place")
        if self.gate:
            await self.gate.wait()
            self.diary.append("answered")
        if self.outcome:
            raise self.outcome
        return REF

    async def cancel(self, ref: BrokerRef, order: OrderRequest) -> None:
        self.diary.append("cancel")
        if self.outcome:
            raise self.outcome

    async def order_book(self, urgency: Urgency = Urgency.RECONCILE) -> OrderBook:
        if "orders" in self.unavailable:
            raise BrokerUnavailable("timeout")
        return OrderBook(orders=self.rows, complete=self.complete)

    async def holdings(self, urgency: Urgency = Urgency.RECONCILE) -> tuple[Holding, ...]:
        if "holdings" in self.unavailable:
            raise BrokerUnavailable("timeout")
        return (Holding(ticker=TICKER, exchange=Exchange.NASD, qty=10, sellable_qty=self.sellable, avg_price=1),)


class Desk:
    """A desk whose reports go into a diary."""

    def __init__(self) -> None:
        self.diary: list[object] = []
        self.broker = ScriptedBroker(self.diary)
        self.refuse: Callable[[TradeInput], None] = lambda _: None
        self.in_charge = True
        self.desk = OrderDesk(self.broker, StillClock(), self.tell, self.may_send)

    def may_send(self, selling: bool) -> bool:
        self.diary.append(f"may {'sell' if selling else 'buy'}?")
        return self.in_charge

    async def tell(self, message: TradeInput) -> None:
        self.refuse(message)
        self.diary.append(message)

    @property
    def kinds(self) -> list[object]:
        told = (e for e in self.diary if not (isinstance(e, str) and e.startswith("may")))
        return [entry if isinstance(entry, str) else type(entry) for entry in told]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("order", [request(), SELL], ids=["buy", "sell"])
async def test_the_sending_is_committed_before_the_first_byte(desk: Desk, order: OrderRequest) -> None:
    await desk.desk.place(intent(order=order))
    assert desk.kinds == [*([] if order is SELL else [OrdersRead]), OrderSending, "place", OrderAcked]
    (sending,) = [e for e in desk.diary if isinstance(e, OrderSending)]
    known = () if order is SELL else ("1",)
    assert sending.baseline == known, "a purchase reads the ticker's orders, a sale does not wait for them"
    assert desk.diary[-1].ref == REF


async def test_nothing_is_sent_when_the_commit_fails(desk: Desk) -> None:
    def fail(message: TradeInput) -> None:
        if isinstance(message, OrderSending):
            raise OSError("disk full")

    desk.refuse = fail
    with pytest.raises(OSError, match="disk"):
        await desk.desk.place(intent())
    assert desk.kinds == [OrdersRead]


@pytest.mark.parametrize("order", [request(), SELL], ids=["buy", "sell"])
async def test_nothing_leaves_while_somebody_else_is_in_charge(desk: Desk, order: OrderRequest) -> None:
    """The fence is asked after the commit, right before the first byte."""
    desk.in_charge = False
    await desk.desk.place(intent(order=order))
    assert desk.kinds[-2:] == [OrderSending, OrderWasRefused]
    assert desk.diary[-2] == ("may sell?" if order is SELL else "may buy?")
    assert (desk.diary[-1].code, desk.diary[-1].passing) == (FENCED, True)
    desk.diary.clear()
    await desk.desk.cancel(intent(order=order, ref=REF))
    assert desk.kinds == []


async def test_a_refusal_that_passes_is_told_as_such(desk: Desk) -> None:
    desk.broker.outcome = OrderRefused("too many calls", code="EGW00201", passing=True)
    await desk.desk.place(intent())
    assert desk.diary[-1].passing is True


async def test_a_refusal_is_definite(desk: Desk) -> None:
    desk.broker.outcome = OrderRefused("no cash", code="APBK0952")
    await desk.desk.place(intent())
    assert desk.kinds == [OrdersRead, OrderSending, "place", OrderWasRefused]
    assert (desk.diary[-1].code, desk.diary[-1].message) == ("APBK0952", "no cash")


async def test_silence_is_unknown_and_never_repeated(desk: Desk) -> None:
    desk.broker.outcome = OrderUnknown("timeout")
    await desk.desk.place(intent())
    assert desk.kinds == [OrdersRead, OrderSending, "place", OrderLost]


async def test_a_cancelled_task_makes_the_order_unknown_and_lets_the_call_finish(desk: Desk) -> None:
    desk.broker.gate = asyncio.Event()
    task = asyncio.create_task(desk.desk.place(intent()))
    while "place" not in desk.diary:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.kinds == [OrdersRead, OrderSending, "place", OrderLost]
    desk.broker.gate.set()
    while "answered" not in desk.diary:
        await asyncio.sleep(0)
    assert desk.kinds.count("place") == 1


async def test_a_sale_of_more_than_is_sellable_is_not_sent(desk: Desk) -> None:
    desk.broker.sellable = 4
    await desk.desk.place(intent(order=SELL))
    (told,) = desk.diary
    assert isinstance(told, OrderNotSent)
    assert told.sellable == 4


@pytest.mark.parametrize("complete", [True, False])
async def test_the_list_that_a_buy_reads_is_a_reading_like_any_other(desk: Desk, complete: bool) -> None:
    desk.broker.complete = complete
    await desk.desk.place(intent())
    assert desk.diary[0] == OrdersRead(at=NOON, orders=desk.broker.rows, complete=complete)


async def test_a_buy_without_baseline_is_not_sent(desk: Desk) -> None:
    desk.broker.unavailable = {"orders"}
    await desk.desk.place(intent())
    assert desk.kinds == [OrderNotSent]


async def test_the_owners_own_shares_do_not_count_as_sellable(desk: Desk) -> None:
    await desk.desk.place(intent(order=SELL, own_qty=desk.broker.sellable - SELL.qty + 1))
    assert desk.kinds == [OrderNotSent]
    assert desk.diary[0].sellable == SELL.qty - 1


async def test_a_sale_without_holdings_is_sent(desk: Desk) -> None:
    desk.broker.unavailable = {"orders", "holdings"}
    await desk.desk.place(intent(order=SELL))
    assert desk.kinds == [OrderSending, "place", OrderAcked]


async def test_a_sale_waits_only_a_moment_for_the_holdings(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.order_desk.SELL_PATIENCE_S", 0.01)
    asked = asyncio.Event()

    async def hang(_: Urgency) -> tuple[Holding, ...]:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    desk.broker.holdings = hang
    await desk.desk.place(intent(order=SELL))
    assert asked.is_set()
    assert desk.kinds == [OrderSending, "place", OrderAcked]


async def test_a_sale_beyond_its_shares_is_not_sent_although_the_order_list_is_silent(desk: Desk) -> None:
    desk.broker.unavailable = {"orders"}
    desk.broker.sellable = 0
    await desk.desk.place(intent(order=SELL))
    assert desk.kinds == [OrderNotSent]


@pytest.mark.parametrize(
    ("outcome", "known", "code"),
    [
        (None, True, ""),
        (OrderRefused("done", code="APBK0001"), True, "APBK0001"),
        (OrderUnknown("timeout"), False, ""),
        (BrokerUnavailable("no", code="X"), False, "X"),
    ],
)
async def test_the_answer_to_a_cancel_is_only_reported(
    desk: Desk, outcome: Exception | None, known: bool, code: str
) -> None:
    desk.broker.outcome = outcome
    await desk.desk.cancel(intent(ref=REF))
    told = desk.diary[-1]
    assert isinstance(told, CancelAnswered)
    assert (told.known, told.code) == (known, code)


async def test_an_order_without_a_number_can_not_be_cancelled(desk: Desk) -> None:
    await desk.desk.cancel(intent())
    assert desk.diary == []

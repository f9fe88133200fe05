"""When an order that only the list of open orders knows stops making the lists untrustworthy."""

import datetime as dt
from decimal import Decimal

from adapters.kis.disputes import GAP, READINGS, Disputes
from core.model.order import BrokerOrder, BrokerRef, Side

NOON = dt.datetime(2026, 11, 18, 17, 0, tzinfo=dt.UTC)


def order(odno: str) -> BrokerOrder:
    ref = BrokerRef(ord_dt="20261118", branch="", odno=odno)
    return BrokerOrder(
        ref=ref, ticker="NVDA", side=Side.BUY, qty=1, limit=Decimal(1), filled_qty=0, filled_usd=Decimal(0), open_qty=1,
        from_api=False,
    )  # fmt: skip


def judged(disputes: Disputes, *numbers: str, after: int = 0) -> tuple[list[bool], bool]:
    orders, agreed = disputes.judge([order(n) for n in numbers], NOON + after * GAP)
    assert [o.ref.odno for o in orders] == list(numbers)
    return [o.from_api for o in orders], agreed


def test_nothing_disputed_is_agreement():
    assert judged(Disputes()) == ([], True)


def test_the_third_reading_that_agrees_is_complete_and_the_order_may_be_ours():
    disputes = Disputes()
    assert [judged(disputes, "1", after=n) for n in range(READINGS)] == [([False], False)] * 2 + [([True], True)]
    assert judged(disputes, "1", after=READINGS) == ([True], True), "and stays so"


def test_readings_in_quick_succession_are_one():
    disputes = Disputes()
    for _ in range(10):
        assert judged(disputes, "1") == ([False], False)


def test_an_order_that_appeared_in_both_lists_starts_anew():
    disputes = Disputes()
    for n in range(2):
        judged(disputes, "1", after=n)
    assert judged(disputes, after=2) == ([], True)
    assert judged(disputes, "1", after=3) == ([False], False)


def test_each_order_has_its_own_count():
    disputes = Disputes()
    for n in range(READINGS):
        judged(disputes, "1", after=n)
    assert judged(disputes, "1", "2", after=3) == ([True, False], False)
    judged(disputes, "1", "2", after=4)
    assert judged(disputes, "1", "2", after=5) == ([True, True], True)

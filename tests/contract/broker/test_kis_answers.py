"""Answers that the real KIS was seen to give and no strict server would: none of them makes us certain of too much."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from adapters.kis import codes
from core.model.instrument import Exchange
from core.model.order import OrderRequest, Side
from ports.broker import BrokerUnavailable, OrderRefused, OrderUnknown, Urgency
from tests.contract.broker.scripted_kis import refusal, reply, rows
from tests.unit.adapters.kis.test_kis_parse import FILLED, OPEN, ROW

CCNL, NCCS, BALANCE = "inquire-ccnl", "inquire-nccs", "inquire-balance"
SALE = OrderRequest(ticker="NVDA", exchange=Exchange.NYSE, side=Side.SELL, qty=1, limit=Decimal("10.00"))
HTML = "<html><body>시스템 점검 중입니다</body></html>"


def orders(count: int, first: int = 1) -> list[dict]:
    return [OPEN | {"odno": str(first + n).zfill(10)} for n in range(count)]


@pytest.fixture(params=[False, True], ids=["real", "paper"])
def broker(request, kis):
    return kis.connect(paper=request.param)


@pytest.fixture
def real(kis):
    return kis.connect()


# -- two lists of orders -----------------------------------------------------------------------------


async def test_an_order_that_only_the_open_orders_know_is_trusted_in_the_third_reading(kis, real):
    kis.answers(NCCS, lambda: rows(OPEN))
    seen = []
    for _ in range(4):
        book = await real.order_book()
        (order,) = book.orders
        seen.append((order.ref.odno, order.from_api, book.complete))
        kis.clock.advance(10)
    assert seen == [("31381228", False, False)] * 2 + [("31381228", True, True)] * 2


async def test_hasty_readings_do_not_settle_what_a_late_list_would(kis, real):
    kis.answers(NCCS, lambda: rows(OPEN))
    assert [(await real.order_book()).complete for _ in range(6)] == [False] * 6
    kis.answers(CCNL, lambda: rows(OPEN))
    book = await real.order_book()
    assert (book.complete, len(book.orders), book.orders[0].from_api) == (True, 1, True)


async def test_a_reading_in_part_does_not_count_as_one_that_agrees(kis, real):
    kis.answers(NCCS, lambda: rows(OPEN))
    whole, part = (lambda: rows(FILLED | {"odno": "9"})), (lambda: rows(FILLED | {"odno": "9"}, FILLED | {"pdno": ""}))
    seen = []
    for answer in (whole, part, part, whole, whole):
        kis.answers(CCNL, answer)
        book = await real.order_book()
        assert {order.ref.odno for order in book.orders} == {"9", "31381228"}
        seen.append(book.complete)
        kis.clock.advance(10)
    assert seen == [False] * 4 + [True]


async def test_paper_has_no_list_of_open_orders_and_is_never_asked_for_one(kis):
    kis.answers(CCNL, lambda: rows(OPEN))
    paper = kis.connect(paper=True)
    assert (await paper.order_book()).complete
    assert kis.count(NCCS) == 0
    (asked,) = kis.params(CCNL)
    assert (asked["PDNO"], asked["OVRS_EXCG_CD"], asked["CCLD_NCCS_DVSN"]) == ("", "", "00")


# -- pages -------------------------------------------------------------------------------------------


async def test_the_same_row_over_and_over_hides_the_others(kis, broker):
    """open-trading-api issue 44: one page of copies proves nothing about the rest."""
    kis.answers(CCNL, lambda: rows(*[FILLED] * 15))
    book = await broker.order_book()
    assert (len(book.orders), book.complete) == (1, False)


async def test_the_same_row_on_every_page_ends_the_reading(kis, broker):
    kis.answers(CCNL, lambda: rows(FILLED, tr_cont="M", cursor="next"))
    book = await broker.order_book()
    assert (len(book.orders), book.complete) == (1, False)
    assert kis.count(CCNL) == 2


async def test_a_last_page_that_repeats_the_first_hides_the_others(kis, real):
    page = orders(20)
    kis.answers(CCNL, lambda: rows(*page, tr_cont="F", cursor="a"), lambda: rows(*page, tr_cont="D"))
    book = await real.order_book()
    assert (len(book.orders), book.complete) == (20, False)


async def test_a_cursor_that_stands_still_ends_the_reading(kis, real):
    pages = iter(range(1, 100))
    kis.scripts[CCNL] = lambda _: rows(*orders(20, 100 * next(pages)), tr_cont="M", cursor="same")
    assert not (await real.order_book()).complete
    assert kis.count(CCNL) == 2


async def test_a_list_that_never_ends_is_left_after_so_many_pages(kis, real):
    pages = iter(range(1, 1000))

    def page(_):
        number = next(pages)
        return rows(*orders(2, 100 * number), tr_cont="M", cursor=f"c{number}")

    kis.scripts[CCNL] = page
    book = await real.order_book()
    assert (len(book.orders), book.complete, kis.count(CCNL)) == (100, False, 50)


async def test_an_order_that_slid_to_the_next_page_is_one_order(kis, real):
    """A new order while we page: the last row of one page is the first of the next, and nothing is lost."""
    first, second = orders(20), orders(5, 20)
    kis.answers(CCNL, lambda: rows(*first, tr_cont="F", cursor="a"), lambda: rows(*second))
    book = await real.order_book()
    assert (len(book.orders), book.complete) == (24, True)
    assert [headers.get("tr_cont", "") for path, _, headers in kis.asked if path.endswith(CCNL)] == ["", "N"]


@pytest.mark.parametrize(
    ("count", "tr_cont", "complete"),
    [(15, "", False), (14, "", True), (15, "D", True), (3, "E", True), (15, "F", False), (0, "", True)],
)
async def test_a_page_without_an_end_is_not_the_last(kis, count, tr_cont, complete):
    kis.answers(CCNL, lambda: rows(*orders(count), tr_cont=tr_cont))
    book = await kis.connect(paper=True).order_book()
    assert (len(book.orders), book.complete) == (count, complete)


@pytest.mark.parametrize(
    ("output", "found", "complete"),
    [(FILLED, 1, True), ([FILLED, dict.fromkeys(FILLED, "")], 1, True), (dict.fromkeys(FILLED, ""), 0, True), ("", 0, True),
     (None, 0, True), ([FILLED, {"odno": "7"}], 1, False)],
    ids=["object", "blank row", "blank object", "text", "null", "half a row"],
)  # fmt: skip
async def test_shapes_of_an_empty_or_short_list(kis, broker, output, found, complete):
    kis.answers(CCNL, lambda: reply({"rt_cd": "0", "msg_cd": "KIOK0510", "output": output}))
    book = await broker.order_book()
    assert (len(book.orders), book.complete) == (found, complete)


async def test_an_answer_without_the_list_is_not_an_empty_list(kis, broker):
    for end in (CCNL, BALANCE):
        kis.answers(end, lambda: reply({"rt_cd": "0", "msg_cd": "IGW00009"}))
    assert not (await broker.order_book()).complete
    with pytest.raises(BrokerUnavailable):
        await broker.holdings()


# -- holdings ----------------------------------------------------------------------------------------


async def test_a_holding_that_comes_under_every_exchange_is_counted_once(kis, broker):
    kis.scripts[BALANCE] = lambda request: rows(
        ROW | {"ovrs_excg_cd": request.query["OVRS_EXCG_CD"], "ovrs_cblc_qty": "21"},
        ROW | {"ovrs_excg_cd": "AMEX", "ovrs_cblc_qty": "21"},
        dict.fromkeys(ROW, ""),
        key="output1",
    )
    assert [held.qty for held in await broker.holdings()] == [21]


async def test_holdings_that_contradict_each_other_are_not_guessed(kis, broker):
    kis.answers(BALANCE, lambda: rows(ROW, ROW | {"ovrs_cblc_qty": "9"}, key="output1"))
    with pytest.raises(BrokerUnavailable, match=r"BRK\.B"):
        await broker.holdings()


# -- dates -------------------------------------------------------------------------------------------


async def test_orders_are_asked_for_by_american_dates_back_to_the_last_session(kis):
    class Thanksgiving:
        def session_on(self, on):
            return None if on.weekday() >= 5 or (on.month, on.day) == (11, 26) else "session"

    kis.clock.set(datetime(2026, 11, 27, 15, 30, tzinfo=UTC))
    await kis.connect(calendar=Thanksgiving()).order_book()
    await kis.connect().order_book()
    # half past midnight in Korea, still the day before in New York
    kis.clock.set(datetime(2026, 12, 1, 4, 30, tzinfo=UTC))
    await kis.connect(calendar=Thanksgiving()).order_book()
    asked = [(p["ORD_STRT_DT"], p["ORD_END_DT"]) for p in kis.params(CCNL)]
    assert asked == [("20261125", "20261127"), ("20261125", "20261127"), ("20261127", "20261130")]


# -- failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_a_page_about_maintenance_is_no_answer(kis, broker, status):
    for end in (CCNL, "/order"):
        kis.answers(end, lambda: reply(HTML, status))
    with pytest.raises(BrokerUnavailable, match=f"HTTP {status}"):
        await broker.order_book()
    with pytest.raises(OrderUnknown, match=f"HTTP {status}") as unknown:
        await broker.place(SALE)
    assert unknown.value.code == codes.BAD_ANSWER
    assert kis.count("/order") == 1


@pytest.mark.parametrize("code", ["EGW00301", "EGW00302"])
async def test_a_gateway_that_lost_track_is_asked_again_by_queries_alone(kis, broker, code):
    kis.answers(BALANCE, lambda: refusal(code), lambda: rows(ROW, key="output1"))
    kis.answers("/order", lambda: refusal(code, "직전 거래를 반드시 확인하세요"))
    assert len(await broker.holdings()) == 1
    kis.answers(BALANCE, lambda: refusal(code))
    before = kis.count(BALANCE)
    with pytest.raises(BrokerUnavailable) as unavailable:
        await broker.holdings()
    assert (unavailable.value.code, kis.count(BALANCE) - before) == (code, 3)
    with pytest.raises(OrderUnknown) as unknown:
        await broker.place(SALE)
    assert (unknown.value.code, kis.count("/order")) == (code, 1)


async def test_a_dead_token_that_is_told_in_words_alone_is_replaced(kis, broker):
    """As an HTTP 500 without a code that we know: a query is repeated, an order stays unknown and is not."""

    def only_new(request):
        old = request.headers["Authorization"].endswith(".1")
        return refusal("X0000001", "기간이 만료된 token 입니다.") if old else rows(ROW, key="output1")

    await broker.order_book()
    kis.clock.advance(120)
    kis.scripts[BALANCE] = kis.scripts["/order"] = only_new
    with pytest.raises(OrderUnknown):
        await broker.place(SALE)
    assert kis.count("/order") == 1
    assert len(await broker.holdings()) == 1
    assert kis.tokens == 2


async def test_a_wrong_exchange_is_refused_with_the_exchange_that_was_tried(kis, broker):
    kis.answers("/order", lambda: refusal("APBK0656", "해당종목정보가 없습니다.", 200))
    with pytest.raises(OrderRefused, match=r"해당종목정보가 없습니다. \(NVDA was sent as listed on NYSE\)") as refused:
        await broker.place(SALE)
    assert codes.reason_of(refused.value.code) is codes.Reason.SYMBOL


# -- the clock ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "skew_s"), [("Wed, 18 Nov 2026 19:30:00 GMT", 0.5), ("Wed, 18 Nov 2026 19:31:00 GMT", 60.5)]
)
async def test_the_clock_of_kis_is_read_from_its_answers(kis, header, skew_s):
    kis.answers(BALANCE, lambda: reply(Date=header))
    kis.scripts["tokenP"] = lambda _: reply(
        {"access_token": "t-123456", "access_token_token_expired": "2099-01-01 00:00:00"}, Date=header
    )
    broker = kis.connect(speed=1.0)
    assert broker.clock_skew_s() is None
    await broker.holdings(Urgency.EXIT)
    assert broker.clock_skew_s() == skew_s

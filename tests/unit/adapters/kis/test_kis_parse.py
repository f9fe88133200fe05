"""KIS's rows as they were seen become our nouns; what cannot be understood is said, never guessed."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.kis import parse
from core.model.instrument import Exchange
from core.model.order import BrokerRef, Side

EXAMPLES = Path("/work/shared/data/kis/official_docs/examples")
shared = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="needs ../shared/data")

# kis.md A.5: a real filled purchase
FILLED = {
    "ord_dt": "20241108", "ord_gno_brno": "01790", "odno": "0031381228", "orgn_odno": "", "sll_buy_dvsn_cd": "02",
    "sll_buy_dvsn_cd_name": "매수", "rvse_cncl_dvsn": "00", "rvse_cncl_dvsn_name": "", "pdno": "TSLL",
    "prdt_name": "DIREXION DAILY TSLA BULL 2X SHARES", "ft_ord_qty": "5", "ft_ord_unpr3": "19.16000000",
    "ft_ccld_qty": "5", "ft_ccld_unpr3": "19.16000000", "ft_ccld_amt3": "95.80000", "nccs_qty": "0",
    "prcs_stat_name": "완료", "rjct_rson": "", "rjct_rson_name": "", "ord_tmd": "054648", "tr_mket_name": "나스닥",
    "tr_crcy_cd": "USD", "tr_natn": "840", "ovrs_excg_cd": "NASD", "tr_natn_name": "미국", "dmst_ord_dt": "20241109",
    "thco_ord_tmd": "054648", "loan_type_cd": "10", "loan_dt": "", "mdia_dvsn_name": "OpenAPI",
    "usa_amk_exts_rqst_yn": "Y",
}  # fmt: skip
OPEN = FILLED | {
    "ft_ccld_qty": "0",
    "ft_ccld_unpr3": "0.00000000",
    "ft_ccld_amt3": "0.00000",
    "nccs_qty": "5",
    "prcs_stat_name": "전송",
}
EXPIRED = OPEN | {"nccs_qty": "0", "prcs_stat_name": "완료", "rjct_rson_name": "DFD 장종료로 취소"}
CANCEL = EXPIRED | {
    "odno": "0030735900", "orgn_odno": "0030735824", "rvse_cncl_dvsn": "02", "rvse_cncl_dvsn_name": "취소",
    "ft_ord_unpr3": "0.00000000", "rjct_rson_name": "",
}  # fmt: skip


def part(filled: int, left: int, **changes: str) -> dict:
    amount = str(Decimal("19.16") * filled)
    return OPEN | {"ft_ccld_qty": str(filled), "nccs_qty": str(left), "ft_ccld_amt3": amount} | changes


def test_a_filled_purchase():
    order = parse.order_of(FILLED)
    assert order.ref == BrokerRef(ord_dt="20241108", branch="", odno="31381228")
    assert (order.ticker, order.side, order.qty, order.limit) == ("TSLL", Side.BUY, 5, Decimal("19.16"))
    assert (order.filled_qty, order.filled_usd, order.open_qty) == (5, Decimal("95.80"), 0)
    assert (order.rejected, order.cancelled, order.expired, order.is_cancel_row, order.from_api) == (False,) * 4 + (
        True,
    )
    assert order.ordered_at == dt.datetime(2024, 11, 8, 20, 46, 48, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (OPEN, {"open_qty": 5}),
        (EXPIRED, {"expired": True}),
        (EXPIRED | {"ft_ccld_qty": "2", "ft_ccld_amt3": "38.32"}, {"expired": True, "filled_qty": 2}),
        (EXPIRED | {"rjct_rson_name": "증거금 부족"}, {"rejected": True}),
        (OPEN | {"prcs_stat_name": "거부"}, {"rejected": True}),
        (EXPIRED | {"rjct_rson_name": ""}, {"cancelled": True}),
        (part(2, 0), {"cancelled": True, "filled_qty": 2}),
        (CANCEL, {"is_cancel_row": True, "cancelled": True}),
        (OPEN | {"mdia_dvsn_name": "모바일"}, {"from_api": False, "open_qty": 5}),
    ],
)
def test_states_of_an_order(row, state):
    order = parse.order_of(row)
    default = {
        "open_qty": 0,
        "rejected": False,
        "cancelled": False,
        "expired": False,
        "is_cancel_row": False,
        "filled_qty": 0,
    }
    assert {key: getattr(order, key) for key in default | state} == default | state


@pytest.mark.parametrize(
    ("changes", "usd"),
    [
        ({}, Decimal("95.80")),
        ({"ft_ccld_amt3": ""}, Decimal("95.80")),
        ({"ft_ccld_amt3": "0.00000", "ft_ccld_unpr3": "19.10"}, Decimal("95.50")),
        ({"ft_ccld_amt3": "", "ft_ccld_unpr3": ""}, Decimal("95.80")),
    ],
)
def test_the_amount_filled_has_two_substitutes(changes, usd):
    assert parse.order_of(FILLED | changes).filled_usd == usd


@pytest.mark.parametrize(
    ("row", "at"),
    [
        ({"ord_dt": "20260916", "ord_tmd": "002300"}, dt.datetime(2026, 9, 16, 15, 23, tzinfo=dt.UTC)),
        ({"ord_dt": "20260916", "ord_tmd": "224651"}, dt.datetime(2026, 9, 16, 13, 46, 51, tzinfo=dt.UTC)),
        ({"dmst_ord_dt": "20260917", "thco_ord_tmd": "002300"}, dt.datetime(2026, 9, 16, 15, 23, tzinfo=dt.UTC)),
        ({"dmst_ord_dt": "20260917", "thco_ord_tmd": ""}, None),
        ({"ord_dt": "", "ord_tmd": ""}, None),
        ({"ord_dt": "20261399", "ord_tmd": "000000"}, None),
    ],
)
def test_order_times_are_korean_and_order_dates_american(row, at):
    assert parse.ordered_at(row) == at


@pytest.mark.parametrize(
    "changes",
    [
        {"odno": ""},
        {"ord_dt": ""},
        {"sll_buy_dvsn_cd": "03"},
        {"ft_ord_qty": "five"},
        {"nccs_qty": "-1"},
        {"ft_ord_unpr3": "NaN"},
        {"ft_ord_qty": "1e999999"},
        {"nccs_qty": "9" * 40},
        {"ft_ord_qty": "5", "ft_ccld_qty": "7"},
        {"ft_ord_qty": "0.5"},
        {"odno": "[None]"},
        {"ord_dt": "20261399"},
        {"pdno": "엔비디아"},
        {"ft_ccld_amt3": "0", "ft_ccld_unpr3": "0", "ft_ord_unpr3": "0"},
    ],
)
def test_a_row_that_is_not_understood_is_no_order_and_no_blank(changes):
    with pytest.raises(parse.BadRow):
        parse.order_of(FILLED | changes)


def test_blank_rows_lists_objects_and_nothing():
    blank = dict.fromkeys(FILLED, "") | {"ft_ord_qty": "0", "mdia_dvsn_name": "OpenAPI"}
    assert parse.order_of(blank) is None
    assert parse.rows_of([FILLED, "x", blank]) == [FILLED, blank]
    assert parse.rows_of(FILLED) == [FILLED]
    assert parse.rows_of(None) == parse.rows_of([]) == parse.rows_of("") == []


@pytest.mark.parametrize(
    ("rows", "expected", "sound"),
    [
        ([part(2, 3)], (2, 3), True),
        ([part(2, 3)] * 3, (2, 3), True),
        # the list moved on between two pages: the furthest row is the truth
        ([part(1, 4), part(3, 2)], (3, 2), False),
        ([part(0, 5), part(5, 0)], (5, 0), True),
        # a row per fill, should KIS ever do that
        ([part(2, 1), part(2, 1, ft_ccld_unpr3="19.15")], (4, 1), True),
        ([part(1, 0), part(2, 0)], (3, 0), True),
        ([part(3, 0), part(4, 0)], (4, 0), False),
        ([part(1, 0)] * 2, (1, 0), False),
    ],
)
def test_rows_of_one_number_become_one_order(rows, expected, sound):
    orders = [parse.order_of(row) for row in rows]
    if "19.15" in str(rows):
        orders[1] = parse.order_of(rows[1] | {"ft_ccld_amt3": "38.30"})
    (order,), fine = parse.combine(orders)
    assert ((order.filled_qty, order.open_qty), fine) == (expected, sound)
    assert order.filled_usd <= order.filled_qty * Decimal("19.16")


def test_one_number_with_two_tickers_is_not_trusted():
    _, sound = parse.combine([parse.order_of(FILLED), parse.order_of(FILLED | {"pdno": "NVDA"})])
    assert not sound


ROW = {
    "ovrs_pdno": "BRK/B", "ovrs_excg_cd": "NYSE", "ovrs_cblc_qty": "3", "ord_psbl_qty": "1", "pchs_avg_pric": "500.0",
    "loan_dt": "", "prdt_type_cd": "513",
}  # fmt: skip


def test_lots_of_one_share_are_added_and_copies_are_not():
    lot = ROW | {"ovrs_cblc_qty": "1.5", "ord_psbl_qty": "5", "pchs_avg_pric": "540", "loan_dt": "20260101"}
    (held,) = parse.holdings_of([ROW, lot, ROW, dict.fromkeys(ROW, "")])
    assert (held.ticker, held.exchange, held.qty, held.sellable_qty, held.avg_price) == (
        "BRK.B",
        Exchange.NYSE,
        4,
        2,
        Decimal(510),
    )
    with pytest.raises(parse.BadRow):
        parse.holdings_of([ROW | {"ovrs_excg_cd": "SEHK"}])


def test_one_holding_under_two_exchanges_is_one_holding():
    """PIP issue 27: 21 shares were read as 42."""
    twice = [
        ROW | {"ovrs_cblc_qty": "21"},
        ROW | {"ovrs_cblc_qty": "21", "ovrs_excg_cd": "AMEX", "prdt_type_cd": "529"},
    ]
    assert [held.qty for held in parse.holdings_of(twice)] == [21]


@pytest.mark.parametrize(
    "changes",
    [
        {"ovrs_cblc_qty": "4"},
        {"ord_psbl_qty": "2"},
        {"pchs_avg_pric": "1"},
        {"ovrs_cblc_qty": "4", "ovrs_excg_cd": "AMEX"},
    ],
)
def test_two_rows_that_contradict_each_other_are_no_holding(changes):
    with pytest.raises(parse.BadRow, match=r"BRK\.B"):
        parse.holdings_of([ROW, ROW | changes])


def test_a_page_of_copies_is_told_from_a_page_of_orders():
    rows = [part(0, 5, odno=str(n)) for n in range(1, 11)]
    for fine in ([], rows[:1], rows, [*rows, rows[0]], [FILLED, {}, {}], [dict.fromkeys(FILLED, "")] * 3):
        assert not parse.repeats(fine)
    for suspicious in ([FILLED] * 2, [FILLED] * 20, [*rows, *rows], [FILLED] * 19 + [OPEN]):
        assert parse.repeats(suspicious)


@pytest.mark.parametrize(
    ("code", "exchange"),
    [("NASD", Exchange.NASD), ("NYSE ", Exchange.NYSE), ("AMEX", Exchange.AMEX), ("", None), ("SEHK", None)],
)
def test_an_order_names_its_exchange(code, exchange):
    assert parse.order_of(FILLED | {"ovrs_excg_cd": code}).exchange is exchange


def test_buying_power_takes_the_larger_pot_and_needs_a_rate():
    row = {"ovrs_ord_psbl_amt": "992.35", "frcr_ord_psbl_amt1": "13,500.120000", "exrt": "1449.5000000000"}
    assert parse.buying_power_of(row).usd == Decimal("13500.12")
    assert parse.buying_power_of(row | {"frcr_ord_psbl_amt1": ""}).usd == Decimal("992.35")
    for bad in ({"exrt": ""}, {"exrt": "0.0"}, {"ovrs_ord_psbl_amt": "992**.35"}):
        with pytest.raises(parse.BadRow):
            parse.buying_power_of(row | bad)


def test_quotes_need_a_price_and_use_only_a_two_sided_book():
    at = dt.datetime(2026, 11, 18, tzinfo=dt.UTC)
    quote = parse.quote_of("NVDA", {"last": "202.30911"}, {"pbid1": "202.3000", "pask1": "202.3100"}, at)
    assert (quote.last, quote.bid, quote.ask, quote.at) == (
        Decimal("202.3091"),
        Decimal("202.3000"),
        Decimal("202.3100"),
        at,
    )
    for book in (
        {},
        {"pbid1": "0.0000", "pask1": "147.0"},
        {"pbid1": "148", "pask1": "147"},
        {"pbid1": "x", "pask1": "1"},
    ):
        assert parse.quote_of("NVDA", {"last": "202"}, book, at).bid is None
    for last in ("", "0.0000", "x"):
        with pytest.raises(parse.BadRow):
            parse.quote_of("NVDA", {"last": last}, {}, at)


@shared
@pytest.mark.shared
def test_official_examples_are_understood():
    def read(name: str) -> dict:
        return json.loads((EXAMPLES / f"{name}.resp.json").read_text())

    assert [parse.order_of(row) for row in parse.rows_of(read("해외주식_주문체결내역")["output"])] == [None]
    orders = [parse.order_of(row, from_api=False) for row in parse.rows_of(read("해외주식_미체결내역")["output"])]
    assert [(o.ref.odno, o.ticker, o.open_qty) for o in orders] == [("30138112", "BA", 1), ("30138113", "BA", 1)]
    (held,) = parse.holdings_of(parse.rows_of(read("해외주식_잔고")["output1"]))
    assert (held.ticker, held.qty, held.avg_price) == ("TSLA", 744, Decimal("5832.2148"))
    book = parse.rows_of(read("해외주식_현재가_호가")["output2"])[0]
    assert parse.quote_of("TSLA", {"last": "147.0500"}, book, dt.datetime.now(dt.UTC)).bid is None

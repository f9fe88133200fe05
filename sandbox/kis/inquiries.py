"""Account inquiries: open orders, history, balances and buying power, with KIS's paging."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import TypeVar

from sandbox import calendar
from sandbox.kis import lists, refusals, rows, trading
from sandbox.kis.account import RESERVE, Holding, holdings_from
from sandbox.kis.engine import Order
from sandbox.kis.host import Body, Call, Host, Reply
from sandbox.kis.lists import Page
from sandbox.kis.refusals import RefusedError
from sandbox.kis.rows import Row, fixed

OPEN_ORDERS_PAGE = 40
HISTORY_PAGE = 20
PAPER_HISTORY_PAGE = 15
BALANCE_PAGE = 100
# today's paper orders were seen missing from the history for more than twelve seconds
PAPER_HISTORY_LAG = timedelta(seconds=15)
PRESENT_LAG = timedelta(minutes=30)
T = TypeVar("T")
ALL_US = frozenset({"", "%", "NASD"})


def _page(found: Sequence[T], size: int, call: Call, key: Callable[[T], str]) -> tuple[Sequence[T], str, str]:
    """(rows of this page, tr_cont, next key). The next key names the last row that was given."""
    first, after = 0, _after(call)
    if call.more and after:
        position = next((i for i, item in enumerate(found) if key(item) == after), None)
        first = len(found) if position is None else position + 1
    rows_now = found[first : first + size]
    if first + size < len(found):
        return rows_now, "M" if call.more else "F", key(rows_now[-1])
    return rows_now, "E" if call.more else "D", ""


def _after(call: Call) -> str:
    # python-kis sends these two in lower case, and KIS takes them; without a key the list begins again
    return (call.fields.get("CTX_AREA_NK200") or call.fields.get("ctx_area_nk200", "")).strip()


def _fk(host: Host, *parts: str) -> str:
    return rows.area("^".join((host.credentials.number, host.credentials.product, *parts)) + "^")


def open_orders(host: Host, call: Call) -> Reply:
    exchange = call.fields["OVRS_EXCG_CD"]
    instruments = host.market.instruments
    working = [o for o in lists.orders_seen(host, call) if o.remaining > 0]
    found = [o for o in working if exchange in ALL_US or instruments[o.symbol].kis_exchange == exchange]
    found.sort(key=lambda o: o.odno, reverse=call.fields.get("SORT_SQN", "") != "DS")
    page, cont, following = _page(found, OPEN_ORDERS_PAGE, call, lambda o: rows.odno_text(o.odno))
    output = [rows.open_order(order, instruments[order.symbol]) for order in page]
    first = rows.open_order(found[0], instruments[found[0].symbol]) if found else None
    sent = lists.spoil(host, call, Page(output, cont, following, _after(call), first), rows.BLANK_OPEN_ORDER)
    area = _fk(host, exchange, call.fields.get("SORT_SQN", ""))
    body = host.success(ctx_area_fk200=area, ctx_area_nk200=rows.area(sent.following), output=sent.output)
    return Reply(_worded(host, body, sent.output), sent.cont)


def _worded(host: Host, body: Body, output: object) -> Body:
    if output:
        return body
    code, text = host.words.nothing
    return body | {"msg_cd": code, "msg1": text.ljust(80)}


def history(host: Host, call: Call) -> Reply:
    fields = call.fields
    found = [order for order in lists.orders_seen(host, call) if _in_history(host, order, call)]
    newest_first = host.paper or fields["SORT_SQN"] != "DS"
    found.sort(key=lambda o: o.odno, reverse=newest_first)
    size = PAPER_HISTORY_PAGE if host.paper else HISTORY_PAGE
    page, cont, following = _page(found, size, call, lambda o: rows.odno_text(o.odno))
    shown = [rows.order_history(o, host.market.instruments[o.symbol], paper=host.paper) for o in page]
    first = rows.order_history(found[0], host.market.instruments[found[0].symbol], paper=host.paper) if found else None
    sent = lists.spoil(host, call, Page(shown, cont, following, _after(call), first), rows.BLANK_HISTORY)
    # an object of blanks, not a list, is what KIS's own example shows
    output = sent.output or dict(rows.BLANK_HISTORY)
    names = ("PDNO", "ORD_STRT_DT", "ORD_END_DT", "SLL_BUY_DVSN", "CCLD_NCCS_DVSN", "OVRS_EXCG_CD")
    area = _fk(host, *(fields[name] for name in names))
    body = host.success(ctx_area_nk200=rows.area(sent.following), ctx_area_fk200=area, output=output)
    return Reply(_worded(host, body, sent.output), sent.cont)


def _in_history(host: Host, order: Order, call: Call) -> bool:
    fields, instrument = call.fields, host.market.instruments[order.symbol]
    if host.paper and call.now - order.placed_at < PAPER_HISTORY_LAG:
        return False
    if not fields["ORD_STRT_DT"] <= rows.us_date(order.placed_at) <= fields["ORD_END_DT"]:
        return False
    if fields["PDNO"] not in {"", "%", instrument.kis_symbol}:
        return False
    if fields["OVRS_EXCG_CD"] not in ALL_US | {instrument.kis_exchange}:
        return False
    if fields["SLL_BUY_DVSN"] not in {"00", order.side.value}:
        return False
    wanted = fields["CCLD_NCCS_DVSN"]
    return wanted == "00" or (wanted == "01" and order.filled > 0) or (wanted == "02" and order.remaining > 0)


def _price(host: Host, symbol: str, now: datetime) -> Decimal:
    return Decimal(str(host.market.price_at(symbol, now)))


def balance(host: Host, call: Call) -> Reply:
    """실시간잔고. On the real host NASD means every US exchange and NAS the Nasdaq alone."""
    exchange, now = call.fields["OVRS_EXCG_CD"], call.now
    if exchange not in {"NASD", "NAS", "NYSE", "AMEX"}:
        raise RefusedError(refusals.BODY_INCOMPLETE)
    everything = exchange == "NASD" and not host.paper
    wanted = "NASD" if exchange == "NAS" else exchange
    instruments = host.market.instruments
    held = [
        (symbol, holding)
        for symbol, holding in sorted(lists.holdings_seen(host, call).items())
        if everything or instruments[symbol].kis_exchange == wanted
    ]
    page, cont, following = _page(held, BALANCE_PAGE, call, lambda pair: pair[0])
    account = (host.credentials.number, host.credentials.product)

    def row(symbol: str, holding: Holding) -> Row:
        free = max(0, holding.qty - host.engine.reserved_shares(symbol))
        return rows.balance(account, instruments[symbol], holding, _price(host, symbol, now), free)

    shown = [row(*pair) for pair in page]
    if shown and not host.paper:
        shown.append(dict(rows.BLANK_BALANCE))
    first = row(*held[0]) if held else None
    sent = lists.spoil(host, call, Page(shown, cont, following, _after(call), first), rows.BLANK_BALANCE)
    cost = sum((holding.cost for _, holding in held), Decimal(0))
    value = sum((_price(host, symbol, now) * holding.qty for symbol, holding in held), Decimal(0))
    factor = host.account.fx if host.paper else Decimal(1)
    totals = rows.balance_totals(cost, value, host.account.realised_usd, factor)
    area = rows.area(sent.following)
    body = host.success(ctx_area_fk200=rows.area(), ctx_area_nk200=area, output1=sent.output, output2=totals)
    return Reply(_worded(host, body, sent.output), sent.cont)


def _reflected(host: Host, now: datetime) -> dict[str, Holding]:
    """Holdings as present-balance knows them: tonight's fills appear half an hour after the US close."""
    day = now.astimezone(calendar.NEW_YORK).date()
    while not calendar.is_trading_day(day) or calendar.regular_close(day) + PRESENT_LAG > now:
        day -= timedelta(days=1)
    return holdings_from(host.account.entries, calendar.regular_close(day) + PRESENT_LAG)


def present_balance(host: Host, call: Call) -> Reply:
    """체결기준현재잔고. Paper fills output3 only."""
    account, now, fx = host.account, call.now, host.account.fx
    in_won = call.fields["WCRC_FRCR_DVSN_CD"] == "01"
    factor = fx if in_won else Decimal(1)
    reflected = _reflected(host, now)
    today = rows.us_date(now)
    output1: list[Row] = []
    for symbol, holding in sorted(reflected.items()):
        fills = [f for f in account.fills if f.symbol == symbol and rows.us_date(f.at) == today]
        free = max(0, holding.qty - host.engine.reserved_shares(symbol))
        instrument, price = host.market.instruments[symbol], _price(host, symbol, now)
        output1.append(rows.present(instrument, holding, price, fx, factor, fills, free))
    value = sum((_price(host, s, now) * h.qty for s, h in reflected.items()), Decimal(0))
    cost = sum((h.cost for h in reflected.values()), Decimal(0))
    output2 = [_currency(host, value * factor, today)]
    if host.paper:
        output1, output2 = [], []
    return Reply(host.success(output1=output1, output2=output2, output3=_present_totals(host, cost, value)), "D")


def _currency(host: Host, value: Decimal, today: str) -> Row:
    account = host.account
    bought = sum((f.amount for f in account.fills if f.side.value == "02" and rows.us_date(f.at) == today), Decimal(0))
    sold = sum((f.amount for f in account.fills if f.side.value == "01" and rows.us_date(f.at) == today), Decimal(0))
    return {
        "crcy_cd": "USD",
        "crcy_cd_name": "미국 달러",
        "frcr_buy_amt_smtl": fixed(bought, 6),
        "frcr_sll_amt_smtl": fixed(sold, 6),
        "frcr_dncl_amt_2": fixed(account.usd, 6),
        "frst_bltn_exrt": fixed(account.fx, 8),
        "frcr_buy_mgn_amt": fixed(host.engine.reserved_usd(), 8),
        "frcr_etc_mgna": fixed(0, 8),
        "frcr_drwg_psbl_amt_1": fixed(account.usd, 6),
        "frcr_evlu_amt2": fixed(value, 6),
        "acpl_cstd_crcy_yn": "N",
        "nxdy_frcr_drwg_psbl_amt": fixed(account.usd, 6),
    }


def _present_totals(host: Host, cost: Decimal, value: Decimal) -> Row:
    account = host.account
    deposits = account.krw + account.usd * account.fx
    won_value, won_cost = value * account.fx, cost * account.fx
    rate = (won_value - won_cost) / won_cost * 100 if won_cost else Decimal(0)
    return {
        "pchs_amt_smtl": fixed(won_cost, 0),
        "evlu_amt_smtl": fixed(won_value, 0),
        "evlu_pfls_amt_smtl": fixed(won_value - won_cost, 0),
        "dncl_amt": fixed(account.krw, 0),
        "cma_evlu_amt": "0",
        "tot_dncl_amt": fixed(deposits, 0),
        "etc_mgna": "0",
        "wdrw_psbl_tot_amt": fixed(account.krw, 0),
        "frcr_evlu_tota": fixed(account.usd * account.fx, 0),
        "evlu_erng_rt1": fixed(rate, 10),
        "pchs_amt_smtl_amt": fixed(won_cost, 0),
        "evlu_amt_smtl_amt": fixed(won_value, 0),
        "tot_evlu_pfls_amt": fixed(won_value - won_cost, 8),
        "tot_asst_amt": fixed(deposits + won_value, 0),
        "buy_mgn_amt": fixed(host.engine.reserved_usd() * account.fx, 0),
        "mgna_tota": "0",
        "frcr_use_psbl_amt": fixed(account.usd, 2),
        "ustl_sll_amt_smtl": "0.00000000",
        "ustl_buy_amt_smtl": "0.00000000",
        "tot_frcr_cblc_smtl": fixed(account.usd, 8),
        "tot_loan_amt": "0",
    }


def _cents(value: Decimal) -> Decimal:
    return max(Decimal(0), value).quantize(Decimal("0.01"), ROUND_DOWN)


def _orderable(host: Host) -> tuple[Decimal, Decimal]:
    """(own dollars, integrated) that one may order for, KIS's reserve held back."""
    reserved = host.engine.reserved_usd()
    own = _cents(host.account.usd * RESERVE - reserved)
    return own, _cents(host.account.integrated_usd * RESERVE - reserved)


def buyable(host: Host, call: Call) -> Reply:
    """매수가능금액: the ovrs_ord_psbl pair is own dollars, the frcr_ord_psbl pair integrated. Paper has one pot."""
    trading.listed(host, call.fields["ITEM_CD"], call.fields["OVRS_EXCG_CD"])
    price = trading.limit_price(call.fields["OVRS_ORD_UNPR"])
    own, integrated = _orderable(host)
    if host.paper:
        own = integrated
    output: Row = {
        "tr_crcy_cd": "USD",
        "ord_psbl_frcr_amt": fixed(own, 2),
        "sll_ruse_psbl_amt": "0.00",
        "ovrs_ord_psbl_amt": fixed(own, 2),
        "max_ord_psbl_qty": str(int(own // price)),
        "echm_af_ord_psbl_amt": "0.00",
        "echm_af_ord_psbl_qty": "0",
        "ord_psbl_qty": str(int(own // price)),
        "exrt": fixed(host.account.fx, 10),
        "frcr_ord_psbl_amt1": fixed(integrated, 6),
        "ovrs_max_ord_psbl_qty": str(int(integrated // price)),
    }
    return Reply(host.success(output=output))


def margin(host: Host, _call: Call) -> Reply:
    """해외증거금 통화별조회: the row of 미국 counts, the rest is what KIS sends along."""
    own, integrated = _orderable(host)
    us = _margin_row("미국", "USD", host.account.usd, host.account.fx) | {
        "frcr_mgn_amt": fixed(host.engine.reserved_usd(), 6),
        "frcr_gnrl_ord_psbl_amt": fixed(own, 2),
        "itgr_ord_psbl_amt": fixed(integrated, 2),
    }
    others = [("홍콩", "HKD", "186.42"), ("일본", "JPY", "9.31"), ("네덜란드", "USD", "1450"), ("영국", "USD", "1450")]
    output = [us, *(_margin_row(name, code, Decimal(0), Decimal(fx)) for name, code, fx in others)]
    blank = dict.fromkeys(us, "") | {name: "0.00" for name in us if name.endswith("amt")}
    return Reply(host.success(output=[*output, *(dict(blank) for _ in range(40))]))


def _margin_row(nation: str, currency: str, deposit: Decimal, fx: Decimal) -> Row:
    return {
        "natn_name": nation,
        "crcy_cd": currency,
        "frcr_dncl_amt1": fixed(deposit, 6),
        "ustl_buy_amt": "0.00",
        "ustl_sll_amt": "0.00",
        "frcr_rcvb_amt": "0.00",
        "frcr_mgn_amt": "0.000000",
        "frcr_gnrl_ord_psbl_amt": "0.00",
        "frcr_ord_psbl_amt1": "0.000000",
        "itgr_ord_psbl_amt": "0.00",
        "bass_exrt": fixed(fx, 8),
    }

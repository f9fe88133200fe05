"""KIS's rows: the documented fields with KIS's fixed decimals, for orders, holdings and currencies."""

from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from sandbox import calendar
from sandbox.kis.account import Fill, Holding, Side
from sandbox.kis.engine import Kind, Order, State
from sandbox.market import Instrument

Row = dict[str, str]

BRANCH = "01790"
MARKET_NAMES = MappingProxyType({"NASD": "나스닥", "NYSE": "뉴욕거래소", "AMEX": "아멕스"})
PRODUCT_TYPES = MappingProxyType({"NASD": "512", "NYSE": "513", "AMEX": "529"})
AREA = 200


def fixed(value: Decimal | float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


def odno_text(odno: int) -> str:
    return f"{odno:010d}"


def area(text: str = "") -> str:
    return text.ljust(AREA)


def kst(instant: datetime) -> datetime:
    return instant.astimezone(calendar.SEOUL)


def us_date(instant: datetime) -> str:
    return instant.astimezone(calendar.NEW_YORK).strftime("%Y%m%d")


def _common(order: Order, instrument: Instrument) -> Row:
    return {
        "ord_dt": us_date(order.placed_at),
        "ord_gno_brno": BRANCH,
        "odno": odno_text(order.odno),
        "orgn_odno": odno_text(order.original) if order.original else "",
        "sll_buy_dvsn_cd": order.side.value,
        "sll_buy_dvsn_cd_name": order.side.korean,
        "pdno": instrument.kis_symbol,
        "prdt_name": instrument.korean_name,
        "ft_ord_qty": str(order.qty),
        "ft_ord_unpr3": fixed(order.price, 8),
        "ft_ccld_qty": str(order.filled),
        "ft_ccld_unpr3": fixed(order.average, 8),
        "ft_ccld_amt3": fixed(order.filled_amount, 5),
        "nccs_qty": str(order.remaining),
        "rjct_rson": "",
        "rjct_rson_name": order.reason,
        "ord_tmd": kst(order.placed_at).strftime("%H%M%S"),
        "tr_mket_name": MARKET_NAMES[instrument.kis_exchange],
        "tr_crcy_cd": "USD",
        "ovrs_excg_cd": instrument.kis_exchange,
        "loan_type_cd": "10",
        "loan_dt": "",
        "usa_amk_exts_rqst_yn": "N",
        "splt_buy_attr_name": "",
    }


def open_order(order: Order, instrument: Instrument) -> Row:
    """inquire-nccs."""
    return _common(order, instrument) | {
        "rvse_cncl_dvsn_cd": order.kind.value,
        "rvse_cncl_dvsn_cd_name": order.kind.korean,
        "natn_cd": "840",
        "natn_kor_name": "미국",
        "prcs_stat_name": "",
    }


def _progress(order: Order) -> str:
    if order.state is State.REJECTED:
        return "거부"
    return "전송" if order.state is State.OPEN else "완료"


def order_history(order: Order, instrument: Instrument, *, paper: bool) -> Row:
    """inquire-ccnl. Paper leaves out the order numbers' leading zeros."""
    row = _common(order, instrument) | {
        "rvse_cncl_dvsn": order.kind.value,
        "rvse_cncl_dvsn_name": order.kind.korean,
        "prcs_stat_name": _progress(order),
        "tr_natn": "840",
        "tr_natn_name": "미국",
        "dmst_ord_dt": kst(order.placed_at).strftime("%Y%m%d"),
        "thco_ord_tmd": kst(order.placed_at).strftime("%H%M%S"),
        "mdia_dvsn_name": order.medium,
    }
    if order.kind is Kind.CANCEL:
        row |= {"ft_ord_unpr3": fixed(0, 8)}
    if paper:
        row["odno"], row["orgn_odno"] = row["odno"].lstrip("0"), row["orgn_odno"].lstrip("0")
    return row


BLANK_HISTORY: MappingProxyType[str, str] = MappingProxyType(
    dict.fromkeys(
        [
            "ord_dt",
            "ord_gno_brno",
            "odno",
            "orgn_odno",
            "sll_buy_dvsn_cd",
            "sll_buy_dvsn_cd_name",
            "rvse_cncl_dvsn",
            "rvse_cncl_dvsn_name",
            "pdno",
            "prdt_name",
            "ft_ord_qty",
            "ft_ord_unpr3",
            "ft_ccld_qty",
            "ft_ccld_unpr3",
            "ft_ccld_amt3",
            "nccs_qty",
            "prcs_stat_name",
            "rjct_rson",
            "rjct_rson_name",
            "ord_tmd",
            "tr_mket_name",
            "tr_natn",
            "tr_natn_name",
            "ovrs_excg_cd",
            "tr_crcy_cd",
            "dmst_ord_dt",
            "thco_ord_tmd",
            "loan_type_cd",
            "loan_dt",
            "mdia_dvsn_name",
            "usa_amk_exts_rqst_yn",
            "splt_buy_attr_name",
        ],
        "",
    )
    | {
        "ft_ord_qty": "0",
        "ft_ord_unpr3": "0.00000000",
        "ft_ccld_qty": "0",
        "ft_ccld_unpr3": "0.00000000",
        "ft_ccld_amt3": "0.00000",
        "nccs_qty": "0",
        "mdia_dvsn_name": "OpenAPI",
        "usa_amk_exts_rqst_yn": "N",
        "splt_buy_attr_name": "00:00~04:00",
    }
)


_HISTORY_ONLY = frozenset(
    [
        "rvse_cncl_dvsn",
        "rvse_cncl_dvsn_name",
        "tr_natn",
        "tr_natn_name",
        "dmst_ord_dt",
        "thco_ord_tmd",
        "mdia_dvsn_name",
    ]
)
BLANK_OPEN_ORDER: MappingProxyType[str, str] = MappingProxyType(
    {name: text for name, text in BLANK_HISTORY.items() if name not in _HISTORY_ONLY}
    | {"rvse_cncl_dvsn_cd": "", "rvse_cncl_dvsn_cd_name": "", "natn_cd": "", "natn_kor_name": ""}
)


def balance(account: tuple[str, str], instrument: Instrument, holding: Holding, price: Decimal, free: int) -> Row:
    """inquire-balance output1; `free` shares are not tied up by open sell orders."""
    value = price * holding.qty
    profit = value - holding.cost
    return {
        "cano": account[0],
        "acnt_prdt_cd": account[1],
        "prdt_type_cd": PRODUCT_TYPES[instrument.kis_exchange],
        "ovrs_pdno": instrument.kis_symbol,
        "ovrs_item_name": instrument.korean_name,
        "frcr_evlu_pfls_amt": fixed(profit, 6),
        "evlu_pfls_rt": fixed(profit / holding.cost * 100, 2),
        "pchs_avg_pric": fixed(holding.average, 4),
        "ovrs_cblc_qty": str(holding.qty),
        "ord_psbl_qty": str(free),
        "frcr_pchs_amt1": fixed(holding.cost, 5),
        "ovrs_stck_evlu_amt": fixed(value, 8),
        "now_pric2": fixed(price, 6),
        "tr_crcy_cd": "USD",
        "ovrs_excg_cd": instrument.kis_exchange,
        "loan_type_cd": "10",
        "loan_dt": "",
        "expd_dt": "",
    }


BLANK_BALANCE: MappingProxyType[str, str] = MappingProxyType({
    "cano": "", "acnt_prdt_cd": "", "prdt_type_cd": "", "ovrs_pdno": "", "ovrs_item_name": "",
    "frcr_evlu_pfls_amt": "0.000000", "evlu_pfls_rt": "0.00", "pchs_avg_pric": "0.0000", "ovrs_cblc_qty": "0",
    "ord_psbl_qty": "0", "frcr_pchs_amt1": "0.00000", "ovrs_stck_evlu_amt": "0.00000000", "now_pric2": "0.000000",
    "tr_crcy_cd": "", "ovrs_excg_cd": "", "loan_type_cd": "", "loan_dt": "", "expd_dt": "",
})  # fmt: skip


def balance_totals(cost: Decimal, value: Decimal, realised: Decimal, factor: Decimal) -> Row:
    """inquire-balance output2; `factor` is 1 for dollars (real) and the exchange rate for won (paper)."""
    profit = value - cost
    rate = profit / cost * 100 if cost else Decimal(0)
    realised_rate = realised / cost * 100 if cost else Decimal(0)
    return {
        "frcr_pchs_amt1": fixed(cost * factor, 5),
        "ovrs_rlzt_pfls_amt": fixed(realised * factor, 5),
        "ovrs_tot_pfls": fixed((profit + realised) * factor, 5),
        "rlzt_erng_rt": fixed(realised_rate, 8),
        "tot_evlu_pfls_amt": fixed(value * factor, 8),
        "tot_pftrt": fixed(rate, 8),
        "frcr_buy_amt_smtl1": fixed(cost * factor, 6),
        "ovrs_rlzt_pfls_amt2": fixed(realised * factor, 5),
        "frcr_buy_amt_smtl2": fixed(cost * factor, 6),
    }


def present(
    instrument: Instrument, holding: Holding, price: Decimal, fx: Decimal, factor: Decimal, today: list[Fill], free: int
) -> Row:
    """inquire-present-balance output1; `factor` turns dollars into the asked currency."""
    value, cost = price * holding.qty, holding.cost
    bought = [fill for fill in today if fill.side is Side.BUY]
    sold = [fill for fill in today if fill.side is Side.SELL]
    settled = holding.qty - sum(f.qty for f in bought) + sum(f.qty for f in sold)
    return {
        "prdt_name": instrument.korean_name,
        "cblc_qty13": fixed(max(0, settled), 8),
        "thdt_buy_ccld_qty1": fixed(sum(f.qty for f in bought), 8),
        "thdt_sll_ccld_qty1": fixed(sum(f.qty for f in sold), 8),
        "ccld_qty_smtl1": fixed(holding.qty, 8),
        "ord_psbl_qty1": fixed(free, 8),
        "frcr_pchs_amt": fixed(cost * factor, 5),
        "frcr_evlu_amt2": fixed(value * factor, 6),
        "evlu_pfls_amt2": fixed((value - cost) * factor, 5),
        "evlu_pfls_rt1": fixed((value - cost) / cost * 100, 8),
        "pdno": instrument.kis_symbol,
        "bass_exrt": fixed(fx, 8),
        "buy_crcy_cd": "USD",
        "ovrs_now_pric1": fixed(price * factor, 5),
        "avg_unpr3": fixed(holding.average * factor, 4),
        "tr_mket_name": MARKET_NAMES[instrument.kis_exchange],
        "natn_kor_name": "미국",
        "pchs_rmnd_wcrc_amt": fixed(cost * fx, 0),
        "thdt_buy_ccld_frcr_amt": fixed(sum((f.amount for f in bought), Decimal(0)), 6),
        "thdt_sll_ccld_frcr_amt": fixed(sum((f.amount for f in sold), Decimal(0)), 6),
        "unit_amt": "1",
        "std_pdno": f"US{instrument.symbol:0>9.9}0",
        "prdt_type_cd": PRODUCT_TYPES[instrument.kis_exchange],
        "scts_dvsn_name": "현금",
        "loan_rmnd": "0",
        "loan_dt": "",
        "loan_expd_dt": "",
        "ovrs_excg_cd": instrument.kis_exchange,
        "item_lnkg_excg_cd": instrument.quote_code,
    }

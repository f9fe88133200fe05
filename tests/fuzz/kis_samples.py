"""Valid KIS answers as they were seen, and an independent reading of KIS's numbers: what a person would accept."""

import re
from decimal import Decimal

ORDER = {
    "ord_dt": "20261117", "ord_gno_brno": "01790", "odno": "0031381228", "orgn_odno": "", "sll_buy_dvsn_cd": "02",
    "sll_buy_dvsn_cd_name": "매수", "rvse_cncl_dvsn": "00", "rvse_cncl_dvsn_name": "", "pdno": "TSLL",
    "prdt_name": "DIREXION DAILY TSLA BULL 2X SHARES", "ft_ord_qty": "5", "ft_ord_unpr3": "19.16000000",
    "ft_ccld_qty": "5", "ft_ccld_unpr3": "19.16000000", "ft_ccld_amt3": "95.80000", "nccs_qty": "0",
    "prcs_stat_name": "완료", "rjct_rson": "", "rjct_rson_name": "", "ord_tmd": "054648", "tr_mket_name": "나스닥",
    "tr_crcy_cd": "USD", "tr_natn": "840", "ovrs_excg_cd": "NASD", "tr_natn_name": "미국", "dmst_ord_dt": "20261118",
    "thco_ord_tmd": "004648", "loan_type_cd": "10", "loan_dt": "", "mdia_dvsn_name": "OpenAPI",
    "usa_amk_exts_rqst_yn": "Y",
}  # fmt: skip
NOTHING_FILLED = {"ft_ccld_qty": "0", "ft_ccld_unpr3": "0.00000000", "ft_ccld_amt3": "0.00000"}
WORKING = ORDER | NOTHING_FILLED | {"odno": "0031381229", "nccs_qty": "5", "prcs_stat_name": "전송"}
PARTIAL = ORDER | {"odno": "0031381230", "ft_ccld_qty": "2", "ft_ccld_amt3": "38.32000", "nccs_qty": "3"}
SALE = ORDER | {"odno": "0031381231", "sll_buy_dvsn_cd": "01", "pdno": "BRK/B", "ovrs_excg_cd": "NYSE"}
REJECTED = WORKING | {"odno": "0031381232", "nccs_qty": "0", "prcs_stat_name": "거부", "rjct_rson_name": "증거금 부족"}
EXPIRED = WORKING | {"odno": "0031381233", "nccs_qty": "0", "rjct_rson_name": "DFD 장종료로 취소"}
BY_HAND = WORKING | {"odno": "0031381234", "mdia_dvsn_name": "모바일", "pdno": "NVDA"}
CANCEL = EXPIRED | {
    "odno": "0031381235", "orgn_odno": "0031381229", "rvse_cncl_dvsn": "02", "ft_ord_unpr3": "0.00000000",
    "rjct_rson_name": "",
}  # fmt: skip
ORDERS = (ORDER, WORKING, PARTIAL, SALE, REJECTED, EXPIRED, BY_HAND, CANCEL)
BLANK = dict.fromkeys(ORDER, "") | {"ft_ord_qty": "0", "mdia_dvsn_name": "OpenAPI"}

HOLDING = {
    "cano": "50012345", "acnt_prdt_cd": "01", "prdt_type_cd": "512", "ovrs_pdno": "TSLL", "ovrs_item_name": "TSLL",
    "frcr_evlu_pfls_amt": "-3547254.185235", "evlu_pfls_rt": "-81.75", "pchs_avg_pric": "5832.2148",
    "ovrs_cblc_qty": "744", "ord_psbl_qty": "744", "frcr_pchs_amt1": "4339167.78524", "ovrs_stck_evlu_amt": "791913.6",
    "now_pric2": "1064.400000", "tr_crcy_cd": "USD", "ovrs_excg_cd": "NASD", "loan_type_cd": "10", "loan_dt": "",
    "expd_dt": "",
}  # fmt: skip
OTHER_HOLDING = HOLDING | {"ovrs_pdno": "BRK/B", "ovrs_excg_cd": "NYSE", "ovrs_cblc_qty": "3", "ord_psbl_qty": "1"}
LOAN_LOT = HOLDING | {"loan_type_cd": "21", "loan_dt": "20260101", "ovrs_cblc_qty": "6", "ord_psbl_qty": "6"}
HOLDINGS = (HOLDING, OTHER_HOLDING, LOAN_LOT, dict.fromkeys(HOLDING, ""))

POWER = {
    "tr_crcy_cd": "USD", "ord_psbl_frcr_amt": "992.35", "ovrs_ord_psbl_amt": "992.35", "max_ord_psbl_qty": "5",
    "frcr_ord_psbl_amt1": "13,500.120000", "ovrs_max_ord_psbl_qty": "70", "exrt": "1449.5000000000",
}  # fmt: skip
PRICE = {
    "rsym": "DNASTSLL", "zdiv": "4", "base": "201.1", "pvol": "1", "last": "202.3091", "sign": "2", "diff": "1.2",
    "rate": "+0.6", "tvol": "1", "tamt": "2", "ordy": "매수불가",
}  # fmt: skip
BOOK = {"pbid1": "202.3000", "pask1": "202.3100", "vbid1": "10", "vask1": "10"}
TOKEN = {
    "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.abc.def", "access_token_token_expired": "2026-11-19 23:00:00",
    "token_type": "Bearer", "expires_in": 86400,
}  # fmt: skip
PLACED = {
    "rt_cd": "0", "msg_cd": "KIOK0510", "msg1": "정상처리 되었습니다.",
    "output": {"KRX_FWDG_ORD_ORGNO": "01790", "ODNO": "0000004336", "ORD_TMD": "160524"},
}  # fmt: skip
REFUSED = {"rt_cd": "7", "msg_cd": "APBK0952", "msg1": "주문가능금액을 초과 했습니다"}
FAILURES = (
    (500, {"rt_cd": "1", "msg_cd": "EGW00201", "msg1": "초당 거래건수를 초과하였습니다."}),
    (500, {"rt_cd": "1", "msg_cd": "EGW00123", "msg1": "기간이 만료된 token 입니다."}),
    (403, {"error_description": "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)", "error_code": "EGW00133"}),
    (500, {"rt_cd": "1", "msg_cd": "EGW00301", "msg1": "연결 시간 초과"}),
    (200, REFUSED),
)

_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)?(\.\d*)?", re.ASCII)
TICKER = re.compile(r"[A-Z0-9./]{1,16}")
ODNO = re.compile(r"[0-9]{1,16}")
MOST_SHARES, MOST_PRICE, MOST_USD = 10**9, Decimal(10) ** 7, Decimal(10) ** 15


def understood(value: object) -> Decimal | None:
    """A number as KIS writes them; None where a person would not accept it. Blank is zero, as KIS leaves zeros out."""
    if value is None:
        return Decimal(0)
    if isinstance(value, bool | list | dict):
        return None
    text = str(value).strip()
    if isinstance(value, float):
        return Decimal(text) if text not in {"nan", "inf", "-inf"} else None
    if not text:
        return Decimal(0)
    if not _NUMBER.fullmatch(text) or not any(c.isdigit() for c in text):
        return None
    return Decimal(text.replace(",", ""))


def whole(value: object) -> int | None:
    """A whole number of shares, zero or more."""
    number = understood(value)
    if number is None or number < 0 or number > MOST_SHARES or number != int(number):
        return None
    return int(number)


def word(row: dict[str, object], key: str) -> str:
    """A field as text without padding."""
    value = row.get(key)
    return "" if value is None else str(value).strip()

"""KIS's addresses, tr_ids and request bodies for US shares (facts: kis.md 1, 2, 5.5)."""

import datetime as dt
from decimal import Decimal
from types import MappingProxyType
from zoneinfo import ZoneInfo

import msgspec

from core.model.instrument import Exchange
from core.model.order import BrokerRef, OrderRequest, Side
from ports.clock import Calendar

TRADING = "/uapi/overseas-stock/v1/trading/"
QUOTES = "/uapi/overseas-price/v1/quotations/"
TOKEN_PATH = "/oauth2/tokenP"  # noqa: S105 - an address

ORDER = TRADING + "order"
REVISE = TRADING + "order-rvsecncl"
OPEN_ORDERS = TRADING + "inquire-nccs"
HISTORY = TRADING + "inquire-ccnl"
BALANCE = TRADING + "inquire-balance"
BUYABLE = TRADING + "inquire-psamount"
PRICE = QUOTES + "price"
ASKING_PRICE = QUOTES + "inquire-asking-price"

PRICE_TR = "HHDFS00000300"
ASKING_PRICE_TR = "HHDFS76200100"

AREA = ("CTX_AREA_FK200", "CTX_AREA_NK200")
PAGE_ROWS = MappingProxyType({False: 20, True: 15})
OPEN_ORDERS_ROWS = 40
BALANCE_ROWS = 100

LONGEST_CLOSURE_DAYS = 7
NEW_YORK = ZoneInfo("America/New_York")
SEOUL = ZoneInfo("Asia/Seoul")


class TrIds(msgspec.Struct, frozen=True, kw_only=True):
    """The transaction ids of one kind of account; `open_orders` is empty where KIS has no such service."""

    buy: str
    sell: str
    cancel: str
    open_orders: str
    history: str
    balance: str
    buyable: str


REAL = TrIds(
    buy="TTTT1002U",
    sell="TTTT1006U",
    cancel="TTTT1004U",
    open_orders="TTTS3018R",
    history="TTTS3035R",
    balance="TTTS3012R",
    buyable="TTTS3007R",
)
# The paper sale is VTTT1001U, not V + 1006 (kis.md 1).
PAPER = TrIds(
    buy="VTTT1002U",
    sell="VTTT1001U",
    cancel="VTTT1004U",
    open_orders="",
    history="VTTS3035R",
    balance="VTTS3012R",
    buyable="VTTS3007R",
)


def symbol_of(ticker: str) -> str:
    """KIS's name of a class share: BRK.B is BRK/B there."""
    return ticker.replace(".", "/")


def ticker_of(symbol: str) -> str:
    """The ticker of KIS's symbol: BRK/B is BRK.B everywhere else."""
    return symbol.strip().replace("/", ".")


def price_text(limit: Decimal) -> str:
    """A limit as KIS takes it: two decimals from a dollar up, four below."""
    return f"{limit:.2f}" if limit >= 1 else f"{limit:.4f}"


def us_date(at: dt.datetime) -> str:
    """KIS's order date: the date in New York as YYYYMMDD."""
    return at.astimezone(NEW_YORK).strftime("%Y%m%d")


def earliest_us_date(at: dt.datetime, calendar: Calendar | None = None) -> str:
    """The session before the date in New York as YYYYMMDD, so that Friday's orders are seen after a long weekend.

    Without a calendar it is the weekday before the last one, which covers any single holiday at the price of more rows.
    """
    day, weekdays = at.astimezone(NEW_YORK).date(), 0
    for _ in range(LONGEST_CLOSURE_DAYS):
        day -= dt.timedelta(days=1)
        if calendar is not None and calendar.session_on(day) is not None:
            break
        weekdays += day.weekday() < 5
        if calendar is None and weekdays == 2:
            break
    return day.strftime("%Y%m%d")


def order_body(request: OrderRequest) -> dict[str, str]:
    """A limit order, without the account."""
    return {
        "OVRS_EXCG_CD": request.exchange.value,
        "PDNO": symbol_of(request.ticker),
        "ORD_QTY": str(request.qty),
        "OVRS_ORD_UNPR": price_text(request.limit),
        "CTAC_TLNO": "",
        "MGCO_APTM_ODNO": "",
        "SLL_TYPE": "00" if request.side is Side.SELL else "",
        "ORD_SVR_DVSN_CD": "0",
        "ORD_DVSN": "00",
    }


def cancel_body(ref: BrokerRef, request: OrderRequest) -> dict[str, str]:
    """The cancellation of all that is left of an order (quantity and price are sent as 0), without the account."""
    return {
        "OVRS_EXCG_CD": request.exchange.value,
        "PDNO": symbol_of(request.ticker),
        "ORGN_ODNO": ref.odno.zfill(10),
        "RVSE_CNCL_DVSN_CD": "02",
        "ORD_QTY": "0",
        "OVRS_ORD_UNPR": "0",
        "MGCO_APTM_ODNO": "",
        "ORD_SVR_DVSN_CD": "0",
    }


def history_params(start: str, end: str, *, paper: bool) -> dict[str, str]:
    """All orders between two US dates; paper takes empty strings where the real host takes wildcards."""
    return {
        "PDNO": "" if paper else "%",
        "ORD_STRT_DT": start,
        "ORD_END_DT": end,
        "SLL_BUY_DVSN": "00",
        "CCLD_NCCS_DVSN": "00",
        "OVRS_EXCG_CD": "" if paper else "NASD",
        "SORT_SQN": "DS",
        "ORD_DT": "",
        "ORD_GNO_BRNO": "",
        "ODNO": "",
    }


def open_orders_params() -> dict[str, str]:
    """Open orders of all US exchanges, which KIS calls NASD here."""
    return {"OVRS_EXCG_CD": "NASD", "SORT_SQN": "DS"}


def balance_params(exchange: Exchange) -> dict[str, str]:
    """Holdings; on the real host NASD means every US exchange."""
    return {"OVRS_EXCG_CD": exchange.value, "TR_CRCY_CD": "USD"}


def buyable_params(ticker: str, exchange: Exchange, limit: str) -> dict[str, str]:
    """What may be ordered of one share at one price."""
    return {
        "OVRS_EXCG_CD": exchange.value,
        "OVRS_ORD_UNPR": price_text(Decimal(limit)),
        "ITEM_CD": symbol_of(ticker),
    }


def quote_params(ticker: str, exchange: Exchange) -> dict[str, str]:
    """One share at the quotation service, which has exchange codes of its own."""
    return {"AUTH": "", "EXCD": exchange.quote_code, "SYMB": symbol_of(ticker)}

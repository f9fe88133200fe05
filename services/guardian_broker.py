"""What the guardian asks of KIS: prices, shares, orders; it sells and cancels, never buys. Standard library only."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from adapters.kis import codes
from services.guardian_files import MOST_QTY, MOST_USD, us_date
from services.guardian_rules import Listed
from services.guardian_session import Access, Answer, GuardianRefused, GuardianTrouble, Row, Session

__all__ = ["Access", "GuardianBroker", "GuardianRefused", "GuardianTrouble", "OpenOrder"]
MOST_PAGES = 20
ODNO = re.compile(r"0*[1-9]\d{0,15}", re.ASCII)
# digits, at most with thousands separators: no exponents, no other alphabet's digits
NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)?(\.\d*)?", re.ASCII)
TRADING = "/uapi/overseas-stock/v1/trading/"
PRICE = "/uapi/overseas-price/v1/quotations/price"
QUOTE_CODES = {"NASD": "NAS", "NYSE": "NYS", "AMEX": "AMS"}
SIDES, REJECTED = {"01": "sell", "02": "buy"}, "거부"


@dataclass(frozen=True)
class OpenOrder:
    """An order that may still be filled; `by_hand` where KIS says that a person placed it."""

    odno: str
    ticker: str
    exchange: str
    side: str
    left: int
    by_hand: bool = False


class GuardianBroker:
    """Blocking calls with deadlines; an order is sent once and never repeated by this class."""

    def __init__(self, access: Access, token_dir: Path, *, wall: Callable[[], float] = time.time) -> None:
        """`token_dir` is where trader and guardian share token and rate limit: KIS counts both by application key."""
        self._access, self._wall = access, wall
        self._kis = Session(access, token_dir, wall)

    def price(self, ticker: str, exchange: str) -> Decimal:
        """The last price in USD (HHDFS00000300). Raises GuardianTrouble."""
        query = {"AUTH": "", "EXCD": QUOTE_CODES[exchange], "SYMB": _symbol(ticker)}
        answer = self._asked(PRICE, "HHDFS00000300", query)
        last = _number((_rows(answer.body.get("output")) or [{}])[0], "last")
        if last is None or not 0 < last <= MOST_USD:
            raise GuardianTrouble(f"no price of {ticker}")
        return last

    def shares(self, exchange: str) -> dict[str, tuple[int, int] | None]:
        """Shares by ticker (inquire-balance): held, and sellable now; None where KIS's row can't be read."""
        paper = self._access.paper
        query = {"OVRS_EXCG_CD": exchange if paper else "NASD", "TR_CRCY_CD": "USD"}
        rows = self._pages("inquire-balance", "VTTS3012R" if paper else "TTTS3012R", query, "output1", whole=True)
        found: dict[str, tuple[int, int] | None] = {}
        seen: set[tuple[str, ...]] = set()
        for row in rows:
            ticker = _ticker(row, "ovrs_pdno")
            # the same lot on two exchanges is one lot that KIS repeats: a US ticker is listed once
            lot = (ticker, _text(row, "loan_type_cd"), _text(row, "loan_dt"))
            if not ticker or lot in seen:
                continue
            seen.add(lot)
            held, free = _number(row, "ovrs_cblc_qty"), _number(row, "ord_psbl_qty")
            before = found.get(ticker, (0, 0))
            if held is None or held < 0 or free is None or before is None:
                found[ticker] = None
            else:
                found[ticker] = (before[0] + int(held), before[1] + int(max(Decimal(0), min(held, free))))
        return found

    def sell(self, ticker: str, exchange: str, qty: int, limit: str) -> str:
        """Send one limit sale; returns its number without leading zeros. Raises GuardianRefused, or GuardianTrouble where no one knows."""
        order = {"OVRS_EXCG_CD": exchange, "PDNO": _symbol(ticker), "ORD_QTY": str(qty), "OVRS_ORD_UNPR": limit}
        order |= {"CTAC_TLNO": "", "MGCO_APTM_ODNO": "", "SLL_TYPE": "00", "ORD_SVR_DVSN_CD": "0", "ORD_DVSN": "00"}
        answer = self._ordered("order", "VTTT1001U" if self._access.paper else "TTTT1006U", order)
        odno = _text((_rows(answer.body.get("output")) or [{}])[0], "ODNO").lstrip("0")
        if not ODNO.fullmatch(odno):
            raise GuardianTrouble("order: taken without a number")
        return odno

    def cancel(self, ticker: str, exchange: str, odno: str) -> None:
        """Ask to cancel what is left of an order. Raises GuardianTrouble."""
        order = {"OVRS_EXCG_CD": exchange, "PDNO": _symbol(ticker), "ORGN_ODNO": odno.zfill(10), "ORD_QTY": "0"}
        order |= {"RVSE_CNCL_DVSN_CD": "02", "OVRS_ORD_UNPR": "0", "MGCO_APTM_ODNO": "", "ORD_SVR_DVSN_CD": "0"}
        self._ordered("order-rvsecncl", "VTTT1004U" if self._access.paper else "TTTT1004U", order)

    def open_orders(self) -> list[OpenOrder]:
        """Orders that may still be filled: by inquire-nccs, in paper by inquire-ccnl. Raises GuardianTrouble."""
        if self._access.paper:
            return [o for o in map(_order, self._history()) if o is not None]
        query = {"OVRS_EXCG_CD": "NASD", "SORT_SQN": "DS"}
        found = [o for o in map(_order, self._pages("inquire-nccs", "TTTS3018R", query, "output")) if o is not None]
        if not found:
            return []
        try:
            # only this list says where an order came from; one it does not know is treated as the trader's
            by_hand = {_text(row, "odno").lstrip("0") for row in self._history() if _by_hand(row)}
        except GuardianTrouble:
            by_hand = set()
        return [OpenOrder(o.odno, o.ticker, o.exchange, o.side, o.left, o.odno in by_hand) for o in found]

    def listed(self) -> list[Listed]:
        """Every order of today and yesterday, filled ones too (inquire-ccnl, the whole list). Raises GuardianTrouble."""
        return [o for o in map(_listed, self._history(whole=True)) if o is not None]

    def _history(self, *, whole: bool = False) -> list[Row]:
        paper, wall = self._access.paper, self._wall()
        query = {"PDNO": "" if paper else "%", "ORD_STRT_DT": us_date(wall, -1), "ORD_END_DT": us_date(wall)}
        query |= {"SLL_BUY_DVSN": "00", "CCLD_NCCS_DVSN": "00", "OVRS_EXCG_CD": "" if paper else "NASD"}
        query |= {"SORT_SQN": "DS", "ORD_DT": "", "ORD_GNO_BRNO": "", "ODNO": ""}
        return self._pages("inquire-ccnl", "VTTS3035R" if paper else "TTTS3035R", query, "output", whole=whole)

    def _pages(self, name: str, tr_id: str, query: dict[str, str], output: str, *, whole: bool = False) -> list[Row]:
        """All rows of a paged inquiry. A page that comes again ends it: with trouble where only the `whole` list will do."""
        rows: list[Row] = []
        area, pages = {"CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}, []
        for number in range(MOST_PAGES):
            answer = self._asked(TRADING + name, tr_id, {**self._kis.account, **query, **area}, more=number > 0)
            page = _rows(answer.body.get(output))
            if page in pages and page:
                break
            pages.append(page)
            rows += page
            if not answer.more:
                return rows
            area = {field: _text(answer.body, field.lower()) for field in area}
        if whole:
            raise GuardianTrouble(f"{name}: KIS gave the list in part")
        return rows

    def _asked(self, path: str, tr_id: str, query: dict[str, str], *, more: bool = False) -> Answer:
        """One inquiry, repeated once with another token where KIS refused the first."""
        base = self._access.quote_url if path == PRICE else self._access.base_url
        answer = self._kis.call("GET", base, path, tr_id, query, more=more)
        if answer.token_dead:
            answer = self._kis.call("GET", base, path, tr_id, query, more=more)
        if not answer.ok:
            raise GuardianTrouble(f"{path.rsplit('/', 1)[1]}: {self._kis.words(answer)}")
        return answer

    def _ordered(self, name: str, tr_id: str, order: dict[str, str]) -> Answer:
        body = {**self._kis.account, **order}
        answer = self._kis.call("POST", self._access.base_url, TRADING + name, tr_id, body)
        if answer.ok:
            return answer
        done = str(answer.body.get("rt_cd", "")).strip() == "0"
        if not done and codes.refusal(answer.status, answer.code) is not None:
            raise GuardianRefused(answer.code, self._kis.words(answer))
        raise GuardianTrouble(f"{name}: {self._kis.words(answer)}")


def _rows(output: object) -> list[Row]:
    """The rows of an answer: KIS sends a list, one object, an object of blanks, or nothing."""
    found = output if isinstance(output, list) else [output]
    return [row for row in found if isinstance(row, dict)]


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value).strip()


def _number(row: Row, key: str) -> Decimal | None:
    """A number; a blank one is zero, an unreadable one None."""
    raw = _text(row, key)
    if not raw:
        return Decimal(0)
    if not NUMBER.fullmatch(raw) or not any(c.isdigit() for c in raw):
        return None
    value = Decimal(raw.replace(",", ""))
    return value if abs(value) < MOST_QTY * 1000 else None


def _symbol(ticker: str) -> str:
    """KIS's name of a class share: BRK.B is BRK/B there."""
    return ticker.replace(".", "/")


def _ticker(row: Row, key: str) -> str:
    return _text(row, key).replace("/", ".")


def _order(row: Row) -> OpenOrder | None:
    """A row of inquire-nccs or inquire-ccnl; None where nothing of it can be filled any more."""
    odno, side = _text(row, "odno").lstrip("0"), SIDES.get(_text(row, "sll_buy_dvsn_cd"))
    left, ticker = _number(row, "nccs_qty"), _ticker(row, "pdno")
    cancels = "02" in {_text(row, "rvse_cncl_dvsn"), _text(row, "rvse_cncl_dvsn_cd")}
    if not odno or not ticker or side is None or cancels or _text(row, "prcs_stat_name") == REJECTED:
        return None
    # an order whose rest can't be read may live: a cancel too many does no harm
    rest = 1 if left is None else int(left)
    return OpenOrder(odno, ticker, _text(row, "ovrs_excg_cd"), side, rest, _by_hand(row)) if rest > 0 else None


def _listed(row: Row) -> Listed | None:
    """A row of inquire-ccnl; None for cancels and what makes no sense."""
    odno, side = _text(row, "odno").lstrip("0"), SIDES.get(_text(row, "sll_buy_dvsn_cd"))
    ticker, filled, day = _ticker(row, "pdno"), _number(row, "ft_ccld_qty"), _text(row, "ord_dt")
    cancels = "02" in {_text(row, "rvse_cncl_dvsn"), _text(row, "rvse_cncl_dvsn_cd")}
    if not odno or not ticker or side is None or cancels or filled is None or not 0 <= filled <= MOST_QTY:
        return None
    return Listed(f"{day}-{odno}", ticker, side, int(filled), _by_hand(row))


def _by_hand(row: Row) -> bool:
    medium = _text(row, "mdia_dvsn_name").replace(" ", "").lower()
    return bool(medium) and medium != "openapi"

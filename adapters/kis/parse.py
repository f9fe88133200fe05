"""KIS's rows as our nouns: pure functions that survive blanks, objects instead of lists and repeated rows."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import msgspec

from adapters.kis import wire
from core.model.instrument import Exchange
from core.model.money import price
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Holding, Side
from core.model.quote import Quote

Row = dict[str, object]

EXPIRED_WORDS = ("DFD", "장종료")
REFUSED = "거부"
CANCEL = "02"
SIDES = {"01": Side.SELL, "02": Side.BUY}
# KIS's numbers: digits, at most with thousands separators; no exponents, no other alphabet's digits.
NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)?(\.\d*)?", re.ASCII)
TICKER = re.compile(r"[A-Z0-9./]{1,16}", re.ASCII)
ODNO = re.compile(r"0*[1-9]\d{0,15}", re.ASCII)
# More than any account or share: beyond it the row is wrong, and neither journal nor arithmetic could hold it.
MOST_SHARES, MOST_PRICE, MOST_USD = 10**9, Decimal(10) ** 7, Decimal(10) ** 15
# What tells two lots of one share apart; the exchange does not, as a share has one (and its product type is the exchange's).
LOT = ("loan_type_cd", "loan_dt", "expd_dt")
# Where KIS's noon lies between two US dates: no session of ours crosses it.
MIDDAY = "133000"


class BadRow(ValueError):
    """A row that is neither blank nor understood."""


def rows_of(output: object) -> list[Row]:
    """The rows of an answer: KIS sends a list, one object, an object of blanks, or nothing."""
    found = output if isinstance(output, list) else [output]
    return [row for row in found if isinstance(row, dict)]


def is_rows(body: Row, output: str) -> bool:
    """Whether a page has its rows, and nothing among them that is none: such a page hides what it should have shown."""
    found = body.get(output, False)
    return (
        all(isinstance(row, dict) for row in found)
        if isinstance(found, list)
        else found in (None, "") or isinstance(found, dict)
    )


def repeats(rows: Sequence[Row]) -> bool:
    """Whether a page shows half of its rows or more as copies: KIS once gave one row over and over and hid the rest."""
    filled = [str(row) for row in rows if text(row, "odno")]
    return len(filled) > 1 and 2 * len(set(filled)) <= len(filled)


def text(row: Row, key: str) -> str:
    """A field without padding; a missing one is empty."""
    value = row.get(key)
    return "" if value is None else str(value).strip()


def number(row: Row, key: str) -> Decimal:
    """A number; a blank one is zero. Raises BadRow."""
    raw = text(row, key)
    if not raw:
        return Decimal(0)
    if not NUMBER.fullmatch(raw) or not any(c.isdigit() for c in raw):
        raise BadRow(f"{key} is not a number")
    value = Decimal(raw.replace(",", ""))
    if abs(value) > MOST_USD:
        raise BadRow(f"{key} is too large")
    return value


def shares(row: Row, key: str) -> int:
    """A number of shares; a blank one is zero. Raises BadRow where it is negative, too large or not whole."""
    value = number(row, key)
    if not 0 <= value <= MOST_SHARES or value != int(value):
        raise BadRow(f"{key} is not a number of shares")
    return int(value)


def dollars(row: Row, key: str) -> Decimal:
    """A price in USD; a blank one is zero. Raises BadRow."""
    value = number(row, key)
    if not 0 <= value <= MOST_PRICE:
        raise BadRow(f"{key} is not a price")
    return value


def ticker_of(row: Row, key: str) -> str:
    """A ticker; empty where the field is blank. Raises BadRow."""
    symbol = text(row, key)
    if symbol and not TICKER.fullmatch(symbol):
        raise BadRow(f"{key} is not a ticker")
    return wire.ticker_of(symbol)


def is_day(text_: str) -> bool:
    """Whether a text is a date as KIS writes it."""
    if not (len(text_) == 8 and text_.isascii() and text_.isdigit()):
        return False
    try:
        dt.date(int(text_[:4]), int(text_[4:6]), int(text_[6:]))
    except ValueError:
        return False
    return True


def odno_of(raw: str) -> str:
    """An order number without leading zeros, the form in which paper's list gives it."""
    return raw.strip().lstrip("0")


def ref_of(ord_dt: str, odno: str) -> BrokerRef:
    """KIS's order by US date and number.

    The branch stays empty: replies to orders and rows of the list were seen to name different branches for one order.
    """
    return BrokerRef(ord_dt=ord_dt, branch="", odno=odno_of(odno))


def ordered_at(row: Row) -> dt.datetime | None:
    """When KIS took an order: Korean date and time where the list has both, else worked out from the US date."""
    day, clock = text(row, "dmst_ord_dt"), text(row, "thco_ord_tmd") or text(row, "ord_tmd")
    try:
        if day:
            moment = dt.datetime.strptime(day + clock, "%Y%m%d%H%M%S").replace(tzinfo=wire.SEOUL)
        else:
            moment = dt.datetime.strptime(text(row, "ord_dt") + clock, "%Y%m%d%H%M%S").replace(tzinfo=wire.SEOUL)
            moment += dt.timedelta(days=1 if clock < MIDDAY else 0)
    except ValueError:
        return None
    return moment.astimezone(dt.UTC)


def exchange_of(row: Row) -> Exchange | None:
    """The US exchange that a row names, or None."""
    venue = text(row, "ovrs_excg_cd")
    return Exchange(venue) if venue in set(Exchange) else None


def order_of(row: Row, *, from_api: bool | None = None) -> BrokerOrder | None:
    """One row of inquire-ccnl or inquire-nccs (kis.md 2.1, 2.2); None for a blank row. Raises BadRow.

    `from_api` is for inquire-nccs, which does not say where an order came from.
    """
    odno, ord_dt, side = odno_of(text(row, "odno")), text(row, "ord_dt"), SIDES.get(text(row, "sll_buy_dvsn_cd"))
    if not odno and not text(row, "pdno"):
        return None
    ticker = ticker_of(row, "pdno")
    if not ODNO.fullmatch(odno) or not is_day(ord_dt) or side is None or not ticker:
        raise BadRow("an order without number, date, side or symbol")
    qty, filled, left = shares(row, "ft_ord_qty"), shares(row, "ft_ccld_qty"), shares(row, "nccs_qty")
    limit = dollars(row, "ft_ord_unpr3")
    if filled > qty:
        raise BadRow("more filled than ordered")
    is_cancel = (text(row, "rvse_cncl_dvsn") or text(row, "rvse_cncl_dvsn_cd")) == CANCEL
    words, status = text(row, "rjct_rson_name"), text(row, "prcs_stat_name")
    expired = any(word in words for word in EXPIRED_WORDS)
    rejected = (
        not filled and not expired and (status == REFUSED or (left == 0 and bool(words or text(row, "rjct_rson"))))
    )
    left = 0 if rejected or expired else min(left, max(0, qty - filled))
    source = text(row, "mdia_dvsn_name").replace(" ", "").lower()
    return BrokerOrder(
        ref=ref_of(ord_dt, odno),
        ticker=ticker,
        side=side,
        qty=qty,
        limit=limit,
        filled_qty=filled,
        filled_usd=_filled_usd(row, filled, limit),
        open_qty=left,
        rejected=rejected,
        expired=expired and filled < qty,
        cancelled=left == 0 and filled < qty and not (rejected or expired),
        is_cancel_row=is_cancel,
        from_api=source == "openapi" if from_api is None else from_api,
        exchange=exchange_of(row),
        ordered_at=ordered_at(row),
    )


def _filled_usd(row: Row, filled: int, limit: Decimal) -> Decimal:
    """KIS's amount, else shares times KIS's average price, else shares times our limit."""
    if not filled:
        return Decimal(0)
    amount = number(row, "ft_ccld_amt3") or filled * (dollars(row, "ft_ccld_unpr3") or limit)
    if not 0 < amount <= MOST_USD:
        raise BadRow("shares were filled without a price")
    return amount


def combine(rows: Iterable[BrokerOrder]) -> tuple[tuple[BrokerOrder, ...], bool]:
    """One order per number, in order of first appearance, and whether everything added up.

    Usually each number has one row and repeats are copies. Whether KIS ever gives a row per fill is not known, so rows
    are added up only where the sums prove it; else the furthest row counts and the list is not to be trusted.
    """
    groups: dict[BrokerRef, list[BrokerOrder]] = {}
    for row in rows:
        groups.setdefault(row.ref, []).append(row)
    orders, sound = [], True
    for group in groups.values():
        order, fine = _one(group)
        orders.append(order)
        sound = sound and fine
    return tuple(orders), sound


def _one(group: Sequence[BrokerOrder]) -> tuple[BrokerOrder, bool]:
    first, unique = group[0], list(dict.fromkeys(group))
    same_order = all((r.ticker, r.side, r.qty) == (first.ticker, first.side, first.qty) for r in unique)
    furthest = max(unique, key=lambda r: (r.filled_qty, -r.open_qty))
    if len(group) == 1 or (len(unique) == 1 and first.filled_qty + first.open_qty == first.qty):
        return first, True
    total, left = sum(r.filled_qty for r in group), min(r.open_qty for r in unique)
    ended = all(r.open_qty == 0 for r in unique) and total <= first.qty and len(unique) == len(group)
    if not same_order or not (total + left == first.qty or ended):
        return furthest, False
    usd = sum((r.filled_usd for r in group), Decimal(0))
    cancelled = left == 0 and total < first.qty and not (furthest.rejected or furthest.expired)
    whole = msgspec.structs.replace(
        furthest,
        filled_qty=total,
        filled_usd=usd,
        open_qty=left,
        cancelled=cancelled,
        expired=furthest.expired and total < first.qty,
    )
    return whole, True


def holdings_of(rows: Iterable[Row]) -> tuple[Holding, ...]:
    """inquire-balance output1 (kis.md 2.3): blank rows and copies skipped, lots of one share added up. Raises BadRow."""
    held: dict[str, Holding] = {}
    for lot in _lots(rows):
        held[lot.ticker] = _joined(held[lot.ticker], lot) if lot.ticker in held else lot
    return tuple(held.values())


def _lots(rows: Iterable[Row]) -> Iterator[Holding]:
    """Each lot once: paper may give every exchange's holdings for each exchange asked, and KIS was seen to give one
    holding under two exchanges (21 shares read as 42). Raises BadRow where two rows of one lot differ in what counts.
    """
    seen: dict[tuple[str, ...], Holding] = {}
    for row in rows:
        lot = _lot(row)
        if lot is None:
            continue
        key = (lot.ticker, *(text(row, name) for name in LOT))
        known = seen.setdefault(key, lot)
        if known is lot:
            yield lot
        elif (known.qty, known.sellable_qty, known.avg_price) != (lot.qty, lot.sellable_qty, lot.avg_price):
            raise BadRow(f"two rows that differ for one lot of {lot.ticker}")


def _lot(row: Row) -> Holding | None:
    ticker, held = ticker_of(row, "ovrs_pdno"), number(row, "ovrs_cblc_qty")
    if not 0 <= held <= MOST_SHARES:
        raise BadRow("ovrs_cblc_qty is not a number of shares")
    # parts of shares can't be sold here
    qty = int(held)
    if not qty:
        return None
    if not ticker:
        raise BadRow("shares without a symbol")
    exchange = exchange_of(row)
    if exchange is None:
        raise BadRow("a holding on an unknown exchange")
    sellable, average = int(number(row, "ord_psbl_qty")), dollars(row, "pchs_avg_pric")
    return Holding(
        ticker=ticker, exchange=exchange, qty=qty, sellable_qty=max(0, min(qty, sellable)), avg_price=average
    )


def _joined(a: Holding, b: Holding) -> Holding:
    qty = a.qty + b.qty
    if qty > MOST_SHARES:
        raise BadRow("more shares than there are")
    return msgspec.structs.replace(
        a,
        qty=qty,
        sellable_qty=a.sellable_qty + b.sellable_qty,
        avg_price=(a.avg_price * a.qty + b.avg_price * b.qty) / qty,
    )


def buying_power_of(row: Row) -> BuyingPower:
    """inquire-psamount (kis.md 2.5): own dollars, or with 통합증거금 what the won would buy too. Raises BadRow."""
    own, integrated = number(row, "ovrs_ord_psbl_amt"), number(row, "frcr_ord_psbl_amt1")
    rate = number(row, "exrt")
    if rate <= 0:
        raise BadRow("no exchange rate")
    return BuyingPower(usd=max(own, integrated, Decimal(0)), krw_per_usd=rate)


def quote_of(ticker: str, price_row: Row, book: Row, at: dt.datetime) -> Quote:
    """The last price, and the best bid and ask where the order book has both. Raises BadRow without a price."""
    last = dollars(price_row, "last")
    if last <= 0:
        raise BadRow("no price: wrong exchange or unknown symbol")
    try:
        bid, ask = dollars(book, "pbid1"), dollars(book, "pask1")
    except BadRow:
        bid = ask = Decimal(0)
    two_sided = 0 < bid <= ask
    return Quote(
        ticker=ticker,
        last=price(last),
        at=at,
        bid=price(bid) if two_sided else None,
        ask=price(ask) if two_sided else None,
        source="KIS",
    )

"""Order, modify and cancel: every check that KIS makes, in its order."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from sandbox.kis import engine, refusals, rows, surprises
from sandbox.kis.account import FEE_RATE, Side
from sandbox.kis.engine import Kind, Order
from sandbox.kis.host import Body, Call, Host, Reply
from sandbox.kis.refusals import RefusedError
from sandbox.market import Instrument

BUYS = frozenset({"TTTT1002U", "VTTT1002U"})
MIN_PRICE = Decimal("0.01")
MODIFY, CANCEL = "01", "02"

BUY_DIVISIONS = frozenset({engine.LIMIT, engine.LIMIT_ON_OPEN, engine.LIMIT_ON_CLOSE})
SELL_DIVISIONS = BUY_DIVISIONS | engine.AT_MARKET
DIVISIONS = MappingProxyType({Side.BUY: BUY_DIVISIONS, Side.SELL: SELL_DIVISIONS})


def order(host: Host, call: Call) -> Reply:
    fields = call.fields
    side = Side.BUY if call.tr_id in BUYS else Side.SELL
    key = (side.value, *(fields[name] for name in ("PDNO", "ORD_QTY", "OVRS_ORD_UNPR", "ORD_DVSN")))
    host.order_posts[key] = host.order_posts.get(key, 0) + 1
    division = fields["ORD_DVSN"]
    if division not in DIVISIONS[side] or (host.paper and division != engine.LIMIT):
        raise RefusedError(refusals.ORDER_DIVISION)
    instrument = listed(host, fields["PDNO"], fields["OVRS_EXCG_CD"])
    qty = quantity(fields["ORD_QTY"])
    price = _order_price(fields["OVRS_ORD_UNPR"], division)
    host.check_open(call.now)
    late = host.fault(call, "accept_late", instrument.symbol, side)
    lost = late is not None and late.reply == "lost"
    if late is None:
        placed = place(host, instrument, side, qty, price, division, call.now)
    else:
        if not lost:
            check_ledger(host, instrument, side, qty, price)
        placed = host.engine.number(instrument.symbol, side, qty, price, division, call.now)
        surprises.accept_late(host, placed, late, lambda: check_ledger(host, instrument, side, qty, price))
    if doom := host.fault(call, "reject_late", instrument.symbol, side):
        surprises.reject_late(host, placed, doom)
    host.order_keys[placed.odno] = key
    code, text = host.words.bought if side is Side.BUY else host.words.sold
    return Reply(_accepted(host, placed, code, text), lost=lost)


def place(
    host: Host,
    instrument: Instrument,
    side: Side,
    qty: int,
    price: Decimal,
    division: str,
    now: datetime,
    medium: str = "OpenAPI",
) -> Order:
    """Checks cash and shares, then enters the order. Raises RefusedError."""
    by_hand = division == engine.BY_HAND_AT_MARKET
    cost = Decimal(str(host.market.quote_at(instrument.symbol, now).ask)) if by_hand else price
    check_ledger(host, instrument, side, qty, cost)
    return host.engine.place(instrument.symbol, side, qty, price, division, now, medium)


def check_ledger(host: Host, instrument: Instrument, side: Side, qty: int, price: Decimal) -> None:
    """Raises RefusedError without the cash or the free shares."""
    if side is Side.BUY:
        check_cash(host, qty * price)
    elif qty > host.account.qty(instrument.symbol) - host.engine.reserved_shares(instrument.symbol):
        raise RefusedError(host.words.no_shares)


def check_cash(host: Host, amount: Decimal) -> None:
    free = host.account.integrated_usd - host.engine.reserved_usd() * (1 + FEE_RATE)
    if amount * (1 + FEE_RATE) > free:
        raise RefusedError(host.words.no_cash)


def listed(host: Host, symbol: str, exchange: str) -> Instrument:
    """Raises RefusedError when the exchange does not list the symbol."""
    instrument = host.instrument(symbol)
    if instrument is None or not instrument.active or instrument.kis_exchange != exchange:
        raise RefusedError(refusals.NO_SYMBOL)
    return instrument


def quantity(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise RefusedError(refusals.QUANTITY)
    return int(text)


def limit_price(text: str) -> Decimal:
    """Two decimals from a dollar up, four below. Trailing zeros are taken as none."""
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise RefusedError(refusals.BODY_INCOMPLETE) from None
    if not price.is_finite() or price < MIN_PRICE:
        raise RefusedError(refusals.PRICE_TOO_LOW)
    if price != round(price, 2 if price >= 1 else 4):
        raise RefusedError(refusals.PRICE_DECIMALS)
    return price


def _order_price(text: str, division: str) -> Decimal:
    if division in engine.AT_MARKET:
        return Decimal(0)
    if division in engine.ON_OPEN | engine.ON_CLOSE and text.strip() in {"0", ""}:
        # seen with LOC orders that carry no limit
        raise RefusedError(refusals.ROUTING)
    return limit_price(text)


def revise_or_cancel(host: Host, call: Call) -> Reply:
    fields = call.fields
    kind = fields["RVSE_CNCL_DVSN_CD"]
    if kind not in {MODIFY, CANCEL}:
        raise RefusedError(refusals.BODY_INCOMPLETE)
    host.check_open(call.now)
    target = engine.find(host.engine.orders.values(), fields["ORGN_ODNO"])
    instrument = listed(host, fields["PDNO"], fields["OVRS_EXCG_CD"])
    if target is None or target.symbol != instrument.symbol or target.kind is Kind.CANCEL:
        raise RefusedError(host.words.no_original)
    if target.remaining == 0:
        raise RefusedError(host.words.nothing_to_cancel)
    if kind == CANCEL:
        return _cancel(host, call, target)
    return _modify(host, call, target)


def _cancel(host: Host, call: Call, target: Order) -> Reply:
    text = call.fields["ORD_QTY"]
    qty = target.remaining if text.strip() in {"0", ""} else quantity(text)
    if qty > target.remaining:
        raise RefusedError(host.words.nothing_to_cancel)
    fault = host.fault(call, ("cancel_late", "fill_after_cancel"), target.symbol, target.side)
    row = surprises.cancel(host, target, qty, call.now, fault)
    return Reply(_accepted(host, row, *host.words.cancelled))


def _modify(host: Host, call: Call, target: Order) -> Reply:
    qty, price = quantity(call.fields["ORD_QTY"]), limit_price(call.fields["OVRS_ORD_UNPR"])
    if qty > target.remaining:
        raise RefusedError(host.words.nothing_to_cancel)
    if target.side is Side.BUY and price > target.price:
        check_cash(host, (price - target.price) * qty)
    row = host.engine.modify(target, qty, price, call.now)
    code, text = host.words.bought if target.side is Side.BUY else host.words.sold
    return Reply(_accepted(host, row, code, text))


def _accepted(host: Host, placed: Order, code: str, text: str) -> Body:
    return {
        "rt_cd": "0",
        "msg_cd": code,
        "msg1": text,
        "output": {
            "KRX_FWDG_ORD_ORGNO": "00950" if host.paper else rows.BRANCH,
            "ODNO": rows.odno_text(placed.odno),
            "ORD_TMD": rows.kst(placed.placed_at).strftime("%H%M%S"),
        },
    }

"""The account at KIS as `ports.broker.Broker`."""

import asyncio
import datetime as dt
import logging
from collections.abc import Mapping, Sequence

from adapters.kis import codes, parse, wire
from adapters.kis.answer import Answer
from adapters.kis.client import KisGateway
from adapters.kis.disputes import Disputes
from adapters.kis.parse import BadRow, Row
from adapters.kis.together import Together
from core.model.instrument import Exchange
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Holding, OrderRequest, Side
from core.model.quote import Quote
from ports.broker import BrokerUnavailable, OrderBook, OrderRefused, OrderUnknown, PriceUnknown, Urgency
from ports.clock import Calendar, Clock

log = logging.getLogger(__name__)

MAX_PAGES = 50
MORE = frozenset({"F", "M"})
LAST = frozenset({"D", "E"})


class KisBroker:
    """Places limit orders and reads the account. `clock` tells the US date; it is the same one the gateway has.

    With a `calendar` the order list goes back to the previous session, else to the weekday before the last one.
    """

    def __init__(self, gateway: KisGateway, clock: Clock, calendar: Calendar | None = None) -> None:
        self._gateway, self._clock, self._calendar = gateway, clock, calendar
        self._tr = wire.PAPER if gateway.paper else wire.REAL
        self._disputes = Disputes()
        self._lists, self._powers = Together[OrderBook](), Together[BuyingPower]()

    async def place(self, request: OrderRequest) -> BrokerRef:
        """Send one limit order, once; a sale goes before everything else. Raises OrderRefused or OrderUnknown."""
        ord_dt = wire.us_date(self._clock.now())
        buying = request.side is Side.BUY
        tr_id, urgency = (self._tr.buy, Urgency.ENTRY) if buying else (self._tr.sell, Urgency.EXIT)
        try:
            answer = await self._gateway.order(wire.ORDER, tr_id, wire.order_body(request), urgency)
        except OrderRefused as refused:
            if codes.reason_of(refused.code) is not codes.Reason.SYMBOL:
                raise
            tried = f"{refused} ({request.ticker} was sent as listed on {request.exchange.value})"
            raise OrderRefused(tried, code=refused.code, passing=refused.passing) from None
        odno = parse.odno_of(str(_first(answer, "output").get("ODNO") or ""))
        if not parse.ODNO.fullmatch(odno):
            raise OrderUnknown("KIS took the order but gave no number", code=answer.code or codes.BAD_ANSWER)
        return parse.ref_of(ord_dt, odno)

    async def cancel(self, ref: BrokerRef, request: OrderRequest) -> None:
        """Ask to cancel what is left; a refusal with a code of `codes.GONE_CODES` means: read the list again."""
        await self._gateway.order(wire.REVISE, self._tr.cancel, wire.cancel_body(ref, request), Urgency.EXIT)

    async def order_book(self, urgency: Urgency = Urgency.RECONCILE) -> OrderBook:
        """All orders since the previous session. On the real host the open orders are read too and must agree."""
        return await self._lists.ask(urgency, lambda: self._order_book(urgency))

    async def _order_book(self, urgency: Urgency) -> OrderBook:
        now = self._clock.now()
        since = wire.earliest_us_date(now, self._calendar)
        params = wire.history_params(since, wire.us_date(now), paper=self._gateway.paper)
        full = wire.PAGE_ROWS[self._gateway.paper]
        history = self._pages(wire.HISTORY, self._tr.history, params, urgency, full=full)
        # both at once: a purchase waits for them
        (rows, complete), open_now = await asyncio.gather(history, self._open_orders(urgency))
        found, readable = _orders(rows)
        orders, sound = parse.combine(found)
        complete = complete and readable and sound
        if self._tr.open_orders:
            orders, agreed = self._with_open_orders(orders, open_now, complete=complete)
            complete = complete and agreed
        return OrderBook(orders=orders, complete=complete)

    async def _open_orders(self, urgency: Urgency) -> tuple[list[Row], bool] | None:
        """The list of open orders and whether it is certainly whole; None where it was not read or the host has none."""
        if not self._tr.open_orders:
            return None
        params, full = wire.open_orders_params(), wire.OPEN_ORDERS_ROWS
        try:
            return await self._pages(wire.OPEN_ORDERS, self._tr.open_orders, params, urgency, full=full)
        except BrokerUnavailable as error:
            log.warning("KIS open orders were not read: %s", error.code)
            return None

    def _with_open_orders(
        self, orders: tuple[BrokerOrder, ...], listed: tuple[list[Row], bool] | None, *, complete: bool
    ) -> tuple[tuple[BrokerOrder, ...], bool]:
        """Add what only the list of open orders knows, and whether that leaves no doubt (`adapters.kis.disputes`)."""
        if listed is None:
            return orders, False
        rows, whole = listed
        found, readable = _orders(rows, from_api=False)
        open_now, sound = parse.combine(found)
        known = {order.ref for order in orders}
        extra = tuple(order for order in open_now if order.ref not in known)
        if not (complete and whole and readable and sound):
            return orders + extra, False
        settled, agreed = self._disputes.judge(extra, self._clock.now())
        return orders + settled, agreed

    async def holdings(self, urgency: Urgency = Urgency.RECONCILE) -> tuple[Holding, ...]:
        """Shares by inquire-balance, KIS's real-time one. Raises BrokerUnavailable, also when a page may be missing."""
        venues = tuple(Exchange) if self._gateway.paper else (Exchange.NASD,)
        rows: list[Row] = []
        for venue in venues:
            params, full = wire.balance_params(venue), wire.BALANCE_ROWS
            page, complete = await self._pages(
                wire.BALANCE, self._tr.balance, params, urgency, output="output1", full=full
            )
            if not complete:
                raise BrokerUnavailable("KIS gave the holdings in part", code=codes.BAD_ANSWER)
            rows += page
        try:
            return parse.holdings_of(rows)
        except BadRow as error:
            raise BrokerUnavailable(f"KIS gave holdings we can't read: {error}", code=codes.BAD_ANSWER) from None

    async def buying_power(self, ticker: str, exchange: Exchange, limit: str) -> BuyingPower:
        """What may be spent, won included where the account has 통합증거금. Raises BrokerUnavailable.

        The amount is the account's: it is the same for every ticker and limit.
        """
        try:
            params = wire.buyable_params(ticker, exchange, limit)
        except ArithmeticError:
            raise BrokerUnavailable("the limit is not a number", code=codes.BAD_REQUEST) from None
        return await self._powers.ask(Urgency.ENTRY, lambda: self._buying_power(params))

    async def _buying_power(self, params: Mapping[str, str]) -> BuyingPower:
        answer = await self._gateway.query(wire.BUYABLE, self._tr.buyable, params, Urgency.ENTRY)
        try:
            return parse.buying_power_of(_first(answer, "output"))
        except BadRow as error:
            raise BrokerUnavailable(f"KIS gave a buying power we can't read: {error}", code=codes.BAD_ANSWER) from None

    async def quote(
        self, ticker: str, exchange: Exchange, urgency: Urgency = Urgency.ENTRY, *, depth: bool = True
    ) -> Quote:
        """The last price, with bid and ask where `depth` asks and the host serves them.

        Raises BrokerUnavailable; PriceUnknown where KIS has none of it.
        """
        params = wire.quote_params(ticker, exchange)
        depth = depth and self._gateway.has_order_book
        (answer, at), book = await asyncio.gather(
            self._price(params, urgency), self._best(params, urgency, depth=depth)
        )
        try:
            return parse.quote_of(ticker, _first(answer, "output"), book, at)
        except BadRow as error:
            raise PriceUnknown(f"KIS gave no quote: {error}", code=codes.BAD_ANSWER) from None

    async def _price(self, params: Mapping[str, str], urgency: Urgency) -> tuple[Answer, dt.datetime]:
        """The last price, and when it was told."""
        answer = await self._gateway.query(wire.PRICE, wire.PRICE_TR, params, urgency, quote=True)
        return answer, self._clock.now()

    async def _best(self, params: Mapping[str, str], urgency: Urgency, *, depth: bool) -> Row:
        """The row with bid and ask, empty where it is not asked for or does not come."""
        if not depth:
            return {}
        try:
            asked = await self._gateway.query(wire.ASKING_PRICE, wire.ASKING_PRICE_TR, params, urgency, quote=True)
        except BrokerUnavailable as error:
            log.info("KIS order book was not read: %s", error.code)
            return {}
        return _first(asked, "output2")

    def clock_skew_s(self) -> float | None:
        """Real seconds that KIS's clock was ahead of ours when it last answered, to about a second; None before that."""
        return self._gateway.skew.skew_s()

    async def close(self) -> None:
        """Release connections and threads."""
        await self._gateway.close()

    async def _pages(
        self,
        path: str,
        tr_id: str,
        params: Mapping[str, str],
        urgency: Urgency,
        *,
        full: int,
        output: str = "output",
    ) -> tuple[list[Row], bool]:
        """All rows of a paged inquiry and whether they are certainly all. Raises BrokerUnavailable on the first page."""
        rows: list[Row] = []
        area, seen, sound = dict.fromkeys(wire.AREA, ""), set(), True
        for number in range(MAX_PAGES):
            try:
                answer = await self._gateway.query(path, tr_id, {**params, **area}, urgency, more=number > 0)
            except BrokerUnavailable as error:
                if number == 0:
                    raise
                log.warning("KIS page %d of %s was not read: %s", number + 1, path, error.code)
                return rows, False
            page = parse.rows_of(answer.body.get(output))
            rows += page
            sound = sound and parse.is_rows(answer.body, output)
            # issue #44 of KIS's own repository: one row or one page over and over, the others hidden
            sound = sound and not parse.repeats(page) and not (page and str(page) in seen)
            if answer.tr_cont not in MORE:
                last = answer.tr_cont in LAST or len(page) < full
                return rows, sound and last
            before, area = area, {name: str(answer.body.get(name.lower()) or "").strip() for name in wire.AREA}
            if not area["CTX_AREA_NK200"] or area == before or not sound:
                return rows, False
            seen.add(str(page))
        return rows, False


def _first(answer: Answer, output: str) -> Row:
    """The one row of an answer, empty where there is none."""
    rows = parse.rows_of(answer.body.get(output))
    return rows[0] if rows else {}


def _orders(rows: Sequence[Row], *, from_api: bool | None = None) -> tuple[list[BrokerOrder], bool]:
    """The readable orders, and whether all of them were."""
    found, readable = [], True
    for row in rows:
        try:
            order = parse.order_of(row, from_api=from_api)
        except BadRow as error:
            log.warning("KIS order row not understood: %s", error)
            readable = False
            continue
        if order is not None:
            found.append(order)
    return found, readable

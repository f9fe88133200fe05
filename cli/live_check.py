"""The one-share check: what a real account answers, step by step; a person types the words before each order."""

import datetime as dt
import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

import msgspec

from core.model.instrument import Exchange
from core.model.order import BrokerOrder, BrokerRef, OrderRequest, Side
from core.rules.pricing import round_limit
from ports.broker import Broker, BrokerError, OrderRefused, OrderUnknown
from ports.clock import Clock

MOST_USD = Decimal(20)
POLL_S, PATIENCE_S = 1.0, 90.0
FAR_BELOW, FAR_ABOVE = Decimal("0.80"), Decimal("1.10")
ACROSS_BUY, ACROSS_SELL = Decimal("1.01"), Decimal("0.99")
# what a broker says may name the account
DIGITS = re.compile(r"\d{8,}")


class Stopped(Exception):
    """The check ended before its last step; the text says why and what to do."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and what came back; `seconds` is how long it took until it was so."""

    name: str
    at: dt.datetime
    asked: Mapping[str, str] = {}
    answer: Mapping[str, str] = {}
    seconds: float | None = None


class Report(msgspec.Struct, kw_only=True):
    """The whole check. `problems` are answers that the program does not expect: the door stays closed."""

    account: str
    ticker: str
    began_at: dt.datetime
    host: str
    steps: list[Step] = []
    problems: list[str] = []
    finished: bool = False


Ask = Callable[[str], str]
Say = Callable[[str], None]


class LiveCheck:
    """Buys one share, and sells it. `save` writes the report down before each order and after each answer."""

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        report: Report,
        exchange: Exchange,
        *,
        ask: Ask,
        say: Say,
        save: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._broker, self._clock, self._report, self._exchange = broker, clock, report, exchange
        self._ask, self._say, self._save, self._sleep = ask, say, save, sleep
        self._ticker = report.ticker

    async def run(self) -> None:
        """All steps. Raises Stopped; what was found until then is in the report."""
        try:
            last = await self._look()
            await self._resting(last)
            await self._bought(last)
            await self._too_many(last)
            await self._sold()
        except OrderUnknown as lost:
            raise Stopped(
                f"주문의 답을 잃었습니다 ({lost.code}). KIS 앱에서 {self._ticker} 주문과 보유를 확인하세요. 다시 보내지 않습니다. / "
                "an answer was lost: look at orders and holdings in the KIS app; nothing is sent again"
            ) from None
        except OrderRefused as refused:
            raise Stopped(f"KIS가 거절했습니다 / KIS refused: {_clean(refused)}") from None
        except BrokerError as error:
            raise Stopped(f"KIS가 답하지 않습니다 / KIS does not answer: {_clean(error)}") from None
        self._report.finished = True
        self._save()

    # -- steps -------------------------------------------------------------------------------------

    async def _look(self) -> Decimal:
        """Readings only: price, money, shares, orders."""
        quote = await self._broker.quote(self._ticker, self._exchange)
        limit = round_limit(quote.buy_reference * ACROSS_BUY, Side.BUY)
        power = await self._broker.buying_power(self._ticker, self._exchange, f"{limit:f}")
        held = await self._held()
        book = await self._broker.order_book()
        skew_s = self._broker.clock_skew_s()
        facts = {
            "last": quote.last,
            "bid": quote.bid,
            "ask": quote.ask,
            "held": held[0],
            "orders": len(book.orders),
            "complete": book.complete,
            "clock_skew_s": "" if skew_s is None else round(skew_s, 1),
        }
        self._note("look", answer=facts)
        if not limit <= MOST_USD:
            raise Stopped(f"{self._ticker} ${limit}: ${MOST_USD} 이하의 종목을 고르세요 / choose a cheaper stock")
        if power.usd < limit:
            raise Stopped(f"주문가능금액이 모자랍니다 / buying power is not enough: ${power.usd}")
        if held[0]:
            raise Stopped(
                f"{self._ticker}: 이미 보유한 종목입니다. 다른 종목을 고르세요 / held already: choose another"
            )
        if not book.complete:
            raise Stopped("주문 목록을 끝까지 읽지 못했습니다 / the list of orders could not be read completely")
        return quote.last

    async def _resting(self, last: Decimal) -> None:
        """A purchase far below the price: seen in the list, cancelled, and cancelled once more."""
        request = self._request(Side.BUY, 1, last * FAR_BELOW)
        ref = await self._send("far_buy", request)
        await self._until("far_buy_listed", lambda o: o is not None, ref)
        await self._cancel("cancel", ref, request)
        order = await self._until("cancelled", lambda o: o is not None and o.final, ref)
        if order.filled_qty:
            raise Stopped("체결되었습니다. KIS 앱에서 파세요 / it was filled: please sell it in the KIS app")
        try:
            await self._broker.cancel(ref, request)
        except OrderRefused as refused:
            self._note("cancel_again", answer=_told(refused))
        else:
            self._note("cancel_again", answer={"taken": True})

    async def _bought(self, last: Decimal) -> None:
        """One share at the market."""
        quote = await self._broker.quote(self._ticker, self._exchange)
        if quote.last > last * FAR_ABOVE:
            raise Stopped("가격이 너무 많이 움직였습니다 / the price has moved too much: begin again")
        request = self._request(Side.BUY, 1, quote.buy_reference * ACROSS_BUY)
        ref = await self._send("buy", request)
        order = await self._filled("bought", ref, request)
        if not order.from_api:
            self._wrong("주문 경로가 API로 표시되지 않습니다 / the order is not shown as the API's")
        await self._holding("held", lambda qty, sellable: qty == sellable == 1)

    async def _too_many(self, last: Decimal) -> None:
        """Two shares for sale where there is one: KIS must refuse, or nothing fences our sales."""
        request = self._request(Side.SELL, 2, last * FAR_ABOVE)
        try:
            ref = await self._send("oversell", request)
        except OrderRefused as refused:
            self._say(f"  거절됨 (예상대로) / refused, as it should be: {_clean(refused)}")
            return
        self._wrong("보유보다 많은 매도를 KIS가 받았습니다 / KIS took a sale of more shares than there are")
        await self._cancel("cancel_oversell", ref, request, typed=False)
        await self._until("oversell_cancelled", lambda o: o is not None and o.final, ref)

    async def _sold(self) -> None:
        """The share goes back."""
        quote = await self._broker.quote(self._ticker, self._exchange)
        request = self._request(Side.SELL, 1, quote.sell_reference * ACROSS_SELL)
        ref = await self._send("sell", request)
        await self._filled("sold", ref, request)
        await self._holding("gone", lambda qty, _: qty == 0)

    # -- parts -------------------------------------------------------------------------------------

    def _request(self, side: Side, qty: int, limit: Decimal) -> OrderRequest:
        rounded = round_limit(limit, side)
        return OrderRequest(ticker=self._ticker, exchange=self._exchange, side=side, qty=qty, limit=rounded)

    async def _send(self, name: str, request: OrderRequest) -> BrokerRef:
        """Typed, written down, sent once."""
        asked = {"side": request.side.value, "qty": str(request.qty), "limit": f"{request.limit:f}"}
        self._typed(f"{request.side.value} {request.qty} {self._ticker} {request.limit:f}")
        self._note(f"{name}_sending", asked=asked)
        began_at = self._clock.now()
        try:
            ref = await self._broker.place(request)
        except BrokerError as error:
            self._note(name, asked=asked, answer=_told(error), since=began_at)
            raise
        self._note(name, asked=asked, answer={"odno": ref.odno, "ord_dt": ref.ord_dt}, since=began_at)
        return ref

    async def _cancel(self, name: str, ref: BrokerRef, request: OrderRequest, *, typed: bool = True) -> None:
        if typed:
            self._typed(f"CANCEL {self._ticker}")
        began_at = self._clock.now()
        try:
            await self._broker.cancel(ref, request)
        except OrderRefused as refused:
            self._note(name, answer=_told(refused), since=began_at)
        else:
            self._note(name, answer={"taken": True}, since=began_at)

    def _typed(self, words: str) -> None:
        given = self._ask(f"▶ 보내려면 그대로 입력 / type to send: {words}\n> ")
        if " ".join(given.split()).upper() != words.upper():
            raise Stopped("입력이 달라서 보내지 않았습니다 / not the same words: nothing was sent")

    async def _until(self, name: str, reached: Callable[[BrokerOrder | None], bool], ref: BrokerRef) -> BrokerOrder:
        began_at = self._clock.now()
        while True:
            book = await self._broker.order_book()
            found = next((o for o in book.orders if o.ref == ref and not o.is_cancel_row), None)
            if reached(found) and found is not None:
                facts = {"filled": found.filled_qty, "usd": found.filled_usd, "open": found.open_qty}
                self._note(name, answer={**facts, "from_api": found.from_api}, since=began_at)
                return found
            await self._wait(name, began_at)

    async def _filled(self, name: str, ref: BrokerRef, request: OrderRequest) -> BrokerOrder:
        try:
            return await self._until(name, lambda o: o is not None and o.filled_qty == 1, ref)
        except Stopped:
            await self._cancel(f"{name}_not", ref, request, typed=False)
            raise

    async def _held(self) -> tuple[int, int]:
        for holding in await self._broker.holdings():
            if holding.ticker == self._ticker:
                return holding.qty, holding.sellable_qty
        return 0, 0

    async def _holding(self, name: str, reached: Callable[[int, int], bool]) -> None:
        began_at = self._clock.now()
        while not reached(*(held := await self._held())):
            await self._wait(name, began_at)
        self._note(name, answer={"qty": held[0], "sellable": held[1]}, since=began_at)

    async def _wait(self, name: str, began_at: dt.datetime) -> None:
        if (self._clock.now() - began_at).total_seconds() > PATIENCE_S:
            self._note(name, answer={"waited_in_vain": True}, since=began_at)
            raise Stopped(
                f"{PATIENCE_S:.0f}초 안에 확인되지 않았습니다 ({name}). KIS 앱에서 {self._ticker}를 확인하세요. / "
                f"not seen in time ({name}): look at it in the KIS app"
            )
        await self._sleep(POLL_S)

    def _wrong(self, text: str) -> None:
        self._report.problems.append(text)
        self._say(f"  ✗ {text}")

    def _note(
        self,
        name: str,
        *,
        asked: Mapping[str, object] | None = None,
        answer: Mapping[str, object] | None = None,
        since: dt.datetime | None = None,
    ) -> None:
        now = self._clock.now()
        seconds = None if since is None else round((now - since).total_seconds(), 2)
        shown = {k: str(v) for k, v in (answer or {}).items()}
        given = {k: str(v) for k, v in (asked or {}).items()}
        self._report.steps.append(Step(name=name, at=now, asked=given, answer=shown, seconds=seconds))
        self._save()
        took = "" if seconds is None else f" ({seconds} s)"
        self._say(f"  {name}{took}: {' '.join(f'{k}={v}' for k, v in shown.items()) or '…'}")


def _told(error: BrokerError) -> dict[str, object]:
    return {"kind": type(error).__name__, "code": error.code, "message": _clean(error)}


def _clean(error: BrokerError) -> str:
    return DIGITS.sub("•••", str(error))[:300]

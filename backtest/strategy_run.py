"""One run of plain rules over recorded days: their orders at the account that the trading machines have."""

import datetime as dt
import hashlib
import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec
import numpy as np

from backtest.data.day import VALUES
from backtest.data.store import Store
from backtest.exchange import Refusal, SimulatedAccount
from backtest.moments import moments
from backtest.result import Day, Filled, Result, Trip
from backtest.runner import Setup
from backtest.strategies import Strategy
from backtest.tape import Tape
from core.model.bar import BarColumns
from core.model.instrument import Exchange
from core.model.money import PRICE_STEP, ZERO, price
from core.model.order import BrokerRef, OrderRequest, Purpose, Side
from core.model.position import RoundTrip
from core.model.session import MarketSession
from core.rules.costs import fee_usd, realized
from core.rules.pricing import round_limit

# as near to an order at the market as a broker without one gets
REACH = Decimal("0.2")


class _Open(msgspec.Struct):
    """An order at the account, and what was seen of its fills."""

    ref: BrokerRef
    qty: int = 0
    usd: Decimal = ZERO


class _Held(msgspec.Struct, kw_only=True):
    """A position from its first share on."""

    place: int
    opened_at: dt.datetime
    bought: int = 0
    sold: int = 0
    buys: int = 0
    cost_usd: Decimal = ZERO
    sold_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO


class _Stock(msgspec.Struct, frozen=True):
    """A stock's bars of all days, and what is ordered at which close."""

    bars: BarColumns
    orders: Mapping[int, int]


class StrategyRun:
    """An order goes out when the bar after its own opens, which may be another day; it is a day order then."""

    def __init__(self, setup: Setup, strategy: Strategy, session_on: Callable[[dt.date], MarketSession | None]) -> None:
        trading = setup.params.trading
        self._setup, self._strategy, self._session_on = setup, strategy, session_on
        self._account = SimulatedAccount(
            setup.execution,
            cash_krw=trading.paper_cash,
            krw_per_usd=trading.paper_krw_per_usd,
            commission_pct=trading.commission_pct,
        )
        self._commission_pct = trading.commission_pct
        self._stocks: dict[str, _Stock] = {}
        # the next bars that matter: (start, ticker, place)
        self._next: list[tuple[int, str, int]] = []
        self._open: dict[str, list[_Open]] = {}
        self._held: dict[str, _Held] = {}
        self._filled: list[Filled] = []
        self._trips: list[Trip] = []
        self._days: list[Day] = []
        self._refused: dict[str, int] = {}

    def run(self, store: Store, tick: Callable[[dt.date], None] = lambda _: None) -> Result:
        """Read all days, then trade them one after the other; `tick` hears of each that is done."""
        began = time.perf_counter()
        days = store.days(self._setup.first, self._setup.last)
        sessions = [session for on in days if (session := self._session_on(on)) is not None]
        counts = self._load(store, sessions)
        for session in sessions:
            self._day(session, counts[session.on])
            tick(session.on)
        return self._result(store, days, sum(counts.values()), time.perf_counter() - began)

    def _load(self, store: Store, sessions: Sequence[MarketSession]) -> dict[dt.date, int]:
        """The bars by stock, and how many each day has."""
        parts: dict[str, list[BarColumns]] = {}
        counts = {}
        for session in sessions:
            tape = Tape(store.read(session.on, self._setup.watched))
            counts[session.on] = len(tape.bars)
            for ticker in tape.bars.tickers:
                parts.setdefault(ticker, []).append(self._hours(tape.columns(ticker), session))
        for ticker, columns in sorted(parts.items()):
            whole = _joined(columns)
            orders = dict(self._strategy.orders(whole))
            self._stocks[ticker] = _Stock(whole, orders)
            self._next += [(int(whole.start_ms[place + 1]), ticker, place + 1) for place in orders]
        heapq.heapify(self._next)
        return counts

    def _hours(self, bars: BarColumns, session: MarketSession) -> BarColumns:
        if self._strategy.all_hours:
            return bars
        bounds = [int(at.timestamp() * 1000) for at in (session.open_at, session.close_at)]
        inside = slice(*np.searchsorted(bars.start_ms, bounds).tolist())
        return bars.cut(inside)

    def _day(self, session: MarketSession, bars: int) -> None:
        account = self._account
        account.begin_session(str(session.on).replace("-", ""))
        end_ms = int(session.post_close_at.timestamp() * 1000)
        while self._next and self._next[0][0] < end_ms:
            _, ticker, place = heapq.heappop(self._next)
            self._bar(ticker, place, end_ms)
        account.end_session()
        self._open.clear()
        for ticker in self._held:
            mine = self._stocks[ticker].bars
            account.see(ticker, float(mine.close[int(np.searchsorted(mine.start_ms, end_ms)) - 1]))
        self._days.append(
            Day(
                on=session.on,
                equity_usd=account.equity_usd(),
                equity_krw=account.equity_krw(),
                invested_usd=account.invested_usd(),
                positions=len(self._held),
                bars=bars,
            )
        )

    def _bar(self, ticker: str, place: int, end_ms: int) -> None:
        """What the bar before decided is sent, and whatever is working may fill; what is left waits for the next bar."""
        stock, account = self._stocks[ticker], self._account
        bar = stock.bars.bar(ticker, place)
        if shares := stock.orders.get(place - 1):
            self._send(ticker, shares, float(stock.bars.close[place - 1]), bar.start_at)
        room = account.volume(bar.volume)
        for moment in moments(bar, None):
            if not account.working(ticker):
                return
            account.see(ticker, moment.price)
            if filled := account.match(ticker, moment.price, room, passing=moment.passing):
                room -= filled
                self._take(ticker, place, bar.start_at + dt.timedelta(seconds=moment.after_s))
        following = place + 1
        if account.working(ticker) and following < len(stock.bars.close) and place not in stock.orders:
            start_ms = int(stock.bars.start_ms[following])
            if start_ms < end_ms:
                heapq.heappush(self._next, (start_ms, ticker, following))

    def _send(self, ticker: str, shares: int, close: float, at: dt.datetime) -> None:
        side, factor = (Side.BUY, 1 + REACH) if shares > 0 else (Side.SELL, 1 - REACH)
        lot = self._held.get(ticker)
        qty = shares if shares > 0 else min(-shares, lot.bought - lot.sold if lot else 0)
        if not qty:
            return
        security = self._setup.instruments.get(ticker)
        request = OrderRequest(
            ticker=ticker,
            exchange=security.exchange if security else Exchange.NASD,
            side=side,
            qty=qty,
            limit=round_limit(price(close) * factor, side),
        )
        try:
            ref = self._account.place(request, at)
        except Refusal as refused:
            self._refused[refused.code] = self._refused.get(refused.code, 0) + 1
        else:
            self._open.setdefault(ticker, []).append(_Open(ref))

    def _take(self, ticker: str, place: int, at: dt.datetime) -> None:
        """Write down what the ticker's orders have filled since the last time."""
        for order in self._open[ticker]:
            row = self._account.order(order.ref)
            qty, amount = row.filled_qty - order.qty, row.filled_usd - order.usd
            if not qty:
                continue
            order.qty, order.usd = row.filled_qty, row.filled_usd
            fee = fee_usd(amount, row.side, self._commission_pct)
            purpose = Purpose.ENTRY if row.side is Side.BUY else Purpose.SIGNAL_SELL
            self._filled.append(
                Filled(
                    ticker=ticker,
                    at=at,
                    side=row.side.value,
                    purpose=purpose.value,
                    qty=qty,
                    usd=amount,
                    fee_usd=fee,
                )
            )
            self._count(ticker, place, at, row.side, qty, amount, fee)
        self._open[ticker] = [order for order in self._open[ticker] if self._account.order(order.ref).open_qty]

    def _count(
        self, ticker: str, place: int, at: dt.datetime, side: Side, qty: int, amount: Decimal, fee: Decimal
    ) -> None:
        held = self._held.setdefault(ticker, _Held(place=place, opened_at=at))
        held.fees_usd += fee
        if side is Side.BUY:
            held.bought += qty
            held.buys += 1
            held.cost_usd += amount
            return
        held.sold += qty
        held.sold_usd += amount
        if held.sold == held.bought:
            del self._held[ticker]
            self._trips.append(self._trip(ticker, held, place, at))

    def _trip(self, ticker: str, held: _Held, place: int, at: dt.datetime) -> Trip:
        rate, bars = self._account.rate, self._stocks[ticker].bars
        average = held.cost_usd / held.bought
        pnl_usd, pnl_krw, pnl_pct = realized(
            qty=held.sold,
            sold_usd=held.sold_usd,
            cost_usd=held.cost_usd,
            fees_usd=held.fees_usd,
            cost_krw=held.cost_usd * rate,
            krw_per_usd=rate,
        )
        security = self._setup.instruments.get(ticker)
        trip = RoundTrip(
            ticker=ticker,
            name=security.name if security else ticker,
            name_ko=security.name_ko if security else "",
            buy_qty=held.bought,
            sell_qty=held.sold,
            avg_price=average.quantize(PRICE_STEP),
            sell_price=(held.sold_usd / held.sold).quantize(PRICE_STEP),
            pnl_usd=pnl_usd,
            pnl_krw=pnl_krw,
            pnl_pct=pnl_pct.quantize(Decimal("0.01")),
            tranches=held.buys,
            reason=Purpose.SIGNAL_SELL.value,
            opened_at=held.opened_at,
            closed_at=at,
        )
        during = slice(held.place, place + 1)
        worst, best = (float(p) / float(average) * 100 - 100 for p in (bars.low[during].min(), bars.high[during].max()))
        return Trip(trip=trip, confidence=0.0, mae_pct=min(0.0, worst), mfe_pct=max(0.0, best))

    def _result(self, store: Store, days: Sequence[dt.date], bars: int, seconds: float) -> Result:
        setup = self._setup
        settings = msgspec.json.encode((setup.params, setup.execution, self._strategy), order="sorted")
        notes = [f"positions still open at the end: {len(self._held)}"] if self._held else []
        return Result(
            first=days[0],
            last=days[-1],
            params=setup.params,
            execution=setup.execution,
            data_hash=store.data_hash(days),
            config_hash=hashlib.sha256(settings).hexdigest(),
            version=setup.version,
            cash_krw=setup.params.trading.paper_cash,
            bars=bars,
            seconds=seconds,
            found=(),
            judged=(),
            proposed=(),
            filled=tuple(self._filled),
            trips=tuple(self._trips),
            held=(),
            days=tuple(self._days),
            refused=self._refused,
            events={},
            notes=tuple(notes),
        )


def _joined(parts: Sequence[BarColumns]) -> BarColumns:
    values = (np.concatenate([getattr(part, name) for part in parts]) for name in VALUES)
    return BarColumns(np.concatenate([part.start_ms for part in parts]), *values)

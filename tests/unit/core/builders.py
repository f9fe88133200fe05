"""Small builders of the core's nouns, shared by the unit, property and service tests."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from core.model.bar import MINUTE_MS, Bar
from core.model.instrument import Exchange, Instrument
from core.model.messages import Signal, message_id
from core.model.order import BrokerOrder, BrokerRef, Intent, IntentState, OrderRequest, Purpose, Side
from core.model.position import Position
from core.model.quote import Quote
from core.model.signal import Condition, Discovery, Indicators, SignalType, Verdict

D = Decimal
# Tuesday 2026-11-17 10:30 in New York: a regular session, entries open since 10:00.
NOON = dt.datetime(2026, 11, 17, 15, 30, tzinfo=dt.UTC)
DAY_MS = int(dt.datetime(2026, 11, 17, 14, 30, tzinfo=dt.UTC).timestamp() * 1000)
TICKER = "NVDA"


def seconds(n: float) -> dt.timedelta:
    """A duration."""
    return dt.timedelta(seconds=n)


def bar(minute: int, close: float, volume: float = 1_000, *, ticker: str = TICKER, day_ms: int = DAY_MS) -> Bar:
    """A flat bar `minute` minutes after the open."""
    return Bar(ticker, day_ms + minute * MINUTE_MS, close, close, close, close, volume)


def bars(closes: Sequence[float], volumes: Sequence[float] | float = 1_000, *, ticker: str = TICKER) -> list[Bar]:
    """One bar a minute from the open."""
    every = [volumes] * len(closes) if isinstance(volumes, int | float) else volumes
    return [bar(i, c, v, ticker=ticker) for i, (c, v) in enumerate(zip(closes, every, strict=True))]


def instrument(ticker: str = TICKER, *, shares: float | None = 1e9, kind: str = "CS") -> Instrument:
    """A listed common stock."""
    return Instrument(
        ticker=ticker, name=f"{ticker} Inc", name_ko="회사", security_type=kind, shares_outstanding=shares
    )


def verdict(kind: SignalType, *met: Condition, close: float = 100.0) -> Verdict:
    """A judgement."""
    return Verdict(signal=kind, confidence=80.0, met=met, indicators=Indicators(close=close, bars=60))


def signal(
    kind: SignalType = SignalType.BUY,
    *met: Condition,
    at: dt.datetime = NOON,
    ticker: str = TICKER,
    close: float = 100.0,
    delay_ms: int = 1_000,
    valid_s: int = 45,
) -> Signal:
    """A signal of a bar that closed one second ago."""
    ends = at - dt.timedelta(milliseconds=delay_ms)
    found = Discovery(
        price=close,
        change_pct=6.2,
        volume=15_200,
        volume_ratio_pct=312,
        market_cap=None,
        name="NVIDIA Corp",
        name_ko="엔비디아",
        bar_end_at=ends,
    )
    return Signal(
        id=message_id("signal", ticker, kind.value, at.isoformat()),
        ticker=ticker,
        verdict=verdict(kind, *met, close=close),
        bar_end_at=ends,
        created_at=at,
        valid_until=at + seconds(valid_s),
        feed_delay_ms=delay_ms,
        discovery=found,
    )


def quote(last: str = "100.00", *, at: dt.datetime = NOON, ticker: str = TICKER) -> Quote:
    """A price without a spread."""
    return Quote(ticker=ticker, last=D(last), at=at, source="test")


def request(
    side: Side = Side.BUY, qty: int = 10, limit: str = "100.00", *, ticker: str = TICKER, exchange: str = "NASD"
) -> OrderRequest:
    """A limit order."""
    return OrderRequest(ticker=ticker, exchange=Exchange(exchange), side=side, qty=qty, limit=D(limit))


def intent(
    state: IntentState = IntentState.PREPARED,
    *,
    key: str = "k1",
    order: OrderRequest | None = None,
    ref: BrokerRef | None = None,
    **more: object,
) -> Intent:
    """An intent of the given state."""
    wanted = order or request()
    base = Intent(
        id=message_id("intent", key),
        dedup_key=key,
        plan_id="plan",
        request=wanted,
        purpose=Purpose.ENTRY if wanted.side is Side.BUY else Purpose.STOP,
        state=state,
        created_at=NOON,
        updated_at=NOON,
        ref=ref,
    )
    return msgspec.structs.replace(base, **more)


def row(odno: str = "1", *, order: OrderRequest | None = None, filled: int = 0, **more: object) -> BrokerOrder:
    """A row of the broker's order list."""
    wanted = order or request()
    base = BrokerOrder(
        ref=BrokerRef("20261117", "B", odno),
        ticker=wanted.ticker,
        side=wanted.side,
        qty=wanted.qty,
        limit=wanted.limit,
        filled_qty=filled,
        filled_usd=wanted.limit * filled,
        open_qty=wanted.qty - filled,
    )
    return msgspec.structs.replace(base, **more)


def position(
    qty: int = 10, avg: str = "100.00", *, stop: str = "85.00", target: str = "130.00", ticker: str = TICKER
) -> Position:
    """Shares held."""
    cost = qty * D(avg)
    return Position(
        ticker=ticker,
        exchange=Exchange.NASD,
        name="NVIDIA Corp",
        name_ko="엔비디아",
        qty=qty,
        cost_usd=cost,
        fees_usd=D(0),
        cost_krw=cost * 1000,
        bought_qty=qty,
        bought_usd=cost,
        buy_count=1,
        target_count=10,
        stop_price=D(stop),
        target_price=D(target),
        opened_at=NOON,
        plan_id="plan",
        last_price=D(avg),
        priced_at=NOON,
    )

"""Examples of what the bot shows, and a reader of Telegram HTML that leaves what a person sees."""

import datetime as dt
import re
from decimal import Decimal

import msgspec

from bot.card import CardModel, Phase, with_event, with_signal
from bot.i18n import Translator
from core.model.commands import TraderStatus
from core.model.instrument import Exchange
from core.model.messages import Event, EventKind, Signal
from core.model.position import Position, RoundTrip
from core.model.safety import TradingState
from core.model.signal import Condition, Discovery, Indicators, SignalType, Verdict

NOW = dt.datetime(2026, 11, 20, 15, 31, tzinfo=dt.UTC)
RULE = "━" * 14
KO, EN = Translator("ko"), Translator("en")


def seen(text: str) -> str:
    """The text after Telegram has taken the tags away."""
    bare = re.sub(r"</?(b|code|i)>", "", text)
    assert not re.search(r"<[^>]*>", bare), bare
    return bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def found(**changes) -> Discovery:
    base = Discovery(
        price=142.5,
        change_pct=6.2,
        volume=15_200,
        volume_ratio_pct=312.0,
        market_cap=3.5e12,
        name="NVIDIA Corp",
        bar_end_at=NOW,
    )
    return msgspec.structs.replace(base, **changes)


def signal(kind=SignalType.BUY, discovery=None, met=(Condition.UPTREND,), **values) -> Signal:
    indicators = Indicators(close=142.5, **({"ema_fast": 142.0, "ema_slow": 140.0} | values))
    return Signal(
        id="sig",
        ticker="NVDA",
        verdict=Verdict(signal=kind, confidence=87.0, met=met, indicators=indicators),
        bar_end_at=NOW,
        created_at=NOW,
        valid_until=NOW + dt.timedelta(seconds=45),
        feed_delay_ms=0,
        discovery=discovery or found(),
    )


def event(kind, subject="plan1", **values) -> Event:
    return Event(id=f"{kind}{subject}", kind=kind, at=NOW, ticker="NVDA", subject=subject, values=values)


def proposed(kind=EventKind.PROPOSED, **changes) -> Event:
    values = {
        "signal_id": "sig",
        "nonce": "n1",
        "price": "142.50",
        "budget_krw": "1000000",
        "tranches": 10,
        "interval_s": 60,
        "expires_at": (NOW + dt.timedelta(minutes=10)).isoformat(),
        "stop_price": "121.13",
        "target_price": "185.25",
        "worst_case_krw": "150000",
        "planned_qty": 5,
        "confidence": 87.0,
    }
    return event(kind, **(values | changes))


def card(*events, discovery=None) -> CardModel:
    model = with_signal(None, signal(discovery=discovery))
    for each in events:
        model = with_event(model, each)
    return model


def position(**changes) -> Position:
    base = Position(
        ticker="NVDA",
        exchange=Exchange.NASD,
        name="NVIDIA Corp",
        name_ko="엔비디아",
        qty=7,
        cost_usd=Decimal("1002.40"),
        fees_usd=Decimal("2.50"),
        cost_krw=Decimal(1_002_400),
        bought_qty=7,
        bought_usd=Decimal("1002.40"),
        buy_count=10,
        target_count=10,
        stop_price=Decimal("121.72"),
        target_price=Decimal("186.16"),
        opened_at=NOW,
        plan_id="plan1",
        last_price=Decimal("150.00"),
        priced_at=NOW,
    )
    return msgspec.structs.replace(base, **changes)


def trip(ticker="NVDA", pnl=317_200, reason="TREND_BROKEN", at=NOW) -> RoundTrip:
    return RoundTrip(
        ticker=ticker,
        name="NVIDIA Corp",
        name_ko="엔비디아",
        buy_qty=7,
        sell_qty=7,
        avg_price=Decimal("143.20"),
        sell_price=Decimal("188.50"),
        pnl_usd=Decimal(pnl) / 1400,
        pnl_krw=Decimal(pnl),
        pnl_pct=Decimal("31.63"),
        tranches=10,
        reason=reason,
        opened_at=at,
        closed_at=at,
    )


def a_status(**changes) -> TraderStatus:
    base = TraderStatus(
        at=NOW,
        venue="paper",
        mode="approve",
        paused=True,
        panicked=False,
        entries_open=False,
        entry_blocks=("paused", "outside_window"),
        broker_ok=False,
        broker_checked_at=NOW - dt.timedelta(minutes=2),
        positions=(position(),),
        plans=(),
        orders=(),
        locks=(),
        buying_power_usd=None,
        krw_per_usd=None,
        bought_today_krw=Decimal(1_002_400),
        realized_today_krw=Decimal(-1),
        round_trips_today=1,
        state=TradingState.REDUCING,
        blocks=(),
    )
    return msgspec.structs.replace(base, **changes)


__all__ = [
    "EN",
    "KO",
    "NOW",
    "RULE",
    "Phase",
    "a_status",
    "card",
    "event",
    "found",
    "position",
    "proposed",
    "seen",
    "signal",
    "trip",
]

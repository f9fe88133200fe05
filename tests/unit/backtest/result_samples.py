"""Results built by hand: small ones to reckon with, and a season of made-up ones."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np

from backtest.execution import Execution
from backtest.result import Day, Filled, Found, Judged, Proposed, Result, Trip
from core.model.instrument import Exchange
from core.model.params import Params, TradingParams
from core.model.position import Position, ResultParts, RoundTrip

D = Decimal
# Monday; 10:00 in New York is 15:00 UTC in winter
MONDAY = dt.date(2025, 1, 6)
# one dollar is a thousand won and nothing is lost at the exchange: numbers that can be reckoned in the head
PARAMS = Params(trading=TradingParams(paper_cash=1_000_000, paper_krw_per_usd=1000.0))
FREE = Execution(fx_spread_pct=0.0)


def at(on: dt.date, hour: int = 10, minute: int = 0) -> dt.datetime:
    """A time of New York's winter, aware UTC."""
    return dt.datetime.combine(on, dt.time(hour, minute), dt.timezone(dt.timedelta(hours=-5))).astimezone(dt.UTC)


def sessions(count: int, first: dt.date = MONDAY) -> list[dt.date]:
    """Weekdays."""
    days = (first + dt.timedelta(days=n) for n in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def days(*equity: float, invested: float = 0.0, first: dt.date = MONDAY) -> tuple[Day, ...]:
    """Sessions with this equity in USD."""
    return tuple(
        Day(
            on=on,
            equity_usd=D(str(value)),
            equity_krw=D(str(value)) * 1000,
            invested_usd=D(str(invested)),
            positions=1 if invested else 0,
            bars=390,
        )
        for on, value in zip(sessions(len(equity), first), equity, strict=True)
    )


def trip(
    pnl_usd: float,
    pct: float | None = None,
    *,
    ticker: str = "NVDA",
    reason: str = "TREND_BROKEN",
    on: dt.date = MONDAY,
    hour: int = 10,
    minutes: int = 60,
    tranches: int = 10,
    confidence: float = 75.0,
    mae: float = -1.0,
    mfe: float = 5.0,
    cost: float = 100.0,
) -> Trip:
    """A round trip of shares that had cost `cost` dollars, ten shares, without fees."""
    pct = pnl_usd / cost * 100 if pct is None else pct
    opened, average = at(on, hour), D(str(cost)) / 10
    return Trip(
        trip=RoundTrip(
            ticker=ticker,
            name=f"{ticker} Inc",
            name_ko="",
            buy_qty=10,
            sell_qty=10,
            avg_price=average,
            sell_price=average * (1 + D(str(pct)) / 100),
            pnl_usd=D(str(pnl_usd)),
            pnl_krw=D(str(pnl_usd)) * 1000,
            pnl_pct=D(str(pct)),
            tranches=tranches,
            reason=reason,
            opened_at=opened,
            closed_at=opened + dt.timedelta(minutes=minutes),
            parts=ResultParts(cost_usd=D(str(cost)), cost_krw=D(str(cost)) * 1000),
        ),
        confidence=confidence,
        mae_pct=mae,
        mfe_pct=mfe,
    )


def result(equity: Sequence[float] = (), trips: Sequence[Trip] = (), **changes) -> Result:
    """A run with a thousand dollars at the start."""
    played = days(*equity) if equity else ()
    base = Result(
        first=MONDAY,
        last=played[-1].on if played else MONDAY,
        params=PARAMS,
        execution=FREE,
        data_hash="d" * 64,
        config_hash="c" * 64,
        version="0.1.0",
        cash_krw=1_000_000,
        bars=390 * len(played),
        seconds=1.5,
        found=(),
        judged=(),
        proposed=(),
        filled=(),
        trips=tuple(trips),
        held=(),
        days=played,
        refused={},
        events={},
    )
    return msgspec.structs.replace(base, **changes)


def filled(side: str, usd: float, *, on: dt.date = MONDAY, fee: float = 0.0, ticker: str = "NVDA") -> Filled:
    purpose = "ENTRY" if side == "BUY" else "STOP"
    return Filled(ticker=ticker, at=at(on), side=side, purpose=purpose, qty=10, usd=D(str(usd)), fee_usd=D(str(fee)))


def position(ticker: str = "AMD", last: float = 11.0) -> Position:
    """Ten shares bought at ten dollars."""
    return Position(
        ticker=ticker,
        exchange=Exchange.NASD,
        name="Advanced Micro Devices",
        name_ko="",
        qty=10,
        cost_usd=D(100),
        fees_usd=D("0.25"),
        cost_krw=D(100_000),
        bought_qty=10,
        bought_usd=D(100),
        buy_count=4,
        target_count=10,
        stop_price=D("8.5"),
        target_price=D(13),
        opened_at=at(MONDAY),
        plan_id="p",
        last_price=D(str(last)),
        priced_at=at(MONDAY),
    )


def season(count: int = 130, seed: int = 5, *, trips_a_day: int = 2) -> Result:
    """Half a year of chance with everything in it: wins, losses, gaps, refusals, a market, an open position."""
    chance = np.random.default_rng(seed)
    on, money, market, spy = sessions(count), 7_100.0, {}, 580.0
    trips, fills, played, judged = [], [], [], []
    for number, day in enumerate(on):
        gained = 0.0
        for _ in range(trips_a_day if number >= 3 else 0):
            confidence = float(np.clip(chance.normal(72, 11), 40, 99.5))
            wins = bool(chance.random() < 0.1 + confidence / 180)
            stop = not wins and bool(chance.random() < 0.4)
            pct = float(chance.gamma(2.0, 7.0)) if wins else (
                -15 - float(chance.exponential(1.5)) if stop else -float(chance.uniform(0.5, 12))
            )  # fmt: skip
            cost, ticker = 715.0, f"{'ABCDEFGH'[int(chance.integers(8))]}{'LMNOPQ'[int(chance.integers(6))]}X"
            pnl = round(cost * pct / 100 - 3.6, 2)
            hour = int(chance.integers(10, 15))
            made = trip(
                pnl, round(pct, 2), ticker=ticker, on=day, hour=hour, minutes=int(chance.integers(3, 240)),
                reason="STOP" if stop else "TREND_BROKEN" if wins else str(chance.choice(["SIGNAL_SELL", "COMMAND"])),
                tranches=int(chance.integers(3, 11)), confidence=round(confidence, 1), cost=cost,
                mae=min(pct, -float(chance.exponential(4))), mfe=max(pct, 0.0) + float(chance.exponential(5)),
            )  # fmt: skip
            trips.append(made)
            fills += [
                filled("BUY", cost, on=day, fee=1.79, ticker=ticker),
                filled("SELL", round(cost * (1 + pct / 100), 2), on=day, fee=1.81, ticker=ticker),
            ]
            judged.append(
                Judged(
                    ticker=ticker,
                    at=made.trip.opened_at,
                    signal="BUY",
                    confidence=confidence,
                    price=12.5,
                    met=("uptrend",),
                )
            )
            gained += pnl
        money += gained
        spy *= 1 + float(chance.normal(0.0004, 0.009))
        market[day] = round(spy, 2)
        dollars = D(str(round(money, 2)))
        played.append(
            Day(
                on=day,
                equity_usd=dollars,
                equity_krw=dollars * 1400 * D("0.998"),
                invested_usd=dollars * D("0.2") if number % 3 else D(0),
                positions=number % 3,
                bars=1_200_000,
            )
        )
    return result(
        trips=trips,
        params=Params(),
        execution=Execution(),
        cash_krw=10_000_000,
        last=on[-1],
        bars=156_000_000,
        seconds=412.7,
        days=tuple(played),
        filled=tuple(fills),
        judged=tuple(judged),
        found=tuple(
            Found(
                ticker=j.ticker, at=j.at, price=j.price, change_pct=6.1, volume_ratio_pct=340.0, announce=True
            )
            for j in judged
        ),
        proposed=tuple(
            Proposed(
                ticker=j.ticker, at=j.at, price=D("12.5"), budget_krw=D(1_000_000), tranches=10, confidence=j.confidence
            )
            for j in judged
        ),
        held=(position(),),
        market=market,
        refused={"max_positions": 31, "daily_buy_limit": 12, "stop_cooldown": 4},
        events={"proposed": len(judged), "sold": len(judged), "plan_refused": 47, "order_rejected": 3},
        notes=("SPY is missing on 0 sessions.",),
    )  # fmt: skip

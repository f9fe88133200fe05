"""The order in which a bar's prices are taken to have come."""

import datetime as dt
from decimal import Decimal

from backtest.moments import moments
from core.model.bar import Bar
from core.model.instrument import Exchange
from core.model.position import Position

AT = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)


def held(stop: str, target: str) -> Position:
    return Position(
        ticker="NVDA",
        exchange=Exchange.NASD,
        name="",
        name_ko="",
        qty=10,
        cost_usd=Decimal(100),
        fees_usd=Decimal(0),
        cost_krw=Decimal(140_000),
        bought_qty=10,
        bought_usd=Decimal(100),
        buy_count=1,
        target_count=1,
        stop_price=Decimal(stop),
        target_price=Decimal(target),
        opened_at=AT,
        plan_id="p",
        last_price=Decimal(10),
        priced_at=AT,
    )


def path(bar: Bar, position: Position | None = None) -> list[float]:
    found = list(moments(bar, position))
    assert [m.after_s for m in found] == sorted(m.after_s for m in found)
    assert all(m.after_s < 60 for m in found)
    return [m.price for m in found]


def bar(opened: float, high: float, low: float, close: float) -> Bar:
    return Bar("NVDA", 1_763_478_000_000, opened, high, low, close, 1_000.0)


def test_a_bar_opens_falls_rises_and_closes() -> None:
    assert path(bar(10.0, 11.0, 9.0, 10.5)) == [10.0, 9.0, 11.0, 10.5]


def test_a_bar_with_stop_and_target_reaches_the_stop_first() -> None:
    assert path(bar(10.0, 14.0, 8.0, 13.0), held("8.50", "13.00")) == [10.0, 8.5, 8.0, 13.0, 14.0, 13.0]


def test_a_gap_over_a_level_is_seen_at_the_open() -> None:
    """Nobody could have sold at a price that was not traded."""
    assert path(bar(8.0, 8.2, 7.5, 8.1), held("8.50", "13.00")) == [8.0, 7.5, 8.2, 8.1]
    assert path(bar(13.5, 14.0, 13.2, 13.9), held("8.50", "13.00")) == [13.5, 13.2, 14.0, 13.9]


def test_only_the_open_is_a_price_at_which_an_order_of_before_meets_the_market() -> None:
    assert [m.passing for m in moments(bar(10.0, 11.0, 9.0, 10.5), None)] == [False, True, True, True]

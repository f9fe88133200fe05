"""The simulated account: KIS's rules, and fills that nobody could have known before."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from backtest.exchange import Refusal, SimulatedAccount
from backtest.execution import Execution
from core.model.instrument import Exchange
from core.model.order import OrderRequest, Side

AT = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)
FREE = Execution(half_spread_pct=0.0, fx_spread_pct=0.0, volume_share_pct=10.0)


def account(execution: Execution = FREE, commission_pct: float = 0.0, cash_krw: int = 1_400_000) -> SimulatedAccount:
    """A thousand dollars at 1,400 won."""
    made = SimulatedAccount(execution, cash_krw=cash_krw, krw_per_usd=1400.0, commission_pct=commission_pct)
    made.begin_session("20261101")
    return made


def order(side: Side, qty: int, limit: str, ticker: str = "NVDA") -> OrderRequest:
    return OrderRequest(ticker=ticker, exchange=Exchange.NASD, side=side, qty=qty, limit=Decimal(limit))


def bought(qty: int = 10, at: str = "10.00", **how: object) -> SimulatedAccount:
    made = account(**how)  # type: ignore[arg-type]
    made.place(order(Side.BUY, qty, at), AT)
    made.see("NVDA", float(at))
    assert made.match("NVDA", float(at), 1_000) == qty
    return made


def test_a_buy_pays_the_price_of_the_market_and_never_more_than_its_limit() -> None:
    made = account()
    made.place(order(Side.BUY, 10, "10.50"), AT)
    assert made.match("NVDA", 10.60, 1_000) == 0
    assert made.match("NVDA", 10.40, 1_000) == 10
    assert made.rows()[0].filled_usd == Decimal("104.0000")
    assert made.cash_usd == Decimal("896.0000")


def test_a_resting_buy_that_the_market_passes_fills_at_its_limit() -> None:
    """The low of a bar is nobody's price."""
    made = account()
    made.place(order(Side.BUY, 10, "10.50"), AT)
    assert made.match("NVDA", 9.00, 1_000, passing=True) == 10
    assert made.rows()[0].filled_usd == Decimal("105.00")


def test_a_sale_gets_the_bid_and_never_less_than_its_limit() -> None:
    made = bought()
    made.place(order(Side.SELL, 10, "9.50"), AT)
    assert made.match("NVDA", 9.40, 1_000) == 0
    assert made.match("NVDA", 9.60, 1_000) == 10
    assert made.rows()[1].filled_usd == Decimal("96.0000")


def test_the_spread_is_paid_on_both_sides() -> None:
    made = account(Execution(half_spread_pct=1.0, fx_spread_pct=0.0))
    made.place(order(Side.BUY, 10, "11.00"), AT)
    made.match("NVDA", 10.0, 1_000)
    made.place(order(Side.SELL, 10, "9.00"), AT)
    made.match("NVDA", 10.0, 1_000)
    assert [row.filled_usd for row in made.rows()] == [Decimal("101.0000"), Decimal("99.0000")]


def test_only_a_share_of_a_bars_volume_is_ours() -> None:
    made = account()
    made.place(order(Side.BUY, 50, "10.00"), AT)
    room = made.volume(123.0)
    assert room == 12
    assert made.match("NVDA", 10.0, room) == 12
    (row,) = made.rows()
    assert (row.filled_qty, row.open_qty) == (12, 38)
    assert made.match("NVDA", 10.0, 0) == 0


def test_a_buy_beyond_the_settled_cash_is_refused_with_its_commission_and_other_buys_counted() -> None:
    made = account(commission_pct=0.25)
    with pytest.raises(Refusal, match="settled cash"):
        made.place(order(Side.BUY, 100, "10.00"), AT)
    made.place(order(Side.BUY, 99, "10.00"), AT)
    with pytest.raises(Refusal, match="settled cash"):
        made.place(order(Side.BUY, 1, "10.00"), AT)


def test_nobody_sells_more_than_there_is_or_the_same_share_twice() -> None:
    made = bought(10)
    with pytest.raises(Refusal, match="shares"):
        made.place(order(Side.SELL, 11, "9.00"), AT)
    made.place(order(Side.SELL, 6, "9.00"), AT)
    with pytest.raises(Refusal, match="shares"):
        made.place(order(Side.SELL, 5, "9.00"), AT)


def test_proceeds_that_settle_at_once_buy_again_in_the_same_minute() -> None:
    made = bought(qty=100, execution=msgspec.structs.replace(FREE, settlement_days=0))
    made.place(order(Side.SELL, 100, "9.50"), AT)
    assert made.match("NVDA", 10.00, 1_000) == 100
    assert made.power().usd == made.equity_usd() == Decimal("999.97")
    made.place(order(Side.BUY, 99, "10.00"), AT)


def test_any_volume_fills_where_no_limit_by_volume_is_set() -> None:
    made = account(msgspec.structs.replace(FREE, volume_share_pct=0.0))
    made.place(order(Side.BUY, 90, "10.00"), AT)
    assert made.match("NVDA", 10.00, made.volume(0.0)) == 90


def test_the_proceeds_of_a_sale_buy_nothing_before_they_settle() -> None:
    made = bought(100, "10.00")
    made.place(order(Side.SELL, 100, "9.00"), AT)
    made.match("NVDA", 10.0, 1_000)
    assert made.power().usd == 0
    made.begin_session("20261101")
    # the SEC's fee
    assert made.power().usd == Decimal("999.97")


def test_equity_holds_cash_shares_and_what_is_under_way() -> None:
    made = bought(50, "10.00")
    made.see("NVDA", 12.0)
    assert made.equity_usd() == Decimal("1100.0000")
    made.place(order(Side.SELL, 50, "11.00"), AT)
    made.match("NVDA", 12.0, 1_000)
    assert made.equity_usd() == Decimal("1099.9800")
    assert made.invested_usd() == 0


def test_changing_money_costs_on_the_way_in_and_out() -> None:
    made = account(Execution(fx_spread_pct=1.0))
    assert made.cash_usd == Decimal("990.10")
    assert made.equity_krw() == Decimal("990.10") * 1400 * Decimal("0.99")


def test_orders_end_with_their_day_and_cancels_with_themselves() -> None:
    made = account()
    first = made.place(order(Side.BUY, 10, "10.00"), AT)
    made.place(order(Side.BUY, 10, "9.00"), AT)
    assert made.cancel(first)
    assert not made.cancel(first)
    made.end_session()
    cancelled, expired = made.rows()
    assert (cancelled.cancelled, cancelled.expired, expired.expired) == (True, False, True)
    assert made.match("NVDA", 1.0, 1_000) == 0
    assert made.power().usd == Decimal("1000.00")


def test_every_change_of_orders_or_shares_counts() -> None:
    """The desk reads the list only where it changed."""
    made = account()
    seen = [made.revision]
    made.place(order(Side.BUY, 10, "10.00"), AT)
    seen.append(made.revision)
    made.match("NVDA", 10.0, 5)
    seen.append(made.revision)
    made.end_session()
    seen.append(made.revision)
    assert seen == sorted(set(seen))

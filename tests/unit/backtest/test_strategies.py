"""Plain rules trade at the same account: filled at the next open, never by a look ahead, with its limits and refusals."""

import datetime as dt
import json
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from backtest.data.store import Store
from backtest.runner import Setup
from backtest.strategies import STRATEGIES, EmaCross, Order, Tranches
from backtest.strategy_run import StrategyRun
from cli.__main__ import main
from core.model.bar import BarColumns
from core.model.params import Params, TradingParams
from tests.unit.backtest.run_days import FREE, MINUTES, ON, OPEN, day, session_on

DAYS = (ON, ON + dt.timedelta(days=1))
RICH = TradingParams(paper_cash=1_400_000_000, paper_krw_per_usd=1400.0, commission_pct=0.0)
FILL_ALL = msgspec.structs.replace(FREE, volume_share_pct=0.0)


def columns(closes):
    closes = np.asarray(closes, float)
    opens = np.concatenate((closes[:1], closes[:-1]))
    starts = int(OPEN.timestamp() * 1000) + 60_000 * np.arange(len(closes), dtype=np.int64)
    return BarColumns(starts, opens, closes + 0.01, closes - 0.01, closes, np.full(len(closes), 1000.0))


def wave(size=MINUTES, period=60):
    """Falls first, so that the first cross is upwards."""
    return 50 - 2 * np.sin(np.arange(size) * 2 * np.pi / period)


def walk(seed, size=300):
    return 50 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.002, size)))


def traded(tmp_path, strategy, stocks, execution=FILL_ALL, params=RICH, **setup):
    """Each day is the same stocks unless `stocks` is a list of days."""
    store = Store(tmp_path)
    for on, those in zip(DAYS, stocks if isinstance(stocks, list) else [stocks], strict=False):
        store.write_day(day(on, those))
    everything = {"watched": None} | setup
    run = StrategyRun(Setup(params=Params(trading=params), execution=execution, **everything), strategy, session_on)
    return run.run(store)


def volumes(closes, shares=5_000.0):
    return np.asarray(closes, float), np.full(len(closes), shares)


# -- the rules


def test_a_cross_buys_and_the_next_one_sells():
    orders = EmaCross(shares=7).orders(columns(wave()))
    assert len(orders) > 6
    assert [order.shares for order in orders] == [7, -7] * (len(orders) // 2)
    places = [order.place for order in orders]
    assert places == sorted(set(places))


@pytest.mark.parametrize("seed", range(5))
def test_no_order_depends_on_bars_after_its_own(seed):
    """Only the end itself is known: it sells what is held then."""
    closes = walk(seed)
    whole = EmaCross().orders(columns(closes))
    for size in range(30, len(closes), 37):
        known = EmaCross().orders(columns(closes[:size]))
        ended = [order for order in known if order.place == size - 2 and order.shares < 0]
        assert known[: len(known) - len(ended)] == [o for o in whole if o.place < size - 1 and o not in ended]


def test_what_is_held_at_the_end_is_sold_at_the_last_open():
    closes = np.concatenate((np.linspace(50, 45, 40), np.linspace(45, 60, 40)))
    orders = EmaCross().orders(columns(closes))
    assert orders[-1] == Order(len(closes) - 2, -100)
    assert len(orders) == 2


def test_nothing_is_bought_while_warming_up_or_at_the_end():
    closes = wave()
    every = [o.place for o in EmaCross().orders(columns(closes)) if o.shares > 0]
    some = [
        o.place
        for o in EmaCross(warm_bars=every[1], last_bars=len(closes) - every[-2]).orders(columns(closes))
        if o.shares > 0
    ]
    assert some == every[1:-2]


@pytest.mark.parametrize("size", [0, 1, 20, 21])
def test_too_few_bars_order_nothing(size):
    assert EmaCross().orders(columns(wave(size))) == []


def test_tranches_buy_for_the_same_amount_at_each_close_and_sell_all_of_it():
    bars = columns([10, 10, 12.5, 20, 40, 8, 9, 10, 11])
    signal = OPEN + dt.timedelta(minutes=1)
    orders = Tranches(signal=signal, tranches=3, usd=100, hold_bars=5).orders(bars)
    assert orders == [Order(1, 10), Order(2, 8), Order(3, 5), Order(6, -23)]


def test_tranches_that_run_into_the_end_are_sold_at_the_last_open():
    bars = columns([10, 10, 10, 10, 10])
    orders = Tranches(signal=OPEN + dt.timedelta(minutes=1), tranches=10, usd=100).orders(bars)
    assert orders == [Order(1, 10), Order(2, 10), Order(3, -20)]


def test_a_signal_without_a_bar_orders_nothing():
    bars = columns([10] * 50)
    for at in (OPEN - dt.timedelta(minutes=1), OPEN + dt.timedelta(seconds=30), OPEN + dt.timedelta(days=1)):
        assert Tranches(signal=at).orders(bars) == []


# -- the account


def test_orders_fill_whole_at_the_next_open_and_trips_add_up(tmp_path):
    closes = wave()
    result = traded(tmp_path, EmaCross(), {"AAA": volumes(closes)})
    orders = EmaCross().orders(columns(closes))
    assert len(result.filled) == len(orders)
    for fill, order in zip(result.filled, orders, strict=True):
        assert fill.at == OPEN + dt.timedelta(minutes=order.place + 1, seconds=1)
        assert fill.usd == 100 * Decimal(str(round(closes[order.place], 4)))
    assert len(result.trips) == len(orders) // 2
    spent = sum(f.usd * (1 if f.side == "BUY" else -1) for f in result.filled)
    fees = sum(f.fee_usd for f in result.filled)
    assert result.days[-1].equity_usd == 1_000_000 - spent - fees
    assert sum(t.trip.pnl_usd for t in result.trips) == -spent - fees
    assert all(t.mae_pct <= 0 <= t.mfe_pct for t in result.trips)
    assert (result.bars, result.refused, result.notes) == (MINUTES, {}, ())


def test_an_order_of_the_last_minute_fills_when_the_market_opens_again(tmp_path):
    signal = OPEN + dt.timedelta(minutes=MINUTES - 1)
    rules = Tranches(signal=signal, tranches=1, usd=1000, hold_bars=3, all_hours=False)
    result = traded(tmp_path, rules, [{"AAA": volumes([10.0] * MINUTES)}, {"AAA": volumes([11.0] * MINUTES)}])
    assert [(f.at.date(), f.qty, f.usd) for f in result.filled] == [
        (DAYS[1], 100, Decimal(1100)),
        (DAYS[1], 100, Decimal(1100)),
    ]
    assert [d.positions for d in result.days] == [0, 0]


def test_what_a_thin_bar_leaves_waits_for_the_next_and_ends_with_the_day(tmp_path):
    half = msgspec.structs.replace(FREE, volume_share_pct=50.0)
    rules = Tranches(signal=OPEN + dt.timedelta(minutes=MINUTES - 4), tranches=1, usd=10_000, hold_bars=10)
    stocks = [{"AAA": volumes([10.0] * MINUTES, 600.0)}, {"AAA": volumes([10.0] * MINUTES, 60_000.0)}]
    result = traded(tmp_path, rules, stocks, execution=half)
    assert [(f.side, f.qty) for f in result.filled] == [("BUY", 300)] * 3 + [("SELL", 900)]
    assert result.days[0].positions == 1
    (trip,) = result.trips
    assert (trip.trip.buy_qty, trip.trip.tranches) == (900, 3)


def test_what_the_account_can_not_pay_is_refused_and_nothing_is_sold_for_it(tmp_path):
    poor = msgspec.structs.replace(RICH, paper_cash=140_000)
    result = traded(tmp_path, EmaCross(), {"AAA": volumes(wave())}, params=poor)
    assert result.filled == ()
    assert set(result.refused) == {"APBK0952"}


def test_only_what_is_watched_is_traded(tmp_path):
    result = traded(tmp_path, EmaCross(), {"AAA": volumes(wave()), "BBB": volumes(wave())}, watched=("BBB",))
    assert {f.ticker for f in result.filled} == {"BBB"}
    assert result.bars == MINUTES


def test_what_is_left_at_the_end_is_told(tmp_path):
    thin = msgspec.structs.replace(FREE, volume_share_pct=1.0)
    result = traded(tmp_path, EmaCross(), {"AAA": volumes(wave(), 100.0)}, execution=thin)
    assert result.notes == ("positions still open at the end: 1",)


# -- the command


def test_the_command_trades_plain_rules(tmp_path, capsys):
    store = Store(tmp_path)
    store.write_day(day(ON, {"AAA": volumes(wave())}))
    words = ["--watch", "all", "--set", "execution.volume_share_pct=0", "--set", "trading.paper_cash=1400000000"]
    command = ["backtest", "run", "--store", str(tmp_path), *words, "--json"]
    assert main([*command, "--strategy", "ema-cross", "--set", "strategy.shares=5"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {f["qty"] for f in result["filled"]} == {5}
    assert result["params"]["trading"]["paper_cash"] == 1_400_000_000, "a number of the command line is a number"
    assert main([*command, "--strategy", "ema-cross", "--set", "strategy.shares=6"]) == 0
    assert json.loads(capsys.readouterr().out)["config_hash"] != result["config_hash"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "strategy.shares=5"], "needs --strategy ema-cross or tranches"),
        (["--strategy", "ema-cross", "--set", "strategy.shares"], "KEY=VALUE"),
        (["--strategy", "ema-cross", "--set", "strategy.size=5"], "size"),
        (["--strategy", "ema-cross", "--set", "strategy.shares=many"], "int"),
        (["--strategy", "ema-cross", "--set", "strategy.fast=30"], "smaller than slow"),
        (["--strategy", "tranches"], "signal"),
        (["--strategy", "tranches", "--set", "strategy.signal=2026-11-18T14:40:00"], "offset"),
        (["--strategy", "ema-cross", "--set", "trading.paper_cash=much"], "paper_cash"),
    ],
)
def test_settings_that_can_not_be_meant_are_refused(tmp_path, capsys, words, told):
    Store(tmp_path).write_day(day(ON, {"AAA": volumes(wave())}))
    assert main(["backtest", "run", "--store", str(tmp_path), "--watch", "all", *words]) == 2
    assert told in capsys.readouterr().err


def test_every_strategy_has_a_name_for_the_command():
    assert set(STRATEGIES) == {"ema-cross", "tranches"}

"""Real bars traded by our simulated account and by the public command, fill for fill as two independent engines did it."""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from backtest.data.day import DayBars
from backtest.data.store import Store
from backtest.exchange import SimulatedAccount
from backtest.execution import Execution
from cli.__main__ import main
from core.model.bar import Bar
from core.model.instrument import Exchange
from core.model.money import price
from core.model.order import OrderRequest, Side
from core.rules.costs import SEC_FEE_RATE
from core.rules.days import us_date
from core.rules.pricing import round_limit
from tests.oracle.conftest import DATA
from tests.oracle.engines import (
    Case,
    Fill,
    Order,
    cash_after,
    cross_orders,
    crosses,
    filled,
    tranche_orders,
    tranches,
)

CASES = dict([*crosses(), *tranches()]) if DATA.is_dir() else {}
RATE = 1400
# no spread, no limit by volume, money at once: what the engines assumed
IDEAL = Execution(half_spread_pct=0, volume_share_pct=100, fx_spread_pct=0, settlement_days=0)
UNLIMITED = 10**9


def orders_of(case: Case) -> list[Order]:
    signal = case.oracle.get("signal_ts")
    if signal is None:
        return list(cross_orders(case.bars))
    return list(tranche_orders(case.bars, [bar.start_ms for bar in case.bars].index(signal)))


def exact(fills: list[Fill]) -> list[tuple[int, int, Decimal]]:
    """Prices on the finest grid that US shares are quoted on; adjusted prices of one source have six decimals."""
    return [(fill.start_ms, fill.shares, price(fill.price)) for fill in fills]


def test_all_replays_are_there() -> None:
    assert len(CASES) == 2 + 10 + 5


@pytest.mark.parametrize("name", CASES)
def test_the_rules_are_read_as_both_engines_read_them(name: str) -> None:
    case = CASES[name]
    fills = filled(case.bars, orders_of(case))
    assert fills == case.fills
    assert cash_after(case.cash, case.commission_pct, fills) == pytest.approx(case.final_cash, abs=1e-5)


# -- the simulated account


def traded(case: Case) -> tuple[list[tuple[int, int, Decimal]], SimulatedAccount]:
    """Marketable limit orders at the closes, matched at the next opens."""
    account = SimulatedAccount(
        IDEAL, cash_krw=int(case.cash) * RATE, krw_per_usd=RATE, commission_pct=case.commission_pct
    )
    orders = {order.place: order for order in orders_of(case)}
    fills = []
    for on, bars in groupby(enumerate(case.bars), key=lambda entry: us_date(entry[1].start_at)):
        account.begin_session(on.strftime("%Y%m%d"))
        for place, bar in bars:
            if account.working(bar.ticker) and account.match(bar.ticker, bar.open, UNLIMITED):
                row = account.rows()[-1]
                sign = 1 if row.side is Side.BUY else -1
                fills.append((bar.start_ms, sign * row.filled_qty, row.filled_usd / row.filled_qty))
            account.see(bar.ticker, bar.close)
            if place in orders:
                account.place(request(bar, orders[place].shares), bar.end_at)
    return fills, account


def request(bar: Bar, shares: int) -> OrderRequest:
    side, reach = (Side.BUY, Decimal("1.2")) if shares > 0 else (Side.SELL, Decimal("0.5"))
    limit = round_limit(price(bar.close) * reach, side)
    return OrderRequest(ticker=bar.ticker, exchange=Exchange.NASD, side=side, qty=abs(shares), limit=limit)


@pytest.mark.parametrize("name", CASES)
def test_the_simulated_account_fills_as_both_engines_did(name: str) -> None:
    case = CASES[name]
    fills, account = traded(case)
    assert fills == exact(case.fills)
    assert not account.holdings()
    assert_money(case, account.equity_usd())


def assert_money(case: Case, equity_usd: Decimal) -> None:
    """Each fill's fee is rounded to cents here, and sales pay the SEC's fee, which the engines did not know."""
    fills = exact(case.fills)
    sec_fee = sum((-shares * paid * SEC_FEE_RATE for _, shares, paid in fills if shares < 0), Decimal(0))
    # an adjusted price is off by half of the finest step
    slack = Decimal("0.005") * len(fills) + Decimal("0.00005") * sum(abs(shares) for _, shares, _ in fills)
    assert abs(equity_usd + sec_fee - Decimal(str(case.final_cash))) <= slack


# -- the public command


def stored(case: Case, root: Path) -> Path:
    """The case's bars as days of a bar store."""
    store = Store(root)
    for on, bars in groupby(case.bars, key=lambda bar: us_date(bar.start_at)):
        rows = list(bars)
        columns = [
            np.array([getattr(bar, name) for bar in rows]) for name in ("open", "high", "low", "close", "volume")
        ]
        starts = np.array([bar.start_ms for bar in rows], np.int64)
        store.write_day(DayBars(on, (rows[0].ticker,), np.zeros(len(rows), np.int32), starts, *columns))
    return root


def words(case: Case) -> Iterator[str]:
    """The replay's assumptions, each by a public setting."""
    signal = case.oracle.get("signal_ts")
    if signal is None:
        yield from ("--strategy", "ema-cross")
        chosen = {"fast": 9, "slow": 20, "shares": 100, "warm_bars": 21, "last_bars": 5}
    else:
        at = dt.datetime.fromtimestamp(signal / 1000, dt.UTC).isoformat()
        yield from ("--strategy", "tranches")
        chosen = {"signal": at, "tranches": 10, "usd": 1000, "hold_bars": 30}
    settings = {f"strategy.{name}": value for name, value in chosen.items()} | {
        "execution.half_spread_pct": 0,
        "execution.fx_spread_pct": 0,
        "execution.settlement_days": 0,
        "execution.volume_share_pct": 0,
        "trading.commission_pct": case.commission_pct,
        "trading.paper_krw_per_usd": RATE,
        "trading.paper_cash": int(case.cash) * RATE,
    }
    for key, value in settings.items():
        yield from ("--set", f"{key}={value}")


@pytest.mark.parametrize("name", CASES)
def test_the_public_command_fills_as_both_engines_did(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    root = stored(case, tmp_path / "bars")
    assert main(["backtest", "run", "--store", str(root), "--watch", "all", "--json", *words(case)]) == 0
    result = json.loads(capsys.readouterr().out)
    fills = []
    for each in result["filled"]:
        second_ms = int(dt.datetime.fromisoformat(each["at"]).timestamp()) * 1000
        sign = 1 if each["side"] == "BUY" else -1
        fills.append((second_ms // 60_000 * 60_000, sign * each["qty"], Decimal(each["usd"]) / each["qty"]))
    assert fills == exact(case.fills)
    assert_money(case, Decimal(result["days"][-1]["equity_usd"]))

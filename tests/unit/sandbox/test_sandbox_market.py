"""The market answers questions about an instant without looking past its minute."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox import replay, scenarios
from sandbox.calendar import Session, is_trading_day, kis_session, market_session, session_day
from sandbox.clock import SandboxClock, clock_from
from sandbox.faults import Fault, Faults
from sandbox.kis.limits import RateLimit
from sandbox.market import Instrument, Market, Series, spread_around

DAY = date(2026, 11, 18)
RECORDED = Path(__file__).parents[4] / "shared/data/minute/av_202012.parquet"
START = datetime(2026, 11, 18, 19, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def market() -> Market:
    return scenarios.build("story", DAY, 1, 12)


def test_price_touches_open_extremes_and_close_inside_the_minute(market):
    start = START + timedelta(minutes=45)
    bar = market.bar_of_minute("QBIT", market.minute_of(start))
    path = [market.price_at("QBIT", start + timedelta(seconds=second)) for second in range(60)]
    assert (path[0], path[-1]) == (bar.open, bar.close)
    assert (max(path), min(path)) == (bar.high, bar.low)


def test_price_without_a_bar_is_the_last_close_then_yesterdays(market):
    instrument = market.instruments["HELI"]
    assert market.price_at("HELI", START - timedelta(hours=8)) == instrument.prev_close
    last = market.bar("HELI", len(market.series["HELI"].minutes) - 1)
    assert market.price_at("HELI", START + timedelta(hours=9)) == last.close


def test_closed_bars_leave_out_the_running_minute(market):
    assert market.closed_bars("HELI", START + timedelta(seconds=59))[-1].end_ms == START.timestamp() * 1000
    assert market.closed_bars("HELI", START + timedelta(seconds=60))[-1].start_ms == START.timestamp() * 1000


def test_bars_between_is_half_open(market):
    start = int(START.timestamp() * 1000)
    bars = market.bars_between("HELI", start, start + 180_000)
    assert [bar.start_ms - start for bar in bars] == [0, 60_000, 120_000]


@pytest.mark.parametrize(
    ("price", "bid", "ask"),
    [(10.0, 9.99, 10.01), (100.0, 99.95, 100.05), (0.5, 0.4998, 0.5002), (0.02, 0.0199, 0.0201)],
)
def test_spread_is_a_tick_or_five_basis_points(price, bid, ask):
    quote = spread_around(price)
    assert (quote.bid, quote.ask) == (pytest.approx(bid), pytest.approx(ask))


def test_volume_grows_through_the_minute_to_the_bars_own(market):
    before = market.volume_at("HELI", START)
    bar = market.bar_of_minute("HELI", market.minute_of(START))
    assert before < market.volume_at("HELI", START + timedelta(seconds=30)) < before + bar.volume
    assert market.volume_at("HELI", START + timedelta(seconds=60)) == before + bar.volume


@pytest.mark.parametrize(
    "prices", [[[10, 9, 8, 9.5]], [[10, 11, 10.5, 10]], [[10, 11, 0, 10]]], ids=["high", "low", "zero"]
)
def test_impossible_bars_are_refused_at_birth(prices):
    with pytest.raises(ValueError, match="impossible"):
        Series(np.array([400]), np.array(prices, dtype=float), np.array([5]))


def test_unknown_exchange_is_refused():
    with pytest.raises(ValueError, match="XXXX"):
        Instrument("A", "A", "A", "XXXX", 1, 1.0)


@pytest.mark.parametrize("name", ["calm", "breakout", "fakeout", "random"])
def test_every_scenario_builds_and_repeats(name):
    first, second = (scenarios.build(name, DAY, 5, 20) for _ in range(2))
    assert first.symbols == second.symbols
    assert all((first.series[s].volumes == second.series[s].volumes).all() for s in first.symbols)


@pytest.mark.parametrize(
    ("at", "kis", "exchange"),
    [
        ("2026-11-18T03:59:59-05:00", Session.CLOSED, Session.CLOSED),
        ("2026-11-18T04:00:00-05:00", Session.PRE, Session.PRE),
        ("2026-11-18T09:30:00-05:00", Session.REGULAR, Session.REGULAR),
        ("2026-11-18T16:00:00-05:00", Session.AFTER, Session.AFTER),
        ("2026-11-18T17:00:00-05:00", Session.CLOSED, Session.AFTER),
        ("2026-07-15T17:30:00-04:00", Session.AFTER, Session.AFTER),
        ("2026-07-15T18:00:00-04:00", Session.CLOSED, Session.AFTER),
        ("2026-11-27T13:00:00-05:00", Session.AFTER, Session.AFTER),
        ("2026-11-26T12:00:00-05:00", Session.CLOSED, Session.CLOSED),
        ("2026-11-22T12:00:00-05:00", Session.CLOSED, Session.CLOSED),
    ],
)
def test_sessions_of_kis_and_of_the_exchange(at, kis, exchange):
    instant = datetime.fromisoformat(at)
    assert (kis_session(instant), market_session(instant)) == (kis, exchange)


def test_session_day_skips_weekends_and_holidays():
    assert session_day(datetime(2026, 11, 22, 17, tzinfo=UTC)) == date(2026, 11, 23)
    assert not is_trading_day(date(2026, 11, 26))


def test_clock_scales_and_reads_its_environment(monkeypatch):
    clock = SandboxClock(START, 1000.0, 60.0)
    monkeypatch.setattr("time.time", lambda: 1002.0)
    assert clock.now() == START + timedelta(minutes=2)
    variables = {"SEOHAK_CLOCK_ORIGIN": START.isoformat(), "SEOHAK_CLOCK_STARTED": "1000", "SEOHAK_CLOCK_SPEED": "60"}
    assert clock_from(variables) == clock
    assert clock_from({}, origin=START.isoformat(), started=1000.0, speed=60.0) == clock
    assert clock_from({}).speed == 1.0


async def test_sleep_until_keeps_its_promise():
    clock = SandboxClock(START, time.time(), 1e9)
    until = clock.now() + timedelta(days=30)
    await clock.sleep_until(until)
    assert clock.now() >= until


@pytest.mark.parametrize(("origin", "speed"), [(START.replace(tzinfo=None), 1.0), (START, 0.0)])
def test_impossible_clocks_are_refused(origin, speed):
    with pytest.raises(ValueError, match="clock"):
        SandboxClock(origin, 0.0, speed)


def test_faults_match_count_down_and_vanish():
    faults = Faults()
    faults.add(Fault("kis", "error", {"path_contains": "order", "tr_id": "X"}, times=2))
    taken = [faults.take(("kis",), path, tr_id) for path, tr_id in [("/order", "Y"), ("/price", "X")]]
    assert taken == [None, None]
    assert faults.take(("polygon",), "/order", "X") is None
    assert all(faults.take(("kis",), "/order", "X") for _ in range(2))
    assert faults.take(("kis",), "/order", "X") is None


def test_rate_limit_slides():
    limit = RateLimit(2)
    verdicts = [limit.admit(START + timedelta(seconds=at)) for at in (0.0, 0.9, 0.95, 1.0, 1.5, 1.9)]
    assert verdicts == [True, True, False, True, False, True]


def recording(path, **changed):
    """Two minutes of A and one of B on the day, and A's close of the day before."""
    first = int(START.timestamp() * 1000)
    columns = {
        "ticker": ["A", "A", "B", "A"],
        "ts": [first + 60_000, first, first, first - 86_400_000],
        "open": [10.0, 10.0, 5.0, 9.0],
        "high": [10.5, 10.1, 5.0, 9.0],
        "low": [9.9, 9.9, 5.0, 9.0],
        "close": [10.2, 10.0, 5.0, 9.0],
        "volume": [100, 200, 300, 50],
    } | changed
    pq.write_table(pa.table({name: values for name, values in columns.items() if values is not None}), path)
    return path


def test_replay_serves_the_day_with_yesterdays_close_and_a_large_cap(tmp_path):
    market = replay.load(recording(tmp_path / "bars.parquet"), DAY)
    assert market.symbols == ("A", "B")
    assert [bar.close for bar in market.closed_bars("A", START + timedelta(minutes=2))] == [10.0, 10.2]
    assert market.instruments["A"].prev_close == 9.0
    assert market.instruments["B"].shares_outstanding * 5.0 > 50_000_000


def test_replay_reads_csv_too(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_text(f"ticker,ts,open,high,low,close,volume\nA,{int(START.timestamp() * 1000)},1,2,1,2,7\n")
    assert replay.load(path, DAY).bar("A", 0).volume == 7


@pytest.mark.parametrize(
    ("changed", "day", "says"),
    [
        ({"close": None}, DAY, "column close is missing"),
        ({}, date(2026, 11, 20), "it has 2026-11-17, 2026-11-18"),
        ({"high": [1.0, 1.0, 5.0, 9.0]}, DAY, "A: impossible bar"),
        ({"ts": ["x", "y", "z", "w"]}, DAY, "Failed to parse"),
    ],
)
def test_bad_recordings_say_what_is_wrong(tmp_path, changed, day, says):
    with pytest.raises(replay.ReplayError, match=says):
        replay.load(recording(tmp_path / "bars.parquet", **changed), day)


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="needs ../shared/data")
def test_replay_serves_recorded_bars_unchanged():
    market = replay.load(RECORDED, date(2020, 12, 16))
    table = pq.read_table(RECORDED, filters=[("ticker", "=", market.symbols[0])])
    closes = dict(zip(table["ts"].to_pylist(), table["close"].to_pylist(), strict=True))
    bars = market.closed_bars(market.symbols[0], market.minute_at(960))
    assert len(bars) > 300
    assert all(closes[bar.start_ms] == bar.close for bar in bars)

"""Moves, halts and splits: what they do to bars, prices and prints, and what they leave alone."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from sandbox.calendar import REGULAR_MINUTE
from sandbox.market import Instrument, Market, Series
from sandbox.polygon.protocol import second_event

DAY = date(2026, 11, 18)
OPEN = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


def market() -> Market:
    """Minutes of open 10, high 10.30, low 9.90, close 10.20 and 6,000 shares; another stock beside it."""
    minutes = np.arange(REGULAR_MINUTE, REGULAR_MINUTE + 30, dtype=np.int64)
    prices = np.tile([10.0, 10.3, 9.9, 10.2], (len(minutes), 1))
    volumes = np.full(len(minutes), 6000, dtype=np.int64)
    listed = [Instrument(s, s, s, "XNAS", 10_000_000, 10.0, 1000) for s in ("AAAA", "BBBB")]
    return Market(DAY, [(instrument, Series(minutes, prices, volumes)) for instrument in listed])


def at(seconds: float) -> datetime:
    return OPEN + timedelta(seconds=seconds)


def ohlcv(made: Market, minute: int, symbol: str = "AAAA"):
    bar = made.bar_of_minute(symbol, REGULAR_MINUTE + minute)
    return None if bar is None else (bar.open, bar.high, bar.low, bar.close, bar.volume)


def test_a_move_multiplies_every_price_from_then_on_and_none_before():
    made, plain = market(), market()
    made.move("AAAA", at(300), 0.75)
    for second in (0, 150, 299.9):
        assert made.price_at("AAAA", at(second)) == plain.price_at("AAAA", at(second))
    for second in (300, 330, 1500):
        assert made.price_at("AAAA", at(second)) == pytest.approx(plain.price_at("AAAA", at(second)) * 0.75, abs=0.005)
    assert ohlcv(made, 4) == ohlcv(plain, 4)
    assert ohlcv(made, 5) == (7.5, round(10.3 * 0.75, 2), 7.43, 7.65, 6000)
    assert ohlcv(made, 5, "BBBB") == ohlcv(plain, 5, "BBBB")


def test_the_running_minute_keeps_what_it_printed_before_the_move():
    made, plain = market(), market()
    made.move("AAAA", at(330), 0.5)
    o, high, low, close, volume = ohlcv(made, 5)
    assert (o, close, volume) == (10.0, 5.1, 6000)
    # the path was on its way up from 9.90 at second 15 to 10.30 at second 45
    assert high == plain.price_at("AAAA", at(330)) == pytest.approx(10.1, abs=0.001)
    assert low == pytest.approx(high / 2, abs=0.006)


def test_moves_add_up():
    made = market()
    made.move("AAAA", at(300), 0.5)
    made.move("AAAA", at(600), 2)
    assert ohlcv(made, 7) == (5.0, 5.15, 4.95, 5.1, 6000)
    assert ohlcv(made, 12) == ohlcv(market(), 12)


def test_the_price_moves_even_where_nothing_trades():
    made = market()
    made.move("AAAA", at(3600), 0.9)
    assert (made.price_at("AAAA", at(3599)), made.price_at("AAAA", at(3600))) == (10.2, 9.18)


@pytest.mark.parametrize("factor", [0, -1, float("nan"), float("inf")])
def test_a_price_cannot_move_to_nothing(factor):
    with pytest.raises(ValueError, match="above zero"):
        market().move("AAAA", at(0), factor)


def test_a_halt_stops_prints_and_price_until_it_resumes_where_the_day_would_be():
    made, plain = market(), market()
    made.halt("AAAA", at(330))
    stood = plain.price_at("AAAA", at(330))
    assert [made.price_at("AAAA", at(second)) for second in (330, 400, 1200, 7200)] == [stood] * 4
    assert made.halted("AAAA", at(330))
    assert made.halted("AAAA", at(9999))
    assert not made.halted("AAAA", at(329))
    assert ohlcv(made, 6) is None
    made.resume("AAAA", at(630))
    assert not made.halted("AAAA", at(630))
    assert [ohlcv(made, minute) for minute in range(6, 10)] == [None] * 4
    assert made.price_at("AAAA", at(640)) == plain.price_at("AAAA", at(640))
    assert ohlcv(made, 11) == ohlcv(plain, 11)


def test_a_minute_with_a_halt_in_it_has_the_prints_of_its_trading_time():
    made = market()
    made.halt("AAAA", at(330))
    assert ohlcv(made, 5)[4] == 3000
    assert ohlcv(made, 5)[1] == pytest.approx(10.1, abs=0.001)
    made.resume("AAAA", at(345))
    assert ohlcv(made, 5) == (10.0, 10.3, 9.9, 10.2, 4500)
    seconds = [made.printed("AAAA", REGULAR_MINUTE + 5, second) for second in (0, 30, 40, 45, 60)]
    assert seconds == [0, 3000, 3000, 3000, 4500]
    assert made.volume_at("AAAA", at(340)) == 5 * 6000 + 3000


def test_seconds_follow_moves_and_are_silent_in_a_halt():
    made = market()
    made.move("AAAA", at(302), 0.5)
    made.halt("AAAA", at(310))
    before, during = second_event(made, "AAAA", at(301)), second_event(made, "AAAA", at(302))
    assert (before["v"], before["o"] > 9.8, during["v"], during["c"] < 5.1) == (100, True, 100, True)
    assert second_event(made, "AAAA", at(310)) is None
    assert second_event(made, "AAAA", at(3000)) is None


def test_a_move_during_a_halt_shows_when_it_is_over():
    made = market()
    made.halt("AAAA", at(300))
    made.move("AAAA", at(420), 0.5)
    assert made.price_at("AAAA", at(500)) == 10.0
    made.resume("AAAA", at(600))
    assert made.price_at("AAAA", at(600)) == 5.0
    assert made.price_at("AAAA", at(7200)) == 5.1


def test_a_halt_after_the_last_bar_keeps_the_last_close():
    made = market()
    made.halt("AAAA", at(1700))
    stood = made.price_at("AAAA", at(1700))
    made.resume("AAAA", at(3600))
    assert made.price_at("AAAA", at(3601)) == stood


def test_halting_twice_and_resuming_what_runs_is_refused():
    made = market()
    with pytest.raises(ValueError, match="not halted"):
        made.resume("AAAA", at(10))
    made.halt("AAAA", at(10))
    with pytest.raises(ValueError, match="halted already"):
        made.halt("AAAA", at(20))
    made.resume("AAAA", at(30))
    with pytest.raises(ValueError, match="not halted"):
        made.resume("AAAA", at(40))


@pytest.mark.parametrize(
    ("new", "old", "bar", "prev"),
    [(2, 1, (5.0, 5.15, 4.95, 5.1, 12000), 5.0), (1, 10, (100.0, 103.0, 99.0, 102.0, 600), 100.0)],
)
def test_a_split_adjusts_the_whole_day_and_yesterday(new, old, bar, prev):
    made = market()
    made.split("AAAA", new, old)
    instrument = made.instruments["AAAA"]
    assert ohlcv(made, 0) == ohlcv(made, 20) == bar
    assert (instrument.prev_close, instrument.shares_outstanding) == (prev, 10_000_000 * new // old)
    assert made.price_at("AAAA", OPEN - timedelta(hours=1)) == prev
    assert [(split.symbol, split.new, split.old) for split in made.splits] == [("AAAA", new, old)]
    assert made.instruments["BBBB"].prev_close == 10.0


def test_moves_and_halts_survive_a_split():
    made = market()
    made.move("AAAA", at(300), 0.5)
    made.halt("AAAA", at(600))
    made.split("AAAA", 2, 1)
    assert made.price_at("AAAA", at(300)) == 2.5
    assert made.halted("AAAA", at(700))
    assert made.price_at("AAAA", at(700)) == 2.5


def test_prices_stay_on_their_tick_and_above_zero():
    made = market()
    made.move("AAAA", at(0), 0.0333)
    assert ohlcv(made, 3)[:4] == (0.333, 0.343, 0.3297, 0.3397)
    made.move("AAAA", at(60), 1e-9)
    assert made.price_at("AAAA", at(120)) == 0.0001

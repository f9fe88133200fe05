"""When the minutes that seconds add up to are passed on, corrected, or never known whole."""

import pytest

from core.model.bar import MINUTE_MS, MOST, SECOND_MS, Bar
from core.model.batch import BarBatch, batch_of
from core.rules import folding as rules
from core.rules.folding import QUIET_MS, Folding
from tests.unit.core.builders import DAY_MS

# a second of the vendor's comes two seconds after its end
PUBLISHED_MS = 2_000
# a plan's quarter of an hour
LATE_MS = 900_000


def second(at: int, close: float = 10.0, volume: float = 100.0, *, ticker: str = "A", day_ms: int = DAY_MS) -> Bar:
    return Bar(ticker, day_ms + at * SECOND_MS, close, close, close, close, volume)


def came_ms(at: int, delay_ms: int = 0) -> int:
    """When a second comes."""
    return DAY_MS + (at + 1) * SECOND_MS + PUBLISHED_MS + delay_ms


def flat(batches: list[BarBatch]) -> list[Bar]:
    return [bar for batch in batches for bar in batch.bars()]


def take(folding: Folding, *seconds: Bar, delay_ms: int = 0) -> list[Bar]:
    at = max(bar.start_ms for bar in seconds)
    return flat(folding.take(batch_of(seconds), at + SECOND_MS + PUBLISHED_MS + delay_ms))


def listening(at_ms: int = DAY_MS - MINUTE_MS) -> Folding:
    folding = Folding()
    folding.begin(at_ms)
    return folding


def every_second(folding: Folding, first: int, last: int, delay_ms: int = 0) -> list[Bar]:
    return [bar for at in range(first, last) for bar in take(folding, second(at), delay_ms=delay_ms)]


def minutes(bars: list[Bar]) -> list[int]:
    return [(bar.start_ms - DAY_MS) // MINUTE_MS for bar in bars]


def test_a_minute_is_passed_on_when_a_second_has_come_that_ends_three_seconds_after_it() -> None:
    folding = listening()
    assert take(folding, Bar("A", DAY_MS, 10.0, 10.5, 9.5, 10.2, 100.0)) == []
    assert take(folding, Bar("A", DAY_MS + 59_000, 10.2, 11.0, 10.1, 10.9, 50.0)) == []
    assert take(folding, second(60), second(61, ticker="B")) == []
    assert take(folding, second(62)) == [Bar("A", DAY_MS, 10.0, 11.0, 9.5, 10.9, 150.0)]


def test_all_of_the_market_closes_together_and_who_did_not_trade_has_no_bar() -> None:
    folding = listening()
    take(folding, second(3, ticker="B"), second(5, ticker="A"), second(7, ticker="C"))
    take(folding, second(65, ticker="A"))
    passed = folding.take(batch_of([second(185, ticker="A")]), came_ms(185))
    assert [batch.tickers for batch in passed] == [["A"]], "the first minute went with the second 65"
    assert minutes(flat(passed)) == [1]


def test_open_and_close_go_by_time_and_not_by_arrival() -> None:
    folding = listening()
    take(folding, second(20, 11.0), second(40, 13.0), second(1, 12.0), second(30, 9.0))
    (bar,) = take(folding, second(62))
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (12.0, 13.0, 9.0, 13.0, 400.0)


def test_a_second_that_comes_again_replaces_itself() -> None:
    folding = listening()
    take(folding, second(20, 11.0, 100.0), second(21, 10.0, 5.0), second(20, 11.0, 130.0))
    take(folding, second(20, 12.0, 150.0))
    (bar,) = take(folding, second(62))
    assert (bar.open, bar.high, bar.volume) == (12.0, 12.0, 155.0)


def test_a_second_that_comes_after_its_minute_sends_its_tickers_bar_again() -> None:
    folding = listening()
    take(folding, second(20, 11.0), second(30, 12.0), second(30, 50.0, ticker="B"))
    assert len(take(folding, second(62))) == 2
    assert take(folding, second(10, 9.0), second(63)) == [Bar("A", DAY_MS, 9.0, 12.0, 9.0, 12.0, 300.0)]
    assert take(folding, second(30, 12.5, 40.0)) == [Bar("A", DAY_MS, 9.0, 12.5, 9.0, 12.5, 240.0)]
    assert take(folding, second(30, 12.5, 40.0)) == [Bar("A", DAY_MS, 9.0, 12.5, 9.0, 12.5, 240.0)], "never twice"
    assert take(folding, second(10, 9.5, 1.0)) == [Bar("A", DAY_MS, 9.5, 12.5, 9.5, 12.5, 141.0)]


def test_a_ticker_that_is_heard_of_too_late_gets_its_bar_then() -> None:
    folding = listening()
    take(folding, second(20))
    take(folding, second(62))
    assert take(folding, second(58, 7.0, ticker="NEW"), second(64)) == [second(0, 7.0, ticker="NEW")]
    take(folding, second(200))
    assert minutes(take(folding, second(70, ticker="NEW"), second(201))) == [1], (
        "also where it is the minute's only one"
    )
    assert minutes(take(folding, second(130, ticker="NEW"), second(202))) == [2], "or the minute had none at all"


def test_a_market_that_falls_silent_closes_by_the_clock() -> None:
    folding = listening()
    take(folding, second(50))
    quiet_ms = came_ms(50)
    assert folding.tick(quiet_ms + QUIET_MS - 1) == []
    # by the feed's time the minute is over nine seconds later, and settled twelve
    assert folding.tick(quiet_ms + 11_999) == []
    assert minutes(flat(folding.tick(quiet_ms + 12_000))) == [0]
    assert folding.tick(quiet_ms + 10 * MINUTE_MS) == []


def test_a_line_that_stands_still_for_a_moment_closes_nothing() -> None:
    folding = listening()
    every_second(folding, 0, 58)
    assert folding.tick(came_ms(57) + QUIET_MS - 1) == []
    (bar,) = take(folding, second(58), second(59), second(66))
    assert bar.volume == 60 * 100.0


@pytest.mark.parametrize("delay_ms", [0, LATE_MS])
def test_silence_is_measured_from_the_last_second_however_late_the_plan_is(delay_ms: int) -> None:
    folding = listening(DAY_MS - MINUTE_MS + delay_ms)
    every_second(folding, 0, 10, delay_ms)
    assert folding.tick(came_ms(9, delay_ms) + QUIET_MS) == []
    assert minutes(flat(folding.tick(came_ms(9, delay_ms) + 53_000))) == [0]


@pytest.mark.parametrize("delay_ms", [0, LATE_MS])
@pytest.mark.parametrize("clock_ms", [0, -400_000, 400_000])
def test_the_minute_in_which_the_connection_began_is_not_passed_on(delay_ms: int, clock_ms: int) -> None:
    """Whatever the plan's delay, and however wrong our clock is."""
    joined = 20
    folding = Folding()
    folding.begin(came_ms(joined - 1, delay_ms + clock_ms))
    passed = every_second(folding, joined, 200, delay_ms + clock_ms)
    assert minutes(passed) == [1, 2]
    assert [bar.volume for bar in passed] == [6_000.0, 6_000.0]
    assert take(folding, second(30), second(201), delay_ms=delay_ms + clock_ms) == [], "nor corrected"
    assert folding.late == 1


@pytest.mark.parametrize(("joined", "first"), [(56, 1), (59, 2), (61, 2)])
def test_a_connection_of_the_last_moment_gets_the_next_minute_only_if_nothing_of_it_can_be_missing(
    joined: int, first: int
) -> None:
    folding = listening(came_ms(joined - 1))
    assert minutes(every_second(folding, joined, 250))[0] == first


def test_who_listened_before_the_first_print_of_the_day_has_its_minute() -> None:
    folding = listening(DAY_MS - 20 * MINUTE_MS)
    assert minutes(every_second(folding, 7, 64)) == [0]


def test_a_correction_that_is_heard_first_does_not_make_half_a_minute_whole() -> None:
    folding = listening(came_ms(199))
    folding.take(batch_of([second(30)]), came_ms(199) + 50)
    assert minutes(every_second(folding, 200, 310)) == [4]


def test_what_a_lost_connection_leaves_open_is_never_passed_on() -> None:
    folding = listening()
    every_second(folding, 0, 90)
    folding.begin(came_ms(90))
    assert folding.tick(came_ms(90) + 10 * MINUTE_MS) == []
    folding.begin(came_ms(130))
    assert minutes(every_second(folding, 131, 250)) == [3]


def test_nothing_is_taken_without_a_connection() -> None:
    folding = Folding()
    assert take(folding, second(0), second(70)) == []
    assert folding.tick(came_ms(70) + MINUTE_MS) == []


def test_the_day_changes_like_any_minute() -> None:
    folding = listening()
    midnight = (DAY_MS // 86_400_000 + 1) * 86_400_000
    folding.begin(midnight - 2 * MINUTE_MS)
    first, after = second(-1, 8.0, day_ms=midnight), second(3 * 3600, 9.0, day_ms=midnight)
    assert take(folding, first) == []
    assert take(folding, after) == [second(-60, 8.0, day_ms=midnight)]


def test_what_comes_more_than_a_quarter_of_an_hour_late_is_left_out_and_counted() -> None:
    folding = listening()
    take(folding, second(0))
    take(folding, second(15 * 60 + 3))
    assert minutes(take(folding, second(1), second(15 * 60 + 4))) == [0]
    take(folding, second(17 * 60 + 3))
    assert take(folding, second(2), second(17 * 60 + 4)) == []
    assert folding.late == 1


def test_a_busy_market_is_kept_for_a_shorter_time_but_its_last_minute_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_SECONDS", 100)
    folding = listening()
    every_second(folding, 0, 3 * 60 + 5)
    assert minutes(take(folding, second(150, 20.0), second(186))) == [2]
    assert take(folding, second(90, 20.0), second(187)) == []
    monkeypatch.setattr(rules, "MOST_SECONDS", 10)
    every_second(folding, 188, 250)
    assert minutes(take(folding, second(190, 20.0), second(251))) == [3]
    assert folding.late == 1


def test_volumes_beyond_all_sense_stay_a_bar() -> None:
    folding = listening()
    take(folding, second(1, volume=MOST), second(2, volume=MOST))
    assert take(folding, second(62))[0].volume == MOST

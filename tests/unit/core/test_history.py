"""The analyzer's memory of a day is bounded, and what it is asked for is always in it."""

from core.rules.history import KEPT, SLACK, BarLists
from core.stages.analyze import WINDOW_BARS
from tests.unit.core.builders import bar


def test_a_day_of_bars_keeps_no_more_than_is_ever_asked_for() -> None:
    histories, everything = BarLists(), []
    for minute in range(960):
        each = bar(minute, 100 + minute / 100, ticker="NVDA")
        everything.append(each)
        assert histories.put(each)
        window = histories.window("NVDA", each.start_ms, WINDOW_BARS)
        assert window.start_ms.tolist() == [b.start_ms for b in everything[-WINDOW_BARS:]]
        assert len(histories._rows["NVDA"]) <= KEPT + SLACK


def test_a_correction_of_a_quarter_of_an_hour_ago_still_finds_its_window_whole() -> None:
    histories = BarLists()
    for minute in range(2 * KEPT):
        histories.put(bar(minute, 100.0, ticker="NVDA"))
    late = bar(2 * KEPT - 16, 105.0, ticker="NVDA")
    assert not histories.put(late)
    window = histories.window("NVDA", late.start_ms, WINDOW_BARS)
    assert len(window.close) == WINDOW_BARS
    assert window.close[-1] == 105.0

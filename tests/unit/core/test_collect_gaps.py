"""A feed that was away: the missing minutes come first, and afterwards every decision is as if it had never been away."""

import datetime as dt
import itertools

import pytest

from core.model.bar import Bar
from core.model.batch import batch_of
from core.model.messages import BarsClosed, HeldPosition, HoldingsChanged, Screened, Signal
from core.model.params import AnalyzerParams, ScannerParams
from core.model.signal import SignalType
from core.rules.screen import ScreenRule
from core.stages.analyze import AnalyzeStage
from core.stages.collect import CollectEffect, CollectStage, FetchHistory, Publish
from tests.unit.core.builders import DAY_MS, NOON, D, bar, instrument

OPEN_MS = DAY_MS - int(5.5 * 3_600_000)
HELD, OTHER = "HELD", "RISE"
MINUTES = 60


def at(minute: int, lag_s: float = 2.0) -> dt.datetime:
    return dt.datetime.fromtimestamp(DAY_MS / 1000 + (minute + 1) * 60 + lag_s, dt.UTC)


def price(ticker: str, minute: int) -> float:
    """HELD rises and falls in waves; RISE lies still and jumps at minutes 24 and 40."""
    if ticker == HELD:
        return round(100 + 8 * abs((minute % 24) - 12) / 12 + minute * 0.02, 2)
    return 100.0 * (1.0 + 0.08 * (minute >= 24) + 0.15 * (minute >= 40)) + (minute % 3) * 0.01


def volume(ticker: str, minute: int) -> float:
    return 400_000.0 if ticker == OTHER and minute in {24, 40} else 20_000.0 + 100 * minute


def day() -> list[list[Bar]]:
    return [[bar(m, price(t, m), volume(t, m), ticker=t) for t in (HELD, OTHER)] for m in range(MINUTES)]


class Pipe:
    """Collector's and analyzer's machines, with a history that answers at once, later, or not at all."""

    def __init__(self) -> None:
        self.collect = CollectStage(ScannerParams())
        self.collect.know([instrument(HELD), instrument(OTHER)])
        self.collect.follow([HELD])
        self.collect.feed_started(OPEN_MS)
        self.analyze = AnalyzeStage(AnalyzerParams(), ScannerParams())
        held = HeldPosition(ticker=HELD, qty=1, stop_price=D("50"))
        self.analyze.holdings_changed(HoldingsChanged(id="h", positions=(held,), at=NOON))
        self.signals: dict[str, Signal] = {}
        self.screened: list[Screened] = []
        self.closed: list[BarsClosed] = []
        self.asked: list[FetchHistory] = []
        self.answers = True

    def minute(self, bars: list[Bar], minute: int) -> None:
        self.perform(self.collect.bars_arrived(batch_of(bars), at(minute)), minute)

    def perform(self, effects: list[CollectEffect], minute: int) -> None:
        for effect in effects:
            match effect:
                case FetchHistory():
                    self.asked.append(effect)
                    if self.answers:
                        self.answer(effect, minute)
                case Publish(message):
                    self.take(message, minute)
                case _:
                    pytest.fail(f"not expected: {effect}")

    def answer(self, ask: FetchHistory, minute: int) -> None:
        every = [b for m in day() for b in m if b.ticker == ask.ticker and ask.from_ms <= b.start_ms < ask.until_ms]
        self.perform(self.collect.history_loaded(ask.ticker, every, at(minute)), minute)

    def take(self, message: Screened | BarsClosed, minute: int) -> None:
        if isinstance(message, Screened):
            self.screened.append(message)
            made = self.analyze.screened(message, at(minute))
        else:
            self.closed.append(message)
            made = self.analyze.bars_closed(message, at(minute))
        self.signals |= {s.id: s for s in made}


def lived(gaps: list[tuple[int, int]], *, answers: bool = True) -> Pipe:
    """A day; in each gap (first lost minute, first minute that is heard again) nothing arrives."""
    pipe = Pipe()
    pipe.answers = answers
    lost = {m for first, after in gaps for m in range(first, after)}
    for minute, bars in enumerate(day()):
        if any(after == minute for _, after in gaps):
            pipe.collect.feed_started(DAY_MS + minute * 60_000 + 20_000)
        if minute not in lost:
            pipe.minute(bars, minute)
    return pipe


@pytest.mark.parametrize("gaps", [[(20, 21)], [(10, 18)], [(26, 33)], [(5, 9), (21, 24), (41, 50)], [(39, 40)]])
def test_decisions_after_a_gap_equal_those_of_a_feed_without_one(gaps: list[tuple[int, int]]) -> None:
    whole, holed = lived([]), lived(gaps)
    lost = {DAY_MS + m * 60_000 for first, after in gaps for m in range(first, after)}

    def after(pipe: Pipe) -> dict[str, tuple]:
        return {
            key: (s.ticker, s.verdict, s.bar_end_at, s.created_at)
            for key, s in pipe.signals.items()
            if int(s.bar_end_at.timestamp() * 1000) - 60_000 not in lost
        }

    assert after(whole)
    assert after(holed) == after(whole)
    assert [(s.discovery, s.bars) for s in holed.screened] == [(s.discovery, s.bars) for s in whole.screened]


def test_the_day_of_these_tests_has_finds_and_sales() -> None:
    whole = lived([])
    assert len(whole.screened) == 2
    assert any(s.verdict.signal is SignalType.SELL for s in whole.signals.values())


def test_the_missing_minutes_of_a_followed_ticker_come_before_its_next_bar_and_are_not_judged() -> None:
    pipe = lived([(10, 18)])
    (filled,) = [c for c in pipe.closed if c.past]
    assert [b.start_ms for b in filled.past] == [DAY_MS + m * 60_000 for m in range(10, 18)]
    assert [b.start_ms for b in filled.bars] == [DAY_MS + 18 * 60_000]
    assert len(pipe.asked) == 2, "once for the held ticker, once for the find"


def test_the_gaps_of_the_day_are_marked() -> None:
    pipe = lived([(10, 18), (30, 31)])
    assert pipe.collect.gaps == [
        (DAY_MS + 10 * 60_000, DAY_MS + 18 * 60_000 + 20_000),
        (DAY_MS + 30 * 60_000, DAY_MS + 31 * 60_000 + 20_000),
    ]


def test_without_history_nothing_is_screened_across_a_gap() -> None:
    pipe = lived([(20, 24)], answers=False)
    assert not pipe.screened
    assert {ask.ticker for ask in pipe.asked} == {HELD, OTHER}


def test_where_the_history_fails_bars_go_on_with_their_hole_marked_and_nothing_is_bought() -> None:
    pipe = Pipe()
    pipe.answers = False
    for minute, bars in itertools.islice(enumerate(day()), 10):
        pipe.minute(bars, minute)
    pipe.collect.feed_started(DAY_MS + 15 * 60_000)
    pipe.closed.clear()
    pipe.minute(day()[15], 15)
    assert not pipe.closed, "held until the history answers"
    pipe.perform(pipe.collect.history_failed(HELD, at(15)), 15)
    (closed,) = pipe.closed
    assert (closed.holed, [b.start_ms for b in closed.bars]) == ((HELD,), [DAY_MS + 15 * 60_000])
    pipe.answers = True
    pipe.minute(day()[16], 16)
    assert [b.start_ms for b in pipe.closed[-1].past] == [DAY_MS + m * 60_000 for m in range(10, 15)]
    assert not pipe.closed[-1].holed


def test_an_answer_that_was_asked_for_before_the_newest_gap_does_not_close_it() -> None:
    pipe = Pipe()
    pipe.answers = False
    for minute, bars in itertools.islice(enumerate(day()), 10):
        pipe.minute(bars, minute)
    pipe.collect.feed_started(DAY_MS + 12 * 60_000)
    pipe.minute(day()[12], 12)
    pipe.collect.feed_started(DAY_MS + 17 * 60_000)
    (early,) = [ask for ask in pipe.asked if ask.ticker == HELD]
    pipe.answer(early, 17)
    pipe.answers = True
    pipe.minute(day()[17], 17)
    assert [b.start_ms for b in pipe.closed[-1].past] == [DAY_MS + m * 60_000 for m in range(13, 17)]


def test_what_was_revised_during_a_gap_is_taken_from_the_history() -> None:
    pipe = Pipe()
    early = [bar(9, 99.0, 5.0, ticker=HELD)]
    for minute, bars in itertools.islice(enumerate(day()), 10):
        pipe.minute(early if minute == 9 else bars, minute)
    pipe.collect.feed_started(DAY_MS + 11 * 60_000)
    pipe.minute(day()[11], 11)
    assert pipe.closed[-1].past == (day()[9][0], day()[10][0])


def test_a_reconnect_before_the_first_bars_is_no_gap() -> None:
    pipe = Pipe()
    pipe.collect.feed_started(OPEN_MS)
    for minute, bars in itertools.islice(enumerate(day()), 30):
        pipe.minute(bars, minute)
    assert not pipe.asked
    assert not pipe.collect.gaps


def halted_day(*, told: bool) -> CollectStage:
    """RISE is halted in minute 24, before its jump, and resumes in minute 30."""
    stage = CollectStage(ScannerParams())
    stage.know([instrument(OTHER)])
    stage.feed_started(OPEN_MS)
    for minute in range(24):
        stage.bars_arrived(batch_of([day()[minute][1]]), at(minute))
    if told:
        stage.halt_changed(OTHER, DAY_MS + 24 * 60_000, halted=True)
        stage.halt_changed(OTHER, DAY_MS + 30 * 60_000, halted=False)
    return stage


@pytest.mark.parametrize(("told", "finds"), [(True, 0), (False, 1)])
def test_the_first_bar_after_a_resume_is_no_find_where_halts_are_known(told: bool, finds: int) -> None:
    stage = halted_day(told=told)
    effects = stage.bars_arrived(batch_of([bar(30, 115.0, 900_000, ticker=OTHER)]), at(30))
    assert len([e for e in effects if isinstance(e, Publish) and isinstance(e.message, Screened)]) == finds
    assert (ScreenRule.STALE_REFERENCE in stage.rejections) is told


def test_a_long_halt_is_known_by_its_silence_alone() -> None:
    stage = halted_day(told=False)
    stage.bars_arrived(batch_of([bar(45, 115.0, 900_000, ticker=OTHER)]), at(45))
    assert stage.rejections[ScreenRule.STALE_REFERENCE] == 1


def test_a_halt_heard_of_only_at_its_end_and_yesterdays_are_known_too() -> None:
    stage = halted_day(told=False)
    stage.halt_changed(OTHER, DAY_MS + 30 * 60_000, halted=False)
    assert not stage.bars_arrived(batch_of([bar(31, 115.0, 900_000, ticker=OTHER)]), at(31))
    stage.bars_arrived(batch_of([bar(0, 100.0, day_ms=DAY_MS + 86_400_000, ticker=OTHER)]), at(1440))
    assert not stage._halts

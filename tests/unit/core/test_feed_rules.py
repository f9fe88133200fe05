"""How late the feed is, how long it is away, and whether the broker agrees with it."""

import datetime as dt
from decimal import Decimal

import pytest

from core.model.bar import Bar
from core.model.messages import EventKind
from core.rules.feed import Agreement, DelayMeter, FeedWatch
from core.rules.screen import Halt, ScreenRule, halt_rule
from tests.unit.core.builders import DAY_MS, NOON, bar, seconds

MINUTE_MS = 60_000


def start_ms(minute: int) -> int:
    return DAY_MS + minute * MINUTE_MS


def arrival_ms(minute: int, lag_s: float) -> int:
    return DAY_MS + (minute + 1) * MINUTE_MS + int(lag_s * 1000)


def at(minute: int, lag_s: float = 2.0) -> dt.datetime:
    return dt.datetime.fromtimestamp(arrival_ms(minute, lag_s) / 1000, dt.UTC)


def measured(*lags_s: float) -> float | None:
    meter = DelayMeter()
    for minute, lag_s in enumerate(lags_s):
        meter.see(start_ms(minute), arrival_ms(minute, lag_s))
    return meter.delay_s(arrival_ms(len(lags_s) - 1, lags_s[-1]))


def test_the_delay_is_what_a_minutes_first_bar_needs_to_arrive() -> None:
    assert measured(2.0, 3.0, 2.5) == 2.5
    assert measured(902.0, 901.5, 903.0) == 902.0


def test_too_little_is_no_measurement() -> None:
    assert measured(900.0, 900.0) is None


def test_one_late_minute_does_not_make_a_feed_late() -> None:
    assert measured(2.0, 2.0, 400.0, 2.0, 2.0) == 2.0


def test_late_revisions_and_the_rest_of_a_minute_do_not_count() -> None:
    meter = DelayMeter()
    for minute in range(5, 10):
        meter.see(start_ms(minute), arrival_ms(minute, 2.0))
        meter.see(start_ms(minute), arrival_ms(minute, 50.0))
        meter.see(start_ms(minute - 4), arrival_ms(minute, 55.0))
    assert meter.delay_s(arrival_ms(9, 55.0)) == 2.0


def test_quiet_minutes_are_no_delay_and_old_ones_say_nothing_of_now() -> None:
    meter = DelayMeter()
    for minute in (0, 4, 8):
        meter.see(start_ms(minute), arrival_ms(minute, 2.0))
    assert meter.delay_s(arrival_ms(8, 2.0)) == 2.0
    assert meter.delay_s(arrival_ms(19, 0.0)) is None


def kinds(news: list) -> list[EventKind]:
    return [each.kind for each in news]


@pytest.mark.parametrize("lag_s", range(0, 1201, 60))
def test_a_feed_shifted_by_up_to_twenty_minutes_is_late_exactly_beyond_the_limit(lag_s: int) -> None:
    watch = FeedWatch()
    told = []
    for minute in range(30):
        now = at(minute, lag_s + 2)
        watch.bars(start_ms(minute), now)
        told += watch.look(now, 90.0)
    late = lag_s + 2 > 90
    assert kinds(told) == ([EventKind.FEED_DELAYED] if late else [])
    assert watch.delayed is late
    assert not late or told[0].values == {"delay_s": lag_s + 2, "limit_s": 90}


def test_a_feed_that_catches_up_is_told_once_and_only_well_under_the_limit() -> None:
    watch = FeedWatch()
    told = []
    for minute, lag_s in enumerate([900.0] * 5 + [85.0] * 5 + [2.0] * 5):
        now = at(minute + (0 if lag_s == 900.0 else 20), lag_s)
        watch.bars(start_ms(minute + (0 if lag_s == 900.0 else 20)), now)
        told += watch.look(now, 90.0)
    assert kinds(told) == [EventKind.FEED_DELAYED, EventKind.FEED_TIMELY]
    assert told[1].values == {"delay_s": 2}


def test_a_wrong_clock_neither_hides_nor_invents_a_delay() -> None:
    watch = FeedWatch()
    for minute in range(5):
        # our clock is 900 s behind, and the feed is 902 s late
        watch.bars(start_ms(minute), at(minute, 2.0))
    assert not watch.look(at(4), 90.0)
    assert kinds(watch.look(at(4), 90.0, skew_s=900.0)) == [EventKind.FEED_DELAYED]


def down(watch: FeedWatch, key: str = "disconnected", *, after_s: float = 0.0) -> list[EventKind]:
    return kinds(watch.status(up=False, key=key, detail="d", at=NOON + seconds(after_s)))


def up(watch: FeedWatch, *, after_s: float) -> list:
    return watch.status(up=True, key="connected", detail="", at=NOON + seconds(after_s))


def test_a_short_outage_is_told_nobody() -> None:
    watch = FeedWatch()
    assert not up(watch, after_s=-100)
    assert not down(watch)
    assert not watch.look(NOON + seconds(59), 90.0)
    assert not up(watch, after_s=59)
    assert not watch.look(NOON + seconds(300), 90.0)


def test_a_long_outage_is_told_once_with_its_end() -> None:
    watch = FeedWatch()
    down(watch)
    assert not down(watch, "no_ack", after_s=30)
    (told,) = watch.look(NOON + seconds(60), 90.0)
    assert (told.kind, told.values) == (EventKind.FEED_DOWN, {"key": "no_ack", "detail": "d"})
    assert not watch.look(NOON + seconds(70), 90.0)
    assert not down(watch, after_s=80), "another passing reason is no news"
    (told,) = up(watch, after_s=240)
    assert (told.kind, told.values["minutes"]) == (EventKind.FEED_UP, 4)


@pytest.mark.parametrize("key", ["auth_failed", "not_authorized", "max_connections"])
def test_what_needs_a_person_is_told_at_once_and_once(key: str) -> None:
    watch = FeedWatch()
    assert down(watch, key) == [EventKind.FEED_DOWN]
    assert not down(watch, key, after_s=60)
    assert not watch.look(NOON + seconds(600), 90.0)


def test_a_reason_for_a_person_is_told_although_the_outage_is_known() -> None:
    watch = FeedWatch()
    down(watch)
    watch.look(NOON + seconds(60), 90.0)
    assert down(watch, "auth_failed", after_s=61) == [EventKind.FEED_DOWN]


def compare(agreement: Agreement, minute: int, price: str, *, age_s: float = 2.0) -> float | None:
    return agreement.see(bar(minute, 100.0), Decimal(price), at(minute, age_s), 5.0)


def test_prices_that_stay_apart_are_told_once_per_ticker() -> None:
    agreement = Agreement()
    told = [compare(agreement, minute, "110") for minute in range(8)]
    assert [index for index, pct in enumerate(told) if pct is not None] == [3]
    assert told[3] == pytest.approx(10.0)


@pytest.mark.parametrize("price", ["104.9", "95.1", "100"])
def test_prices_that_agree_are_no_news(price: str) -> None:
    agreement = Agreement()
    assert not any(compare(agreement, minute, price) for minute in range(8))


def test_agreement_in_between_begins_anew() -> None:
    agreement = Agreement()
    prices = ["110", "110", "100", "110", "110", "110"]
    assert not any(compare(agreement, minute, price) for minute, price in enumerate(prices))


def test_one_bar_however_often_compared_is_one_witness() -> None:
    agreement = Agreement()
    assert not any(compare(agreement, 0, "120", age_s=age) for age in range(2, 150, 4))


def test_an_old_bar_is_compared_with_nothing() -> None:
    agreement = Agreement()
    assert not any(compare(agreement, minute, "150", age_s=901) for minute in range(9))


def test_a_price_inside_of_the_bar_agrees_with_it() -> None:
    agreement = Agreement()
    for minute in range(8):
        wide = Bar("NVDA", DAY_MS + minute * MINUTE_MS, 100.0, 130.0, 80.0, 90.0, 1e6)
        assert agreement.see(wide, Decimal(129), at(minute), 5.0) is None


def test_a_bar_of_the_halt_itself_is_no_offer() -> None:
    halt = Halt(DAY_MS + 20 * MINUTE_MS + 30_000)
    assert halt_rule(bar(20, 106.0), halt, 5) is ScreenRule.HALTED


def test_after_a_resume_the_reference_must_be_from_after_it() -> None:
    halt = Halt(DAY_MS + 20 * MINUTE_MS, DAY_MS + 26 * MINUTE_MS)
    results = [halt_rule(bar(minute, 106.0), halt, 5) for minute in (26, 30, 31)]
    assert results == [ScreenRule.STALE_REFERENCE, ScreenRule.STALE_REFERENCE, None]


def test_a_resume_that_nobody_heard_of_shows_by_its_bars() -> None:
    halt = Halt(DAY_MS + 20 * MINUTE_MS)
    assert halt_rule(bar(26, 106.0), halt, 5) is ScreenRule.STALE_REFERENCE
    assert halt_rule(bar(31, 106.0), halt, 5) is None

"""The collector's machine."""

import datetime as dt

import msgspec
import pytest

from core.model.bar import LEAST, MOST, Bar
from core.model.batch import batch_of
from core.model.instrument import Exchange, Listing
from core.model.messages import BarsClosed, Screened
from core.model.params import ScannerParams
from core.rules.screen import ScreenRule
from core.stages.collect import CollectEffect, CollectStage, FetchHistory, FetchInstrument, Publish
from tests.unit.core.builders import DAY_MS, TICKER, bar, instrument

AT = dt.datetime(2026, 11, 17, 14, 51, 2, tzinfo=dt.UTC)


def quiet(minutes: int = 20, ticker: str = TICKER) -> list[Bar]:
    return [bar(m, 100.0, 10_000, ticker=ticker) for m in range(minutes)]


def jump(minute: int = 20, price: float = 106.0, volume: float = 1e6, ticker: str = TICKER) -> Bar:
    return bar(minute, price, volume, ticker=ticker)


def screened(effects: list[CollectEffect]) -> list[Screened]:
    return [e.message for e in effects if isinstance(e, Publish) and isinstance(e.message, Screened)]


@pytest.fixture
def stage() -> CollectStage:
    ready = CollectStage(ScannerParams())
    ready.know([instrument()])
    ready.bars_arrived(batch_of(quiet()), AT)
    return ready


def test_a_passing_bar_is_published_with_its_history(stage: CollectStage) -> None:
    found = screened(stage.bars_arrived(batch_of([jump()]), AT))[0]
    assert len(found.bars) == 21
    assert found.bars[-1] == jump()
    assert found.discovery.change_pct == pytest.approx(6.0)
    assert found.discovery.market_cap == pytest.approx(106e9)
    assert found.discovery.name_ko == "회사"
    assert found.feed_delay_ms == 2_000
    assert found.discovery.announce


@pytest.mark.parametrize("volume", [5e-324, 1e-308, LEAST / 2, MOST * 2, float("inf"), float("nan"), -1.0])
def test_a_volume_that_no_market_has_is_no_bar(volume: float) -> None:
    with pytest.raises(ValueError, match="impossible volume"):
        jump(volume=volume)


@pytest.mark.parametrize("price", [5e-324, LEAST / 2, MOST * 2])
def test_a_price_that_no_market_has_is_no_bar(price: float) -> None:
    with pytest.raises(ValueError, match="impossible prices"):
        jump(price=price)


@pytest.mark.parametrize("least", [0.0, LEAST])
def test_the_screen_computes_with_the_extremes_of_what_a_bar_may_be(least: float) -> None:
    """Without a least volume a quotient once left the numbers that a computer has, and took the collector with it."""
    stage = CollectStage(ScannerParams(min_volume=0, min_price=0.0001))
    stage.know([instrument()])
    stage.bars_arrived(batch_of([bar(m, LEAST, least or LEAST if m % 2 else least) for m in range(20)]), AT)
    (found,) = screened(stage.bars_arrived(batch_of([jump(price=MOST, volume=MOST)]), AT))
    assert found.discovery.volume_ratio_pct < float("inf")
    stage.bars_arrived(batch_of(quiet(60)[21:]), AT)
    tiny = screened(
        stage.bars_arrived(batch_of([bar(m, 100.0, LEAST) for m in range(60, 80)] + [jump(80, volume=LEAST * 4)]), AT)
    )
    assert [f.discovery.volume_ratio_pct for f in tiny] == [pytest.approx(400)]


def test_at_most_120_bars_travel() -> None:
    stage = CollectStage(ScannerParams())
    stage.know([instrument()])
    stage.bars_arrived(batch_of(quiet(200)), AT)
    assert len(screened(stage.bars_arrived(batch_of([jump(200)]), AT))[0].bars) == 120


def test_a_bar_that_is_sent_again_fires_once(stage: CollectStage) -> None:
    assert len(screened(stage.bars_arrived(batch_of([jump()]), AT))) == 1
    assert not screened(stage.bars_arrived(batch_of([jump(), jump(price=107.0)]), AT))


def test_a_replaced_bar_counts_with_its_new_values(stage: CollectStage) -> None:
    assert not screened(stage.bars_arrived(batch_of([jump(price=104.0)]), AT))
    found = screened(stage.bars_arrived(batch_of([jump(price=106.0)]), AT))[0]
    assert [b.close for b in found.bars[-2:]] == [100.0, 106.0]
    assert len(found.bars) == 21


def test_a_late_bar_is_put_in_its_place(stage: CollectStage) -> None:
    stage.bars_arrived(batch_of([bar(22, 100, 1)]), AT)
    found = screened(stage.bars_arrived(batch_of([jump(21)]), AT))[0]
    assert [b.start_ms for b in found.bars] == sorted(b.start_ms for b in found.bars)
    assert found.bars[-1].start_ms == jump(21).start_ms


def test_people_hear_of_a_ticker_once_per_cool_down(stage: CollectStage) -> None:
    announced = []
    for minute in range(20, 60):
        price = 100 * 1.06 ** (minute - 19)
        found = screened(stage.bars_arrived(batch_of([jump(minute, price, 4.0**minute)]), AT))
        assert len(found) == 1, "it is published each time"
        if found[0].discovery.announce:
            announced.append(minute)
    assert announced == [20, 50]


def test_missing_history_is_fetched_once_and_then_the_waiting_bar_is_screened() -> None:
    stage = CollectStage(ScannerParams())
    stage.know([instrument()])
    stage.feed_started(DAY_MS + 19 * 60_000)
    (wanted,) = stage.bars_arrived(batch_of([jump()]), AT)
    assert isinstance(wanted, FetchHistory)
    assert (wanted.ticker, wanted.until_ms) == (TICKER, jump().start_ms)
    assert not stage.bars_arrived(batch_of([jump(21, 108.0, 1e7)]), AT), "one request at a time"
    found = screened(stage.history_loaded(TICKER, quiet(), AT))
    assert [f.bars[-1].start_ms for f in found] == [jump().start_ms, jump(21).start_ms]


def test_history_never_replaces_a_bar_of_the_stream() -> None:
    stage = CollectStage(ScannerParams())
    stage.know([instrument()])
    stage.feed_started(DAY_MS + 19 * 60_000)
    stage.bars_arrived(batch_of([jump()]), AT)
    found = screened(stage.history_loaded(TICKER, [*quiet(), jump(price=50.0)], AT))
    assert found[0].discovery.price == 106.0


def test_after_a_failed_fetch_the_next_qualifying_bar_asks_again() -> None:
    stage = CollectStage(ScannerParams())
    stage.feed_started(DAY_MS + 19 * 60_000)
    stage.bars_arrived(batch_of([jump()]), AT)
    stage.history_failed(TICKER, AT)
    assert isinstance(stage.bars_arrived(batch_of([jump(21)]), AT)[0], FetchHistory)


def test_a_gap_in_the_feed_makes_every_ticker_incomplete(stage: CollectStage) -> None:
    stage.feed_started(DAY_MS + 20 * 60_000)
    assert isinstance(stage.bars_arrived(batch_of([jump(25)]), AT)[0], FetchHistory)


def test_a_feed_that_began_before_the_first_bars_needs_no_history() -> None:
    stage = CollectStage(ScannerParams())
    stage.know([instrument()])
    stage.feed_started(DAY_MS - 6 * 3_600_000)
    stage.bars_arrived(batch_of(quiet()), AT)
    assert screened(stage.bars_arrived(batch_of([jump()]), AT))


@pytest.mark.parametrize(
    ("known", "rule"),
    [
        (instrument(shares=1e5), ScreenRule.MARKET_CAP),
        (instrument(kind="ETF"), ScreenRule.SECURITY_TYPE),
        (instrument(shares=None), ScreenRule.UNKNOWN_CAP),
        (None, ScreenRule.SECURITY_TYPE),
    ],
    ids=["small", "fund", "unknown-cap", "unknown-ticker"],
)
def test_what_a_look_up_finds_decides(known: object, rule: ScreenRule) -> None:
    stage = CollectStage(ScannerParams())
    stage.bars_arrived(batch_of(quiet()), AT)
    assert stage.bars_arrived(batch_of([jump()]), AT) == [FetchInstrument(TICKER)]
    assert stage.instrument_loaded(TICKER, known, AT) == []
    assert stage.rejections[rule] == 1
    assert stage.bars_arrived(batch_of([jump(21, 112.0, 1e8)]), AT) == [], "not asked again that day"
    assert stage.rejections[rule] == 2


def test_a_look_up_lets_the_waiting_bars_through() -> None:
    stage = CollectStage(ScannerParams())
    stage.bars_arrived(batch_of(quiet()), AT)
    stage.bars_arrived(batch_of([jump()]), AT)
    assert stage.bars_arrived(batch_of([jump(21, 112.0, 1e8)]), AT) == []
    assert len(screened(stage.instrument_loaded(TICKER, instrument(), AT))) == 2


def test_a_cached_type_that_is_not_wanted_is_not_looked_up() -> None:
    stage = CollectStage(ScannerParams())
    stage.know([instrument(shares=None, kind="WARRANT")])
    stage.bars_arrived(batch_of(quiet()), AT)
    assert stage.bars_arrived(batch_of([jump()]), AT) == []


def test_after_a_failed_look_up_the_next_qualifying_bar_asks_again() -> None:
    stage = CollectStage(ScannerParams())
    stage.bars_arrived(batch_of(quiet()), AT)
    stage.bars_arrived(batch_of([jump()]), AT)
    stage.instrument_failed(TICKER)
    assert stage.bars_arrived(batch_of([jump(21, 112.0, 1e8)]), AT) == [FetchInstrument(TICKER)]


def test_test_symbols_are_never_looked_up() -> None:
    stage = CollectStage(ScannerParams())
    stage.bars_arrived(batch_of(quiet(ticker="ZVZZT")), AT)
    assert stage.bars_arrived(batch_of([jump(ticker="ZVZZT")]), AT) == []


def test_a_new_day_begins_with_nothing(stage: CollectStage) -> None:
    stage.bars_arrived(batch_of([jump()]), AT)
    tomorrow = msgspec.structs.replace(jump(25), start_ms=jump(25).start_ms + 86_400_000)
    before = stage.rejections.get(ScreenRule.NO_REFERENCE, 0)
    assert stage.bars_arrived(batch_of([tomorrow]), AT) == []
    assert stage.rejections[ScreenRule.NO_REFERENCE] == before + 1
    assert stage.bars_arrived(batch_of([jump(26)]), AT) == [], "a bar of yesterday is dropped"


def test_bars_of_followed_and_screened_tickers_are_forwarded(stage: CollectStage) -> None:
    stage.follow(["AMD"])
    (effect,) = stage.bars_arrived(batch_of([bar(20, 9, 1, ticker="AMD"), bar(20, 9, 1, ticker="TSLA")]), AT)
    assert isinstance(effect.message, BarsClosed)
    assert [b.ticker for b in effect.message.bars] == ["AMD"]
    stage.bars_arrived(batch_of([jump(21)]), AT)
    (effect,) = stage.bars_arrived(batch_of([bar(22, 100, 1)]), AT)
    assert [b.ticker for b in effect.message.bars] == [TICKER]


def test_new_thresholds_apply_from_the_next_bar(stage: CollectStage) -> None:
    assert not screened(stage.bars_arrived(batch_of([jump(price=104.0)]), AT))
    stage.settings_changed(ScannerParams(price_change_pct=3.0))
    assert screened(stage.bars_arrived(batch_of([jump(21, 104.0, 1e7)]), AT))


def test_the_brokers_own_venue_and_korean_name_outrank_the_vendors(stage: CollectStage) -> None:
    """KIS's master file decides where an order goes, not the data vendor's exchange."""
    stage.listings_known({TICKER: Listing(ticker=TICKER, exchange=Exchange.AMEX, name_ko="엔비디아")})
    (found,) = screened(stage.bars_arrived(batch_of([jump()]), AT))
    assert (found.discovery.exchange, found.discovery.name_ko) == ("AMEX", "엔비디아")

"""What the collector knows of securities: renewed each day, split with the shares, and the last good copy serves on."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence

import pytest

from core.model.bar import Bar
from core.model.instrument import Exchange, Instrument, Listing, Split
from core.model.messages import Channel, Event, EventKind, Screened, SplitsOfDay
from core.model.params import ScannerParams
from core.model.signal import Discovery
from core.rules.days import us_date
from core.stages.collect import CollectStage
from ports.market_data import NotInPlan, ReferenceUnavailable
from ports.store import StoreUnavailable
from services.runtime import Runtime
from services.securities import Securities

DAY = dt.timedelta(days=1)


class Vendor:
    """Look-ups that a test fills in; `away` and `poor` (in plan) refuse."""

    def __init__(self) -> None:
        self.away = False
        self.poor = False
        self.listed = [security("NVDA"), security("BRK.B", exchange=Exchange.NYSE)]
        self.counts: dict[str, float] = {}
        self.split: list[Split] | None = []
        self.asked: list[str] = []

    async def instruments(self) -> Sequence[Instrument]:
        self._answer("list")
        return self.listed

    async def share_counts(self) -> Mapping[str, float]:
        self._answer("counts")
        if self.poor:
            raise NotInPlan("no ratios")
        return self.counts

    async def splits(self, on: dt.date) -> Sequence[Split]:
        self._answer("splits")
        if self.split is None:
            raise NotInPlan("no splits")
        return [each for each in self.split if each.on == on]

    def _answer(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise ReferenceUnavailable("away")


class Table:
    """The table of securities."""

    def __init__(self) -> None:
        self.down = False
        self.rows: dict[str, tuple[Instrument, dt.datetime]] = {}

    async def instruments(self) -> Sequence[tuple[Instrument, dt.datetime]]:
        if self.down:
            raise StoreUnavailable
        return list(self.rows.values())

    async def put_instruments(self, instruments: Sequence[Instrument], at: dt.datetime) -> None:
        if self.down:
            raise StoreUnavailable
        self.rows |= {each.ticker: (each, at) for each in instruments}


class Clock:
    speed = 1.0

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def now(self) -> dt.datetime:
        return self.at


def security(ticker: str, shares: float | None = None, exchange: Exchange = Exchange.NASD) -> Instrument:
    return Instrument(ticker=ticker, name=ticker, exchange=exchange, security_type="CS", shares_outstanding=shares)


class World:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime, self.vendor, self.table = runtime, Vendor(), Table()
        self.clock = Clock(runtime.clock.now())
        runtime.clock = self.clock  # type: ignore[assignment]
        self.listings: dict[str, Listing] = {}
        self.changed: list[Instrument] = []
        self.start()

    def start(self) -> None:
        """A new process."""
        self.stage = CollectStage(ScannerParams())
        self.securities = Securities(
            self.runtime,
            self.vendor,  # type: ignore[arg-type]
            self.table,  # type: ignore[arg-type]
            lambda: self.listings,
            self.stage,
            self.changed.append,
        )

    def known(self, ticker: str) -> Instrument | None:
        return {each.ticker: each for each in self.stage.known()}.get(ticker)

    @property
    def today(self) -> dt.date:
        return us_date(self.clock.now())

    @property
    def events(self) -> list[Event]:
        published = self.runtime.bus.published  # type: ignore[attr-defined]
        return [message for _, message in published if isinstance(message, Event)]

    @property
    def splits(self) -> list[SplitsOfDay]:
        published = self.runtime.bus.published  # type: ignore[attr-defined]
        return [message for channel, message in published if channel is Channel.CONTROL]


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


async def test_the_last_list_serves_on_when_the_vendor_is_away_and_says_its_age(world):
    await world.securities.load()
    listed_at = world.clock.at
    world.clock.at += DAY
    world.vendor.away = True
    world.start()
    await world.securities.load()
    assert world.known("NVDA") == security("NVDA")
    assert world.runtime.progress["securities_at"] == listed_at.isoformat()
    world.vendor.away = False
    await world.securities.look()
    assert world.runtime.progress["securities_at"] == world.clock.at.isoformat()


async def test_a_torn_copy_is_no_copy(world):
    await world.securities.load()
    (world.runtime.settings.state_dir / "securities.json").write_text('{"at": "2026')
    world.vendor.away = True
    world.start()
    await world.securities.load()
    assert world.known("NVDA") is None


async def test_a_fresh_copy_is_not_asked_for_again(world):
    await world.securities.load()
    world.start()
    world.vendor.asked.clear()
    await world.securities.load()
    assert "list" not in world.vendor.asked
    assert world.known("NVDA") is not None


async def test_counts_of_the_whole_market_are_taken_once_a_day_and_kept(world):
    world.vendor.counts = {"NVDA": 24e9, "GONE": 5.0}
    await world.securities.load()
    assert world.known("NVDA").shares_outstanding == 24e9
    assert world.known("GONE") is None
    assert world.table.rows["NVDA"][0].shares_outstanding == 24e9
    await world.securities.look()
    assert world.vendor.asked.count("counts") == 1
    world.vendor.counts = {"NVDA": 25e9}
    world.clock.at += DAY
    await world.securities.look()
    assert world.known("NVDA").shares_outstanding == 25e9
    assert world.known("NVDA") in world.changed, "a replay must know it too"


async def test_a_renewed_list_does_not_forget_share_counts(world):
    world.vendor.counts = {"NVDA": 24e9}
    await world.securities.load()
    world.clock.at += DAY
    world.vendor.counts = {}
    world.vendor.listed.append(security("NEWC"))
    await world.securities.look()
    assert world.known("NVDA").shares_outstanding == 24e9
    assert world.known("NEWC") == security("NEWC")


async def test_what_the_plan_does_not_have_is_not_asked_for_again_that_day_and_what_failed_is(world):
    world.vendor.poor = True
    await world.securities.load()
    await world.securities.look()
    assert world.vendor.asked.count("counts") == 1
    assert world.runtime.progress["counts"] == "not_in_plan"
    world.clock.at += DAY
    world.vendor.away = True
    await world.securities.look()
    await world.securities.look()
    assert world.vendor.asked.count("counts") == 3


async def test_a_count_from_before_a_split_is_split_too_and_only_once(world):
    world.table.rows["NVDA"] = (security("NVDA", 100.0), world.clock.at - dt.timedelta(hours=23))
    world.vendor.poor = True
    world.vendor.split = [Split(ticker="NVDA", on=world.today, new=1, old=10)]
    await world.securities.load()
    assert world.known("NVDA").shares_outstanding == 10
    world.start()
    await world.securities.load()
    assert world.known("NVDA").shares_outstanding == 10
    assert world.securities.last_known("NVDA").shares_outstanding == 10


@pytest.mark.parametrize(("new", "old", "taken"), [(10, 1, 100.0), (1, 10, 10.0), (3, 2, 100.0)])
async def test_a_vendors_count_on_the_day_of_a_split_is_the_smaller_of_before_and_after(world, new, old, taken):
    world.vendor.split = [Split(ticker="NVDA", on=world.today, new=new, old=old)]
    await world.securities.load()
    assert world.securities.adjusted(security("NVDA", 100.0)).shares_outstanding == taken
    assert world.securities.adjusted(security("AMD", 100.0)).shares_outstanding == 100
    assert world.securities.adjusted(security("NVDA")).shares_outstanding is None


async def test_who_holds_or_watches_a_ticker_that_is_split_today_hears_of_it_once(world):
    world.vendor.split = [
        Split(ticker=ticker, on=on, new=10, old=1)
        for ticker, on in (("NVDA", world.today), ("AMD", world.today), ("TSLA", world.today + DAY))
    ]
    await world.securities.load()
    await world.securities.concern(("NVDA", "TSLA"))
    await world.securities.concern(("NVDA", "TSLA"))
    await world.securities.look()
    assert [(e.kind, e.ticker, e.values) for e in world.events] == [
        (EventKind.SPLIT_TODAY, "NVDA", {"new": 10, "old": 1})
    ]
    world.clock.at += DAY
    await world.securities.look()
    assert [e.ticker for e in world.events] == ["NVDA", "TSLA"]


async def test_a_split_that_can_not_be_told_now_is_told_later(world):
    world.vendor.split = [Split(ticker="NVDA", on=world.today, new=10, old=1)]
    await world.securities.load()
    world.runtime.bus.down = True
    await world.securities.concern(("NVDA",))
    world.runtime.bus.down = False
    await world.securities.look()
    assert len(world.events) == 1


async def test_the_days_splits_are_repeated_to_the_trader_complete(world):
    told = [Split(ticker=ticker, on=world.today, new=5, old=4) for ticker in ("NVDA", "AMD")]
    world.vendor.split = told
    await world.securities.repeat_splits()
    assert not world.splits, "nothing is known yet"
    await world.securities.load()
    world.runtime.bus.down = True
    await world.securities.repeat_splits()
    world.runtime.bus.down = False
    await world.securities.repeat_splits()
    await world.securities.repeat_splits()
    first, second = (s for s in world.splits if s.splits)
    assert (first.on, first.splits, second.splits) == (world.today, tuple(told), tuple(told))
    yesterday = world.today
    world.clock.at += DAY
    await world.securities.look()
    world.runtime.bus.published.clear()
    await world.securities.repeat_splits()
    *_, before, today = world.splits
    assert (before.on, before.splits) == (yesterday, tuple(told))
    assert (today.on, today.splits) == (world.today, ())
    assert len({s.id for s in world.splits}) == len(world.splits)


async def test_splits_that_a_machine_missed_while_it_was_off_are_told_for_some_days(world):
    """A paper account counts by them, and a stop of old shares means nothing."""
    on = world.today
    world.vendor.split = [Split(ticker="NVDA", on=on, new=10, old=1)]
    world.clock.at += 3 * DAY
    await world.securities.load()
    await world.securities.concern(("NVDA",))
    assert not world.events, "it is not today"
    await world.securities.repeat_splits()
    assert [s.on for s in world.splits if s.splits] == [on]
    assert all(s.on.weekday() < 5 for s in world.splits)
    asked = len(world.vendor.asked)
    world.clock.at += DAY
    await world.securities.look()
    assert world.vendor.asked[asked:].count("splits") == 1, "only the new day's"
    world.clock.at += 4 * DAY
    await world.securities.look()
    world.runtime.bus.published.clear()
    await world.securities.repeat_splits()
    assert not [s for s in world.splits if s.splits], "long ago"


async def test_a_vendor_without_splits_says_nothing_of_them(world):
    world.vendor.split = None
    await world.securities.load()
    await world.securities.repeat_splits()
    assert not world.splits


async def test_without_a_database_the_day_goes_on(world):
    world.table.down = True
    world.vendor.counts = {"NVDA": 24e9}
    await world.securities.load()
    assert world.known("NVDA").shares_outstanding == 24e9
    await world.securities.looked_up(security("AMD", 5.0), world.clock.at)
    assert world.securities.last_known("AMD").shares_outstanding == 5


async def test_a_find_that_the_broker_does_not_list_is_not_orderable(world):
    found = find("BRK.B"), find("XYZ")
    assert [world.securities.marked(each).discovery.orderable for each in found] == [True, True], "lists not read yet"
    world.listings = {"BRK.B": Listing(ticker="BRK.B", exchange=Exchange.NYSE, name_ko="버크셔")}
    await world.securities._renew_listings()
    assert [world.securities.marked(each).discovery.orderable for each in found] == [True, False]


async def test_each_part_is_renewed_until_the_stop(world):
    world.runtime.stop.set()
    async with asyncio.timeout(1):
        await world.securities.keep()


def find(ticker: str) -> Screened:
    at = dt.datetime(2026, 11, 18, 19, 38, tzinfo=dt.UTC)
    bar = Bar(ticker, int(at.timestamp() * 1000) - 60_000, 1.0, 1.0, 1.0, 1.0, 9.0)
    return Screened(
        id=ticker,
        ticker=ticker,
        discovery=Discovery(price=1, change_pct=6, volume=9, volume_ratio_pct=300, market_cap=None, bar_end_at=at),
        reference_close=1,
        average_volume=3,
        bars=(bar,),
        feed_delay_ms=0,
        created_at=at,
    )

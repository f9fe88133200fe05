"""The collector's knowledge of securities: read at the start, renewed each day, and the last good copy where that fails."""

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from core.model.instrument import Instrument, Listing, Split
from core.model.messages import Channel, Event, EventKind, Screened, SplitsOfDay, Value, message_id
from core.rules.days import us_date
from core.stages.collect import CollectStage
from ports.bus import BusUnavailable
from ports.market_data import NotInPlan, ReferenceData, ReferenceUnavailable
from ports.store import RecordStore, StoreUnavailable
from services.runtime import Runtime

log = logging.getLogger(__name__)
# A share count is trusted for a day; an older one serves only where a new one can't be had.
COUNT_AGE = dt.timedelta(hours=24)
LIST_AGE = dt.timedelta(hours=20)
LISTINGS_EVERY = dt.timedelta(hours=24)
LOOK_EVERY = dt.timedelta(minutes=10)
REPEAT_SPLITS = dt.timedelta(minutes=1)
# a machine that was off for so long still hears of the splits that it missed
SPLITS_KEPT = dt.timedelta(days=6)
SATURDAY = 5
START_S = 30.0
COPY = "securities.json"


class ListCopy(msgspec.Struct, frozen=True):
    """The file of the last list that came, and when."""

    at: dt.datetime
    listed: tuple[Instrument, ...]


class Securities:
    """Tells the stage what it needs to know, people of today's splits, and the database what securities are called."""

    def __init__(
        self,
        runtime: Runtime,
        reference: ReferenceData,
        records: RecordStore,
        listings: Callable[[], Mapping[str, Listing]],
        stage: CollectStage,
        on_change: Callable[[Instrument], None] = lambda _: None,
    ) -> None:
        """`listings` blocks; it runs in a thread of its own. `on_change` hears what the stage is told after the start."""
        self._runtime, self._reference, self._records = runtime, reference, records
        self._read_listings, self._stage, self._on_change = listings, stage, on_change
        self._copy = runtime.settings.state_dir / COPY
        self._names: dict[str, Instrument] = {}
        self._stored: dict[str, tuple[Instrument, dt.datetime]] = {}
        self._listings: Mapping[str, Listing] = {}
        self._splits: dict[dt.date, dict[str, Split]] = {}
        # of which US date they are; None until the vendor has told
        self._mine: frozenset[str] = frozenset()
        self._told: set[tuple[str, dt.date]] = set()
        self._list_at: dt.datetime | None = None
        self._done: dict[str, dt.date] = {}

    # -- the start ---------------------------------------------------------------------------------

    async def load(self) -> None:
        """Cached share counts that are not too old, the list of all active securities, today's splits and counts."""
        now = self._runtime.clock.now()
        try:
            self._stored = {each.ticker: (each, at) for each, at in await self._records.instruments()}
        except StoreUnavailable:
            log.warning("the database does not answer; starting without cached instruments")
        copy = await asyncio.to_thread(_read_copy, self._copy)
        if copy is None or not now - LIST_AGE <= copy.at <= now:
            copy = await self._fetch_list(now) or copy
        if copy is not None:
            self._take_list(copy)
        cached = [each for each, at in self._stored.values() if at >= now - COUNT_AGE]
        self._know(cached)
        self._runtime.note(instruments=len(self._names), cached=len(cached))
        with contextlib.suppress(TimeoutError):
            # the feed waits for this; what takes longer comes at the first look
            async with asyncio.timeout(START_S):
                await self._day(now)

    def _know(self, instruments: Iterable[Instrument]) -> None:
        """Tell the stage what is new to it."""
        known = {each.ticker: each for each in self._stage.known()}
        changed = [each for each in instruments if known.get(each.ticker) != each]
        self._stage.know(changed)
        for each in changed:
            # without a share count it is looked up when it is needed, and that is heard of by itself
            if each.shares_outstanding is not None:
                self._on_change(each)

    async def _fetch_list(self, now: dt.datetime) -> ListCopy | None:
        try:
            fetched = ListCopy(now, tuple(await self._reference.instruments()))
        except ReferenceUnavailable as trouble:
            log.warning("the list of securities is not available: %s", trouble)
            return None
        await asyncio.to_thread(_write_copy, self._copy, fetched)
        return fetched

    def _take_list(self, copy: ListCopy) -> None:
        """Types and names from the list; share counts that are known stay."""
        known = {each.ticker: each.shares_outstanding for each in self._stage.known()}
        self._names = {each.ticker: each for each in copy.listed}
        self._list_at = copy.at
        self._know(
            msgspec.structs.replace(each, shares_outstanding=known[each.ticker]) if known.get(each.ticker) else each
            for each in copy.listed
        )
        self._runtime.note(instruments=len(self._names), securities_at=copy.at.isoformat())

    # -- each day ----------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Renew until the stop."""
        await asyncio.gather(
            self._runtime.every(LISTINGS_EVERY.total_seconds(), self._renew_listings, least_s=60.0),
            self._runtime.every(LOOK_EVERY.total_seconds(), self.look, least_s=10.0),
            self._runtime.every(REPEAT_SPLITS.total_seconds(), self.repeat_splits, least_s=1.0),
        )

    async def look(self) -> None:
        """Do what this US date still lacks; what can't be had now is asked for at the next look."""
        now = self._runtime.clock.now()
        await self._day(now)
        old = self._list_at is None or now - self._list_at >= LIST_AGE
        if old and (copy := await self._fetch_list(now)) is not None:
            self._take_list(copy)
            await self._keep_names()
        await self._tell_splits(now)

    async def _day(self, now: dt.datetime) -> None:
        # splits first: a share count from before one is wrong by its measure
        await self._once("splits", self._renew_splits, now)
        await self._once("counts", self._renew_counts, now)
        await self._once("splits_before", self._missed_splits, now)

    async def _once(self, what: str, work: Callable[[dt.datetime], Awaitable[None]], now: dt.datetime) -> None:
        on = us_date(now)
        if self._done.get(what) == on:
            return
        try:
            await work(now)
        except NotInPlan as trouble:
            log.info("%s: %s", what, trouble)
            self._runtime.note(**{what: "not_in_plan"})
        except ReferenceUnavailable as trouble:
            log.warning("%s can't be had now: %s", what, trouble)
            return
        self._done[what] = on

    async def _renew_listings(self) -> None:
        """The broker's venues and Korean names; until they are here the vendor's must do."""
        self._listings = await asyncio.to_thread(self._read_listings)
        self._stage.listings_known(self._listings)
        self._runtime.note(listings=len(self._listings))
        await self._keep_names()

    async def _renew_splits(self, now: dt.datetime) -> None:
        on = us_date(now)
        self._splits = {day: splits for day, splits in self._splits.items() if on - day < SPLITS_KEPT}
        self._splits[on] = await self._splits_of(on)
        self._runtime.note(splits=len(self._splits[on]))
        adjusted: list[Instrument] = []
        for ticker, split in self._splits[on].items():
            stored, at = self._stored.get(ticker, (None, now))
            if stored is not None and stored.shares_outstanding is not None and us_date(at) < on:
                shares = stored.shares_outstanding * float(split.ratio)
                adjusted.append(msgspec.structs.replace(stored, shares_outstanding=shares))
        self._know(adjusted)
        await self._store(adjusted, now)

    async def _missed_splits(self, now: dt.datetime) -> None:
        on = us_date(now)
        for day in (on - dt.timedelta(days=n) for n in range(1, SPLITS_KEPT.days)):
            if day.weekday() < SATURDAY and day not in self._splits:
                self._splits[day] = await self._splits_of(day)

    async def _splits_of(self, on: dt.date) -> dict[str, Split]:
        return {each.ticker: each for each in await self._reference.splits(on) if each.on == on}

    async def _renew_counts(self, now: dt.datetime) -> None:
        counts = await self._reference.share_counts()
        fresh: list[Instrument] = []
        for ticker, shares in counts.items():
            each = self._stored[ticker][0] if ticker in self._stored else self._names.get(ticker)
            if each is not None and shares > 0:
                fresh.append(self.adjusted(msgspec.structs.replace(each, shares_outstanding=shares)))
        self._know(fresh)
        self._runtime.note(counts=len(fresh), counts_at=now.isoformat())
        await self._store(fresh, now)

    async def _keep_names(self) -> None:
        """Store what people may call a security by; a share count that is known keeps the age it has."""
        now = self._runtime.clock.now()
        aged: dict[dt.datetime, list[Instrument]] = {}
        try:
            for ticker, each in self._names.items():
                listing = self._listings.get(ticker)
                name_ko = listing.name_ko if listing else each.name_ko
                exchange = listing.exchange if listing else each.exchange
                stored, at = self._stored.get(ticker, (None, now))
                shares = stored.shares_outstanding if stored else None
                named = msgspec.structs.replace(each, name_ko=name_ko, exchange=exchange, shares_outstanding=shares)
                if named == stored:
                    continue
                self._stored[ticker] = (named, at)
                aged.setdefault(now if shares is None else at, []).append(named)
            for at, named_then in aged.items():
                await self._records.put_instruments(named_then, at)
        except StoreUnavailable:
            self._stored.clear()
            log.warning("the database does not answer; names are stored tomorrow")

    async def _store(self, instruments: Sequence[Instrument], at: dt.datetime) -> None:
        self._stored |= {each.ticker: (each, at) for each in instruments}
        try:
            await self._records.put_instruments(instruments, at)
        except StoreUnavailable:
            log.warning("the database does not answer; %d securities are not cached", len(instruments))

    # -- one by one --------------------------------------------------------------------------------

    def adjusted(self, found: Instrument) -> Instrument:
        """The share count on the day of a split: the vendor's may be of before it or after it, the smaller is taken."""
        today = self._splits.get(us_date(self._runtime.clock.now()), {})
        split, shares = today.get(found.ticker), found.shares_outstanding
        if split is None or shares is None:
            return found
        return msgspec.structs.replace(found, shares_outstanding=shares * min(1.0, float(split.ratio)))

    def last_known(self, ticker: str) -> Instrument | None:
        """What an earlier day knew, where it has a share count."""
        stored = self._stored.get(ticker)
        return stored[0] if stored is not None and stored[0].shares_outstanding is not None else None

    async def looked_up(self, found: Instrument, at: dt.datetime) -> None:
        """Cache a security that was looked up, under the broker's name and venue where they are known."""
        known = self._stored.get(found.ticker)
        if known is not None:
            found = msgspec.structs.replace(found, name_ko=known[0].name_ko, exchange=known[0].exchange)
        await self._store([found], at)

    def marked(self, message: Screened) -> Screened:
        """A find that the broker does not list is marked: nothing can be ordered."""
        if not self._listings or message.ticker in self._listings:
            return message
        log.warning("%s is not in the broker's lists", message.ticker)
        return msgspec.structs.replace(message, discovery=msgspec.structs.replace(message.discovery, orderable=False))

    # -- splits ------------------------------------------------------------------------------------

    async def concern(self, tickers: Iterable[str]) -> None:
        """These are held or watched: whoever owns them must hear of a split today."""
        self._mine = frozenset(tickers)
        await self._tell_splits(self._runtime.clock.now())

    async def _tell_splits(self, now: dt.datetime) -> None:
        for split in _of(self._splits.get(us_date(now), {}), self._mine):
            if (split.ticker, split.on) in self._told:
                continue
            values: dict[str, Value] = {"new": split.new, "old": split.old}
            key = message_id("split", split.ticker, split.on)
            event = Event(id=key, kind=EventKind.SPLIT_TODAY, at=now, ticker=split.ticker, values=values)
            try:
                await self._runtime.bus.publish(Channel.EVENTS, event)
            except BusUnavailable:
                return
            self._told.add((split.ticker, split.on))

    async def repeat_splits(self) -> None:
        """The trader holds stops back by them; said again and again, because messages get lost and processes restart."""
        now = self._runtime.clock.now()
        with contextlib.suppress(BusUnavailable):
            for on, splits in sorted(self._splits.items()):
                id_ = message_id("splits", on, now.isoformat())
                await self._runtime.bus.publish(
                    Channel.CONTROL, SplitsOfDay(id=id_, on=on, splits=tuple(splits.values()), at=now)
                )


def _of(splits: Mapping[str, Split], tickers: Collection[str]) -> list[Split]:
    return [splits[ticker] for ticker in sorted(splits.keys() & set(tickers))]


def _read_copy(path: Path) -> ListCopy | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ListCopy)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        log.warning("the copy of the list of securities can't be read: %s", type(error).__name__)
        return None


def _write_copy(path: Path, copy: ListCopy) -> None:
    try:
        partial = path.with_suffix(".part")
        partial.write_bytes(msgspec.json.encode(copy))
        partial.replace(path)
    except OSError as error:
        log.warning("the list of securities is not kept: %s", error.strerror)

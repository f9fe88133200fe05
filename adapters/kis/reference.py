"""KIS's public files and charts as `ports.market_data.ReferenceData`, for those who have no other vendor."""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from adapters.kis.market import CHART_ROWS, KisMarket, Mover
from adapters.kis.master import MasterRow, type_of
from core.model.bar import Bar
from core.model.instrument import Exchange, Instrument, Split
from ports.broker import BrokerUnavailable
from ports.clock import Clock
from ports.market_data import NotInPlan, ReferenceUnavailable

log = logging.getLogger(__name__)
# a chart page is two hours: the whole regular session, and what a screen or an indicator looks back to
MOST_PAGES = 4


class KisReference:
    """Names, venues and types come from the files, share counts and bars from the account's key."""

    def __init__(self, market: KisMarket, rows: Callable[[], Mapping[str, MasterRow]], *, clock: Clock) -> None:
        """`rows` gives the files' content and blocks; it runs in a thread of its own."""
        self._market, self._rows, self._clock = market, rows, clock
        self._listed: Mapping[str, MasterRow] = {}
        self._shares: dict[str, float] = {}

    def learn(self, movers: Iterable[Mover]) -> None:
        """Keep the share counts that came with a search: they need not be asked for one by one."""
        self._shares |= {mover.ticker: mover.shares for mover in movers if mover.shares is not None}

    def exchange(self, ticker: str) -> Exchange | None:
        """Where KIS lists it; None where it does not, or where the files were never read."""
        row = self._listed.get(ticker)
        return row.exchange if row else None

    async def instrument(self, ticker: str) -> Instrument | None:
        """One security with its share count; None where KIS does not list it."""
        if not self._listed:
            await self.instruments()
        row = self._listed.get(ticker)
        if row is None:
            return None
        shares = self._shares.get(ticker)
        if shares is None:
            try:
                shares = await self._market.shares(ticker, row.exchange)
            except BrokerUnavailable as error:
                raise ReferenceUnavailable(str(error)) from None
        return _instrument(row, shares)

    async def instruments(self) -> Sequence[Instrument]:
        """All US securities that KIS lists, without share counts. An empty list counts as no answer."""
        listed = await asyncio.to_thread(self._rows)
        if not listed:
            raise ReferenceUnavailable("KIS's symbol files were not reached")
        self._listed = listed
        return [each for row in listed.values() if (each := _instrument(row, None)) is not None]

    async def minute_bars(self, ticker: str, start: dt.datetime, end: dt.datetime) -> Sequence[Bar]:
        """Closed minute bars, oldest first, of the last eight hours before `end` at most: KIS gives two hours a call."""
        exchange = self.exchange(ticker)
        if exchange is None:
            raise ReferenceUnavailable(f"KIS does not list {ticker}")
        now_ms = self._clock.now().timestamp() * 1000
        first_ms, after_ms = int(start.timestamp() * 1000), int(end.timestamp() * 1000)
        found: dict[int, Bar] = {}
        before: dt.datetime | None = end
        try:
            for _ in range(MOST_PAGES):
                page = await self._market.bars(ticker, exchange, before=before)
                new = [bar for bar in page if bar.start_ms not in found]
                found |= {bar.start_ms: bar for bar in new}
                if not new or len(page) < CHART_ROWS or new[0].start_ms <= first_ms:
                    break
                before = new[0].start_at
        except BrokerUnavailable as error:
            raise ReferenceUnavailable(str(error)) from None
        starts = sorted(s for s, bar in found.items() if first_ms <= s < after_ms and bar.end_ms <= now_ms)
        return [found[start_ms] for start_ms in starts]

    async def daily_bars(self, ticker: str, first_on: dt.date, last_on: dt.date) -> Sequence[Bar]:
        """Not served: the collector asks for none, and nobody else may hold the account's key."""
        raise ReferenceUnavailable(f"KIS's feed has no days: {ticker}, {first_on} to {last_on}")

    async def share_counts(self) -> Mapping[str, float]:
        """Not served for the whole market: counts come with the searches, or one by one."""
        raise NotInPlan("KIS gives share counts one by one")

    async def splits(self, on: dt.date) -> Sequence[Split]:
        """Not served: a split shows in the account's shares only."""
        raise NotInPlan(f"KIS lists no splits of {on}")


def _instrument(row: MasterRow, shares: float | None) -> Instrument | None:
    try:
        return Instrument(
            ticker=row.ticker,
            name=row.name or row.ticker,
            name_ko=row.name_ko,
            exchange=row.exchange,
            security_type=type_of(row),
            shares_outstanding=shares,
        )
    except ValueError:
        return None

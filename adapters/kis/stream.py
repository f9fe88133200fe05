"""A `BarStream` made of KIS's rankings: what moves there becomes a ticker whose minute chart is read and passed on."""

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from typing import Protocol

import msgspec

from adapters.kis import codes, wire
from adapters.kis.market import KisMarket, Mover
from core.model.bar import MINUTE_MS, Bar
from core.model.batch import batch_of
from core.model.instrument import Exchange
from core.model.params import ScannerParams
from ports.broker import BrokerUnavailable
from ports.clock import Clock
from ports.market_data import Feed, FeedStatus

log = logging.getLogger(__name__)

RANK_EVERY = dt.timedelta(seconds=10)
SEARCH_EVERY = dt.timedelta(minutes=1)
REFUSED_WAIT = dt.timedelta(minutes=5)
IDLE_S, STEP_S = 30.0, 1.0
# KIS's bar of a minute is read this long after the minute; what changes later is read with the next ones
SETTLE_MS = 2_000
REVISED_MS = 3 * MINUTE_MS
# of a ticker that has just appeared only what has just closed is passed on: what was before is history, not news
FRESH_MS = 2 * MINUTE_MS
KEPT = dt.timedelta(minutes=30)
# Charts that are read one after the other go on together: fewer messages behind, at the price of this.
TOGETHER = dt.timedelta(seconds=2)
MOST_FOLLOWED = 60
# A ticker is followed before it meets the rules, so that its bars are there when it does.
EARLY = 0.5
# What KIS's growth of volume is measured against is not documented: the first of the ranking are enough.
MOST_SURGES = 10
REFUSED = frozenset({codes.Reason.KEY, codes.Reason.PERMISSION, codes.Reason.KIND})


class Known(Protocol):
    """What the feed needs of `adapters.kis.reference.KisReference`."""

    def exchange(self, ticker: str) -> Exchange | None:
        """Where KIS lists it."""
        ...

    def learn(self, movers: Iterable[Mover]) -> None:
        """Keep share counts."""
        ...


class _Followed(msgspec.Struct):
    """A ticker whose chart is read after each minute; `passed` are its newest bars as they were passed on until `until_ms`."""

    exchange: Exchange
    ranked_at: dt.datetime | None = None
    read_ms: int = 0
    until_ms: int = 0
    passed: dict[int, Bar] = {}


class KisStream:
    """Polls inside the gateway's lowest rank: a busy account makes this feed slower, never the other way round."""

    def __init__(
        self,
        market: KisMarket,
        known: Known,
        *,
        clock: Clock,
        params: Callable[[], ScannerParams],
        wanted: Callable[[], Collection[str]],
        trades_at: Callable[[dt.datetime], bool] = lambda _: True,
    ) -> None:
        """`wanted` are tickers (held, watched) whose bars are needed whatever the rankings say; `trades_at`: is a market open?"""
        self._market, self._known, self._clock = market, known, clock
        self._params, self._wanted, self._trades_at = params, wanted, trades_at
        self._out: asyncio.Queue[Feed | None] = asyncio.Queue()
        self._followed: dict[str, _Followed] = {}
        self._left: dict[str, int] = {}
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self._up = False
        self._said = ""
        self._day = ""
        self._waiting: list[Bar] = []
        self._waiting_since = self._rank_at = self._search_at = clock.now()

    async def events(self) -> AsyncGenerator[Feed, None]:
        """Batches of bars as their charts were read, and changes of the connection between them."""
        if self._worker is not None:
            raise RuntimeError("a stream has one reader")
        if self._closed:
            return
        self._worker = asyncio.create_task(self._work(), name="kis-stream")
        try:
            while (item := await self._out.get()) is not None:
                yield item
            ended = self._worker
        finally:
            await self._stop()
        if not self._closed:
            raise RuntimeError("the stream's worker ended by itself") from ended.exception()

    def lag_s(self) -> float:
        """Never behind: what has not been asked for has not arrived."""
        return 0.0

    async def close(self) -> None:
        """Stop asking; the reader's iteration ends."""
        self._closed = True
        await self._stop()
        self._out.put_nowait(None)

    async def _stop(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    # -- what is passed on -------------------------------------------------------------------------

    def _emit(self) -> None:
        """The one place where bars leave.

        Before the first ones of a day the connection is told anew: of what was not followed nothing was seen since.
        """
        bars, self._waiting = self._waiting, []
        day = wire.us_date(bars[-1].start_at)
        if day != self._day:
            self._day = day
            self._left.clear()
            self._out.put_nowait(FeedStatus(up=True, key="connected", detail="KIS"))
        self._out.put_nowait(batch_of(bars))

    def _say(self, *, up: bool, key: str, detail: str = "") -> None:
        if up and not self._up:
            self._day = wire.us_date(self._clock.now())
        self._up = up
        if key != self._said:
            self._said = key
            log.info("kis feed: %s %s", key, detail)
            self._out.put_nowait(FeedStatus(up=up, key=key, detail=detail))

    # -- the work ----------------------------------------------------------------------------------

    async def _work(self) -> None:
        try:
            while True:
                now = self._clock.now()
                trading = self._trades_at(now)
                due = self._due(now) if trading and self._up else None
                if self._waiting and (due is None or now - self._waiting_since >= TOGETHER):
                    self._emit()
                if not trading:
                    await self._clock.sleep(IDLE_S)
                elif now >= self._rank_at:
                    await self._rank(now)
                elif due is not None:
                    await self._read(due)
                else:
                    await self._clock.sleep(STEP_S)
        finally:
            self._out.put_nowait(None)

    async def _rank(self, now: dt.datetime) -> None:
        """One round of rankings, and the search where it is due. One answer is enough to be connected."""
        params = self._params()
        self._rank_at = now + RANK_EVERY
        searching = now >= self._search_at
        if searching:
            self._search_at = now + SEARCH_EVERY
        answered, failure = 0, BrokerUnavailable("no ranking was asked for")
        for exchange in Exchange:
            try:
                risers = await self._market.risers(exchange, params.timeframe_min, params.min_volume)
                surges = await self._market.surges(exchange, 1, params.min_volume)
                if searching:
                    self._known.learn(await self._search(exchange, params))
            except BrokerUnavailable as error:
                failure = error
                continue
            answered += 1
            rising = [m for m in risers if m.grown_pct >= params.price_change_pct * EARLY]
            # where there is no room for all, what rises goes before what is only traded more
            self._notice(surges[:MOST_SURGES], params, now - RANK_EVERY)
            self._notice(rising, params, now)
        if answered:
            self._say(up=True, key="connected", detail="KIS")
            return
        refused = codes.reason_of(failure.code) in REFUSED
        self._rank_at = now + (REFUSED_WAIT if refused else RANK_EVERY)
        self._say(up=False, key="kis_refused" if refused else "kis_away", detail=f"{failure.code} {failure}".strip())

    async def _search(self, exchange: Exchange, params: ScannerParams) -> list[Mover]:
        return await self._market.search(
            exchange,
            least_price=params.min_price,
            least_rate=params.price_change_pct,
            least_cap=params.min_market_cap,
            least_volume=params.min_volume,
        )

    def _notice(self, movers: Iterable[Mover], params: ScannerParams, at: dt.datetime) -> None:
        for mover in movers:
            if mover.last >= params.min_price:
                followed = self._follow(mover.ticker, mover.exchange)
                followed.ranked_at = max(at, followed.ranked_at or at)

    def _follow(self, ticker: str, exchange: Exchange) -> _Followed:
        """From where it was left today, so that no minute is missing in between."""
        if ticker not in self._followed:
            self._followed[ticker] = _Followed(exchange, until_ms=self._left.pop(ticker, 0))
        return self._followed[ticker]

    def _due(self, now: dt.datetime) -> str | None:
        """The ticker whose chart is read next: those that are needed first, then the newest in the rankings."""
        wanted = set(self._wanted())
        for ticker in wanted - self._followed.keys():
            if (exchange := self._known.exchange(ticker)) is not None:
                self._follow(ticker, exchange)
        self._forget(wanted, now)
        minute_ms = _last_minute(now)
        due = [(t, f) for t, f in self._followed.items() if f.read_ms < minute_ms]
        return min(due, key=lambda pair: (pair[0] not in wanted, -_stamp(pair[1].ranked_at)), default=(None,))[0]

    def _forget(self, wanted: Collection[str], now: dt.datetime) -> None:
        """Who has long been in no ranking is left, and beyond the most that are read, those who were there longest ago."""
        loose = [(t, f) for t, f in self._followed.items() if t not in wanted]
        loose.sort(key=lambda pair: -_stamp(pair[1].ranked_at))
        room = max(0, MOST_FOLLOWED - (len(self._followed) - len(loose)))
        for place, (ticker, followed) in enumerate(loose):
            if place >= room or followed.ranked_at is None or now - followed.ranked_at > KEPT:
                self._left[ticker] = followed.until_ms
                del self._followed[ticker]

    async def _read(self, ticker: str) -> None:
        """Read a chart and pass on what has closed since the last time, and what changed of it."""
        followed = self._followed[ticker]
        now = self._clock.now()
        followed.read_ms = _last_minute(now)
        try:
            chart = await self._market.bars(ticker, followed.exchange)
        except BrokerUnavailable as error:
            log.info("kis feed: no chart of %s: %s", ticker, error.code)
            return
        now_ms = int(now.timestamp() * 1000)
        closed = [bar for bar in chart if bar.end_ms <= now_ms]
        from_ms = followed.until_ms - REVISED_MS if followed.until_ms else followed.read_ms - FRESH_MS
        news = [b for b in closed if b.start_ms >= from_ms and followed.passed.get(b.start_ms) != b]
        if news:
            followed.until_ms = max(followed.until_ms, news[-1].end_ms)
            followed.passed = {b.start_ms: b for b in closed if b.start_ms >= followed.until_ms - REVISED_MS}
            if not self._waiting:
                self._waiting_since = now
            self._waiting += news


def _last_minute(now: dt.datetime) -> int:
    """The end, in epoch milliseconds, of the last minute whose bar can be read."""
    return (int(now.timestamp() * 1000) - SETTLE_MS) // MINUTE_MS * MINUTE_MS


def _stamp(at: dt.datetime | None) -> float:
    return at.timestamp() if at else 0.0

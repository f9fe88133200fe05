"""A report as a message: text, picture and period buttons from what the database and the bars hold."""

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence

from bot.desk import Desk
from bot.i18n import Translator
from bot.messenger import Picture
from bot.pictures import draw_report
from bot.reporting import Period, bounds, by_day
from bot.views import report_picture
from bot.views.base import View
from bot.views.report import ReportModel
from bot.views.report import report as words
from charts.cards import MAX_SMALL, SmallChart
from core.model.bar import Bar
from core.model.position import Position, RoundTrip
from core.model.session import MarketSession
from core.rules.performance import summarise
from ports.market_data import ReferenceUnavailable
from ports.store import StoreUnavailable, TradeRow

log = logging.getLogger(__name__)
BARS_S = 3.0
MARGIN = dt.timedelta(minutes=10)


async def model_of(desk: Desk, session: MarketSession, period: Period, trips: Sequence[RoundTrip]) -> ReportModel:
    """What a report says; positions that can't be read now are left out."""
    since, until = bounds(session, period)
    held: Sequence[Position] = ()
    try:
        held = [each for each in await desk.deps.records.positions() if each.opened_at < until]
    except StoreUnavailable as trouble:
        log.warning("a report without positions: %s", trouble)
    days = by_day(trips, since, until, desk.deps.calendar) if period != "day" else []
    return ReportModel(
        period=period,
        on=session.on,
        trips=trips,
        result=summarise(trips),
        days=days,
        held=held,
        now=desk.deps.clock.now(),
    )


async def draw(desk: Desk, model: ReportModel, t: Translator) -> Picture | None:
    """The report's picture; holding periods whose bars can't be had now are left out rather than waited for."""
    small = await _small(desk, model.trips, t) if model.period == "day" else ()
    return await draw_report(desk.deps, report_picture.picture(model, small, t))


async def compose(
    desk: Desk, session: MarketSession, period: Period, trips: Sequence[RoundTrip], t: Translator
) -> tuple[View, Picture | None]:
    """Text and picture."""
    model = await model_of(desk, session, period, trips)
    return words(model, t), await draw(desk, model, t)


async def _small(desk: Desk, trips: Sequence[RoundTrip], t: Translator) -> tuple[SmallChart, ...]:
    """Holding periods of the largest results, in order of time; only where bars are known."""
    found: list[SmallChart] = []
    fills: Sequence[TradeRow] = ()
    try:
        if trips:
            fills = await desk.deps.records.trades(
                min(x.opened_at for x in trips), max(x.closed_at for x in trips) + MARGIN
            )
    except StoreUnavailable as trouble:
        log.warning("a report without fills: %s", trouble)
    largest = sorted(trips, key=lambda trip: abs(trip.pnl_krw), reverse=True)[:MAX_SMALL]
    for trip in sorted(largest, key=lambda each: each.closed_at):
        bars = await _bars(desk, trip)
        if len(bars) >= 2:
            own = [x for x in fills if x.ticker == trip.ticker and trip.opened_at <= x.created_at <= trip.closed_at]
            found.append(report_picture.small_chart(trip, bars, own, t))
    return tuple(found)


async def _bars(desk: Desk, trip: RoundTrip) -> list[Bar]:
    """The bars of the holding period with some air, from memory or else from the vendor; empty where they miss it."""

    def within(bars: Sequence[Bar]) -> list[Bar]:
        chosen = [bar for bar in bars if trip.opened_at - MARGIN <= bar.start_at <= trip.closed_at + MARGIN]
        # a line that begins after the purchase would show another story
        return chosen if chosen and chosen[0].start_at <= trip.opened_at + MARGIN else []

    if known := within(desk.bars.of(trip.ticker)):
        return known
    try:
        async with asyncio.timeout(BARS_S):
            return within(await desk.deps.bars(trip.ticker, trip.closed_at + MARGIN))
    except (TimeoutError, ReferenceUnavailable):
        return []

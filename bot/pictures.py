"""Drawing for messages: a chart or report as a picture, or none where there is nothing to draw."""

import logging
from collections.abc import Sequence

from bot.deps import BotDeps
from bot.i18n import ET, Translator
from bot.messenger import Picture
from bot.views import chart
from bot.views.fills import urgent
from charts.equity import ReportSpec
from charts.spec import Level, Marker, Timeframe
from charts.worker import ChartBusyError
from core.model.bar import Bar
from core.model.messages import Event
from core.model.params import AnalyzerParams
from core.model.session import MarketSession
from ports.clock import Calendar

log = logging.getLogger(__name__)


def sessions_of(bars: Sequence[Bar], calendar: Calendar) -> list[MarketSession]:
    """The sessions that the bars belong to."""
    days = sorted({bar.start_at.astimezone(ET).date() for bar in bars})
    return [session for day in days if (session := calendar.session_on(day)) is not None]


async def draw(
    deps: BotDeps,
    ticker: str,
    name: str,
    bars: Sequence[Bar],
    params: AnalyzerParams,
    t: Translator,
    *,
    timeframe: Timeframe = "1m",
    levels: Sequence[Level] = (),
    markers: Sequence[Marker] = (),
) -> Picture | None:
    """The chart, or None without bars or when the drawing queue is full: a message goes out without its picture."""
    if not bars:
        return None
    try:
        sessions = sessions_of(bars, deps.calendar)
        spec = chart.spec(ticker, name, bars, params, sessions, t, timeframe=timeframe, levels=levels, markers=markers)
        return Picture(await deps.charts.render(spec), f"{ticker}_{timeframe}.png")
    except (ChartBusyError, ValueError) as trouble:
        log.warning("no chart of %s: %s", ticker, trouble)
        return None


async def draw_report(deps: BotDeps, spec: ReportSpec) -> Picture | None:
    try:
        return Picture(await deps.charts.render(spec), "report.png")
    except (ChartBusyError, ValueError) as trouble:
        log.warning("no report picture: %s", trouble)
        return None


async def draw_sale(
    deps: BotDeps, event: Event, bars: Sequence[Bar], params: AnalyzerParams, t: Translator
) -> Picture | None:
    """A sale on its chart."""
    name = str(event.values.get("name_ko") or event.values.get("name") or "")
    markers = chart.sale_markers(event, bars, stopped=urgent(event.values))
    return await draw(deps, event.ticker, name, bars, params, t, levels=chart.sale_levels(event), markers=markers)

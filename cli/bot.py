"""The bot's process: hands the bot its world. `python -m cli.bot`, started by `up` and `demo`."""

import asyncio
import datetime as dt
import sys
from collections.abc import Sequence

from adapters.calendar import load_calendar
from adapters.candidates import FileCandidates
from adapters.control import SocketControl
from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine
from adapters.db.foregone import SqlForegone
from adapters.db.outgoing import SqlOutbox
from adapters.db.records import SqlRecordStore
from adapters.polygon.rest import PolygonReference
from bot.app import run as serve
from bot.beats import file_beats
from bot.deps import BotDeps
from bot.i18n import ET
from charts.worker import ChartWorker
from cli.backtest_child import ChildBacktests
from config import environment
from config.calibration import Installed
from config.caps import caps_path, load_caps
from config.secondfactor import read_secret
from core.model.bar import Bar
from ports.clock import Calendar, Clock
from ports.market_data import ReferenceUnavailable
from services.fence import request_handback
from services.runtime import VERSION, Runtime, run, until_stopped

LEAST_BARS = dt.timedelta(minutes=30)
DAYS_LOOKBACK = dt.timedelta(days=365)
# at a scaled clock's speed a person's message is market minutes old before it arrives
PATIENCE_S = 60.0
MAX_PACE = 6.0


class Vendor:
    """The market data vendor's bars as the bot asks for them; without a vendor there are those of the bus only."""

    def __init__(self, reference: PolygonReference | None, calendar: Calendar, clock: Clock) -> None:
        self._reference, self._calendar, self._clock = reference, calendar, clock

    async def bars(self, ticker: str, until: dt.datetime) -> Sequence[Bar]:
        """Minute bars of the session; at night and on weekends the last one is what there is to see."""
        if self._reference is None:
            raise ReferenceUnavailable("charts of other tickers need Polygon's key")
        started = self._calendar.current_or_next(until).pre_open_at
        if until - started < LEAST_BARS:
            started = self._calendar.previous(until).pre_open_at
        return await self._reference.minute_bars(ticker, started, until)

    async def days(self, ticker: str) -> Sequence[Bar]:
        """A year of daily bars."""
        if self._reference is None:
            raise ReferenceUnavailable("daily bars need Polygon's key")
        today = self._clock.now().astimezone(ET).date()
        return await self._reference.daily_bars(ticker, today - DAYS_LOOKBACK, today)


async def main(runtime: Runtime) -> None:
    """Wire the bot."""
    telegram = environment.telegram(runtime.env)
    settings, clock = runtime.settings, runtime.clock
    engine = open_engine(settings.database_url)
    reference = None
    if runtime.params.scanner.feed == "polygon":
        polygon = environment.polygon(runtime.env)
        reference = PolygonReference(polygon.key, polygon.rest_url, clock=clock, package=polygon.package)
    charts = ChartWorker()
    calendar = load_calendar(settings.state_dir, clock.now().date())
    vendor = Vendor(reference, calendar, clock)

    async def halt() -> None:
        await asyncio.to_thread((settings.state_dir / "HALT").touch)

    async def handback() -> None:
        await asyncio.to_thread(request_handback, settings.state_dir)

    async def secret() -> str | None:
        return await asyncio.to_thread(read_secret, settings.state_dir)

    deps = BotDeps(
        token=telegram.token,
        owners=telegram.owners,
        viewers=telegram.viewers,
        version=VERSION,
        params=runtime.params,
        clock=clock,
        calendar=calendar,
        bus=runtime.bus,
        control=SocketControl(settings.socket("trader")),
        records=SqlRecordStore(engine),
        chat=SqlChatStore(engine),
        outbox=SqlOutbox(engine),
        foregone=SqlForegone(engine),
        charts=charts,
        bars=vendor.bars,
        days=vendor.days,
        api_base=telegram.api_url or None,
        halt=halt,
        beats=file_beats(settings.state_dir),
        handback=handback,
        secret=secret,
        caps=load_caps(caps_path(settings.config_path)),
        calibration=Installed(settings.state_dir).now,
        backtests=ChildBacktests(settings.state_dir, settings.config_path),
        candidates=FileCandidates(settings.state_dir),
        # a sandbox's clock runs faster than ours, and so may its chat
        pace=max(1.0, min(clock.speed / 10, MAX_PACE)) if telegram.api_url else 1.0,
        stale_after=dt.timedelta(seconds=PATIENCE_S * clock.speed),
    )
    try:
        await until_stopped(runtime, serve(deps, runtime.stop))
    finally:
        charts.close()
        if reference is not None:
            await reference.close()
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(run("bot", main, secrets=("TELEGRAM_BOT_TOKEN", "POLYGON_API_KEY")))

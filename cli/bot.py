"""The bot's process: hands the bot its world. `python -m cli.bot`, started by `up` and `demo`."""

import asyncio
import contextlib
import datetime as dt
import os
import sys
from collections.abc import Sequence
from pathlib import Path

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
from core.model.messages import BarsClosed, Channel, Screened
from ports.bus import Bus, BusUnavailable
from ports.clock import Calendar, Clock
from ports.market_data import ReferenceUnavailable
from ports.store import StoreUnavailable
from services.fence import request_handback
from services.runtime import VERSION, Runtime, run, until_stopped

LEAST_BARS = dt.timedelta(minutes=30)
DAYS_LOOKBACK = dt.timedelta(days=365)
# at a scaled clock's speed a person's message is market minutes old before it arrives
PATIENCE_S = 60.0
MAX_PACE = 6.0
HEARD = 2000
NICENESS = 5


class Heard:
    """The bars that the collector has passed on: for who has no vendor, of what is found, watched or held today."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def bars(self, ticker: str, until: dt.datetime) -> Sequence[Bar]:
        """What the bus still has of it, oldest first."""
        try:
            past = [*await self._bus.history(Channel.SCREENED, HEARD), *await self._bus.history(Channel.BARS, HEARD)]
        except BusUnavailable:
            raise ReferenceUnavailable("the bus does not answer") from None
        bars: dict[int, Bar] = {}
        for message in past:
            if isinstance(message, Screened | BarsClosed):
                heard = (*message.past, *message.bars) if isinstance(message, BarsClosed) else message.bars
                bars |= {bar.start_ms: bar for bar in heard if bar.ticker == ticker and bar.end_at <= until}
        if not bars:
            raise ReferenceUnavailable(f"nothing was heard of {ticker}")
        return [bars[start_ms] for start_ms in sorted(bars)]


class Vendor:
    """The market data vendor's bars as the bot asks for them."""

    def __init__(self, reference: PolygonReference, calendar: Calendar, clock: Clock) -> None:
        self._reference, self._calendar, self._clock = reference, calendar, clock

    async def bars(self, ticker: str, until: dt.datetime) -> Sequence[Bar]:
        """Minute bars of the session; at night and on weekends the last one is what there is to see."""
        started = self._calendar.current_or_next(until).pre_open_at
        if until - started < LEAST_BARS:
            started = self._calendar.previous(until).pre_open_at
        return await self._reference.minute_bars(ticker, started, until)

    async def days(self, ticker: str) -> Sequence[Bar]:
        """A year of daily bars."""
        today = self._clock.now().astimezone(ET).date()
        return await self._reference.daily_bars(ticker, today - DAYS_LOOKBACK, today)


class StateFiles:
    """What the bot asks for and reads by files of the state directory, without the other processes."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    async def halt(self) -> None:
        """Block every entry."""
        await asyncio.to_thread((self._state_dir / "HALT").touch)

    async def handback(self) -> None:
        """Ask the guardian to give the watch back."""
        await asyncio.to_thread(request_handback, self._state_dir)

    async def secret(self) -> str | None:
        """The second factor's secret, where one is enrolled."""
        return await asyncio.to_thread(read_secret, self._state_dir)


async def main(runtime: Runtime) -> None:
    """Wire the bot."""
    telegram = environment.telegram(runtime.env)
    settings, clock = runtime.settings, runtime.clock
    engine = open_engine(settings.database_url, runtime.name)
    reference = None
    if runtime.params.scanner.feed == "polygon":
        polygon = environment.polygon(runtime.env)
        reference = PolygonReference(polygon.key, polygon.rest_url, clock=clock, package=polygon.package)
    charts = ChartWorker()
    calendar = load_calendar(settings.state_dir, clock.now().date())
    vendor = Vendor(reference, calendar, clock) if reference is not None else None
    files = StateFiles(settings.state_dir)
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
        bars=vendor.bars if vendor is not None else Heard(runtime.bus).bars,
        days=vendor.days if vendor is not None else None,
        api_base=telegram.api_url or None,
        halt=files.halt,
        beats=file_beats(settings.state_dir),
        handback=files.handback,
        secret=files.secret,
        caps=load_caps(caps_path(settings.config_path)),
        calibration=Installed(settings.state_dir).now,
        backtests=ChildBacktests(settings.state_dir, settings.config_path),
        candidates=FileCandidates(settings.state_dir),
        # a sandbox's clock runs faster than ours, and so may its chat
        pace=max(1.0, min(clock.speed / 10, MAX_PACE)) if telegram.api_url else 1.0,
        stale_after=dt.timedelta(seconds=PATIENCE_S * clock.speed),
    )
    page = await _metrics(runtime, deps)
    try:
        await until_stopped(runtime, serve(deps, runtime.stop))
    finally:
        if page is not None:
            page.close()
        charts.close()
        if reference is not None:
            await reference.close()
        await engine.dispose()


async def _metrics(runtime: Runtime, deps: BotDeps) -> asyncio.Server | None:
    """The page for Prometheus, where a port is given; its library costs two megabytes."""
    await runtime.load_overrides(deps.chat)
    port = runtime.params.monitoring.metrics_port
    if not port:
        return None
    from services.metrics import exposition, read
    from services.metrics_server import serve_metrics

    async def page() -> bytes:
        bus, database = None, True
        with contextlib.suppress(BusUnavailable, TimeoutError):
            async with asyncio.timeout(1.0):
                bus = await deps.bus.look()
        try:
            async with asyncio.timeout(1.0):
                await deps.chat.last_run("health")
        except (StoreUnavailable, TimeoutError):
            database = False

        def made() -> bytes:
            return exposition(read(runtime.settings.state_dir, runtime.clock, bus, database=database))

        return await asyncio.to_thread(made)

    return await serve_metrics(port, page)


if __name__ == "__main__":
    # what is shown waits for what is bought and sold, where processors are short
    os.nice(NICENESS)
    sys.exit(run("bot", main, secrets=("TELEGRAM_BOT_TOKEN", "POLYGON_API_KEY")))

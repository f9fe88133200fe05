"""The real bot before the sandbox's Telegram, with a trader's socket that notes when /panic arrives."""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from pathlib import Path

from aiohttp import web

from adapters.calendar import load_calendar
from adapters.clock import SystemClock
from adapters.control import SocketControl, serve_control
from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine, upgrade
from adapters.db.foregone import SqlForegone
from adapters.db.outgoing import SqlOutbox
from adapters.db.records import SqlRecordStore
from bot.app import BotDeps, run
from bot.keyboards import Act, encode
from charts.worker import ChartWorker
from core.model.bar import MINUTE_MS, Bar
from core.model.commands import AnyCommand, Panic, Reply, ReplyKey, TraderStatus
from core.model.messages import AnyMessage, Channel
from core.model.params import Params
from core.model.safety import TradingState
from ports.bus import BusState, Delivery
from sandbox.telegram import DEFAULT_TOKEN, TelegramState, create_bot_api_app
from sandbox.telegram.model import User
from sandbox.telegram.person import Tap, send_text, tap

OWNER = 7001
STRANGERS = tuple(range(9101, 9121))
SLOW = ("/chart NVDA", "/report", "/positions", "/status", "/pnl week", "/trades", "/chart NVDA 5m", "/health")
PATIENCE_S = 120.0
# what Telegram allows would keep the owner's commands waiting for one another; here they all press on the loop
PACE = 1_000.0
BARS = 390


class QuietBus:
    """A bus on which nothing happens."""

    async def publish(self, channel: Channel, message: AnyMessage) -> None:
        """Nobody listens."""

    async def consume(self, _group: str, _channels: Sequence[Channel]) -> AsyncIterator[Delivery]:
        await asyncio.Event().wait()
        nothing: tuple[Delivery, ...] = ()
        for delivery in nothing:
            yield delivery

    async def ack(self, group: str, delivery: Delivery) -> None:
        """Nothing was delivered."""

    async def history(self, _channel: Channel, _limit: int) -> Sequence[AnyMessage]:
        return ()

    async def beat(self, process: str, fields: dict[str, str]) -> None:
        """Nobody looks."""

    async def heartbeats(self) -> dict[str, dict[str, str]]:
        return {}

    async def look(self) -> BusState:
        """Well."""
        return BusState(life="quiet")

    async def close(self) -> None:
        """Nothing is open."""


def minutes(ticker: str, until: dt.datetime) -> tuple[Bar, ...]:
    """A session's minute bars that end at an instant."""
    end = int(until.timestamp()) * 1000
    closes = [142.5 + (i % 17) * 0.1 for i in range(BARS)]
    return tuple(
        Bar(ticker, end - (BARS - i) * MINUTE_MS, close - 0.1, close + 0.3, close - 0.4, close, 10_000 + i)
        for i, close in enumerate(closes)
    )


class Trader:
    """Answers as a trader that holds nothing; `on_panic` is called when the command is read from the socket."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self.on_panic: Callable[[], None] = lambda: None

    async def answer(self, command: AnyCommand) -> Reply:
        if isinstance(command, Panic):
            self.on_panic()
        return Reply(ok=True, key=ReplyKey.DONE, status=self._status())

    def _status(self) -> TraderStatus:
        return TraderStatus(
            at=self._clock.now(),
            venue="paper",
            mode="approve",
            paused=False,
            panicked=False,
            entries_open=True,
            entry_blocks=(),
            broker_ok=True,
            broker_checked_at=self._clock.now(),
            positions=(),
            plans=(),
            orders=(),
            locks=(),
            state=TradingState.ACTIVE,
            blocks=(),
            buying_power_usd=Decimal(5000),
            krw_per_usd=Decimal(1400),
            bought_today_krw=Decimal(0),
            realized_today_krw=Decimal(0),
            round_trips_today=0,
        )


class PanicWorld:
    """One bot and everything it talks to; `state` is the Telegram it polls."""

    def __init__(self, root: Path, charts: ChartWorker) -> None:
        self.clock = SystemClock()
        people = (User(OWNER, "Owner", "ko"), *(User(who, f"Stranger {who}", "en") for who in STRANGERS))
        self.state = TelegramState(self.clock, users=people, groups=())
        self.trader = Trader(self.clock)
        self.charts = charts
        self._root = root
        self._stop = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The bot polls; at the end it has handled all that it fetched."""
        database = f"sqlite+aiosqlite:///{self._root / 'seohak.db'}"
        await asyncio.to_thread(upgrade, database)
        engine = open_engine(database)
        path = self._root / "trader.sock"
        server = await serve_control(path, self.trader.answer)
        runner = web.AppRunner(create_bot_api_app(self.state))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()

        async def bars(ticker: str, until: dt.datetime) -> Sequence[Bar]:
            return minutes(ticker, until)

        deps = BotDeps(
            token=DEFAULT_TOKEN,
            owners=frozenset({OWNER}),
            version="bench",
            params=Params(),
            clock=self.clock,
            calendar=await asyncio.to_thread(load_calendar, self._root, self.clock.now().date()),
            bus=QuietBus(),
            control=SocketControl(path),
            records=SqlRecordStore(engine),
            chat=SqlChatStore(engine),
            outbox=SqlOutbox(engine),
            foregone=SqlForegone(engine),
            charts=self.charts,
            bars=bars,
            api_base=f"http://127.0.0.1:{runner.addresses[0][1]}",
            pace=PACE,
        )
        bot = asyncio.create_task(run(deps, self._stop))
        try:
            await until(lambda: self.state.pollers.active or bot.done())
            if not bot.done():
                yield
        finally:
            self._stop.set()
            try:
                await asyncio.wait_for(bot, PATIENCE_S)
            finally:
                await runner.cleanup()
                server.close()
                await engine.dispose()

    def queue(self, count: int) -> None:
        """Two in five are the owner's slow commands, one in five the owner's presses, two in five strangers'."""
        for number in range(count):
            stranger = STRANGERS[number % len(STRANGERS)]
            match number % 5:
                case 0 | 2:
                    send_text(self.state, OWNER, SLOW[number % len(SLOW)])
                case 1:
                    tap(self.state, OWNER, Tap(1, data=encode(Act.REFRESH, "pending"), forge=True))
                case 3:
                    send_text(self.state, stranger, "/panic")
                case _:
                    tap(self.state, stranger, Tap(1, data=encode(Act.APPROVE, "plan", "nonce"), forge=True))


async def until(condition: Callable[[], object]) -> None:
    """Look again and again; raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.01)

"""A running bot before a sandbox Telegram: hands for people, eyes on the chat, messages from the services."""

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from aiohttp import web
from bot_fakes import (
    FakeBacktests,
    FakeBus,
    FakeCalendar,
    FakeCandidates,
    FakeChat,
    FakeForegone,
    FakeOutbox,
    FakeRecords,
    FakeTrader,
    StillClock,
)

from bot.app import BotDeps, run
from bot.beats import Beats
from charts.worker import ChartWorker
from core.model.bar import MINUTE_MS, Bar
from core.model.calibration import Calibration
from core.model.instrument import Exchange
from core.model.messages import (
    Channel,
    Event,
    EventKind,
    HeldPosition,
    HoldingsChanged,
    Screened,
    Signal,
    message_id,
)
from core.model.params import Params
from core.model.position import Position
from core.model.safety import Caps
from core.model.signal import Condition, Discovery, Indicators, SignalType, Verdict
from ports.market_data import ReferenceUnavailable
from sandbox.telegram import DEFAULT_TOKEN, TelegramState, create_bot_api_app
from sandbox.telegram.person import Tap, edit_text, forward, send_text, tap

OWNER, EVE = 7001, 9009
NOW = dt.datetime(2026, 11, 20, 15, 31, tzinfo=dt.UTC)
PATIENCE_S = 20


def bars(ticker: str = "NVDA", count: int = 60, last: float = 142.5) -> tuple[Bar, ...]:
    end = int(NOW.timestamp() * 1000)
    made = []
    for i in range(count):
        close = last - (count - 1 - i) * 0.2
        made.append(
            Bar(ticker, end - (count - i) * MINUTE_MS, close - 0.1, close + 0.3, close - 0.4, close, 10_000 + i)
        )
    return tuple(made)


def found(**changes) -> Discovery:
    base = {
        "price": 142.5,
        "change_pct": 6.2,
        "volume": 15_200,
        "volume_ratio_pct": 312.0,
        "market_cap": 3.5e12,
        "name": "NVIDIA Corp",
        "name_ko": "엔비디아",
        "bar_end_at": NOW,
    }
    return Discovery(**(base | changes))


def signal(kind: SignalType = SignalType.BUY, ticker: str = "NVDA", **changes) -> Signal:
    verdict = Verdict(
        signal=kind,
        confidence=87.0,
        met=(Condition.UPTREND, Condition.VOLUME_SURGE),
        unmet=(Condition.RSI_HEALTHY,),
        indicators=Indicators(close=142.5, ema_fast=142.0, ema_slow=140.0, rsi=72.1, relative_volume=3.1, bars=60),
    )
    return Signal(
        id=message_id("signal", ticker, kind),
        ticker=ticker,
        verdict=verdict,
        bar_end_at=NOW,
        created_at=NOW,
        valid_until=NOW + dt.timedelta(seconds=45),
        feed_delay_ms=0,
        discovery=changes.pop("discovery", found()),
        **changes,
    )


def event(kind: EventKind, subject: str = "", ticker: str = "NVDA", **values) -> Event:
    return Event(
        id=message_id(kind, subject, sorted(values.items())),
        kind=kind,
        at=NOW,
        ticker=ticker,
        subject=subject,
        values=values,
    )


def proposed(kind: EventKind = EventKind.PROPOSED, plan: str = "plan1", **changes) -> Event:
    values = {
        "signal_id": message_id("signal", "NVDA", SignalType.BUY),
        "nonce": "n1",
        "price": "142.50",
        "budget_krw": "1000000",
        "budget_usd": "714.28",
        "krw_per_usd": "1400",
        "tranches": 10,
        "interval_s": 60,
        "expires_at": (NOW + dt.timedelta(minutes=10)).isoformat(),
        "stop_price": "121.13",
        "target_price": "185.25",
        "worst_case_krw": "150000",
        "planned_qty": 5,
        "confidence": "87",
        "name": "NVIDIA Corp",
        "name_ko": "엔비디아",
    }
    return event(kind, plan, **(values | changes))


def tranche(k: int, plan: str = "plan1") -> Event:
    return event(
        EventKind.TRANCHE_FILLED,
        plan,
        tranche=k,
        of=10,
        qty=1,
        price="142.60",
        total_qty=k,
        avg_price="142.55",
        invested_krw=str(200_000 * k),
        stop_price="121.17",
        target_price="185.32",
    )


def position(ticker: str = "NVDA") -> Position:
    return Position(
        ticker=ticker,
        exchange=Exchange.NASD,
        name="NVIDIA Corp",
        name_ko="엔비디아",
        qty=7,
        bought_qty=7,
        bought_usd=Decimal("1002.40"),
        cost_usd=Decimal("1002.40"),
        fees_usd=Decimal("2.50"),
        cost_krw=Decimal(1_002_400),
        buy_count=10,
        target_count=10,
        stop_price=Decimal("121.72"),
        target_price=Decimal("186.16"),
        opened_at=NOW,
        plan_id="plan1",
        last_price=Decimal("150.00"),
        priced_at=NOW,
    )


@dataclass
class World:
    """Everything around one bot; the stores outlive a restart."""

    state: TelegramState
    api: str
    clock: StillClock
    charts: ChartWorker
    bus: FakeBus = field(default_factory=FakeBus)
    records: FakeRecords = field(default_factory=FakeRecords)
    chat: FakeChat = field(default_factory=FakeChat)
    outbox: FakeOutbox = field(default_factory=FakeOutbox)
    foregone: FakeForegone = field(default_factory=FakeForegone)
    params: Params = field(default_factory=Params)
    known: dict[str, tuple[Bar, ...]] = field(default_factory=dict)
    days: dict[str, tuple[Bar, ...]] = field(default_factory=dict)
    looked_up: list[tuple[str, dt.datetime]] = field(default_factory=list)
    vendor_down: bool = False
    halted: list[bool] = field(default_factory=list)
    beats: Beats = field(default_factory=lambda: Beats(trader_age_s=1.0, guardian_age_s=1.0))
    handbacks: list[bool] = field(default_factory=list)
    handback_fails: bool = False
    secret: str | None = None
    caps: Caps = field(default_factory=Caps)
    calibration: Calibration | None = None
    backtests: FakeBacktests | None = field(default_factory=FakeBacktests)
    candidates: FakeCandidates = field(default_factory=FakeCandidates)
    owners: frozenset[int] = frozenset({OWNER})
    # nobody waits for the pace of a chat here; tests of the pace set their own
    pace: float = 50.0
    servers_every_s: float = 10.0
    servers_patience_s: float = 60.0
    viewers: frozenset[int] = frozenset()
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task | None = None

    def __post_init__(self) -> None:
        self.trader = FakeTrader(self.clock)
        self.state.listen(lambda _: self.changed.set())

    async def start(self) -> None:
        async def look_up(ticker: str, until: dt.datetime):
            if self.vendor_down:
                raise ReferenceUnavailable("down")
            self.looked_up.append((ticker, until))
            return self.known.get(ticker, ())

        async def days(ticker: str):
            if self.vendor_down:
                raise ReferenceUnavailable("down")
            return self.days.get(ticker, ())

        async def halt() -> None:
            self.halted.append(True)

        async def beats() -> Beats:
            return self.beats

        async def handback() -> None:
            if self.handback_fails:
                raise OSError("read-only")
            self.handbacks.append(True)

        async def secret() -> str | None:
            return self.secret

        deps = BotDeps(
            token=DEFAULT_TOKEN,
            owners=self.owners,
            viewers=self.viewers,
            version="0.1.0",
            params=self.params,
            clock=self.clock,
            calendar=FakeCalendar(),
            bus=self.bus,
            control=self.trader,
            records=self.records,
            chat=self.chat,
            outbox=self.outbox,
            foregone=self.foregone,
            charts=self.charts,
            bars=look_up,
            days=days,
            api_base=self.api,
            halt=halt,
            beats=beats,
            beats_every_s=0.02,
            beats_grace_s=0.0,
            handback=handback,
            secret=secret,
            caps=self.caps,
            calibration=lambda: self.calibration,
            backtests=self.backtests,
            candidates=self.candidates,
            research_every_s=0.02,
            servers_every_s=self.servers_every_s,
            servers_patience_s=self.servers_patience_s,
            pace=self.pace,
        )
        self.stop.clear()
        self.task = asyncio.create_task(run(deps, self.stop))
        await self.until(lambda: self.state.pollers.active or self.task.done())

    async def close(self) -> None:
        self.stop.set()
        if self.task is not None:
            await asyncio.wait_for(self.task, PATIENCE_S)

    async def kill(self) -> None:
        """End the bot as a crash does: whatever it was doing is left where it is."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition; looks again whenever the chat changes, and every so often for what it can't see."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                if self.task is not None and self.task.done():
                    self.task.result()
                    raise AssertionError("the bot has ended")
                self.changed.clear()
                looking = asyncio.create_task(self.changed.wait())
                await asyncio.wait({looking}, timeout=0.02)
                looking.cancel()

    def texts(self, user: int = OWNER) -> list[str]:
        return [m.body.text for m in self.state.conversation(user).messages.values() if m.from_bot]

    def messages(self, user: int = OWNER):
        return [m for m in self.state.conversation(user).messages.values() if m.from_bot]

    def last(self):
        return self.messages()[-1]

    def labels(self, message) -> list[str]:
        rows = (message.keyboard or {}).get("inline_keyboard", [])
        return [button["text"] for row in rows for button in row]

    def data(self, message, label: str) -> str:
        rows = (message.keyboard or {}).get("inline_keyboard", [])
        return next(b["callback_data"] for row in rows for b in row if label in b["text"])

    def answers(self, user: int = OWNER) -> list[str]:
        return [a["text"] for a in self.state.conversation(user).answers]

    async def say(self, text: str, user: int = OWNER) -> int:
        """Write a message and wait for one more from the bot."""
        before = len(self.messages(user))
        sent = send_text(self.state, user, text)["message_id"]
        await self.until(lambda: len(self.messages(user)) > before)
        return sent

    def write(self, text: str, user: int = OWNER) -> int:
        return send_text(self.state, user, text)["message_id"]

    async def press(self, message, label: str, user: int = OWNER) -> None:
        """Tap a button and wait for the answer."""
        before = len(self.answers(user))
        tap(self.state, user, Tap(message.message_id, data=self.data(message, label)))
        await self.until(lambda: len(self.answers(user)) > before)

    async def forge(self, message_id: int, data: str, user: int = OWNER) -> None:
        before = len(self.answers(user))
        tap(self.state, user, Tap(message_id, data=data, forge=True))
        await self.until(lambda: len(self.answers(user)) > before)

    def edit(self, message_id: int, text: str) -> None:
        edit_text(self.state, OWNER, message_id, text)

    def forward(self, message_id: int) -> None:
        forward(self.state, OWNER, message_id)

    def fresh(self, message):
        """The message as it is now."""
        return self.state.conversation(message.chat.id).messages[message.message_id]

    async def tell(self, *events: Event) -> None:
        for each in events:
            await self.bus.publish(Channel.EVENTS, each)

    async def hold(self, *held: tuple[str, int, str], at: dt.datetime | None = None) -> None:
        """The trader publishes what it holds: ticker, shares, stop."""
        at = at or self.clock.now()
        positions = tuple(HeldPosition(ticker=t, qty=q, stop_price=Decimal(s)) for t, q, s in held)
        message = HoldingsChanged(id=message_id("holdings", at, *held), positions=positions, at=at)
        await self.bus.publish(Channel.CONTROL, message)

    async def delivered(self) -> None:
        """Until every event has become messages, and every message is in the chat."""
        await self.bus.idle(Channel.EVENTS)
        await self.until(lambda: all(row[1] in {"sent", "dropped"} for row in self.outbox.rows.values()))

    def texts_with(self, words: str) -> list:
        """The bot's messages that hold these words now."""
        return [m for m in self.messages() if words in m.body.text]

    async def screened(self, ticker: str = "NVDA") -> None:
        message = Screened(
            id=message_id("screened", ticker),
            ticker=ticker,
            discovery=found(),
            reference_close=134.2,
            average_volume=4_870.0,
            bars=bars(ticker),
            feed_delay_ms=0,
            created_at=NOW,
        )
        await self.bus.publish(Channel.SCREENED, message)

    async def card(self) -> object:
        """Screen, signal, proposal: until the card is in the chat."""
        before = len(self.messages())
        self.trader.plans["plan1"] = self.trader.plans.get("plan1") or _plan()
        await self.screened()
        await self.bus.idle(Channel.SCREENED)
        await self.bus.publish(Channel.SIGNAL, signal())
        await self.tell(proposed())
        await self.until(lambda: len(self.messages()) > before)
        # the bot has also written down which message it is
        await self.bus.idle(Channel.SIGNAL)
        await self.bus.idle(Channel.EVENTS)
        return self.last()


def _plan():
    from bot_fakes import FakePlan

    return FakePlan("NVDA", "n1")


async def serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def world(charts: ChartWorker) -> tuple[World, web.AppRunner]:
    clock = StillClock(NOW)
    state = TelegramState(clock)
    runner, api = await serve(create_bot_api_app(state))
    made = World(state, api, clock, charts)
    return made, runner

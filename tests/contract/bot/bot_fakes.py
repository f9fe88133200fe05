"""Fakes with real behaviour for everything the bot is handed: clock, calendar, bus, trader, stores."""

import asyncio
import datetime as dt
import struct
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from core.model.backtested import Caution, RunSummary, Warned
from core.model.candidate import Stance
from core.model.commands import (
    AdoptManual,
    Approve,
    AskStatus,
    Buy,
    CancelOrders,
    Ignore,
    Mute,
    OwnOrder,
    Panic,
    Pause,
    Reply,
    ReplyKey,
    Resume,
    Sell,
    SetMode,
    Settle,
    TraderStatus,
    Unlock,
)
from core.model.foregone import Foregone
from core.model.safety import TradingState
from core.model.session import MarketSession
from ports.bus import BusState, BusUnavailable, Delivery
from ports.control import TraderUnreachable
from ports.research import Ran, RunFailed, StoreDamaged, Why
from ports.store import OutMessage, StoreUnavailable

ET = ZoneInfo("America/New_York")
HOLIDAYS = {dt.date(2026, 11, 26), dt.date(2026, 12, 25), dt.date(2027, 1, 1)}
HALF_DAYS = {dt.date(2026, 11, 27), dt.date(2026, 12, 24)}


class StillClock:
    """Stands still until it is moved."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def now(self) -> dt.datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += dt.timedelta(seconds=seconds)
        await asyncio.sleep(0)


class FakeCalendar:
    """New York's sessions by rule."""

    def session_on(self, on: dt.date) -> MarketSession | None:
        if on.weekday() >= 5 or on in HOLIDAYS:
            return None

        def at(hour, minute=0):
            return dt.datetime(on.year, on.month, on.day, hour, minute, tzinfo=ET).astimezone(dt.UTC)

        half = on in HALF_DAYS
        return MarketSession(
            on=on,
            pre_open_at=at(4),
            open_at=at(9, 30),
            close_at=at(13 if half else 16),
            post_close_at=at(17 if half else 20),
            half_day=half,
        )

    def current_or_next(self, at: dt.datetime) -> MarketSession:
        day = at.astimezone(ET).date()
        while (found := self.session_on(day)) is None or found.post_close_at <= at:
            day += dt.timedelta(days=1)
        return found

    def previous(self, at: dt.datetime) -> MarketSession:
        day = at.astimezone(ET).date()
        while (found := self.session_on(day)) is None or found.close_at > at:
            day -= dt.timedelta(days=1)
        return found


class FakeBus:
    """Streams in memory: unacknowledged messages come again after a reconnect."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Delivery]] = defaultdict(list)
        self.acked: set[str] = set()
        self.published: list = []
        self.beats: dict[str, dict[str, str]] = {}
        self.down = self.full = False
        self.life = "1"
        self._changed = asyncio.Condition()
        self._taken: set[str] = set()

    async def publish(self, channel, message) -> None:
        if self.down:
            raise BusUnavailable("down")
        self.published.append((channel, message))
        # A message makes the round trip through JSON, as it does in Redis.
        copy = msgspec.json.decode(msgspec.json.encode(message), type=type(message))
        receipt = f"{channel}-{len(self.entries[channel])}"
        async with self._changed:
            self.entries[channel].append(Delivery(channel=channel, receipt=receipt, message=copy))
            self._changed.notify_all()

    async def consume(self, group, channels):
        self._taken = set(self.acked)
        while True:
            waiting = [d for c in channels for d in self.entries[c] if d.receipt not in self._taken]
            for delivery in waiting:
                self._taken.add(delivery.receipt)
                yield delivery
            if not waiting:
                async with self._changed:
                    known = sum(len(self.entries[c]) for c in channels)
                    if known == len(self._taken & {d.receipt for c in channels for d in self.entries[c]}):
                        await self._changed.wait()

    async def ack(self, group, delivery) -> None:
        self.acked.add(delivery.receipt)
        async with self._changed:
            self._changed.notify_all()

    async def idle(self, *channels) -> None:
        """Until everything published on these channels is acknowledged."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: all(d.receipt in self.acked for c in channels for d in self.entries[c])
            )

    async def history(self, channel, limit):
        return [d.message for d in self.entries[channel]][-limit:]

    async def beat(self, process, fields) -> None:
        self.beats[process] = fields

    async def look(self):
        if self.down:
            raise BusUnavailable("down")
        return BusState(life=self.life, full=self.full)

    async def heartbeats(self):
        if self.down:
            raise BusUnavailable("down")
        return self.beats

    async def close(self) -> None:
        return None


@dataclass
class FakePlan:
    """A proposal at the fake trader."""

    ticker: str
    nonce: str
    state: str = "PROPOSED"
    by: str = ""
    price: str = "142.50"
    moved_to: str = ""
    refuse: str = ""


@dataclass
class FakeTrader:
    """Decides as the real one does: nonce, state, first answer wins."""

    clock: StillClock
    plans: dict[str, FakePlan] = field(default_factory=dict)
    positions: tuple = ()
    locks: tuple = ()
    orders: tuple = ()
    mode: str = "approve"
    paused: bool = False
    panicked: bool = False
    unreachable: bool = False
    halted: bool = False
    blocks: tuple = ()
    open_plans: tuple = ()
    leaves_after: type | None = None
    commands: list = field(default_factory=list)
    answers: dict = field(default_factory=dict)
    hold: asyncio.Event | None = None

    async def send(self, command) -> Reply:
        if self.unreachable:
            raise TraderUnreachable("no socket")
        self.commands.append(command)
        if self.leaves_after is not None and isinstance(command, self.leaves_after):
            self.unreachable = True
        if self.hold is not None and not isinstance(command, Panic):
            await self.hold.wait()
        done = Reply(ok=True, key=ReplyKey.DONE)
        match command:
            case Approve() | Ignore():
                return self._decide(command)
            case AskStatus():
                return Reply(ok=True, key=ReplyKey.DONE, status=self.status())
            case Pause():
                self.paused = True
            case Resume() if self.halted:
                return Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": "halt_file"})
            case Resume():
                self.paused = self.panicked = False
                self.blocks = ()
            case Panic(liquidate=liquidate):
                self.panicked = True
                selling = len(self.positions) if liquidate else 0
                values = {"stopped": 0, "selling": selling}
                return Reply(ok=True, key=ReplyKey.DONE, values=values, status=self.status())
            case AdoptManual() | Settle() | OwnOrder():
                return self.answers.get(type(command), done)
            case SetMode(mode=mode):
                self.mode = mode
            case Sell(ticker=ticker) if all(p.ticker != ticker for p in self.positions):
                return Reply(ok=False, key=ReplyKey.NOT_HELD)
            case CancelOrders():
                return Reply(ok=False, key=ReplyKey.NOTHING_TO_DO)
            case Buy() | Sell() | Unlock() | Mute():
                pass
        return done

    def _decide(self, command) -> Reply:
        plan = self.plans.get(command.plan_id)
        if plan is None:
            return Reply(ok=False, key=ReplyKey.UNKNOWN_PLAN)
        if command.nonce != plan.nonce:
            return Reply(ok=False, key=ReplyKey.WRONG_NONCE)
        ignoring = isinstance(command, Ignore)
        if plan.state != "PROPOSED" and not (ignoring and plan.state == "RUNNING"):
            return Reply(ok=False, key=ReplyKey.ALREADY_DECIDED, values={"state": plan.state, "by": plan.by})
        if ignoring:
            plan.state, plan.by = "IGNORED", command.by
            return Reply(ok=True, key=ReplyKey.IGNORED)
        if plan.refuse:
            return Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": plan.refuse})
        if plan.moved_to:
            before, plan.price, plan.moved_to, plan.nonce = plan.price, plan.moved_to, "", plan.nonce + "b"
            values = {"price_before": before, "price_after": plan.price, "nonce": plan.nonce}
            return Reply(ok=False, key=ReplyKey.CHANGED, values=values)
        plan.state, plan.by = "RUNNING", command.by
        return Reply(ok=True, key=ReplyKey.APPROVED)

    @property
    def state(self) -> TradingState:
        if self.panicked or self.halted:
            return TradingState.HALTED
        return TradingState.REDUCING if self.paused or self.blocks else TradingState.ACTIVE

    def status(self) -> TraderStatus:
        return TraderStatus(
            at=self.clock.now(),
            venue="paper",
            mode=self.mode,
            paused=self.paused,
            panicked=self.panicked,
            entries_open=not (self.paused or self.panicked),
            entry_blocks=("panicked",) if self.panicked else ("paused",) if self.paused else (),
            broker_ok=True,
            broker_checked_at=self.clock.now(),
            positions=self.positions,
            plans=self.open_plans,
            orders=self.orders,
            locks=self.locks,
            buying_power_usd=Decimal("5000.00"),
            krw_per_usd=Decimal(1400),
            bought_today_krw=Decimal(0),
            realized_today_krw=Decimal(0),
            round_trips_today=0,
            state=self.state,
            blocks=self.blocks,
        )


class FakeRecords:
    """The user's tables in memory."""

    def __init__(self) -> None:
        self.signal_rows: list = []
        self.trade_rows: list = []
        self.held: list = []
        self.trips: list = []
        self.reports: dict = {}
        self.listed: list = []
        self.down = False

    def _up(self) -> None:
        if self.down:
            raise StoreUnavailable("down")

    async def signals(self, *, limit, ticker=""):
        self._up()
        return [r for r in reversed(self.signal_rows) if ticker in {"", r.ticker}][:limit]

    async def trades(self, since, until):
        self._up()
        return [r for r in self.trade_rows if since <= r.created_at < until]

    async def positions(self):
        self._up()
        return self.held

    async def round_trips(self, since, until):
        self._up()
        return [t for t in self.trips if since <= t.closed_at < until]

    async def instruments(self):
        self._up()
        return [(each, dt.datetime(2026, 11, 20, tzinfo=dt.UTC)) for each in self.listed]

    async def put_report(self, report) -> None:
        self._up()
        self.reports[report.on] = report

    async def report(self, on):
        return self.reports.get(on)


class FakeChat:
    """What the bot remembers, in memory; survives a bot that is stopped and started again."""

    def __init__(self) -> None:
        self.card_rows: dict = {}
        self.audits: list = []
        self.history: list = []
        self.runs: dict = {}
        self.preferences: dict = {}
        self.down = False

    def _up(self) -> None:
        if self.down:
            raise StoreUnavailable("down")

    async def put_card(self, card) -> None:
        self._up()
        self.card_rows[(card.chat_id, card.message_id)] = card

    async def cards(self, key):
        self._up()
        return [c for c in self.card_rows.values() if c.key == key]

    async def recent_cards(self, kind, *, limit):
        self._up()
        return [c for c in reversed(self.card_rows.values()) if c.kind == kind][:limit]

    async def audit(self, *, at, who, what, allowed, detail) -> None:
        self._up()
        self.audits.append((at, who, what, allowed, detail))

    async def audit_entries(self, *, limit):
        return self.audits[-limit:]

    async def put_override(self, override) -> None:
        self._up()
        self.history.append(override)

    async def overrides(self):
        self._up()
        return {o.key: o.new for o in self.history}

    async def override_history(self, *, limit):
        return list(reversed(self.history))[:limit]

    async def last_run(self, job):
        self._up()
        return self.runs.get(job)

    async def ran(self, job, at) -> None:
        self._up()
        self.runs[job] = at

    async def preference(self, user_id, key):
        self._up()
        return self.preferences.get((user_id, key))

    async def set_preference(self, user_id, key, value) -> None:
        self._up()
        self.preferences[(user_id, key)] = value


class FakeOutbox:
    """Messages on their way, in memory; survives a bot that is stopped and started again."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], list] = {}
        self.down = False

    def _up(self) -> None:
        if self.down:
            raise StoreUnavailable("down")

    async def put(self, messages):
        self._up()
        for m in messages:
            # through JSON, as in the database
            copy = msgspec.json.decode(msgspec.json.encode(m), type=OutMessage)
            kept = msgspec.structs.replace(copy, id=len(self.rows) + 1)
            self.rows.setdefault((m.key, m.chat_id), [kept, "waiting", None])
        mine = [self.rows[m.key, m.chat_id] for m in messages]
        return [row[0] for row in mine if row[1] == "waiting"]

    async def waiting(self):
        self._up()
        open_rows = [row for row in self.rows.values() if row[1] in {"waiting", "sending"}]
        return [msgspec.structs.replace(row[0], unsure=row[1] == "sending") for row in open_rows]

    async def handed_over(self, ids) -> None:
        self._up()
        for row in self.rows.values():
            if row[0].id in ids:
                row[1] = "sending"

    async def sent(self, ids, message_id, at) -> None:
        self._up()
        for row in self.rows.values():
            if row[0].id in ids:
                row[1:] = ["sent" if message_id else "dropped", message_id]


class FakeForegone:
    """The ledger in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, list] = {}
        self.down = False

    def _up(self) -> None:
        if self.down:
            raise StoreUnavailable("down")

    async def add(self, found) -> None:
        self._up()
        copy = msgspec.json.decode(msgspec.json.encode(found), type=Foregone)
        self.rows.setdefault(found.key, [copy, None, True])

    async def open(self, before):
        self._up()
        return [row[0] for row in self.rows.values() if row[2] and row[0].at < before]

    async def close(self, key, outcome) -> None:
        self._up()
        self.rows[key][1:] = [outcome, False]

    async def between(self, since, until):
        self._up()
        return [(row[0], row[1]) for row in self.rows.values() if since <= row[0].at < until]


def png(width: int = 320, height: int = 200) -> bytes:
    """A grey picture that Telegram takes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class FakeBacktests:
    """Runs that end when they are let; `asked` is what they were told, `result` what comes of settings."""

    def __init__(self) -> None:
        self.stored: list[dt.date] = []
        self.asked: list[tuple[dt.date, dt.date, dict, str]] = []
        self.held: asyncio.Event | None = None
        self.trouble: Exception | None = None
        self.damaged = ""
        self.result = lambda settings, first, last, count: run_summary(first, last, count)
        self._running: asyncio.Future | None = None

    async def days(self):
        if self.damaged:
            raise StoreDamaged(self.damaged)
        return self.stored

    async def run(self, first, last, settings, *, language=""):
        if self._running is not None:
            raise RunFailed(Why.BUSY)
        self.asked.append((first, last, dict(settings), language))
        self._running = asyncio.get_running_loop().create_future()
        try:
            if self.held is not None:
                waiting = asyncio.ensure_future(self.held.wait())
                await asyncio.wait({waiting, self._running}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
            if self._running.done():
                raise RunFailed(Why.STOPPED)
            if self.trouble is not None:
                raise self.trouble
        finally:
            self._running = None
        count = len([on for on in self.stored if first <= on <= last])
        return Ran(summary=self.result(settings, first, last, count), picture=png() if language else b"")

    async def stop(self) -> None:
        if self._running is not None and not self._running.done():
            self._running.set_result(None)


def run_summary(first, last, count, *, trips=12, krw=321_400) -> RunSummary:
    return RunSummary(
        first=first,
        last=last,
        sessions=count,
        trips=trips,
        wins=7,
        return_krw_pct=krw / 100_000,
        result_krw=krw,
        max_drawdown_pct=4.08,
        win_rate_pct=58.3,
        market_pct=1.14,
        cautions=(Warned(Caution.FEW_TRIPS, trips),),
    )


class FakeCandidates:
    """Candidates in memory; what was made of them outlives a restart."""

    def __init__(self) -> None:
        self.rows: dict = {}
        self.down = False

    def propose(self, candidate) -> None:
        self.rows[candidate.id] = (candidate, Stance())

    async def all(self):
        if self.down:
            raise PermissionError(13, "Permission denied")
        return sorted(self.rows.values(), key=lambda row: row[0].made_at, reverse=True)

    async def keep(self, candidate_id, stance) -> None:
        if self.down:
            raise PermissionError(13, "Permission denied")
        copy = msgspec.json.decode(msgspec.json.encode(stance), type=Stance)
        self.rows[candidate_id] = (self.rows[candidate_id][0], copy)
